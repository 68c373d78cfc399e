"""A pytest fixture: agents under test talk to a local server that answers from recordings alone.

    def test_my_agent(zerogravity_cassette):
        cassette = zerogravity_cassette("cassettes/my_agent")
        client = openai.OpenAI(base_url=cassette.openai_url, api_key="unused")

Record the folder once with ``zerogravity serve`` (or ``demo --trace DIR``). A request that was not recorded is
answered 400 ``cassette_miss`` with the difference to the nearest recording.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from zerogravity.testing.cassette import Library


@dataclass(frozen=True)
class Cassette:
    """A running replay of one folder."""

    url: str
    library: Library

    @property
    def openai_url(self) -> str:
        """Base URL for OpenAI clients."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL for Anthropic's clients."""
        return self.url

    @property
    def gemini_url(self) -> str:
        """Base URL for Google's clients."""
        return self.url

    @property
    def env(self) -> dict[str, str]:
        """Environment for a client in another process."""
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": "unused",
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": "unused",
            "GOOGLE_GEMINI_BASE_URL": self.gemini_url,
            "GEMINI_API_KEY": "unused",
        }

    def unused(self) -> list[str]:
        """Ids of recordings that have answered nothing."""
        return [trace.id for trace in self.library.unused()]


Start = Callable[..., Cassette]


@contextmanager
def cassettes(base: Path, **options: Any) -> Generator[Start]:
    """Starts servers for folders below ``base``; they stop when the block ends."""
    from zerogravity.testing.cassette import Library
    from zerogravity.testing.replay import Pace, parse_speed
    from zerogravity.testing.replay_server import in_thread

    with ExitStack() as running:

        def start(folder: str | Path, speed: str = "max") -> Cassette:
            library = Library(base / folder)
            served = in_thread(library.pick, recorded=library, pace=Pace(parse_speed(speed)), **options)
            url = running.enter_context(served)
            return Cassette(url, library)

        yield start


@pytest.fixture
def zerogravity_cassette(request: pytest.FixtureRequest) -> Iterator[Start]:
    """``zerogravity_cassette(folder, speed="max")`` → Cassette; ``folder`` is relative to the test's file."""
    with cassettes(request.path.parent) as start:
        yield start

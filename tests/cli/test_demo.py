"""What the demo prints: each surface's stream, its first delta beside that of a poller, and what goes wrong."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from zerogravity.cli import demo
from zerogravity.core.events import AttemptClosed, AttemptOpened, Finished, TextDelta
from zerogravity.errors import bad_request
from zerogravity.observe import trace_reader
from zerogravity.surfaces import REGISTRY
from zerogravity.testing.replay_server import in_thread
from zerogravity.testing.simulator.stack import StackOptions

ANSWER = b'{"candidates":[{"content":{"parts":[{"text":"Blue light scatters."}]},"finishReason":"STOP"}]}'


@pytest.fixture
def spoken(recording, make_turn):
    """The trace of a short answer."""
    made = recording()
    running = made.store.open(make_turn())
    running.append(0, b"", (AttemptOpened(),))
    running.append(0, ANSWER, (TextDelta("Blue light scatters."),))
    running.append(0, b"", (AttemptClosed("STOP"),))
    running.close(Finished("stop"))
    made.flush()
    return trace_reader.find(made.root)


@pytest.fixture
def stack(monkeypatch):
    """``stack(url, first_step_s)``: the path that the demo starts is the gateway at ``url``."""

    def use(url, first_step_s):
        class Fake:
            def __init__(self, options):
                self.url, self.ls = url, SimpleNamespace(first_step_text_after_s=lambda: first_step_s)

            async def __aenter__(self):
                return self

            async def __aexit__(self, *_):
                return None

        monkeypatch.setattr(demo, "Stack", Fake)

    return use


@pytest.mark.parametrize(
    ("first_step_s", "poller"), [(0.25, "after 400 ms"), (None, "a client that polls the LS's steps would have seen")]
)
async def test_every_surface_is_shown(spoken, stack, capsys, first_step_s, poller):
    with in_thread(lambda turn: spoken) as url:
        stack(url, first_step_s)
        assert await demo.run(StackOptions()) == 0
    shown = capsys.readouterr().out
    for surface in REGISTRY.values():
        assert f"{surface.title:<10} POST {surface.url('…', stream=True)}" in shown
    assert shown.count("text       Blue light scatters.") == len(REGISTRY)
    assert shown.count("  usage  ") == shown.count(poller) == len(REGISTRY)


async def test_a_surface_that_fails_is_named(stack, capsys):
    def refuses(turn):
        raise bad_request("nothing was recorded")

    with in_thread(refuses) as url:
        stack(url, None)
        assert await demo.run(StackOptions()) == 1
    assert capsys.readouterr().out.count("failed: HTTP 400") == len(REGISTRY)

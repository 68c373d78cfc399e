"""The kit's face: every name is there, and the example of its documentation is a test suite that passes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from zerogravity import testing
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.surfaces import REGISTRY
from zerogravity.testing import builders, check

ANSWER = b'{"candidates":[{"content":{"parts":[{"text":"It is 2."}]},"finishReason":"STOP"}]}'


def test_every_public_name_is_there() -> None:
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    assert set(testing._FROM) | {"builders"} == set(testing.__all__)
    assert not hasattr(testing, "no_such_name")
    assert set(check.__all__) <= set(testing.__all__)
    assert {surface.check.__name__ for surface in REGISTRY.values()} <= set(check.__all__)


def test_the_fixture_costs_nothing() -> None:
    code = "import sys, zerogravity.testing.pytest_plugin; print({'aiohttp', 'mitmproxy', 'orjson'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_the_example_of_the_documentation(recording, tmp_path: Path) -> None:
    made = recording(tmp_path / "cassettes" / "my_agent")
    channel = made.store.open(builders.turn(google_request=builders.google_request("1+1?")))
    channel.append(0, b"", (AttemptOpened(),))
    channel.append(0, ANSWER, (TextDelta("It is 2."),))
    channel.close(Finished("stop"))
    made.flush()
    assert testing.__doc__ is not None
    example = testing.__doc__.partition("your own::\n")[2].partition("\nNames are imported")[0]
    (tmp_path / "test_example.py").write_text(textwrap.dedent(example))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto",
               "--rootdir", str(tmp_path), str(tmp_path)]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout

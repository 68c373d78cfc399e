"""What is found out about Google's runtime without calling Google."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.runtime.conftest import KEY, Program, own_temporary_folder, program
from zerogravity.backends.runtime.settings import Settings, Vertex
from zerogravity.observe import runtime

__all__ = ["own_temporary_folder", "program"]
HERE = Path(__file__)


async def test_it_starts_and_is_ended(program: Program) -> None:
    made, login = [check async for check in runtime.checks(program.settings)]
    assert (made.name, made.ok, login.name, login.ok) == ("runtime", True, "login", True)
    assert made.text == f"{program.path} (google-antigravity of an unknown version) starts"
    assert len(program.starts) == 1  # what is left of it is looked for by the fixture
    assert KEY not in f"{made}{login}"


@pytest.mark.parametrize(
    ("start", "text"), [("crash", "ended as it started"), ("wrong", "does not answer as the runtime does")]
)
async def test_one_that_does_not_start(program: Program, start: str, text: str) -> None:
    program.behave(start=start)
    check = await runtime.program(program.settings)
    assert (check.ok, text in check.text, "install it again" in check.fix) == (False, True, True)


@pytest.mark.parametrize(
    ("settings", "text", "fix"),
    [
        (Settings(), "is not installed", "pip install -e"),
        (Settings(named="/nowhere"), "/nowhere is no program", "runtime_path"),
    ],
)
async def test_there_is_none(settings: Settings, text: str, fix: str) -> None:
    check = await runtime.program(settings)
    assert (check.ok, text in check.text, fix in check.fix) == (False, True, True)


@pytest.mark.parametrize(
    ("settings", "ok", "text", "fix"),
    [
        (Settings(HERE), False, "no API key", "GEMINI_API_KEY"),
        (Settings(HERE, vertex=Vertex("p")), False, "nor a project", "GOOGLE_CLOUD_LOCATION"),
        (Settings(HERE, KEY, key_from="runtime_key"), True, "API key of runtime_key, for the Gemini API", ""),
        (Settings(HERE, KEY, Vertex(), key_from="GOOGLE_API_KEY"), True, "GOOGLE_API_KEY, for Vertex AI", ""),
        (Settings(HERE, vertex=Vertex("p", "l", HERE)), True, "test_runtime.py, for Vertex AI, project p", ""),
        (Settings(HERE, vertex=Vertex("p", "l")), True, "on Google Cloud, if it has one", "gcloud auth"),
    ],
)
def test_login(settings: Settings, ok: bool, text: str, fix: str) -> None:
    check = runtime.login(settings)
    assert (check.ok, text in check.text, bool(check.fix)) == (ok, True, bool(fix))
    assert fix in check.fix

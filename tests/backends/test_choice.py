"""Which back end a configuration means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zerogravity import config as configuration
from zerogravity.backends import choice
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.choice import choose, google_of, runtime_settings, strange_google
from zerogravity.backends.runtime import settings as runtime
from zerogravity.hosts import CODE_ASSIST, GOOGLE, PUBLIC, VERTEX

READY = {"GEMINI_API_KEY": "key"}
EDITOR = Endpoint("http://127.0.0.1:1", "token", kind="editor")
SIMULATOR = Endpoint("http://127.0.0.1:1", "token", kind="simulator")
API = f"https://{PUBLIC[0]}"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runtime, "_installed", lambda: None)
    program = tmp_path / "localharness"
    program.touch(0o700)
    return program


def config(**given: Any) -> configuration.Config:
    return configuration.load(given, env={}).config


@pytest.mark.parametrize(
    ("given", "google", "environment", "found", "chosen"),
    [
        # said
        ({"ls": "editor"}, "", READY, None, "editor"),
        ({"ls": "runtime"}, "", {}, EDITOR, "runtime"),
        ({"ls": "runtime"}, GOOGLE, {}, EDITOR, "runtime"),
        # by what is there
        ({}, "", READY, None, "runtime"),
        ({}, "", READY, EDITOR, "editor"),
        ({}, "", READY, SIMULATOR, "runtime"),
        ({}, "", {}, None, "editor"),
        ({}, "", {}, SIMULATOR, "editor"),
        ({"runtime_key": "key"}, "", {}, None, "runtime"),
        ({"runtime_path": "/no/where"}, "", READY, None, "editor"),
        # by what else is said
        ({"ls_url": "http://127.0.0.1:1"}, "", READY, None, "editor"),
        ({"ls_command": "ls"}, "", READY, None, "editor"),
        ({"intercept": False}, "", READY, None, "editor"),
        *(({}, f"https://{host}", READY, None, "editor") for host in CODE_ASSIST),
        ({}, API, READY, None, "runtime"),
        ({}, API, READY, EDITOR, "editor"),
        ({}, "http://127.0.0.1:1", READY, None, "runtime"),
    ],
)
async def test_the_choice(
    given: dict[str, Any],
    google: str,
    environment: dict[str, str],
    found: Endpoint | None,
    chosen: str,
    installed: Path,
) -> None:
    async def find() -> Endpoint | None:
        return found

    there = {runtime.PATH_VARIABLE: str(installed)}
    made = await choose(config(**given), google, environment=environment | there, find=find)
    assert (made.ls, bool(made.why)) == (chosen, True)


@pytest.mark.parametrize(("given", "chosen"), [({}, "editor"), ({"ls": "runtime"}, "runtime")])
async def test_a_runtime_whose_calls_cannot_come_here_is_chosen_only_by_name(
    given: dict[str, Any], chosen: str, installed: Path
) -> None:
    """In mitmproxy's modes local and transparent an editor may still be started."""

    async def find() -> Endpoint | None:
        return None

    there = READY | {runtime.PATH_VARIABLE: str(installed)}
    made = await choose(config(**given), environment=there, find=find, routed=False)
    assert made.ls == chosen


@pytest.mark.parametrize(
    ("given", "environment"),
    [({"ls": "editor"}, READY), ({"ls": "runtime"}, READY), ({"ls_command": "ls"}, READY), ({}, {})],
)
async def test_nobody_is_looked_for_where_that_decides_nothing(
    given: dict[str, Any], environment: dict[str, str], installed: Path
) -> None:
    async def find() -> Endpoint | None:
        raise AssertionError

    there = {runtime.PATH_VARIABLE: str(installed)}
    assert await choose(config(**given), environment=environment | there, find=find)


async def test_an_editors_is_looked_for_with_what_is_known_of_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str | None, Path | None]] = []

    async def discover(*, csrf: str | None, cert: Path | None) -> Endpoint | None:
        asked.append((csrf, cert))
        return None

    monkeypatch.setattr(choice, "discover", discover)
    there = READY | {runtime.PATH_VARIABLE: str(installed)}
    await choose(config(ls_csrf="token", ls_cert="its.pem"), environment=there)
    assert asked == [("token", Path("its.pem"))]


@pytest.mark.parametrize(
    ("ls", "google", "named"),
    [
        ("runtime", GOOGLE, API),
        ("runtime", f"{GOOGLE}:443", API),
        ("runtime", API, ""),
        ("runtime", "http://127.0.0.1:1", ""),
        ("runtime", "", ""),
        ("editor", API, GOOGLE),
        ("editor", f"https://{VERTEX[-1]}:443", GOOGLE),
        ("editor", GOOGLE, ""),
        ("editor", "http://127.0.0.1:1", ""),
    ],
)
def test_a_google_that_does_not_serve_these_calls(ls: Any, google: str, named: str) -> None:
    fault = strange_google(ls, google, runtime.Settings())
    assert (fault is not None) is bool(named)
    if fault is not None:
        assert f"--mode reverse:{named}@127.0.0.1:8742" in fault.remedy


@pytest.mark.parametrize(("ls", "wanted"), [("editor", GOOGLE), ("runtime", API)])
def test_where_its_calls_go(ls: Any, wanted: str) -> None:
    assert google_of(ls, runtime.Settings()) == wanted


def test_the_runtimes_settings_are_those_of_the_configuration(installed: Path) -> None:
    made = runtime_settings(config(runtime_path=str(installed), runtime_key="ours"), READY)
    assert (made.binary, made.key) == (installed, "ours")
    assert "ours" not in repr(made)

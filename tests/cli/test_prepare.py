"""The files and the environment of one run."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from zerogravity.agents.agent import StandIn, Start
from zerogravity.cli.prepare import environment, prepare

OURS = json.dumps({"auth": {"kind": "key"}, "model": "m"})


def stand_in(folder: Path, *merged: str) -> Start:
    return Start({}, files={"settings.json": OURS}, stands_in=StandIn("THE_HOME", str(folder), ".x", frozenset(merged)))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("THE_HOME", raising=False)
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def test_files_are_ours_alone(own: Path) -> None:
    prepare(Start({}, files={"a.json": "{}"}), own)
    assert (own / "a.json").read_text() == "{}"
    assert stat.S_IMODE((own / "a.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_folder_that_stands_in_has_the_users_other_files(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    theirs = tmp_path / "home" / ".x"
    (theirs / "sessions").mkdir(parents=True)
    (theirs / "keys").write_text("k")
    (theirs / "settings.json").write_text('{"auth": {"kind": "login", "more": 1}, "theme": "dark"}')
    if by_variable:
        monkeypatch.setenv("THE_HOME", str(tmp_path / "home"))
    prepare(stand_in(tmp_path / ("nowhere" if by_variable else "home"), "settings.json"), own)
    made = own / ".x"
    assert (made / "keys").read_text() == "k"
    (made / "sessions" / "new").touch()
    assert (theirs / "sessions" / "new").exists()
    merged = {"auth": {"kind": "key", "more": 1}, "theme": "dark", "model": "m"}
    assert json.loads((made / "settings.json").read_text()) == merged
    assert json.loads((theirs / "settings.json").read_text())["auth"]["kind"] == "login", "theirs stays as it is"


def test_without_a_folder_of_the_users_there_is_ours_alone(own: Path, tmp_path: Path) -> None:
    prepare(stand_in(tmp_path / "nowhere", "settings.json"), own)
    assert [entry.name for entry in (own / ".x").iterdir()] == ["settings.json"]


def test_a_file_that_is_not_merged_takes_the_place_of_theirs(own: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / ".x").mkdir(parents=True)
    (tmp_path / "home" / ".x" / "settings.json").write_text("- yaml")
    prepare(stand_in(tmp_path / "home"), own)
    assert (own / ".x" / "settings.json").read_text() == OURS


def test_settings_that_cannot_be_read_are_named(own: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / ".x").mkdir(parents=True)
    (tmp_path / "home" / ".x" / "settings.json").write_text("{ // mine\n}")
    with pytest.raises(OSError, match=r"settings\.json is not plain JSON"):
        prepare(stand_in(tmp_path / "home", "settings.json"), own)


@pytest.mark.parametrize(
    ("theirs", "made"),
    [
        ({"A": "1", "GONE": "x"}, {"A": "1", "SET": "s"}),
        ({"SET": "old"}, {"SET": "s"}),
        ({"HTTPS_PROXY": "http://p"}, {"HTTPS_PROXY": "http://p", "SET": "s"}),
        ({"http_proxy": "http://p"}, {"http_proxy": "http://p", "SET": "s", "NO_PROXY": "127.0.0.1,localhost,::1",
                                      "no_proxy": "127.0.0.1,localhost,::1"}),
        ({"ALL_PROXY": "p", "NO_PROXY": "x"}, {"ALL_PROXY": "p", "SET": "s", "NO_PROXY": "x,127.0.0.1,localhost,::1",
                                               "no_proxy": "127.0.0.1,localhost,::1"}),
    ],
)  # fmt: skip
def test_the_environment(theirs: dict[str, str], made: dict[str, str]) -> None:
    assert environment(theirs, Start({"SET": "s", "GONE": None})) == made

"""An editor's settings: shown, written with a backup, taken back exactly."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from tests.cli.typed import run

pytestmark = pytest.mark.usefixtures("home")
MINE = '{\r\n  // my own\r\n  "editor.fontSize": 14, "files.exclude": {"*.pyc": true,},\r\n}\r\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "User" / "settings.json"


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode())
    return file


def test_it_is_shown_and_nothing_is_touched(file: Path) -> None:
    done = run("setup", "cursor", "--file", file)
    assert done.exit_code == 0
    assert '"http.proxy": "http://127.0.0.1:8742"' in done.stdout
    assert "serve --mode proxy" in done.stdout
    assert not file.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is another folder")
def test_the_user_s_own_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert str(tmp_path / "Antigravity/User/settings.json") in run("setup", "antigravity").stdout


def test_written_and_taken_back_exactly(file: Path) -> None:
    written(file, MINE).chmod(0o640)
    for port in (8742, 9000):
        assert run("setup", "vscode", "--write", "--file", file, "--proxy-port", port).exit_code == 0
    text = file.read_bytes().decode()
    assert text == MINE.replace("\r\n}", '\r\n  "http.proxy": "http://127.0.0.1:9000"\r\n}')
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    backup = file.with_name("settings.json.zerogravity-backup")
    assert backup.read_bytes().decode() == MINE
    assert run("setup", "vscode", "--undo", "--file", file).exit_code == 0
    assert file.read_bytes().decode() == MINE
    assert list(file.parent.iterdir()) == [file]


def test_what_was_changed_since_stays(file: Path) -> None:
    written(file, '{\n  "http.proxy": "http://old"\n}\n')
    assert run("setup", "vscode", "--write", "--file", file).exit_code == 0
    file.write_text(file.read_text().replace("{\n", '{\n  "new": 1,\n'))
    assert run("setup", "vscode", "--undo", "--file", file).exit_code == 0
    assert file.read_text() == '{\n  "new": 1,\n  "http.proxy": "http://old"\n}\n'


def test_where_there_was_no_file_there_is_none_again(file: Path) -> None:
    assert run("setup", "vscode", "--write", "--file", file).exit_code == 0
    assert file.read_text() == '{\n    "http.proxy": "http://127.0.0.1:8742"\n}\n'
    assert "already" in run("setup", "vscode", "--write", "--file", file).stderr
    assert run("setup", "vscode", "--undo", "--file", file).exit_code == 0
    assert not file.exists()
    assert run("setup", "vscode", "--undo", "--file", file).exit_code == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1} trailing', "\x00"])
@pytest.mark.parametrize("flag", ["--write", "--undo"])
def test_a_file_that_cannot_be_read_is_never_touched(file: Path, text: str, flag: str) -> None:
    written(file, text)
    done = run("setup", "vscode", flag, "--file", file)
    assert (done.exit_code, file.read_text()) == (2, text)
    assert list(file.parent.iterdir()) == [file]


def test_a_proxy_that_somebody_else_has_set_is_not_taken_away(file: Path) -> None:
    written(file, '{"http.proxy": "http://corp"}')
    assert run("setup", "vscode", "--undo", "--file", file).exit_code == 2
    assert file.read_text() == '{"http.proxy": "http://corp"}'
    assert run("setup", "vscode", "--undo", "--write", "--file", file).exit_code == 2

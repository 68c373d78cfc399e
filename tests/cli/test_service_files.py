"""The files of the service, as systemd and launchd read them."""

from __future__ import annotations

import plistlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from zerogravity.cli.service_files import LABEL, MARK, launchd, systemd

ODD = ["/opt/my tools/zerogravity", "serve", "--ls-command", 'ls "a b" --x=$HOME 50% \\n', "--listen", "127.0.0.1:1"]


def test_systemd_s_unit(tmp_path: Path) -> None:
    made = systemd(["/opt/zerogravity", "serve", "--ls", "runtime"], tmp_path)
    assert made.file == tmp_path / "systemd/user/zerogravity.service"
    lines = made.text.splitlines()
    assert lines[0] == f"# {MARK}"
    assert "ExecStart=/opt/zerogravity serve --ls runtime" in lines
    assert {"Restart=on-failure", "UMask=0077", "WantedBy=default.target"} <= set(lines)


def test_words_are_quoted_for_systemd(tmp_path: Path) -> None:
    text = systemd(ODD, tmp_path).text
    (line,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart="))
    assert [word.replace("%%", "%").replace("$$", "$") for word in words] == ODD


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("command", [["/bin/true", "serve"], ["/bin/true", *ODD[1:]]])
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path, command: list[str]) -> None:
    made = systemd(command, tmp_path)
    made.file.parent.mkdir(parents=True)
    made.file.write_text(made.text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", made.file],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, [line for line in done.stderr.splitlines() if "zerogravity" in line]) == (0, [])


def test_launchd_s_property_list(tmp_path: Path) -> None:
    made = launchd(ODD, tmp_path, 501)
    read = plistlib.loads(made.text.encode())
    assert made.file == tmp_path / f"Library/LaunchAgents/{LABEL}.plist"
    assert MARK in made.text
    assert (read["Label"], read["ProgramArguments"], read["RunAtLoad"]) == (LABEL, ODD, True)
    assert read["KeepAlive"] == {"SuccessfulExit": False}
    assert made.start == (("launchctl", "bootstrap", "gui/501", str(made.file)),)
    assert made.stop == (("launchctl", "bootout", f"gui/501/{LABEL}"),)

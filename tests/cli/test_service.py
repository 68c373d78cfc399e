"""The gateway as a service: installed, looked at, removed; and no more than that."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from tests.cli.typed import run
from zerogravity.cli import service

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-in is systemd's"),
]
FAILING = 'echo "Failed to connect to bus." >&2; exit 1'


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config/systemd/user/zerogravity.service"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A systemctl and a journalctl that only remember what they were asked; ``asked.does(TEXT)``: and do that."""
    log, tools = tmp_path / "asked", tmp_path / "tools"
    tools.mkdir()
    log.touch()

    class Asked:
        def does(self, text: str = "exit 0") -> None:
            for name in ("systemctl", "journalctl"):
                (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{text}\n')
                (tools / name).chmod(0o755)

        @property
        def told(self) -> list[str]:
            told, _ = log.read_text().splitlines(), log.write_text("")
            return told

    monkeypatch.setenv("PATH", str(tools), prepend=":")
    made = Asked()
    made.does()
    return made


def test_install_twice_is_install_once(unit: Path, asked) -> None:
    for _ in range(2):
        done = run("service", "install", "--", "--ls", "runtime", "--quiet")
        assert done.exit_code == 0, done.output
        assert asked.told == [
            "systemctl --user show-environment", "systemctl --user daemon-reload",
            "systemctl --user enable zerogravity.service", "systemctl --user restart zerogravity.service",
        ]  # fmt: skip
    assert " serve --ls runtime --quiet\n" in unit.read_text()
    assert Path(unit.read_text().partition("ExecStart=")[2].split()[0]).is_absolute()
    assert stat.S_IMODE(unit.stat().st_mode) == 0o644
    assert "enable-linger" in done.stderr


def test_print_changes_nothing(unit: Path, asked) -> None:
    done = run("service", "install", "--print", "--", "--passive")
    assert (done.exit_code, done.stdout.count("ExecStart=")) == (0, 1)
    assert not unit.exists()
    assert asked.told == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--key", "hunter22"], "key is a secret"),
        (["--ls-csrf", "hunter22"], "ls_csrf is a secret"),
        (["--set", "zg_key=hunter22"], "key is a secret"),
        (["--nonsense"], "No such option"),
        (["--mode", "sideways"], "--mode"),
    ],
)
def test_secrets_and_mistakes_are_refused_before_anything_is_written(unit: Path, asked, flags, says) -> None:
    done = run("service", "install", "--", *flags)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "hunter22" not in done.output
    assert not unit.exists()


def test_settings_of_the_shell_are_not_in_it_and_it_says_so(unit: Path, asked, monkeypatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_KEY", "hunter22")
    done = run("service", "install")
    assert "ZEROGRAVITY_KEY" in done.stderr
    assert "hunter22" not in done.output + unit.read_text()


def test_where_there_is_no_systemd_for_users_it_says_what_to_do(unit: Path, asked) -> None:
    asked.does(FAILING)
    done = run("service", "install", "--", "--ls", "runtime")
    assert done.exit_code == 2
    assert "Failed to connect to bus. Start `zerogravity serve --ls runtime`" in done.stderr
    assert not unit.exists()


def test_uninstall_removes_what_install_wrote_and_nothing_else(unit: Path, asked) -> None:
    assert run("service", "install").exit_code == 0
    beside = unit.with_name("other.service")
    beside.touch()
    asked.told  # noqa: B018 - forget it
    assert run("service", "uninstall").exit_code == 0
    assert asked.told == ["systemctl --user disable --now zerogravity.service"]
    assert list(unit.parent.iterdir()) == [beside]
    assert "nothing is installed" in run("service", "uninstall").stderr


def test_a_file_of_somebody_else_stays(unit: Path, asked) -> None:
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/mine\n")
    for verb in ("install", "uninstall"):
        done = run("service", verb)
        assert (done.exit_code, "not written by us" in done.stderr) == (2, True)
    assert unit.read_text() == "[Service]\nExecStart=/bin/mine\n"


def test_status_and_logs_are_the_manager_s(unit: Path, asked) -> None:
    assert run("service", "status").exit_code == 2
    run("service", "install")
    asked.told  # noqa: B018 - forget it
    asked.does("exit 3")
    assert [run("service", *words).exit_code for words in (["status"], ["logs"], ["logs", "--follow"])] == [3, 3, 3]
    assert asked.told == [
        "systemctl --user status --no-pager zerogravity.service",
        "journalctl --user --unit zerogravity.service --lines 200 --no-pager",
        "journalctl --user --unit zerogravity.service --lines 200 --follow",
    ]


def test_another_system_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.sys, "platform", "win32")
    done = run("service", "install", "--print")
    assert (done.exit_code, "win32" in done.stderr) == (2, True)

"""The commands as they are typed: what is on stdout, what the exit code says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zerogravity.cli import operations
from zerogravity.observe import doctor, status
from zerogravity.observe.health import Check
from zerogravity.testing.replay_server import in_thread

FINE = Check("python", True, "3.13.0")
WARNS = Check("core_dumps", True, "on", "run: ulimit -c 0")
BROKEN = Check("path.proxy", False, "no: 504", "look at its log")
AFTER = Check("path.chat", False, "no", "nothing")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """``run(command, …)`` → the result; settings come from nowhere but its arguments."""
    monkeypatch.setenv("ZEROGRAVITY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")

    def invoke(command, *arguments):
        return CliRunner().invoke(getattr(operations, command), list(map(str, arguments)))

    return invoke


# -- doctor --------------------------------------------------------------------------------------------------------


@pytest.fixture
def checks(monkeypatch):
    """``checks(…)``: what the next examination finds; holds what was asked for."""

    def set_checks(*found):
        async def examine(what, surfaces):
            set_checks.asked = what
            for check in found:
                yield check

        monkeypatch.setattr(doctor, "examine", examine)

    return set_checks


def test_doctor_names_the_first_broken_hop(run, checks):
    checks(FINE, WARNS, BROKEN, AFTER)
    result = run("doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["✓", "python", "3.13.0"]
    assert lines[1].split() == ["!", "core_dumps", "on"]
    assert lines[2] == "  → run: ulimit -c 0"
    assert lines[3].split() == ["✗", "path.proxy", "no:", "504"]
    assert lines[-2:] == ["first broken hop: path.proxy: no: 504", "what to do: look at its log"]


def test_what_doctor_says_stands_in_a_column(run, checks):
    checks(*(Check(name, True, "well") for name in ("python", "running.server", "running.language_server")))
    assert len({line.index("well") for line in run("doctor").stdout.splitlines()[:3]}) == 1


def test_a_warning_breaks_nothing(run, checks):
    checks(FINE, WARNS)
    result = run("doctor")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "everything works")


@pytest.mark.parametrize(("found", "code", "first"), [((FINE,), 0, None), ((FINE, BROKEN, AFTER), 1, "path.proxy")])
def test_doctor_as_json(run, checks, found, code, first):
    checks(*found)
    result = run("doctor", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["first_broken"], told["ok"]) == (code, first, not code)
    assert told["checks"][0] == {"name": "python", "ok": True, "text": "3.13.0"}


def test_doctor_gets_what_to_check(run, checks, tmp_path):
    checks(FINE)
    flags = ("--mode", "proxy", "--no-mitm", "--ls-url", "http://x", "--set", "zg_upstream=http://y")
    ca = "ssl_verify_upstream_trusted_ca=ca.pem"
    run("doctor", "--ls", "--proxy-port", 9000, "--certs-dir", tmp_path, *flags, "--set", ca)
    asked = checks.asked
    assert (asked.real, asked.proxy_port, asked.certs_dir) == (True, 9000, tmp_path)
    assert asked.upstream_ca == Path("ca.pem")
    assert asked.settings == {"mode": "proxy", "intercept": False, "ls_url": "http://x", "upstream": "http://y"}
    run("doctor", "--ls-url", "http://x", "--set", "zg_ls_url=http://z")
    assert checks.asked.settings == {"ls_url": "http://x"}


@pytest.mark.parametrize(
    ("flags", "real", "ls"),
    [
        ((), False, None),
        (("--ls",), True, None),
        (("--ls", "--mode", "proxy"), True, None),
        (("--ls", "runtime"), True, "runtime"),
        (("--ls", "editor"), True, "editor"),
        (("--set", "zg_ls=runtime"), False, "runtime"),
        (("--set", "zg_ls=runtime", "--ls"), True, "runtime"),
    ],
)
def test_a_turn_through_the_real_one(run, checks, flags, real, ls):
    checks(FINE)
    assert run("doctor", *flags).exit_code == 0
    assert (checks.asked.real, checks.asked.settings.get("ls"), checks.asked.google) == (real, ls, "")


def test_markup_in_a_check_is_text(run, checks):
    checks(Check("x", True, "[red]not red[/red] [/]"))
    assert "[red]not red[/red] [/]" in run("doctor").stdout


# -- status --------------------------------------------------------------------------------------------------------


def nothing(_):
    raise AssertionError("nobody asks for a turn")


def test_status_of_a_running_server(run):
    with in_thread(nothing) as url:
        result = run("status", "--url", url + "/")
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith(f"{url}  ready")
        assert "turns    none yet" in result.stdout
        told = json.loads(run("status", "--url", url, "--json").stdout)
    assert (told["ready"], told["url"], told["figures"]["turns"]) == (True, url, {})
    assert told["figures"]["now"]["zg_turns_active"] == 0


@pytest.mark.parametrize("arguments", [("--url", "http://127.0.0.1:1"), ("--url", "http://127.0.0.1:1", "-w", "1")])
def test_status_of_nothing(run, arguments):
    result = run("status", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no gateway answers on http://127.0.0.1:1" in result.stderr


@pytest.mark.parametrize(
    ("url", "expected"),
    [(None, "mine"), ("http://127.0.0.1:9", "mine"), ("http://localhost:9", "mine"), ("http://evil.example", None)],
)
def test_our_key_is_sent_to_no_other_server(run, monkeypatch, url, expected):
    asked = []

    async def fetch(where, key):
        asked.append(key)
        raise OSError("no")

    monkeypatch.setattr(status, "fetch", fetch)
    monkeypatch.setenv("ZEROGRAVITY_KEY", "mine")
    run("status", *(("--url", url) if url else ()))
    assert asked == [expected]

"""``zerogravity open``."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner

from zerogravity.cli.main import main
from zerogravity.observe.inspector import link

TOKEN = "a-token-for-the-inspector"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """``run(…)`` → (result, what the browser was told to open), with a gateway that takes the token."""
    opened: list[str] = []

    async def check(url, token):
        if token != TOKEN:
            raise OSError("the gateway has another token")

    monkeypatch.setenv("ZEROGRAVITY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    monkeypatch.setenv("ZEROGRAVITY_INSPECTOR_TOKEN", TOKEN)
    monkeypatch.setattr(link, "check", check)
    monkeypatch.setattr(webbrowser, "open", lambda url: (opened.append(url), run.browser)[1])

    def run(*arguments):
        return CliRunner().invoke(main, ["open", *arguments]), opened

    run.browser = True
    run.traces = tmp_path / "traces"
    return run


def recorded(root: Path, turn: str, session: str) -> None:
    folder = root / "2026-11-28" / f"120000-{turn.removeprefix('turn_')[:8]}"
    folder.mkdir(parents=True)
    (folder / "turn.json").write_text(json.dumps({"id": turn, "session": session, "created": 1, "closed": True}))


def test_the_browser_gets_a_link_without_the_token(run):
    result, (address,) = run()
    assert result.exit_code == 0
    assert result.output == ""
    assert address.startswith("http://127.0.0.1:8741/inspector?ticket=")
    assert TOKEN not in address


def test_print_prints_the_lasting_link(run):
    result, opened = run("--print")
    assert result.stdout == f"http://127.0.0.1:8741/inspector?token={TOKEN}\n"
    assert not opened


def test_without_a_browser_the_link_is_printed(run):
    run.browser = False
    result, _ = run()
    assert result.stdout == f"http://127.0.0.1:8741/inspector?token={TOKEN}\n"
    assert "no browser" in result.stderr


def test_turns_and_sessions_are_found_as_people_name_them(run):
    recorded(run.traces, "turn_0123456789abcdef", "5e5510a1b2c3")
    for what, place in (
        ("last", "turn_0123456789abcdef"),
        ("0123456", "turn_0123456789abcdef"),
        ("turn_ffffffffffffffff", "turn_ffffffffffffffff"),  # perhaps only in memory
    ):
        result, _ = run("--print", what)
        assert result.stdout.endswith(f"#{place}\n"), result.output
    result, _ = run("--print", "fedcba")
    assert result.exit_code == 2
    assert "fedcba" in result.stderr


def test_a_session_is_found_by_its_id(run, monkeypatch):
    from zerogravity.observe.history import History, Page

    def search(self, query, *, limit):
        assert limit == 1
        return Page([{"session": "5e5510a1b2c3"}] if query == "session:5e55" else [], False)

    monkeypatch.setattr(History, "search", search)
    recorded(run.traces, "turn_0123456789abcdef", "5e5510a1b2c3")
    result, _ = run("--print", "5e55")
    assert result.stdout.endswith("#session/5e5510a1b2c3\n")


def test_where_it_cannot_be_opened_it_says_why(run, monkeypatch):
    monkeypatch.setenv("ZEROGRAVITY_INSPECTOR_TOKEN", "another-token-for-this")
    result, _ = run()
    assert (result.exit_code, result.stderr) == (1, "zerogravity: the gateway has another token\n")
    result, _ = run("--url", "http://gateway.example:8741")
    assert result.exit_code == 2
    assert "no other machine" in result.stderr
    monkeypatch.setenv("ZEROGRAVITY_INSPECTOR", "false")
    result, _ = run()
    assert result.exit_code == 1
    assert "the inspector is off" in result.stderr

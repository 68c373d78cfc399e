"""Sessions in the terminal: ``trace ls --sessions``, ``trace show SESSION``, ``trace diff TURN``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from tests.cli.printed import output
from tests.observe.speaking import contents
from zerogravity.cli import traces
from zerogravity.core.events import Finished, FunctionCall, TextDelta, Usage


@pytest.fixture
def made(recording, make_turn) -> Any:
    """Two sessions: one of three turns and a branch, by Codex; one of one turn."""
    made = recording()

    def turn(letter: str, *texts: str, answer: str = "", **fields: Any) -> None:
        made.now[0] += 60
        given = make_turn(id=f"turn_{letter * 32}", google_request=contents(*texts), created=made.now[0], **fields)
        running = made.store.open(given)
        events = [TextDelta(answer)] if answer else [FunctionCall("call_1", "shell", "{}")]
        running.append(0, b"", (*events, Usage(1000, 250, 40, 7, 0, 1047)))
        made.clock.advance(1.5)
        running.close(Finished("stop"))

    turn("a", "Fix it", answer="Done", client="codex")
    turn("b", "Fix it", "Done", "And [bold]that", client="codex")
    turn("c", "Fix it", "Done", "No, this", answer="Sure", client="codex")
    turn("d", "Hello", answer="Hi")
    made.flush()
    return made


def run(made: Any, *arguments: str) -> Any:
    return CliRunner().invoke(traces.trace, ["--dir", str(made.root), *arguments], env={"COLUMNS": "200"})


def test_ls_lists_sessions_newest_first(made) -> None:
    lines = run(made, "ls", "--sessions").stdout.splitlines()
    assert lines[0].split() == ["session", "started", "client", "turns", "branches", "tokens", "price", "time",
                                "errors", "title"]  # fmt: skip
    assert "Hello" in lines[1]
    assert "codex" in lines[2]
    assert "3.0k→141 (25% cached)" in lines[2]
    assert "4.5 s" in lines[2]
    assert lines[2].rstrip().endswith("Fix it")


def test_ls_gives_sessions_as_json_and_takes_a_query(made) -> None:
    found = output(run(made, "ls", "client:codex", "--sessions", "--json"))
    assert [(one["title"], one["turns"], one["branches"], one["client"]) for one in found] == [
        ("Fix it", 3, 1, "codex")
    ]
    assert len(output(run(made, "ls", "--sessions", "-n", "0", "--json"))) == 2
    assert "none of the traces" in run(made, "ls", "client:nobody", "--sessions").stderr


def session_of(made: Any) -> str:
    return output(run(made, "ls", "client:codex", "--sessions", "--json"))[0]["session"]


def test_show_draws_a_sessions_turns_as_a_tree(made) -> None:
    session = session_of(made)
    head, names, *lines = run(made, "show", session[:8]).stdout.splitlines()
    assert head.startswith(session)
    assert "codex" in head
    assert "3 turns · 1 branch · 3.0k→141 (25% cached)" in head
    assert names.split()[:2] == ["started", "turn"]
    assert [line.split()[1] for line in lines] == ["a" * 8, "c" * 8, "b" * 8]
    assert "└ No, this" in lines[1]
    assert "And [bold]that" in lines[2]
    assert "shell" in lines[2]


def test_show_gives_a_session_as_json(made) -> None:
    found = output(run(made, "show", session_of(made), "--json"))
    assert [(row["id"][5], row["depth"]) for row in found["rows"]] == [("a", 0), ("c", 1), ("b", 0)]
    assert found["turns"] == 3


def test_a_session_that_is_not_there_or_not_meant(made) -> None:
    assert "there is no session 's0000'" in run(made, "show", "s0000").stderr
    assert "for a turn" in run(made, "show", "s0000", "--raw", "in").stderr


def test_a_beginning_of_two_sessions_is_ambiguous(made) -> None:
    assert "'s' is ambiguous" in run(made, "show", "s").stderr


def test_show_names_the_session_and_the_turn_before(made) -> None:
    head = " ".join(run(made, "show", "b" * 8).stdout.split())
    assert f"session {session_of(made)}" in head
    assert f"goes on from {'a' * 8}" in head


def test_diff_compares_a_turn_with_the_one_that_it_goes_on_from(made) -> None:
    assert output(run(made, "diff", "b" * 8, "--json")) == output(run(made, "diff", "a" * 8, "b" * 8, "--json"))
    assert "goes on from no other turn" in run(made, "diff", "a" * 8).stderr


def test_diff_compares_a_sessions_newest_turn_with_the_one_before_it(made) -> None:
    session = session_of(made)
    assert output(run(made, "diff", session, "--json")) == output(run(made, "diff", "b" * 8, "--json"))
    other = output(run(made, "ls", "hello", "--sessions", "--json"))[0]["session"]
    assert output(run(made, "diff", session, other, "--json")) == output(run(made, "diff", "b" * 8, "d" * 8, "--json"))
    assert "dddddddd goes on from no other turn" in run(made, "diff", other).stderr
    assert "there is no session 's0000'" in run(made, "diff", "s0000").stderr


def test_a_session_is_exported_whole_its_oldest_turn_first(made) -> None:
    session = session_of(made)
    lines = run(made, "export", session[:5], "--format", "jsonl").stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert [line["id"][5] for line in told if line["kind"] == "turn"] == ["a", "b", "c"]
    assert run(made, "export", "sffffff", "--format", "jsonl").exit_code == 1

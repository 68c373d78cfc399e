"""New turns, a line each."""

from __future__ import annotations

import re

import pytest
from rich.text import Text

from tests.observe.recorded import record, turn_id
from zerogravity.cli import trace_tail
from zerogravity.cli.trace_tail import follow, line
from zerogravity.core.events import FunctionCall, Usage
from zerogravity.observe.history import History

ROW = {
    "created": 0, "client": "codex", "surface": "responses", "model": "gpt-5", "target": "gemini-3.1-pro", "code": "ok",
    "google": "", "total_ms": 1234.5, "usage": {"prompt": 8800, "candidates": 40, "thoughts": 7},
    "tools": ["shell", "shell", "read"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "codex gpt-5→gemini-3.1-pro ok 1.2 s 8.8k→47 shell×2 read"),
        ({"client": "", "model": "gemini-3.1-pro"}, "responses gemini-3.1-pro ok 1.2 s 8.8k→47 shell×2 read"),
        ({"code": "upstream_status", "google": "429 RESOURCE_EXHAUSTED", "failed": True, "tools": [], "usage": {}},
         "codex gpt-5→gemini-3.1-pro 429 RESOURCE_EXHAUSTED 1.2 s"),
    ],
)  # fmt: skip
def test_a_line(changes, words):
    time, _, rest = line({**ROW, **changes}).plain.partition(" ")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", time)
    assert rest == words


class Stopped(Exception):
    """Enough has been seen."""


def test_older_turns_then_each_new_one(tmp_path):
    for number, name in enumerate("abc"):
        record(tmp_path, name, at=number)
    steps = [lambda: None, lambda: record(tmp_path, "d", Usage(5, 0, 3), at=4), lambda: record(tmp_path, "e", at=5)]
    lines: list[Text] = []

    def sleep(_: float) -> None:
        if not steps:
            raise Stopped
        steps.pop(0)()

    history = History(tmp_path)
    with pytest.raises(Stopped):
        follow(history, "", 2, lines.append, sleep=sleep)
    assert len(lines) == 4
    assert "5→3" in lines[2].plain


def test_only_those_that_the_query_finds(tmp_path):
    record(tmp_path, "a", FunctionCall("call_1", "shell", "{}"))
    record(tmp_path, "b", at=1)
    lines: list[Text] = []

    def sleep(_: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        follow(History(tmp_path), "tool:shell", 10, lines.append, sleep=sleep)
    assert [text.plain.split()[-1] for text in lines] == ["shell"]
    with pytest.raises(Stopped):
        follow(History(tmp_path), "", 0, lines.append, sleep=sleep)
    assert len(lines) == 1
    assert turn_id("a") not in lines[0].plain


def test_the_command_prints_until_it_is_interrupted(run, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trace_tail.time, "sleep", interrupted)
    told = run("tail", "-n", "2", ok=False)
    assert [text.split()[2] for text in told.stdout.splitlines()] == ["gemini-3-flash", "gemini-3-flash"]

"""What a terminal shows of traces: tables, waterfall, folded diffs."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from tests.observe import recorded
from tests.recording import WALL
from tests.strategies import CALL_ERRORS, LISTINGS
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Failed,
    Finished,
    FunctionCall,
    TextDelta,
    Usage,
)
from zerogravity.errors import Termination, upstream
from zerogravity.observe import terminal, trace_reader


def printed(what, width):
    console = Console(width=width, record=True, file=StringIO(), highlight=False)
    console.print(what)
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_list_of_turns_keeps_its_columns_at_any_width(recording, make_turn, width):
    """Only the question gives way: an id or a code that is cut is of no use."""
    made = recording()
    generate = {"contents": [{"role": "user", "parts": [{"text": "a long question, " * 30}]}]}
    running = made.store.open(make_turn(google_request=generate, created=int(WALL)))
    channel = running.channel
    made.clock.advance(1.5)
    running.close(Failed(upstream(502, "upstream_garbage", "x", Termination.UPSTREAM_GARBAGE)))
    made.flush()
    heading, line = printed(terminal.Turns(list(trace_reader.scan(made.root))), width)
    assert "…" not in heading
    for cell in (channel.id[5:13], "02-02 02:40", "gemini-3-flash", "upstream_garbage", "1.5 s", "a long"):
        assert cell in line
    assert line.rstrip().endswith("…")
    assert ("responses" in line) is (width >= terminal.NARROW)


@pytest.mark.parametrize("width", [60, 160])
def test_what_was_found_in_a_turn_stands_below_it_near_the_beginning_of_a_line(recording, make_turn, width):
    made = recording()
    for _ in range(3):
        made.store.open(make_turn()).close(Finished("stop"))
    made.flush()
    snippet = {"part": "text", "text": f"…{'before ' * 8}Found [red]it\x1b {'after ' * 20}…"}
    traces = list(trace_reader.scan(made.root))
    lines = printed(terminal.Turns(traces, [None, snippet, None], ["nowhere", "found"]), width)
    assert len(lines) == 5
    assert lines[3].startswith("    text: …before before before before Found [red]it\\x1b ")
    assert all(len(line) <= width for line in lines)
    assert lines[3].endswith("…")
    assert len(printed(terminal.Turns(traces), width)) == 4


def test_long_runs_of_a_diff_are_folded(recording, make_turn):
    made = recording()
    running = made.store.open(make_turn())
    channel = running.channel
    mine = {"model": "m", "contents": [{"text": "mine"}]}
    theirs = {"contents": [{"text": f"theirs {number}"} for number in range(50)], "model": "m"}
    made.recorder.upstream_request(channel.id, 0, json.dumps(theirs).encode(), json.dumps(mine).encode(), {})
    running.close(Finished("stop"))
    made.flush()
    trace = trace_reader.find(made.root)
    short = printed(terminal.detail(trace), 100)
    assert any("more lines" in line for line in short)
    assert not any("theirs 40" in line for line in short)
    assert any('"text": "mine"' in line for line in short)
    assert not any(line.lstrip("│ ").startswith(("+", "-")) and "model" in line for line in short), "only moved"
    whole = printed(terminal.detail(trace, full=True), 100)
    assert any("theirs 40" in line for line in whole)
    assert not any("more lines" in line for line in whole)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"records": 1, "upstream_calls": 1, "messages": 1}, "1 record · 1 call to Google · 1 message"),
        ({"records": 2, "upstream_calls": 2, "tools": 3, "rounds": 0}, "2 records · 2 calls to Google · 3 tools"),
        ({}, "tokens not told"),
    ],
)
def test_numbers_are_written_for_people(counts, expected):
    (line,) = printed(terminal._numbers({"counts": counts}), 120)
    assert line.endswith(expected)


# -- calls that the gateway runs -----------------------------------------------------------------------------------

CALLS = [FunctionCall(f"call_{n}", name, args) for n, (name, args) in enumerate(
    [("docs.find", '{"query":"hm"}'), ("docs.find", "{}"), ("docs.find", "{}"), ("docs.read", "{}")]
)]  # fmt: skip
LONG = "\n".join(f"hit {n}" for n in range(40))
RETURNED = [
    CallReturned("call_0", LONG),
    CallReturned("call_1", "busy \x1b[31m", CALL_ERRORS[2]),
    CallReturned("call_2"),
]


@pytest.fixture
def with_calls(tmp_path):
    recorded.record(
        tmp_path, "a", *LISTINGS[:2], AttemptOpened(), *CALLS, *RETURNED, AttemptClosed("STOP"), end=Finished("stop")
    )
    return trace_reader.find(tmp_path)


def boxes(lines):
    """The contents of each call's box."""
    made = []
    for line in lines:
        if line.startswith("╭─ call"):
            made.append([line.strip("╭─╮ ")])
        elif line.startswith("│") and made:
            made[-1].append(line.strip("│").rstrip()[1:])
    return made


def test_a_call_that_the_gateway_has_run_shows_what_it_came_to(with_calls):
    found, failed, nothing, waiting = boxes(printed(terminal.detail(with_calls), 80))
    assert found[:6] == [
        "call docs.find · call_0 · run by the gateway", "{", '  "query": "hm"', "}", "→ hit 0", "  hit 1",
    ]  # fmt: skip
    assert found[-1] == f"  … {40 - terminal.RUN} more lines"
    assert failed[1:] == ["{}", "→ failed: busy \\x1b[31m"]
    assert nothing[1:] == ["{}", "→ nothing"]
    assert waiting == ["call docs.read · call_3 · run by the gateway", "{}", "→ no result"]


def test_with_full_all_of_it_is_there(with_calls):
    found, *_ = boxes(printed(terminal.detail(with_calls, full=True), 80))
    assert found[-1] == "  hit 39"
    assert not any("more lines" in line for line in found)


def test_a_call_of_the_client_s_own_has_no_result_here(tmp_path):
    recorded.record(tmp_path, "a", AttemptOpened(), FunctionCall("call_1", "shell", "{}"), end=Finished("tool"))
    assert boxes(printed(terminal.detail(trace_reader.find(tmp_path)), 80)) == [["call shell · call_1", "{}"]]


@pytest.mark.parametrize(
    ("usage", "words"), [([], "tokens not told"), ([Usage(9, 4, 5, 2)], "tokens 9 in (4 cached), 5 out, 2 thinking")]
)
def test_figures_that_google_has_not_told_are_not_0(tmp_path, usage, words):
    recorded.record(tmp_path, "a", AttemptOpened(), TextDelta("hi"), *usage)
    assert any(line.startswith(f"{words} · ") for line in printed(terminal.detail(trace_reader.find(tmp_path)), 80))

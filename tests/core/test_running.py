from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Failed,
    Finished,
    RequestLine,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.policy import Await
from zerogravity.core.running import Following, RunningTurn
from zerogravity.errors import Termination, internal, upstream

DECISION = Await(1.0, internal("x"))
BUSY = Failed(upstream(503, "upstream_error", "busy"))
LINE = RequestLine("POST", "https://x.example", "HTTP/1.1")


@pytest.fixture
def ended():
    return []


@pytest.fixture
def running(make_turn, clock, ended):
    return RunningTurn(make_turn(), clock, max_bytes=1000, on_close=ended.append)


async def settle():
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_end_is_reported_once_after_the_terminal_record(make_turn, clock):
    seen = []
    running = RunningTurn(
        make_turn(), clock, on_close=lambda c: seen.append((c.closed, c.records[-1].terminal, "done" in c.marks))
    )
    assert running.close(Finished("stop")) is True
    assert running.close(Finished("stop")) is False
    assert seen == [(True, Finished("stop"), True)]


def test_an_end_by_the_byte_limit_is_reported_too(running, ended):
    assert running.append(0, b"x" * 2000, ()) is None
    assert ended == [running.channel]
    assert running.channel.termination is Termination.LIMIT_BYTES


def test_what_was_run_here_counts_for_the_byte_limit(running, ended):
    running.add(CallReturned("call_1", "x" * 200))
    assert ended == []
    running.add(CallReturned("call_2", "x" * 2000))
    assert ended == [running.channel]
    assert (running.channel.termination, running.channel.count) == (Termination.LIMIT_BYTES, 2)


@pytest.mark.parametrize("stops", [(), ("END", "llo")])
def test_a_turn_is_watched_for_its_own_stop_sequences(make_turn, clock, ended, stops):
    running = RunningTurn(make_turn(stops=stops), clock, on_close=ended.append)
    running.append(0, b"{}", (TextDelta("hello"),))
    assert running.channel.state.text == ("he" if stops else "hello")
    assert ended == ([running.channel] if stops else [])
    assert running.channel.terminal == (Finished("stop_sequence", "llo") if stops else None)


def moving(make_turn, clock, **fields):
    """A turn whose failures are followed by another round."""
    follow = Following(lambda running: None, "it was busy")  # type: ignore[arg-type, return-value]
    return RunningTurn(make_turn(**fields), clock, follow=lambda _, end: follow if isinstance(end, Failed) else None)


def test_another_model_s_turn_is_what_readers_see(make_turn, clock):
    running = moving(make_turn, clock, size=100)
    first = running.turn
    running.close(BUSY)
    same = running.again(replace(first, google_request={"contents": ["more"]}))
    assert running.channel.turn is first
    same.close(BUSY)
    other = replace(first, target=replace(first.target, ls_model="OTHER"), served_by="other", size=7)
    moved = same.again(other)
    assert moved.turn is other
    assert moved.channel.turn == other
    assert moved.channel.turn.size == 100  # counted when it came


def test_what_a_failed_round_held_back_does_not_come_up_in_the_next_one(make_turn, clock):
    running = moving(make_turn, clock, stops=("END",))
    running.append(0, b"{}", (AttemptOpened(), TextDelta("E")))
    assert running.channel.state.text == ""
    running.close(BUSY)
    again = running.again(running.turn)
    again.append(1, b"{}", (AttemptOpened(), TextDelta("Yes")))
    again.close(Finished("stop"))
    assert again.channel.state.text == "Yes"


async def test_a_supervisor_sleeps_through_events_and_wakes_for_phases_and_policy(running):
    woken = 0

    async def supervise():
        nonlocal woken
        while True:
            await running.changed()
            woken += 1

    task = asyncio.create_task(supervise())
    await settle()
    for _ in range(2):
        running.append(0, b"a", (TextDelta("a"),))
    await settle()
    assert woken == 0
    assert running.mark("matched") is True
    await settle()
    assert running.mark("matched") is False
    await settle()
    assert woken == 1
    running.await_attempt(DECISION)
    await settle()
    running.await_attempt(DECISION)
    await settle()
    assert (woken, running.awaiting) == (2, DECISION)
    running.resume()
    await settle()
    assert (woken, running.awaiting) == (3, None)
    running.close(Finished("stop"))
    await settle()
    assert woken == 4
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cascade_is_bound_once(running):
    assert running.cascade_id is None
    running.bind("c-1")
    assert running.cascade_id == running.channel.cascade_id == "c-1"
    with pytest.raises(AssertionError):
        running.bind("c-2")


def test_attempts_are_numbered_by_their_answers(running):
    running.await_attempt(DECISION)
    assert running.attempt_sent(LINE) == 0
    assert running.awaiting is None, "what was awaited is here"
    answered = RequestLine("POST", "https://x.example", "HTTP/2.0")
    assert running.attempt_answered(answered) == 0
    assert running.channel.lines == {0: answered}
    running.append(0, b"", (AttemptOpened(),))
    assert running.attempt_sent(LINE) == 1
    assert running.channel.lines == {0: answered, 1: LINE}


@pytest.mark.parametrize("cut", [True, False])
def test_attempts_that_still_run_are_cut_once_or_left(running, cut, caplog):
    ended = []

    def fails():
        raise RuntimeError("our bug")

    for abort in (lambda: ended.append(1), fails, lambda: ended.append(2)):
        running.attempt_sent(LINE, abort)
    running.end_attempts(cut=cut)
    running.end_attempts(cut=True)
    assert ended == ([1, 2] if cut else [])
    assert [record.levelno for record in caplog.records] == ([logging.ERROR] if cut else [])


# -- figures that nobody tells ---------------------------------------------------------------------------------------

OPEN, TEXT, STOP = AttemptOpened(), TextDelta("abcdefgh"), AttemptClosed("STOP")
TOLD, PROMPT = Usage(100, candidates=7, total=107), Usage(100, total=100)
REQUEST = {"contents": [{"role": "user", "parts": [{"text": "abcd"}]}]}
ESTIMATED = Usage(5, candidates=2, total=7, source="estimate")
FIGURES = [
    ("nothing was sent", (), None),
    ("Google has refused", (AttemptOpened(status=503), AttemptClosed(None)), None),
    ("it has brought nothing", (OPEN, AttemptClosed("MALFORMED_FUNCTION_CALL")), None),
    ("zeros are no figures", (OPEN, Usage(), TEXT, STOP), ESTIMATED),
    ("nobody has told any", (OPEN, TEXT, STOP), ESTIMATED),
    ("it broke off", (OPEN, TEXT), ESTIMATED),
    ("thinking counts apart", (OPEN, ThinkingDelta("abcd"), TEXT),
     Usage(5, candidates=2, thoughts=1, total=8, source="estimate")),
    ("Google has told them", (OPEN, TEXT, TOLD, STOP), TOLD),
    ("the language server has", (OPEN, TEXT, replace(TOLD, source="ls")), replace(TOLD, source="ls")),
    ("what was told of one that broke off stays", (OPEN, PROMPT, TEXT), PROMPT),
]  # fmt: skip


@pytest.mark.parametrize("end", [Finished("stop"), BUSY])
@pytest.mark.parametrize(("events", "usage"), [row[1:] for row in FIGURES], ids=[row[0] for row in FIGURES])
def test_figures_that_nobody_has_told_are_estimated_at_the_end(make_turn, clock, events, usage, end):
    running = RunningTurn(make_turn(google_request=REQUEST), clock)
    running.append(0, b"{}", events)
    assert running.channel.state.usage.source != "estimate"
    running.close(end)
    found = running.channel.state.usage_by_attempt.get(0)
    assert (found if found is not None and found.told else None) == usage


def test_each_round_is_estimated_by_what_it_has_sent(make_turn, clock):
    running = moving(make_turn, clock, google_request=REQUEST)
    running.append(0, b"{}", (OPEN, TEXT))
    running.close(BUSY)
    longer = running.again(replace(running.turn, google_request={"contents": REQUEST["contents"] * 2}))
    longer.append(1, b"{}", (OPEN, TEXT, STOP))
    longer.close(Finished("stop"))
    used = longer.channel.state.usage_by_attempt
    assert used == {0: ESTIMATED, 1: replace(ESTIMATED, prompt=10, total=12)}


def test_a_follow_up_of_the_language_server_is_estimated_apart(make_turn, clock):
    running = RunningTurn(make_turn(google_request=REQUEST), clock)
    running.append(0, b"{}", (OPEN, ThinkingDelta("abcd"), STOP))
    running.await_attempt(DECISION)
    assert running.channel.records[-1].events == (Usage(5, thoughts=1, total=6, source="estimate"),)
    running.append(1, b"{}", (OPEN, TEXT, TOLD, STOP))
    running.close(Finished("stop"))
    assert running.channel.state.usage == Usage(105, candidates=7, thoughts=1, total=113, source="estimate")


def test_what_a_stop_sequence_held_back_is_estimated_too(make_turn, clock):
    running = RunningTurn(make_turn(google_request=REQUEST, stops=("ghi",)), clock)
    running.append(0, b"{}", (OPEN, TEXT))
    running.close(Finished("stop"))
    assert running.channel.state.usage == ESTIMATED

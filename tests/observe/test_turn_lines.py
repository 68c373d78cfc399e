"""What the log says of a turn that is over."""

from __future__ import annotations

import logging

import pytest

from tests.strategies import CALL_ERRORS, LISTINGS
from zerogravity import errors
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
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target
from zerogravity.errors import Fault, Origin, Termination, upstream
from zerogravity.observe import prices, turn_lines
from zerogravity.wire import narrow

KEY = "AIza" + "S" * 35
QUOTA = Failed(upstream(429, "quota", "slow\ndown", rpc_status="RESOURCE_EXHAUSTED", upstream_status=429))
PRO = Target("gemini-3.1-pro", "")


@pytest.fixture(scope="module", autouse=True)
def loaded():
    prices.load()


@pytest.fixture
def ended(clock, make_turn):
    """A turn that has ended: what came, how it ended, after how many seconds, its members."""
    store = MitmStore(clock)

    def end(*events, terminal=None, seconds=1.2, **turn):
        running = store.open(make_turn(id=f"turn_{len(store):032x}", **turn))
        running.append(0, b"", (AttemptOpened(), *events))
        running.append(0, b"", (AttemptClosed("STOP"),))
        clock.advance(seconds)
        running.close(terminal or Finished("stop"))
        return running.channel

    return end


def words(channel):
    return " ".join(part for part, _ in turn_lines.described(channel)[0])


def fault(code, message="no", **more):
    return Failed(Fault(Origin.CLIENT, 499, "x", message, termination=code, retryable=False, **more))


def calls(*names):
    return [FunctionCall(f"call_{number}", name, "{}") for number, name in enumerate(names)]


def test_a_turn_with_everything(ended):
    usage = Usage(prompt=8812, candidates=40, thoughts=7)
    channel = ended(
        usage, *calls("shell", "shell"), terminal=Finished("tool"), client="codex", model="gpt-5", target=PRO
    )
    assert words(channel) == "codex gpt-5→gemini-3.1-pro tool 1.2 s 8.8k→47 shell×2 $0.018"


@pytest.mark.parametrize(
    ("events", "more", "shown"),
    [
        ([TextDelta("x")], {}, "responses gemini-3-flash ok 1.2 s ~5→1"),
        ([TextDelta("x")], {"surface": "passive"}, "passive gemini-3-flash ok 1.2 s ~5→1"),
        ([TextDelta("x")], {"seconds": 0.34}, "responses gemini-3-flash ok 340 ms ~5→1"),
        ([TextDelta("x")], {"seconds": 125}, "responses gemini-3-flash ok 2 min 05 s ~5→1"),
        ([Usage(prompt=1000, cached=920, candidates=5)], {},
         "responses gemini-3-flash ok 1.2 s 1.0k→5 (92% cached) $0.0001"),
        ([Usage(prompt=1000, candidates=5, source="estimate")], {}, "responses gemini-3-flash ok 1.2 s ~1.0k→5"),
        ([TextDelta("x")], {"terminal": Finished("length")}, "responses gemini-3-flash length 1.2 s ~5→1"),
        (calls(*"abcdef"), {"terminal": Finished("tool")},
         "responses gemini-3-flash tool 1.2 s ~5→12 a b c d +2 tools"),
        (calls("f"), {"terminal": Finished("tool"), "tool_names": {"f": "my/f"}},
         "responses gemini-3-flash tool 1.2 s ~5→2 my/f"),
        ([], {"terminal": QUOTA},
         "responses gemini-3-flash 429 RESOURCE_EXHAUSTED 1.2 s slow down"),
        ([], {"terminal": fault(Termination.MATCH_TIMEOUT, "no call came")},
         "responses gemini-3-flash match_timeout 1.2 s no call came"),
        ([], {"terminal": fault(Termination.CLIENT_GONE)}, "responses gemini-3-flash client_gone 1.2 s"),
        ([], {"terminal": fault(Termination.MATCH_TIMEOUT, "y" * 500)},
         f"responses gemini-3-flash match_timeout 1.2 s {'y' * 99}…"),
    ],
)  # fmt: skip
def test_lines(ended, events, more, shown):
    assert words(ended(*events, **more)) == shown


@pytest.mark.parametrize(
    ("terminal", "style"),
    [
        (Finished("stop"), "green"),
        (Finished("tool"), "green"),
        (Finished("length"), "yellow"),
        (Finished("filtered"), "yellow"),
        (Failed(errors.internal()), "red"),
        (fault(Termination.CLIENT_GONE), "dim"),
        (fault(Termination.CANCELLED), "dim"),
    ],
)
def test_how_it_ended_has_a_colour(ended, terminal, style):
    assert turn_lines.described(ended(TextDelta("x"), terminal=terminal))[0][2][1] == style


def test_calls_that_the_gateway_has_run_are_named_and_nothing_of_their_results(ended):
    calls = [FunctionCall(f"call_{n}", "docs.find", '{"query": "hush"}') for n in range(3)]
    busy = CallReturned("call_1", "busy", CALL_ERRORS[2])
    channel = ended(*LISTINGS[:2], *calls, CallReturned("call_0", "hush"), busy, TextDelta("so"))
    parts, told = turn_lines.described(channel)
    assert ("docs.find×3", "") in parts
    assert told["tools"] == ["docs.find"] * 3
    assert "hush" not in str((parts, told))
    assert "busy" not in str((parts, told))


def test_secrets_and_what_a_terminal_would_obey_are_never_shown(ended):
    evil = f"{KEY}\x1b[2Jx\u202e"
    terminal = fault(Termination.MATCH_TIMEOUT, evil)
    channel = ended(*calls(evil), client=evil, model=evil, terminal=terminal, conversation=KEY)
    assert KEY not in words(channel) + str(turn_lines.described(channel)[1])
    assert words(channel).isprintable()


def test_members_are_those_of_a_row_and_nothing_that_was_said(ended):
    asked = {"contents": [{"role": "user", "parts": [{"text": "a secret wish"}]}]}
    channel = ended(TextDelta("an answer"), Usage(prompt=1000), client="codex", google_request=asked)
    _, made = turn_lines.described(channel)
    assert made["started"] == "2026-02-02T02:40:00.250Z"
    assert (made["client"], made["code"], made["total_ms"], made["failure"]) == ("codex", "ok", 1200, None)
    assert (narrow.members(made["usage"])["prompt"], made["price"]) == (1000, pytest.approx(0.0005))
    assert "wish" not in str(made)
    assert "answer" not in str(made)


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_every_turn_of_a_store_is_logged_when_it_ends_unless_the_log_is_quiet(clock, make_turn, caplog, level):
    caplog.set_level(level, "zerogravity.turns")
    store, lines = MitmStore(clock), turn_lines.TurnLines(wall=lambda: 17.5)
    lines.attach(store)
    running = store.open(make_turn(client="codex"))
    running.close(Finished("stop"))
    lines.close()
    seen = [(record.created, record.turn["id"], record.message) for record in caplog.records]
    assert seen == ([(17.5, running.id, "codex gemini-3-flash ok 0 ms")] if level == logging.INFO else [])

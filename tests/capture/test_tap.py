"""The tap: what the LS gets, what the channel gets, whatever the bytes, their split, their compression, our bugs."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import logging
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.capture.response_paths import RESPONSE_PATHS, ResponsePath, relayed, spawn_at_once
from tests.strategies import answers
from zerogravity import ids
from zerogravity.capture import mitm
from zerogravity.capture import tap as tap_module
from zerogravity.capture.ls_answer import Expected, expected
from zerogravity.capture.tap import Tap, close_with_error
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Notice,
    Record,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.fold import Call
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination, internal
from zerogravity.testing import builders
from zerogravity.wire.google import GoogleDecoder
from zerogravity.wire.sse import SseParser

TURN = builders.turn(google_request={"contents": []})


def running_turn(turn: Turn = TURN, **limits: Any) -> RunningTurn:
    ticks = itertools.count(1)
    return RunningTurn(turn, lambda: next(ticks), **limits)


@pytest.fixture
def running() -> RunningTurn:
    return running_turn()


@pytest.fixture
def channel(running: RunningTurn) -> CascadeChannel:
    return running.channel


PATH: list[ResponsePath] = []  # the one that ``feed`` takes


@pytest.fixture(autouse=True, params=RESPONSE_PATHS)
def response_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mitm, "spawn", spawn_at_once)
    PATH[:] = [request.param]


@pytest.fixture(autouse=True)
def no_guard(request: pytest.FixtureRequest) -> Iterable[None]:
    """The guard stays shut in every test that does not force it open."""
    before = Tap.failures
    yield
    assert (Tap.failures > before) <= ("forced" in request.fixturenames)


@pytest.fixture
def forced() -> None:
    """This test has the guard open."""


JSON = "application/json; charset=UTF-8"
SSE = "text/event-stream"

# -- building answers ------------------------------------------------------------------------------------------------


def chunk(*parts: Any, finish: str | None = None, usage: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    return {**builders.chunk(*parts, finish=finish, usage=usage), "modelVersion": "gemini-3-flash-a", **more}


def text(words: str, finish: str | None = None) -> dict[str, Any]:
    return chunk(builders.part(words), finish=finish)


def thought(words: str, finish: str | None = None) -> dict[str, Any]:
    return chunk(builders.part(words, thought=True), finish=finish)


def call(name: str, finish: str | None = None, **args: Any) -> dict[str, Any]:
    return chunk(builders.call(name, **args), finish=finish)


END = text("", "STOP")


def frames(*chunks: Any, envelope: bool = True, eol: bytes = b"\r\n") -> list[bytes]:
    def framed(item: Any) -> bytes:
        shown = {"response": item, "traceId": "t1", "metadata": {}} if envelope and "error" not in item else item
        return b"data: " + json.dumps(shown, ensure_ascii=False).encode() + eol + eol

    return [framed(item) for item in chunks]


def body_of(*chunks: Any, **form: Any) -> bytes:
    return b"".join(frames(*chunks, **form))


# -- driving the tap -------------------------------------------------------------------------------------------------


def feed(tap: Tap, *pieces: bytes, end: bool = True) -> bytes:
    """What the LS gets; an empty piece would end its chunked body."""
    if PATH == ["relay"]:
        return relayed(tap.feed, pieces, end=end)
    out: list[bytes] = []
    for piece in [*pieces, b""] if end else pieces:
        given_out = tap.feed(piece)
        assert isinstance(given_out, list)
        assert all(isinstance(item, bytes) and item for item in given_out)
        out += given_out
    return b"".join(out)


def run(running: RunningTurn, *pieces: bytes, **options: Any) -> bytes:
    return feed(Tap(running, running.channel.state.attempts, **options), *pieces)


def cut(body: bytes, *cuts: int) -> list[bytes]:
    edges = sorted({0, len(body), *(at for at in cuts if at < len(body))})
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def parsed(body: bytes) -> list[dict[str, Any]]:
    """The inner chunks of a stream as a simple reader sees them."""
    parser = SseParser()
    found = [json.loads(event.data) for event in (*parser.feed(body), *parser.end()) if event.event is None]
    return [item.get("response", item) for item in found]


def parts_in(body: bytes) -> list[dict[str, Any]]:
    found = [part for item in parsed(body) for candidate in item.get("candidates", [])
             for part in candidate.get("content", {}).get("parts", [])]  # fmt: skip
    return [part for part in found if isinstance(part, dict)]


def words(body: bytes) -> str:
    return "".join(part.get("text", "") for part in parts_in(body) if not part.get("thought"))


def finishes(body: bytes) -> list[str]:
    found = [candidate.get("finishReason") for item in parsed(body) for candidate in item.get("candidates", [])]
    return [finish for finish in found if finish]


def events_of(channel: CascadeChannel) -> list[Event]:
    return [event for record in channel.records for event in record.events]


def failure(channel: CascadeChannel) -> tuple[Termination, str]:
    assert isinstance(channel.terminal, Failed)
    return channel.terminal.fault.termination, channel.terminal.fault.code


# -- text: identical bytes -------------------------------------------------------------------------------------------

TEXT_TURN = (thought("Hm. "), text("Paris ist schön "), text("\u2028 an der Seine."), END,
             {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3}})  # fmt: skip


@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_h01_text_passes_as_it_is_at_every_split(envelope: bool, eol: bytes) -> None:
    body = b": hello" + eol + eol + body_of(*TEXT_TURN, envelope=envelope, eol=eol)
    whole = running_turn()
    assert run(whole, body) == body
    assert whole.channel.terminal == Finished("stop")
    assert whole.channel.state.usage == Usage(prompt=7, candidates=3, total=10)
    for at in range(len(body)):
        running = running_turn()
        channel = running.channel
        assert run(running, *cut(body, at)) == body
        assert [(r.attempt_no, r.data, r.events, r.span) for r in channel.records] == [
            (r.attempt_no, r.data, r.events, r.span) for r in whole.channel.records
        ]


def test_records_hold_the_bytes_of_their_event(running: RunningTurn, channel: CascadeChannel) -> None:
    body = body_of(*TEXT_TURN)
    assert run(running, *cut(body, 10, 200, 201, 500)) == body
    opened, *events, closed, terminal = channel.records
    assert opened.events == (AttemptOpened(),)
    assert [body[slice(*record.span)] for record in events] == frames(*TEXT_TURN)
    assert [b"data: " + record.data + b"\r\n\r\n" for record in events] == frames(*TEXT_TURN)
    assert events[0].events == (ThinkingDelta("Hm. "),)
    assert (closed.events, terminal.events) == ((AttemptClosed("STOP"),), (Finished("stop"),))
    assert [record.attempt_no for record in channel.records] == [0] * 7 + [-1]


def test_events_go_on_at_once_and_incomplete_ones_with_their_end(running: RunningTurn, channel: CascadeChannel) -> None:
    first, second, third = frames(text("a"), text("b"), text("c", "STOP"))
    tap = Tap(running, 0)
    assert tap.feed(first) == [first]
    assert tap.feed(second[:20]) == []
    assert channel.state.text == "a"
    assert tap.feed(second[20:] + third[:5]) == [second]
    assert channel.state.text == "ab"
    assert tap.feed(third[5:]) == [third]
    assert tap.feed(b"") == []
    assert tap.feed(b"") == []
    assert channel.terminal == Finished("stop")


def test_an_unterminated_last_event_is_not_lost(running: RunningTurn, channel: CascadeChannel) -> None:
    body = body_of(text("a"), text("b", "STOP")).rstrip()
    assert run(running, *cut(body, 30)) == body
    assert channel.state.text == "ab"
    assert channel.terminal == Finished("stop")


def test_h14_a_channel_ends_with_the_body_not_with_stop(running: RunningTurn, channel: CascadeChannel) -> None:
    tap = Tap(running, 0)
    feed(tap, *frames(text("a"), END), end=False)
    assert not channel.closed
    feed(tap, *frames({"usageMetadata": {"promptTokenCount": 2}}))
    assert channel.closed
    assert channel.state.usage.prompt == 2


def test_many_small_pieces_cost_no_more_than_their_bytes(running: RunningTurn, channel: CascadeChannel) -> None:
    body = body_of(text("x" * 300_000), END)
    assert run(running, *(body[at : at + 7] for at in range(0, len(body), 7))) == body
    assert len(channel.state.text) == 300_000


# -- calls: hidden ---------------------------------------------------------------------------------------------------

CALL_TURNS: list[tuple[str, tuple[Any, ...], str, list[str]]] = [
    ("one call", (call("f", x=1), END), "ok", ["STOP"]),
    ("call and end in one chunk", (call("f", finish="STOP"),), "ok", ["STOP"]),
    ("text before", (text("I look. "), call("f"), END), "I look. ", ["STOP"]),
    ("text in the same chunk", (chunk({"text": "I look."}, {"functionCall": {"name": "f"}}, finish="STOP"),), "I look.",
     ["STOP"]),
    ("text after", (call("f"), text("Later."), END), "okLater.", ["STOP"]),
    ("parallel", (call("f"), call("g"), chunk({"functionCall": {"name": "h"}}, {"functionCall": {"name": "i"}}), END),
     "ok", ["STOP"]),
    ("thinking before", (thought("Hm."), call("f"), END), "ok", ["STOP"]),
    ("thinking in the same chunk", (chunk({"text": "Hm.", "thought": True}, {"functionCall": {"name": "f"}}), END),
     "ok", ["STOP"]),
    ("snake case", (chunk({"function_call": {"name": "f"}, "thought_signature": "c2ln"}), END), "ok", ["STOP"]),
    ("no clean end", (call("f"), text("", "MAX_TOKENS")), "ok", ["MAX_TOKENS", "STOP"]),
    ("another candidate's call", (
        {"candidates": [text("a")["candidates"][0], {**call("f")["candidates"][0], "index": 1}]}, END), "a", ["STOP"]),
]  # fmt: skip


@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize(
    ("chunks", "seen", "ends"), [row[1:] for row in CALL_TURNS], ids=[row[0] for row in CALL_TURNS]
)
def test_calls_never_reach_the_ls(chunks: tuple[Any, ...], seen: str, ends: list[str], envelope: bool) -> None:
    body = body_of(*chunks, envelope=envelope)
    shown = run(running_turn(), body)
    assert b"unction" not in shown
    assert words(shown) == seen
    assert finishes(shown) == ends
    assert {item.get("modelVersion", "gemini-3-flash-a") for item in parsed(shown)} == {"gemini-3-flash-a"}
    assert all((b'"response"' in line) is envelope for line in shown.split(b"\r\n\r\n") if line)
    for at in range(0, len(body), 3):
        assert run(running_turn(), *cut(body, at)) == shown


def test_only_the_call_is_taken_out(running: RunningTurn, channel: CascadeChannel) -> None:
    before, called, after, end = frames(
        text("a"),
        chunk({"text": "b"}, {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
              usage={"promptTokenCount": 9}, responseId="r-1"),
        text("c"),
        END,
    )  # fmt: skip
    tap = Tap(running, 0)
    assert tap.feed(before) == [before]
    (shown,) = tap.feed(called)
    assert json.loads(shown.removeprefix(b"data: ")) == {
        "response": chunk({"text": "b"}, usage={"promptTokenCount": 9}, responseId="r-1"),
        "traceId": "t1", "metadata": {},
    }  # fmt: skip
    assert shown.endswith(b"\r\n\r\n")
    assert tap.feed(after + end) == [after + end]
    assert tap.feed(b"") == []
    (found,) = channel.state.function_calls
    assert (found.name, found.args_json, found.signature) == ("f", '{"x": 1}', "c2ln")
    assert channel.terminal == Finished("tool")


def test_bytes_around_a_call_in_one_piece_stay_in_order(running: RunningTurn) -> None:
    before, called, after = frames(text("a"), call("f"), text("b", "STOP"))
    tap = Tap(running, 0)
    out = tap.feed(b": c\r\n\r\n" + before + called + after + b"data: ")
    assert out[0] == b": c\r\n\r\n" + before
    assert out[2] == after
    assert len(out) == 3


def test_text_that_mentions_calls_passes_as_it_is(running: RunningTurn) -> None:
    body = body_of(text('say {"functionCall": 1} or function_call'), END)
    assert run(running, body) == body


def test_call_ids_are_counted_over_the_whole_turn(running: RunningTurn, channel: CascadeChannel) -> None:
    run(running, body_of(thought("Hm."), END))
    assert running.awaiting is not None
    run(running, body_of(call("f"), chunk({"functionCall": {"name": "g"}}, {"functionCall": {"name": "f"}}), END))
    assert [item.call_id for item in channel.state.items if isinstance(item, Call)] == [
        ids.derive("call", channel.id, number) for number in range(3)
    ]
    later = running_turn()
    later.append(0, b"", (AttemptOpened(), FunctionCall("call_polled", "p", "{}")))
    run(later, body_of(call("f"), END))
    assert later.channel.state.function_calls[1].call_id == ids.derive("call", later.id, 1)


# -- the LS always gets some text, unless it shall call again --------------------------------------------------------

AWAITED: dict[str, tuple[Any, ...]] = {
    "thinking only": (thought("Hm."), END),
    "signed end": (thought("Hm."), chunk({"text": "", "thoughtSignature": "c2ln"}, finish="STOP")),
    "nothing at all": ({"candidates": [{"finishReason": "STOP"}]},),
    "malformed call": (chunk(finish="MALFORMED_FUNCTION_CALL"),),
}


@pytest.mark.parametrize("chunks", AWAITED.values(), ids=AWAITED)
def test_an_answer_without_output_is_left_as_it_is(
    chunks: tuple[Any, ...], running: RunningTurn, channel: CascadeChannel
) -> None:
    body = body_of(*chunks)
    assert run(running, body) == body
    assert running.awaiting is not None
    assert not channel.closed


BROKEN: dict[str, tuple[Any, ...]] = {
    "no name": (chunk({"functionCall": {"args": {"a": 1}}}, finish="STOP"),),
    "no name, its end behind it": (thought("Hm."), chunk({"functionCall": {"name": ""}}), END, {"usageMetadata": {}}),
    "arguments that are none": (chunk({"functionCall": {"name": "f", "args": [1]}}), END),
    "in pieces": (chunk({"functionCall": {"name": "f"}}), chunk({"functionCall": {"args": "x", "willContinue": True}}),
                  chunk({"functionCall": {"args": [1]}}), END),
}  # fmt: skip


@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize("chunks", BROKEN.values(), ids=BROKEN)
def test_a_broken_call_makes_the_ls_call_again(
    chunks: tuple[Any, ...], envelope: bool, running: RunningTurn, channel: CascadeChannel
) -> None:
    shown = run(running, *frames(*chunks, envelope=envelope))
    assert finishes(shown) == ["MALFORMED_FUNCTION_CALL"]
    assert b"functionCall" not in shown
    assert (b'"response"' in shown) == envelope
    assert running.awaiting is not None
    assert running.awaiting.late.code == "malformed_function_call"
    run(running, body_of(call("f"), END))
    assert channel.terminal == Finished("tool")
    assert [item.name for item in channel.state.function_calls] == ["f"]


def test_a_broken_call_after_a_good_one_gives_the_ls_a_clean_end(running: RunningTurn, channel: CascadeChannel) -> None:
    closing, more = chunk({"functionCall": {}}), chunk({"functionCall": {"args": {"a": 1}}})
    shown = run(running, body_of(text("a"), call("f", x=1), closing, more, END))
    assert finishes(shown) == ["STOP"]
    assert failure(channel) == (Termination.UPSTREAM_GARBAGE, "malformed_function_call")


def test_a_call_that_breaks_at_the_very_end_is_not_retried(running: RunningTurn, channel: CascadeChannel) -> None:
    """The LS has had the clean end already."""
    piece = {"jsonPath": "$.a", "stringValue": "x", "willContinue": True}
    shown = run(running, body_of(chunk({"functionCall": {"name": "f", "partialArgs": [piece]}}), END))
    assert finishes(shown)[-1] == "STOP"
    assert failure(channel) == (Termination.UPSTREAM_GARBAGE, "malformed_function_call")


@pytest.mark.parametrize("array", [True, False])
def test_a_broken_call_in_a_json_body(array: bool, running: RunningTurn, channel: CascadeChannel) -> None:
    body = json.dumps({"response": chunk({"functionCall": {"name": " "}}, finish="STOP")})
    shown = json.loads(run(running, (f"[{body}]" if array else body).encode(), content_type="application/json"))
    only = shown[0] if array else shown
    assert only["response"]["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert running.awaiting is not None


def test_a_function_name_with_the_models_namespace(channel: CascadeChannel) -> None:
    declared = {"tools": [{"functionDeclarations": [{"name": "view"}]}]}
    running = RunningTurn(replace(channel.turn, google_request=declared), lambda: 0)
    channel = running.channel
    run(running, body_of(call("default_api:view"), END))
    assert [item.name for item in channel.state.function_calls] == ["view"]
    assert b"default_api:view" in channel.records[1].data, "what is recorded is what came"


def test_the_follow_up_goes_into_the_same_channel(running: RunningTurn, channel: CascadeChannel) -> None:
    run(running, body_of(thought("Hm."), END, {"usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 2}}))
    body = body_of(text("Paris."), END, {"usageMetadata": {"promptTokenCount": 6, "candidatesTokenCount": 1}})
    tap = Tap(running, channel.state.attempts)
    assert running.awaiting is None
    assert feed(tap, body) == body
    assert (channel.state.thinking, channel.state.text) == ("Hm.", "Paris.")
    assert channel.state.usage == Usage(prompt=11, candidates=1, thoughts=2, total=14)
    assert [record.attempt_no for record in channel.records] == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -1]
    assert channel.terminal == Finished("stop")


# answer: (its chunks, what is shown of it)
STOPPED: dict[str, tuple[tuple[Any, ...], str]] = {
    "across events": ((text("one E"), text("N"), text("D two"), END), "one "),
    "in the event of the finishReason": ((text("one "), text("END", "STOP")), "one "),
    "before a refusal": ((text("one END", "SAFETY"),), "one "),
    "before a call": ((text("one E"), chunk(builders.part("ND two"), builders.call("f"), finish="STOP")), "one "),
    "behind thinking": ((thought("an END"), text("END"), END), ""),
    "behind a signature": ((chunk({"text": "one E", "thoughtSignature": "c2ln"}), text("ND"), END), "one "),
}


@pytest.mark.parametrize(("chunks", "shown"), STOPPED.values(), ids=STOPPED)
def test_a_stop_sequence_ends_the_turn_and_the_ls_gets_what_google_sends(chunks: tuple[Any, ...], shown: str) -> None:
    """Until the call is cut, which is the engine's business."""
    running = running_turn(replace(TURN, stops=("END",)))
    channel, body = running.channel, body_of(*chunks)
    out = run(running, body)
    assert out.startswith(frames(chunks[0])[0])
    assert (out == body) is (b"functionCall" not in body)
    assert b"functionCall" not in out
    assert (channel.state.text, channel.terminal) == (shown, Finished("stop_sequence", "END"))
    assert not channel.state.function_calls


def test_what_looks_like_a_stop_sequence_is_shown_in_the_end() -> None:
    running = running_turn(replace(TURN, stops=("END",)))
    run(running, body_of(text("one EN"), chunk(builders.part(""), finish="STOP")))
    assert (running.channel.state.text, running.channel.terminal) == ("one EN", Finished("stop"))
    assert [record.attempt_no for record in running.channel.records] == [0, 0, 0, 0, 0, -1]


def test_text_that_is_held_is_an_answer() -> None:
    """The policy does not take it for thinking alone."""
    running = running_turn(replace(TURN, stops=("END",)))
    run(running, body_of(thought("Hm."), text("EN", "STOP")))
    assert (running.channel.state.text, running.channel.terminal) == ("EN", Finished("stop"))


def test_a_stop_sequence_in_a_follow_up() -> None:
    running = running_turn(replace(TURN, stops=("END",)))
    run(running, body_of(thought("An END."), END))
    assert running.awaiting is not None
    feed(Tap(running, running.channel.state.attempts), body_of(text("x END y"), END))
    assert (running.channel.state.text, running.channel.terminal) == ("x ", Finished("stop_sequence", "END"))
    assert [record.attempt_no for record in running.channel.records] == [0, 0, 0, 0, 0, 1, 1, 1, -1]


TEXTLESS: dict[str, tuple[Any, ...]] = {
    "image": (chunk({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}), END),
    "length reached while thinking": (thought("Hm."), chunk(finish="MAX_TOKENS")),
    "filtered": (chunk(finish="SAFETY"),),
    "prompt refused": ({"promptFeedback": {"blockReason": "SAFETY"}},),
    "refused after code": (chunk({"executableCode": {"code": "1"}}), {"promptFeedback": {"blockReason": "OTHER"}}),
    "an error": ({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}},),
    "no end": (thought("Hm."),),
}


@pytest.mark.parametrize("chunks", TEXTLESS.values(), ids=TEXTLESS)
def test_a_turn_that_is_over_gives_the_ls_some_text(
    chunks: tuple[Any, ...], running: RunningTurn, channel: CascadeChannel
) -> None:
    body = body_of(*chunks)
    shown = run(running, body)
    assert shown.startswith(body)
    assert channel.closed
    tail = shown[len(body) :]
    assert (words(tail), finishes(tail)) == ("ok", ["STOP"])
    assert "usageMetadata" not in parsed(tail)[0]


@pytest.mark.parametrize("last", [(), ({"promptFeedback": {"blockReason": "SAFETY"}},), ({"error": {"code": 500}},)])
def test_text_without_an_end_gets_one(last: tuple[Any, ...], running: RunningTurn) -> None:
    body = body_of(text("Pa"), *last)
    shown = run(running, body)
    assert shown.startswith(body)
    assert (words(shown), finishes(shown)) == ("Pa", ["STOP"])


@pytest.mark.parametrize(
    "odd", [[call("f"), 5], {"candidates": [5, call("f")["candidates"][0], {}, {"content": {"parts": 5}}]},
            {"response": {"candidates": [call("f")["candidates"][0]]}}],
)  # fmt: skip
def test_calls_in_odd_places(odd: Any, running: RunningTurn) -> None:
    shown = run(running, *frames(odd, {"candidates": 5, "functionCall": 1}, END, envelope=False))
    assert b'"name": "f"' not in shown
    assert b'"functionCall": 1' in shown
    assert b"ok" in shown


def test_the_tail_is_an_event_of_its_own(running: RunningTurn, channel: CascadeChannel) -> None:
    body = body_of(call("f")) + b'{\n  "error": {"code": 500, "message": "m"}\n}'
    shown = run(running, body)
    assert shown.endswith(b"\n}\r\n\r\n" + shown[shown.rindex(b"data: ") :])
    assert finishes(shown) == ["STOP"]
    assert failure(channel) == (Termination.UPSTREAM_STATUS, "upstream_error")


# -- errors, drops ---------------------------------------------------------------------------------------------------

ERROR = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "tail", [frames(ERROR)[0], json.dumps(ERROR, indent=2).encode(), json.dumps([ERROR], indent=2).encode() + b"\n"]
)
def test_an_error_in_mid_stream(tail: bytes) -> None:
    body = body_of(text("Pa")) + tail
    for at in (0, 40, len(body) - len(tail), len(body) - 3):
        running = running_turn()
        channel = running.channel
        assert run(running, *cut(body, at)).startswith(body)
        assert channel.state.text == "Pa"
        assert isinstance(channel.terminal, Failed)
        assert (channel.terminal.fault.status, channel.terminal.fault.message) == (503, "overloaded")


def test_h03_a_drop_in_the_middle_of_an_event(running: RunningTurn, channel: CascadeChannel) -> None:
    whole, half = frames(text("Pa"), text("ris"))
    tap = Tap(running, 0)
    assert feed(tap, whole + half[:40], end=False) == whole
    tap.abort("connection reset")
    tap.abort("again")
    assert channel.state.text == "Pa"
    assert failure(channel) == (Termination.UPSTREAM_DROP, "upstream_drop")
    assert channel.records[2].data == half[6:40]
    assert channel.records[2].events == (Notice("not_json", "34 bytes that are no JSON"),)
    assert Notice("dropped", "connection reset") in channel.state.notices
    assert tap.feed(b"") == []


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        (body_of(text("Pa"), text("ris"))[:-2], Termination.UPSTREAM_DROP),  # the last blank line is missing
        (body_of(text("Paris"), END), Termination.OK),
        (body_of(text("Paris"), ERROR), Termination.UPSTREAM_STATUS),
    ],
    ids=["before a finishReason", "after it", "after an error"],
)
def test_a_drop_behind_the_text(body: bytes, ended: Termination, running: RunningTurn, channel: CascadeChannel) -> None:
    tap = Tap(running, 0)
    feed(tap, body, end=False)
    tap.abort("reset")
    assert channel.state.text == "Paris"
    assert channel.termination is ended


def test_a_call_outside_of_an_event_is_ignored_by_the_ls(running: RunningTurn) -> None:
    """A whole JSON answer where a stream was announced: the LS reads no event there, so nothing is hidden from it."""
    body = json.dumps({"response": call("f", "STOP", x=1)}).encode() + b"\n"
    given_out = run(running, body)
    assert given_out.startswith(body)
    assert [event.event for event in SseParser().feed(given_out)] == ["raw", None]
    assert words(given_out)
    assert finishes(given_out) == ["STOP"]


def test_a_drop_after_the_end_changes_nothing(running: RunningTurn, channel: CascadeChannel) -> None:
    tap = Tap(running, 0)
    feed(tap, body_of(text("Paris"), END))
    count = channel.count
    tap.abort("client disconnected")
    assert channel.count == count


def test_a_body_that_just_ends(running: RunningTurn, channel: CascadeChannel) -> None:
    first, second = frames(text("Pa"), text("ris"))
    shown = run(running, first + second[:-30])
    assert shown.startswith(first)
    assert (words(shown), finishes(shown)) == ("Pa", ["STOP"]), "half an event would only make the LS try again"
    assert channel.state.text == "Pa"
    assert channel.records[2].data == second[6:-30]
    assert failure(channel) == (Termination.UPSTREAM_DROP, "upstream_drop")


GARBAGE, DROPPED, EMPTY = (Termination(code) for code in ("upstream_garbage", "upstream_drop", "empty"))
PAGE = b"<!doctype html>\n<html><head><style>p{color:red}</style></head>\n\n<body>Bad gateway</body></html>\n"
BAD, SAID = b"data: {oops\r\n\r\n", body_of(text("Paris", "STOP"))


@pytest.mark.parametrize(
    ("body", "kind", "ended"),
    [
        # Garbage, then the end.
        (BAD, SSE, GARBAGE), (body_of(text("Pa")) + BAD, SSE, GARBAGE), (b"data: null\r\n\r\n", SSE, GARBAGE),
        (b"data: nonsense", SSE, GARBAGE), (BAD + body_of(text("Pa")), SSE, GARBAGE), (b'data: "x"\n\n', SSE, GARBAGE),
        (PAGE, SSE, GARBAGE), (PAGE, "text/html", GARBAGE), (PAGE, JSON, GARBAGE), (b"<p>no</p>", JSON, GARBAGE),
        (b"Bad gateway", "text/plain", GARBAGE), (b"Bad gateway\n\n", SSE, GARBAGE), (b"null", JSON, GARBAGE),
        (b'[{"a": }]', JSON, GARBAGE), (body_of(text("Pa")) + BAD + b"data: [DONE]\n\n", SSE, GARBAGE),
        # What ends in the middle of an event.
        (body_of(text("Pa"), text("ris"))[:-30], SSE, DROPPED), (body_of(text("Pa"))[:20], SSE, DROPPED),
        (json.dumps([text("Pa")]).encode()[:-9], JSON, DROPPED), (body_of(text("Pa")), SSE, DROPPED),
        (body_of(text("Pa")) + b"data: [DONE]\n\n", SSE, DROPPED), (BAD + body_of(text("Pa"))[:20], SSE, DROPPED),
        (body_of({"usageMetadata": {"promptTokenCount": 3}}), SSE, DROPPED),
        # Garbage, but the answer was whole.
        (BAD + SAID, SSE, Termination.OK), (SAID + BAD, SSE, Termination.OK),
        (SAID + b"data: [DONE]\n\n", SSE, Termination.OK),
        (SAID + b"data: {oo", SSE, Termination.OK),
        # Nothing at all.
        (b"", SSE, EMPTY), (b"", JSON, EMPTY), (b" \r\n\n ", SSE, EMPTY), (b" \n", JSON, EMPTY), (b"[]", JSON, EMPTY),
        (b"[]", SSE, EMPTY), (b"{}", JSON, EMPTY), (b"{}", SSE, EMPTY), (b"data: {}\n\n", SSE, EMPTY),
        (b"[{}]", JSON, EMPTY),
        (b": beat\n\n: beat\n\n", SSE, EMPTY), (b"data:\n\ndata: \n\n", SSE, EMPTY),
        (b"data: [DONE]\n\n", SSE, EMPTY),
        (b"retry: 100\nid: 7\n\n", SSE, EMPTY), (b'data: {"response": {}, "traceId": "t"}\n\n', SSE, EMPTY),
        (b"event: ping\ndata:\n\n", SSE, EMPTY), (b"\xef\xbb\xbf", SSE, EMPTY),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("passive", [False, True])
def test_a_200_that_is_no_answer(body: bytes, kind: str, ended: Termination, encoding: str, passive: bool) -> None:
    sent = gzip.compress(body) if encoding else body
    for pieces in ([sent] if sent else [], [sent[at : at + 1] for at in range(len(sent))]):
        running = running_turn()
        channel = running.channel
        shown = run(running, *pieces, content_type=kind, encoding=encoding, passive=passive)
        if passive:
            assert shown == sent
        if ended is EMPTY and not passive:
            assert shown == body, "the LS calls again by itself"
            assert not channel.closed
            assert running.awaiting is not None
            running.close(Failed(running.awaiting.late))
        assert channel.termination is ended


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_no_bytes_at_all_are_an_empty_answer_in_any_encoding(
    running: RunningTurn, channel: CascadeChannel, encoding: str
) -> None:
    assert run(running, encoding=encoding) == b""
    assert running.awaiting is not None
    assert running.awaiting.late.termination is EMPTY


@pytest.mark.parametrize("body", [b"", BAD, PAGE, b": beat\n\n", b"{}"])
@pytest.mark.parametrize("kind", [SSE, JSON])
def test_a_broken_connection_is_a_drop_whatever_has_come(
    running: RunningTurn, channel: CascadeChannel, body: bytes, kind: str
) -> None:
    tap = Tap(running, 0, content_type=kind)
    feed(tap, *([body] if body else []), end=False)
    tap.abort("reset")
    assert channel.termination is DROPPED


def test_an_answer_without_any_event_after_one_is_empty(running: RunningTurn, channel: CascadeChannel) -> None:
    assert run(running, b"") == b""
    assert running.awaiting is not None
    assert finishes(run(running, b": beat\n\n")) == ["STOP"]
    assert failure(channel) == (EMPTY, "empty_response")


def test_a_line_without_end_is_no_stream(running: RunningTurn, channel: CascadeChannel) -> None:
    body = body_of(text("Pa")) + b"data: " + b"x" * (17 << 20)
    assert run(running, *cut(body, 200, 9 << 20), body_of(END)) == body + body_of(END)
    assert failure(channel) == (Termination.UPSTREAM_GARBAGE, "upstream_garbage")


# -- nobody listens any more -----------------------------------------------------------------------------------------


def test_a_closed_channel_still_hides_calls(running: RunningTurn, channel: CascadeChannel) -> None:
    first, called, end = frames(text("Pa"), call("f"), END)
    tap = Tap(running, 0)
    assert tap.feed(first) == [first]
    running.close(Failed(internal("gone", Termination.CLIENT_GONE)))
    count = channel.count
    shown = feed(tap, called, end)
    assert b"functionCall" not in shown
    assert finishes(shown) == ["STOP"]
    assert channel.count == count
    tap.abort("late")
    assert failure(channel)[0] is Termination.CLIENT_GONE


def test_a_channel_that_closes_before_any_text(running: RunningTurn, channel: CascadeChannel) -> None:
    tap = Tap(running, 0)
    running.close(Failed(internal("gone", Termination.CLIENT_GONE)))
    shown = feed(tap, body_of(thought("Hm."), END))
    assert words(shown) == "ok"
    assert running.awaiting is None


def test_a_full_log_ends_the_turn_not_the_bytes() -> None:
    running = running_turn(max_bytes=2000)
    channel = running.channel
    body = body_of(*[text("x" * 500)] * 6, END)
    assert run(running, body) == body
    assert failure(channel)[0] is Termination.LIMIT_BYTES


# -- compression -----------------------------------------------------------------------------------------------------


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


SQUEEZED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate), ("br", brotli.compress),
    ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
]  # fmt: skip


@pytest.mark.parametrize(("encoding", "squeeze"), SQUEEZED)
def test_compressed_answers_reach_the_ls_as_plain_bytes(encoding: str, squeeze: Callable[[bytes], bytes]) -> None:
    body = body_of(*TEXT_TURN)
    squeezed = squeeze(body)
    for at in (0, 1, 2, len(squeezed) // 2, len(squeezed) - 1):
        running = running_turn()
        channel = running.channel
        tap = Tap(running, 0, encoding=encoding)
        assert tap.inflates
        assert feed(tap, *cut(squeezed, at)) == body
        assert channel.terminal == Finished("stop")
        assert channel.records[1].span == (0, len(frames(*TEXT_TURN)[0]))


def test_h36_compressed_events_come_as_they_are_flushed(running: RunningTurn, channel: CascadeChannel) -> None:
    squeezer = zlib.compressobj(wbits=31)
    tap = Tap(running, 0, encoding="gzip")
    for frame in frames(*TEXT_TURN):
        assert tap.feed(squeezer.compress(frame) + squeezer.flush(zlib.Z_SYNC_FLUSH)) == [frame]
    assert feed(tap, squeezer.flush()) == b""
    assert channel.terminal == Finished("stop")


@pytest.mark.parametrize("aborted", [True, False])
def test_h36_a_compressed_answer_that_is_cut(aborted: bool, running: RunningTurn, channel: CascadeChannel) -> None:
    squeezer = zlib.compressobj(wbits=31)
    first, second = frames(text("Pa"), text("ris", "STOP"))
    sent = squeezer.compress(first) + squeezer.flush(zlib.Z_SYNC_FLUSH)
    sent += (squeezer.compress(second) + squeezer.flush())[:12]
    tap = Tap(running, 0, encoding="gzip")
    shown = feed(tap, sent, end=not aborted)
    if aborted:
        tap.abort("reset")
    else:
        assert finishes(shown) == ["STOP"]
    assert shown.startswith(first)
    assert channel.state.text == "Pa"
    assert failure(channel) == (Termination.UPSTREAM_DROP, "upstream_drop")


def test_a_missing_trailer_after_the_finish_reason_is_no_failure(running: RunningTurn, channel: CascadeChannel) -> None:
    body = body_of(text("Paris"), END)
    assert run(running, gzip.compress(body)[:-3], encoding="gzip") == body
    assert channel.terminal == Finished("stop")


def test_what_cannot_be_inflated_ends_in_a_clean_stop(running: RunningTurn, channel: CascadeChannel) -> None:
    squeezer = zlib.compressobj(wbits=31)
    first = frames(text("Pa"))[0]
    good = squeezer.compress(first) + squeezer.flush(zlib.Z_SYNC_FLUSH)
    shown = run(running, good, b"\xff" * 40, b"\xff" * 40, encoding="gzip")
    assert shown.startswith(first)
    assert finishes(shown) == ["STOP"]
    assert failure(channel) == (Termination.UPSTREAM_GARBAGE, "upstream_garbage")


def test_an_unknown_encoding_passes_unread(running: RunningTurn, channel: CascadeChannel) -> None:
    tap = Tap(running, 0, encoding="snappy")
    assert not tap.inflates
    assert feed(tap, b"\x01\x02", b"\x03", end=False) == b"\x01\x02\x03"
    tap.abort("reset")
    assert failure(channel) == (Termination.UPSTREAM_GARBAGE, "upstream_garbage")


# -- bodies without alt=sse ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_recorded_as_it_comes(
    indent: int | None, running: RunningTurn, channel: CascadeChannel
) -> None:
    chunks = [text("Pa"), text("ris"), END]
    body = b"[" + b"\r\n,\r\n".join(json.dumps(item, indent=indent).encode() for item in chunks) + b"\r\n]\r\n"
    tap = Tap(running, 0, content_type=JSON)
    middle = body.index(b"\r\n,\r\n")
    assert tap.feed(body[:middle]) == []
    assert channel.state.text == "Pa"
    assert feed(tap, body[middle:]) == body
    assert [body[slice(*record.span)] for record in channel.records[1:4]] == [r.data for r in channel.records[1:4]]
    assert channel.terminal == Finished("stop")


@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize("array", [True, False])
def test_calls_in_a_json_body(array: bool, envelope: bool, running: RunningTurn, channel: CascadeChannel) -> None:
    chunks = [call("f", x=1), END] if array else [call("f", "STOP", x=1)]
    shown = [{"response": item} if envelope else item for item in chunks]
    body = json.dumps(shown if array else shown[0]).encode()
    given_out = json.loads(run(running, *cut(body, 1, 50), content_type=JSON))
    first = given_out[0] if array else given_out
    inner = first["response"] if envelope else first
    assert inner["candidates"][0]["content"]["parts"] == [{"text": "ok"}]
    assert not array or given_out[1] == shown[1]
    assert channel.terminal == Finished("tool")
    assert channel.state.function_calls[0].args_json == '{"x": 1}'


@pytest.mark.parametrize("array", [True, False])
def test_a_json_body_without_text(array: bool, running: RunningTurn) -> None:
    body = json.dumps([chunk(finish="SAFETY")] if array else chunk(finish="SAFETY")).encode()
    given_out = json.loads(run(running, body, content_type=JSON))
    (only,) = given_out if array else [given_out]
    assert only["candidates"][0]["content"]["parts"] == [{"text": "ok"}]
    assert "response" not in only


def test_a_json_body_that_is_awaited_stays(running: RunningTurn, channel: CascadeChannel) -> None:
    body = json.dumps({"response": thought("Hm.", "STOP")}).encode()
    assert run(running, body, content_type=JSON) == body
    assert running.awaiting is not None


def test_a_json_body_that_is_cut(running: RunningTurn, channel: CascadeChannel) -> None:
    body = json.dumps([text("Pa"), call("f")]).encode()
    assert run(running, body[:-8], content_type=JSON) == body[:-8]
    assert channel.state.text == "Pa"
    assert failure(channel)[0] is Termination.UPSTREAM_DROP
    dropped = running_turn()
    tap = Tap(dropped, 0, content_type=JSON)
    feed(tap, body[:-8], end=False)
    tap.abort("reset")
    *content, ending, estimate, _ = (record.events for record in channel.records[1:])
    assert [record.events for record in dropped.channel.records[1:-1]] == [
        *content, (Notice("dropped", "reset"),), ending, estimate,
    ]  # fmt: skip


def test_a_json_error(running: RunningTurn, channel: CascadeChannel) -> None:
    body = json.dumps([ERROR], indent=2).encode()
    (shown,) = json.loads(run(running, body, content_type=JSON))
    assert shown["response"]["candidates"][0]["finishReason"] == "STOP"
    assert failure(channel) == (Termination.UPSTREAM_STATUS, "upstream_error")


def test_a_json_object_that_is_too_large(running: RunningTurn, channel: CascadeChannel) -> None:
    body = b'{"a": "' + b"x" * (33 << 20)
    assert run(running, *cut(body, 20 << 20), b'"}', content_type=JSON) == body + b'"}'
    assert failure(channel)[0] is Termination.UPSTREAM_GARBAGE


# -- passive ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "options", "squeeze"),
    [
        ((call("f"), END), {}, bytes),
        ((thought("Hm."), END), {}, bytes),
        ((), {}, bytes),
        ((call("f"), END), {"encoding": "gzip"}, gzip.compress),
        ((text("Pa"), text("ris")), {"encoding": "gzip"}, lambda data: gzip.compress(data)[:-9]),
        ((text("Pa"),), {"encoding": "gzip"}, bytes),
        ((text("Pa"),), {"encoding": "snappy"}, bytes),
        ((text("Pa"),), {"content_type": JSON}, lambda data: data.removeprefix(b"data: ")),
    ],
)
def test_a_passive_tap_passes_identical_bytes(
    chunks: tuple[Any, ...], options: dict[str, str], squeeze: Callable[[bytes], bytes], running, channel
) -> None:
    body = squeeze(body_of(*chunks))
    tap = Tap(running, 0, passive=True, **options)
    assert not tap.inflates
    assert feed(tap, *cut(body, 1, 30)) == body
    assert channel.closed
    assert running.awaiting is None


def test_passive_calls_are_recorded(running: RunningTurn, channel: CascadeChannel) -> None:
    run(running, gzip.compress(body_of(call("f", x=1), END)), encoding="gzip", passive=True)
    assert channel.state.function_calls[0].args_json == '{"x": 1}'
    assert channel.terminal == Finished("tool")


def test_passive_limits(running: RunningTurn, channel: CascadeChannel) -> None:
    body = b"data: " + b"x" * (17 << 20)
    assert run(running, body, b"y", passive=True) == body + b"y"
    assert failure(channel)[0] is Termination.UPSTREAM_GARBAGE


# -- our own bugs (invariant 5) --------------------------------------------------------------------------------------


class Bug(Exception):
    pass


def breaking(original: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Raises at the ``at``-th time it is called."""
    count = itertools.count()

    def broken(*args: Any, **more: Any) -> Any:
        if next(count) >= at:
            raise Bug
        return original(*args, **more)

    return broken


PLACES: list[tuple[Any, str]] = [
    (SseParser, "feed"), (SseParser, "end"), (GoogleDecoder, "decode"), (GoogleDecoder, "close"),
    (RunningTurn, "append"), (tap_module, "decide"), (tap_module.calls, "names_a_call"),
    (tap_module.jsonio, "loads"),
]  # fmt: skip


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_bytes_flow_on(
    forced: None,
    owner: Any,
    name: str,
    at: int,
    encoding: str,
    running: RunningTurn,
    channel: CascadeChannel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, name, breaking(getattr(owner, name), at))
    # Plain text is not searched for calls; thinking that names one is.
    body = body_of(text("Pa"), text("functionCall"), thought("functionCall"), thought("ri"), thought("s"), END)
    squeezed = gzip.compress(body) if encoding else body
    before = Tap.failures
    tap = Tap(running, 0, encoding=encoding)
    assert feed(tap, *cut(squeezed, 30, 60, 90, 130, 200)) == (body if tap.inflates else squeezed)
    opened = at == 0 or name in ("feed", "decode", "append", "names_a_call")  # the others are called once
    assert Tap.failures == before + opened
    if opened:
        assert failure(channel) == (Termination.INTERNAL, "internal")
    else:
        assert channel.terminal == Finished("stop")


@pytest.mark.parametrize("place", ["start", "middle", "end", "drop"])
def test_an_on_close_callback_that_fails(forced: None, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_close(_: CascadeChannel) -> None:
        raise Bug

    running = running_turn(on_close=on_close)
    channel = running.channel
    body = body_of(text("Pa"), END)
    if place == "start":
        assert run(running, body, encoding="snappy") == body
    elif place == "middle":
        huge = body_of(text("Pa")) + b"data: " + b"x" * (17 << 20)
        assert run(running, huge) == huge
    elif place == "end":
        assert run(running, body) == body
    else:
        tap = Tap(running, 0)
        feed(tap, body, end=False)
        tap.abort("reset")
    assert channel.closed


def test_a_failure_inside_the_failure(forced: None, running: RunningTurn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunningTurn, "close", breaking(RunningTurn.close, 0))
    body = body_of(text("Pa"), END)
    assert run(running, body) == body
    tap = Tap(running, 1)
    tap.abort("reset")
    close_with_error(running, 500, {}, b"")


def test_a_json_body_flows_on_too(
    forced: None, running: RunningTurn, channel: CascadeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GoogleDecoder, "decode", breaking(GoogleDecoder.decode, 1))
    body = json.dumps([text("Pa"), call("f")]).encode()
    assert run(running, *cut(body, 70, 100), content_type=JSON) == body
    assert failure(channel)[0] is Termination.INTERNAL


def test_the_next_turn_works(forced: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    body = body_of(text("Paris"), END)
    before = Tap.failures
    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR, logger="zerogravity.tap"):
        broken.setattr(GoogleDecoder, "decode", breaking(GoogleDecoder.decode, 0))
        run(running_turn(), body)
    assert Tap.failures == before + 1
    assert [record.exc_info is not None for record in caplog.records] == [True]
    after = running_turn()
    assert run(after, body) == body
    assert after.channel.terminal == Finished("stop")


def test_cancellation_is_not_caught(running: RunningTurn, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(GoogleDecoder, "decode", stopped)
    with pytest.raises(asyncio.CancelledError):
        Tap(running, 0).feed(body_of(text("Pa")))


# -- refusals --------------------------------------------------------------------------------------------------------


def test_a_refusal(running: RunningTurn, channel: CascadeChannel) -> None:
    body = json.dumps({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}).encode()
    close_with_error(running, 429, {"Retry-After": "7"}, body)
    opened, terminal = channel.records
    assert opened == Record(0, opened.t_ns, 0, body, (AttemptOpened(status=429), AttemptClosed(None)), (0, len(body)))
    assert isinstance(terminal.terminal, Failed)
    fault = terminal.terminal.fault
    assert (fault.status, fault.code, fault.retry_after, fault.message) == (
        429,
        "rate_limit_exceeded",
        7.0,
        "slow down",
    )
    close_with_error(running, 500, {}, b"")
    assert channel.count == 2


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("/v1internal:streamGenerateContent?alt=sse", "Give the language server an API key that is valid for this."),
        ("/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse", "Check the API key (GEMINI_API_KEY"),
        ("/v1beta1/publishers/google/models/gemini-3.8-flash:generateContent", "Check the API key (GEMINI_API_KEY"),
    ],
)
def test_h40_the_remedy_fits_the_api_that_was_called(path: str, remedy: str) -> None:
    """Before the stream and inside it; a passive call's as well."""
    body = json.dumps({"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}).encode()
    asked = expected(path)
    before, inside, passive = running_turn(), running_turn(), running_turn()
    close_with_error(before, 400, {}, body, asked.api)
    run(inside, b"data: " + body + b"\r\n\r\n", expected=asked)
    run(passive, b"data: " + body + b"\r\n\r\n", expected=asked, passive=True)
    for turn in (before, inside, passive):
        assert isinstance(turn.channel.terminal, Failed)
        assert turn.channel.terminal.fault.remedy.startswith(remedy)


def test_a_refusal_that_cannot_be_read(
    forced: None, running: RunningTurn, channel: CascadeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module.google_errors, "decode_error", breaking(bool, 0))
    close_with_error(running, 500, {}, b"")
    assert failure(channel) == (Termination.INTERNAL, "internal")


# -- any answer, any split -------------------------------------------------------------------------------------------


@given(answers(), st.booleans(), st.booleans(), st.lists(st.integers(0, 3000), max_size=6), st.sampled_from(SQUEEZED))
def test_any_answer(
    chunks: list[Any], envelope: bool, lf: bool, cuts: list[int], squeezed: tuple[str, Callable[[bytes], bytes]]
) -> None:
    body = body_of(*chunks, envelope=envelope, eol=b"\n" if lf else b"\r\n")
    running = running_turn()
    channel = running.channel
    shown = run(running, *cut(body, *cuts))
    assert not any("functionCall" in part for part in parts_in(shown))
    if channel.closed:
        assert words(shown)
        assert finishes(shown)
        assert sum(record.terminal is not None for record in channel.records) == 1
    else:
        assert running.awaiting is not None
        assert shown == body
    if b"functionCall" not in body:  # one that was cut off is no call, and not passed on all the same
        assert shown.startswith(body)
    assert channel.state.text == "".join(event.text for event in events_of(channel) if isinstance(event, TextDelta))
    assert [record.data for record in channel.records if record.data] == [f[6:].strip() for f in frames(
        *chunks, envelope=envelope)]  # fmt: skip

    encoding, squeeze = squeezed
    again = running_turn()
    assert run(again, *cut(squeeze(body), *cuts), encoding=encoding) == shown
    assert [(r.data, r.events, r.span) for r in again.channel.records] == [
        (r.data, r.events, r.span) for r in channel.records
    ]


@given(st.lists(st.binary(max_size=40) | st.sampled_from(frames(text("a"), call("f"), END)), max_size=6), st.booleans())
def test_any_bytes_flow_on_and_end_the_turn_once(pieces: list[bytes], aborted: bool) -> None:
    pieces = [piece for piece in pieces if piece]
    running = running_turn()
    channel = running.channel
    tap = Tap(running, 0)
    shown = feed(tap, *pieces, end=not aborted)
    if aborted:
        tap.abort("reset")
    assert channel.closed or running.awaiting is not None
    body, parser = b"".join(pieces), SseParser()
    parser.feed(body)
    if b"unction" not in body:
        whole = body[: parser.boundary]
        assert shown == whole if aborted else shown.startswith(whole)


# -- a language server without a use for answers ---------------------------------------------------------------------


@given(answers(), st.booleans(), st.lists(st.integers(0, 3000), max_size=6), st.sampled_from(SQUEEZED))
def test_a_muted_answer_is_recorded_as_any_and_passed_on_as_one_last_event(
    chunks: list[Any], envelope: bool, cuts: list[int], squeezed: tuple[str, Callable[[bytes], bytes]]
) -> None:
    body, (encoding, squeeze) = body_of(*chunks, envelope=envelope), squeezed
    whole, muted = running_turn(), running_turn()
    run(whole, body, expected=Expected(envelope))
    shown = run(muted, *cut(squeeze(body), *cuts), encoding=encoding, muted=True, expected=Expected(envelope))
    assert [(r.data, r.events, r.span) for r in muted.channel.records] == [
        (r.data, r.events, r.span) for r in whole.channel.records
    ]
    assert (muted.awaiting is None) == (whole.awaiting is None)
    assert len(parsed(shown)) == 1
    assert (b'"response"' in shown) == envelope
    assert finishes(shown) == ["STOP" if muted.awaiting is None else "MALFORMED_FUNCTION_CALL"]
    assert words(shown) == ("ok" if muted.awaiting is None else "")


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_what_cannot_be_read_is_muted_too(pieces: list[bytes]) -> None:
    shown = run(running_turn(), *filter(None, pieces), muted=True)
    assert len(parsed(shown)) == 1


def test_a_json_body_is_passed_on_where_it_was_asked_for(running: RunningTurn) -> None:
    body = json.dumps(text("Hello", "STOP")).encode()
    assert run(running, body, content_type=JSON, muted=True, expected=Expected(False, "object")) == body

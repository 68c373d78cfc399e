"""Every scenario of the catalogue is what the table says it is, over real sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.testing.simulator.support import INTERNAL, TEXT, THOUGHT, Http2Client, Reply, Stream, envelope, fetch, inner
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.google.catalogue import CATALOGUE, FAILURES, TEXTS
from zerogravity.testing.simulator.google.default_answers import GROUNDED
from zerogravity.wire.google_errors import decode_error
from zerogravity.wire.reasons import Api, Reason

STOP = ["STOP"]


@dataclass
class Expect:
    """What a whole answer shows. None: not looked at. ``also``: a further check."""

    text: str | None = TEXT
    thoughts: str | None = THOUGHT
    calls: int = 0
    finishes: list[str] | None = None
    end: str = "complete"
    also: Callable[[Reply, Stream], bool] | None = None


def sizes(reply: Reply) -> set[int]:
    return {len(chunk) for chunk in reply.chunks}


def signed_at(stream: Stream) -> list[int]:
    """Which of all parts carry a signature."""
    return [at for at, part in enumerate(stream.parts) if {"thoughtSignature", "thought_signature"} & set(part)]


def calls_at(stream: Stream) -> list[int]:
    return [at for at, part in enumerate(stream.parts) if part in stream.call_parts]


def only_first_call_is_signed(reply: Reply, stream: Stream) -> bool:
    return signed_at(stream) == calls_at(stream)[:1]


def in_events(stream: Stream) -> list[int]:
    """How many calls each event has that has any."""
    counts = [
        sum("functionCall" in part for one in event.get("candidates", []) for part in one["content"].get("parts", []))
        for event in stream.inner
    ]
    return [count for count in counts if count]


def usage_positions(stream: Stream) -> list[int]:
    return [at for at, one in enumerate(stream.inner) if "usageMetadata" in one]


def args_text(reply: Reply) -> str:
    return reply.body.decode()


def ends(*parts: str, **more: Any) -> Expect:
    """Text and thoughts that are there before the end."""
    return Expect(TEXT if "text" in parts else "", THOUGHT if "think" in parts else "", finishes=[], **more)


def stops(finish: str, text: str | None = "", thoughts: str | None = "", **more: Any) -> Expect:
    return Expect(text, thoughts, finishes=[finish], **more)


TOOL = {"text": "", "calls": 1}


STREAMS: dict[str, Expect] = {
    "think": Expect(also=lambda r, s: signed_at(s) == [len(s.parts) - 1] and s.parts[-1]["text"] == ""),
    "text": Expect(thoughts=""),
    "tool": Expect(**TOOL, also=only_first_call_is_signed),
    "parallel": Expect(text="", calls=3, also=lambda r, s: in_events(s) == [3] and only_first_call_is_signed(r, s)),
    "parallel 5": Expect(text="", calls=5, also=lambda r, s: in_events(s) == [5]),
    "parallel-split": Expect(
        text="", calls=3, also=lambda r, s: in_events(s) == [1, 1, 1] and only_first_call_is_signed(r, s)
    ),
    "tool-apart": Expect(**TOOL, also=lambda r, s: "finishReason" not in s.inner[-2]["candidates"][0]),
    "sig-before": Expect(**TOOL, also=lambda r, s: signed_at(s) == [calls_at(s)[0] - 1]),
    "sig-after": Expect(**TOOL, also=lambda r, s: signed_at(s) == [calls_at(s)[0] + 1]),
    "tool-text": Expect("I will look that up.", "", 1, also=lambda r, s: len(s.events) == 1),
    "tool-late-text": Expect("That was the call.", calls=1, also=lambda r, s: calls_at(s)[0] < len(s.parts) - 2),
    "tool-noargs": Expect("", "", 1, also=lambda r, s: "args" not in s.calls[0]),
    "tool-exact": Expect(
        "", "", 1,
        also=lambda r, s: '"big": 123456789012345678901234567890,' in args_text(r) and '"float": 1.1,' in args_text(r)
        and "\u2028" in s.calls[0]["args"]["text"] and s.calls[0]["args"]["nested"]["default"] is None,
    ),
    "tool-unknown": Expect("", "", 1, also=lambda r, s: s.calls[0]["name"] == "no_such_function"),
    "nameless": Expect("", "", 1, also=lambda r, s: s.calls[0]["name"] == ""),
    "snake": Expect(**TOOL, also=lambda r, s: {"function_call", "thought_signature"} == set(s.call_parts[0])),
    "search-tool": Expect(
        **TOOL, also=lambda r, s: [list(part) for part in s.parts[-3:]]
        == [[kind, "thoughtSignature"] for kind in ("toolCall", "toolResponse", "functionCall")],
    ),
    "image": Expect(
        "Here is your picture.", "",
        also=lambda r, s: s.parts[1]["inlineData"]["mimeType"] == "image/png" and signed_at(s) == [1],
    ),
    "code": Expect("The answer is 42.", "", also=lambda r, s: "executableCode" in s.parts[0]
                   and s.parts[1]["codeExecutionResult"]["outcome"] == "OUTCOME_OK"),
    "grounding": Expect(GROUNDED, "", also=lambda r, s: grounded(s)),
    "signed-text": Expect("First. This text is signed.", "", also=lambda r, s: signed_at(s) == [1]),
    "echo": Expect(None, "", also=lambda r, s: json.loads(s.text)["requestId"] == "agent/1"),
    "json": Expect(None, also=lambda r, s: list(json.loads(s.text)) == ["answer"]),
    "unicode": Expect(
        None, "",
        also=lambda r, s: all(one in s.text for one in "\u2028\u2029\u0085\u000b\u001c🙂\ufeff")
        and sizes(r) <= set(range(8)) and b"<" not in r.body,
    ),
    "claude": Expect(
        TEXT, "Let me think. Yes.",
        also=lambda r, s: s.parts[0] == {"text": ""} and s.parts[-1] == {"text": ""}
        and [s.parts[at]["text"] for at in signed_at(s)] == [""] and s.parts[signed_at(s)[0]]["thought"] is True,
    ),
    "slow 0.001": Expect(), "stall 0.01": Expect("Before the silence. After it.", ""), "stall-before 0.01": Expect(),
    "long 5": Expect("word0 word1 word2 word3 word4 ", "", also=lambda r, s: len(s.events) == 6),
    "flood 50": Expect("".join(f"word{n} " for n in range(50)), "", also=lambda r, s: len(s.events) == 51),
    "big 300": Expect("x" * (300 << 10), "", also=lambda r, s: len(s.events) == 2),
    "bench 4 1 60": Expect(
        None, "", also=lambda r, s: [one[:3] for one in re.findall(r"@\d+:\d+", s.text)] == ["@0:", "@1:", "@2:", "@3:"]
        and len(s.text) == 240,
    ),
    "split 5": Expect(also=lambda r, s: sizes(r) <= set(range(6)) and len(r.chunks) > 100),
    "lf": Expect(also=lambda r, s: b"\r" not in r.body and b"\n\n" in r.body),
    "cr": Expect(also=lambda r, s: b"\n" not in r.body and b"\r\r" in r.body),
    "gzip": Expect(also=lambda r, s: r.headers["content-encoding"] == "gzip" and r.raw[:2] == b"\x1f\x8b"),
    "odd-sse": Expect(
        also=lambda r, s: b"data:{" in r.body and b": comment" in r.body and b"data: " not in r.body
        and not r.body.endswith(b"\n")
    ),
    "usage-after": Expect(
        also=lambda r, s: usage_positions(s) == [len(s.inner) - 1] and "candidates" not in s.inner[-1]
    ),
    "usage-root": Expect(also=lambda r, s: not s.usages and all("usageMetadata" in one for one in s.events)),
    "usage-jump": Expect(
        also=lambda r, s: s.usages[0]["promptTokenCount"] * 2 <= s.usages[-1]["promptTokenCount"] + 1
    ),
    "usage-none": Expect(also=lambda r, s: not s.usages),
    "usage-last": Expect(also=lambda r, s: usage_positions(s) == [len(s.inner) - 1] and "candidates" in s.inner[-1]),
    "drop": ends("text", end="closed"), "drop-think": ends("think", end="closed"),
    "reset": ends("text", end="reset"), "half-close": ends("text", end="closed"),
    "no-finish": ends("think", "text"), "empty-body": ends(also=lambda r, s: r.raw == b""),
    "cut": ends("text", end="closed", also=lambda r, s: s.rest == ['{"response": {"candidates": [{"content": {"par']),
    "gzip-cut": ends("text", end="closed", also=lambda r, s: r.headers["content-encoding"] == "gzip"),
    "503-mid": ends("text", also=lambda r, s: s.events[-1]["error"]["code"] == 503),
    "429-mid": ends("text", also=lambda r, s: s.events[-1]["error"]["status"] == "RESOURCE_EXHAUSTED"),
    "raw-mid": ends("text", also=lambda r, s: json.loads("".join(s.rest))["error"]["code"] == 503),
    "garbage": Expect(thoughts="", also=lambda r, s: s.rest == ['{"response": {"candidates": [}']),
    "blocked": Expect("", "", finishes=[], also=lambda r, s: s.inner == [s.inner[0]] and "candidates" not in s.inner[0]
                      and s.inner[0]["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"),
    "empty": stops("STOP", also=lambda r, s: s.parts == []),
    "thinking-only": stops("STOP", thoughts=THOUGHT),
    "malformed": stops("MALFORMED_FUNCTION_CALL", also=lambda r, s: "get_weather" in
                       s.inner[0]["candidates"][0]["finishMessage"]),
    "unexpected": stops("UNEXPECTED_TOOL_CALL"),
    "unsigned": stops("MISSING_THOUGHT_SIGNATURE", thoughts=THOUGHT),
    "safety": stops("SAFETY", "".join(TEXTS[:2])), "recitation": stops("RECITATION", "".join(TEXTS[:2])),
    "other": stops("OTHER"), "max-tokens": stops("MAX_TOKENS", "".join(TEXTS[:2]), THOUGHT),
    "max-thinking": stops("MAX_TOKENS", thoughts=THOUGHT),
}  # fmt: skip


NO_STREAM = {"drop-before", "reset-before", "nonsense"}


def grounded(stream: Stream) -> bool:
    """Segments are byte offsets into the text, and say what they point at."""
    first, last = stream.inner[0]["candidates"][0], stream.inner[-1]["candidates"][0]["groundingMetadata"]
    data = stream.text.encode()
    for support in last["groundingSupports"]:
        segment = support["segment"]
        assert data[segment.get("startIndex", 0) : segment["endIndex"]].decode() == segment["text"]
        assert all(index < len(last["groundingChunks"]) for index in support["groundingChunkIndices"])
    return first["groundingMetadata"] == {} and "startIndex" not in last["groundingSupports"][0]["segment"]


def test_every_scenario_is_in_the_tables_here() -> None:
    named = {name.split(" ")[0] for name in STREAMS} | NO_STREAM | set(FAILURES)
    assert named == set(CATALOGUE)


@pytest.mark.parametrize("name", STREAMS)
async def test_streams_over_http1(google: GoogleSimulator, name: str) -> None:
    reply = await fetch(google, INTERNAL, envelope(inner(f"sim:{name}")))
    check(reply, STREAMS[name])
    assert google.requests[-1].scenario == name.split(" ")[0]
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["transfer-encoding"] == "chunked"


def check(reply: Reply, expect: Expect) -> None:
    stream = reply.stream
    assert reply.status == 200
    assert reply.end == expect.end
    if expect.text is not None:
        assert stream.text == expect.text
    if expect.thoughts is not None and expect.text is not None:
        assert stream.thoughts == expect.thoughts
    assert len(stream.calls) == expect.calls
    assert stream.finishes == (STOP if expect.finishes is None else expect.finishes)
    assert expect.also is None or expect.also(reply, stream)
    for one in stream.events:
        assert "error" in one or {"response", "traceId", "metadata"} <= set(one)


MAIN = ("think", "parallel", "flood 50", "big 300", "split 5", "gzip", "usage-after", "503-mid", "cut", "empty", "lf")


@pytest.mark.parametrize("name", MAIN)
async def test_the_same_streams_over_http2(google: GoogleSimulator, name: str) -> None:
    async with Http2Client(google.port, google.ca_pem) as client:
        reply = await client.fetch(INTERNAL, envelope(inner(f"sim:{name}")))
        expect = STREAMS[name]
        if name == "split 5":
            expect = Expect()  # frames, not chunks
        check(reply, expect)
    assert google.requests[-1].http == "2"


FAILED = {
    "400": (400, "INVALID_ARGUMENT", {"BadRequest"}), "400-long": (400, "INVALID_ARGUMENT", set()),
    "401": (401, "UNAUTHENTICATED", {"ErrorInfo"}), "403": (403, "PERMISSION_DENIED", {"ErrorInfo"}),
    "403-verify": (403, "PERMISSION_DENIED", {"ErrorInfo"}), "404": (404, "NOT_FOUND", set()),
    "429": (429, "RESOURCE_EXHAUSTED", {"ErrorInfo", "RetryInfo"}),
    "429-quota": (429, "RESOURCE_EXHAUSTED", {"ErrorInfo", "RetryInfo"}),
    "429-bare": (429, "RESOURCE_EXHAUSTED", set()), "500": (500, "INTERNAL", set()),
    "503": (503, "UNAVAILABLE", set()), "503-capacity": (503, "UNAVAILABLE", {"ErrorInfo"}),
    "504": (504, "DEADLINE_EXCEEDED", set()),
    "400-key": (400, "INVALID_ARGUMENT", {"ErrorInfo"}), "400-region": (400, "FAILED_PRECONDITION", set()),
    "400-billing": (400, "FAILED_PRECONDITION", set()),
    **dict.fromkeys(("429-day", "429-plan"), (429, "RESOURCE_EXHAUSTED", {"Help", "QuotaFailure", "RetryInfo"})),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_failures_before_the_stream(google: GoogleSimulator, name: str, http2: bool) -> None:
    body = envelope(inner(f"sim:{name}"))
    if http2:
        async with Http2Client(google.port, google.ca_pem) as client:
            reply = await client.fetch(INTERNAL, body)
    else:
        reply = await fetch(google, INTERNAL, body)
    error = reply.json["error"]
    code, status, details = FAILED[name]
    assert (reply.status, error["code"], error["status"]) == (code, code, status)
    assert {one["@type"].rpartition(".")[2] for one in error.get("details", [])} == details
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert b'\n  "error": {' in reply.body, "pretty-printed, also with alt=sse"


PUBLIC_REASONS = {
    "400-key": Reason.API_KEY, "400-region": Reason.REGION, "400-billing": Reason.BILLING, "429": Reason.RATE,
    "429-day": Reason.DAY, "429-plan": Reason.FREE_TIER, "429-bare": Reason.RATE, "503": Reason.CAPACITY,
}  # fmt: skip


@pytest.mark.parametrize(("name", "reason"), PUBLIC_REASONS.items())
async def test_what_the_public_api_refuses_is_explained(google: GoogleSimulator, name: str, reason: Reason) -> None:
    reply = await fetch(google, "/v1beta/models/gemini-3-flash:generateContent?key=k", inner(f"sim:{name}"))
    assert reply.status is not None
    assert decode_error(reply.status, {}, reply.body, Api.KEY).reason == reason


async def test_public_quota_failures_have_quota_details(google: GoogleSimulator) -> None:
    reply = await fetch(google, "/v1beta/models/gemini-2.5-flash:generateContent?key=k", inner("sim:429"))
    details = {one["@type"].rpartition(".")[2]: one for one in reply.json["error"]["details"]}
    assert set(details) == {"QuotaFailure", "Help", "RetryInfo"}
    assert details["RetryInfo"]["retryDelay"] == "27s"
    assert details["QuotaFailure"]["violations"][0]["quotaDimensions"]["model"] == "gemini-2.5-flash"


@pytest.mark.parametrize(("name", "end"), [("drop-before", "closed"), ("reset-before", "reset")])
async def test_no_headers_at_all(google: GoogleSimulator, name: str, end: str) -> None:
    reply = await fetch(google, INTERNAL, envelope(inner(f"sim:{name}")))
    assert (reply.status, reply.end, reply.raw) == (None, end, b"")


async def test_a_200_that_is_a_page(google: GoogleSimulator) -> None:
    reply = await fetch(google, INTERNAL, envelope(inner("sim:nonsense")))
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    assert reply.body.startswith(b"<!DOCTYPE html>")

"""The Google stand-in over real sockets: every scenario of the table is what the table says it is."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from tests.testing.simulator.support import INTERNAL, WEATHER, Http2Client, Reply, Stream, envelope, fetch, inner, trust
from zerogravity.testing.simulator.google import (
    SIGN,
    Do,
    GoogleSimulator,
    Scenario,
    answer,
    event,
    say,
    scenarios,
)
from zerogravity.testing.simulator.google.catalogue import CATALOGUE, FAILURES, TEXTS, THOUGHTS
from zerogravity.testing.simulator.google.default_answers import GROUNDED
from zerogravity.testing.simulator.google.server import FIRST

TEXT, THOUGHT = "".join(TEXTS), "".join(THOUGHTS)
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


def test_every_scenario_is_in_the_public_table() -> None:
    first_columns = "".join(line.split("|")[1] for line in (scenarios.__doc__ or "").splitlines() if line[:1] == "|")
    named = {word for word in re.split(r"[ ·]+", first_columns) if re.fullmatch(r"[a-z0-9][a-z0-9-]*", word)}
    assert named - {"keyword"} == set(CATALOGUE) | set(FIRST)


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


async def test_http2_streams_run_at_once_on_one_connection(google: GoogleSimulator) -> None:
    release = asyncio.Event()
    google.script(Scenario([(0, release), *say("late"), *scenarios.stop()]), match="first")
    async with Http2Client(google.port, google.ca_pem) as client:
        first = asyncio.create_task(client.fetch(INTERNAL, envelope(inner("first"))))
        await google.wait_for(1)
        second = await client.fetch(INTERNAL, envelope(inner("sim:text")))
        assert second.stream.text == TEXT
        assert not first.done()
        release.set()
        assert (await first).stream.text == "late"
    assert google.connections == 1


async def test_http2_reset_is_of_the_stream_alone(google: GoogleSimulator) -> None:
    async with Http2Client(google.port, google.ca_pem) as client:
        assert (await client.fetch(INTERNAL, envelope(inner("sim:reset")))).end == "reset"
        assert (await client.fetch(INTERNAL, envelope(inner("sim:text")))).stream.text == TEXT
    assert google.connections == 1


async def test_an_answer_larger_than_the_windows_arrives_whole(google: GoogleSimulator) -> None:
    async with Http2Client(google.port, google.ca_pem) as client:
        reply = await client.fetch(INTERNAL, envelope(inner("sim:big 3000")))
    assert reply.stream.text == "x" * (3000 << 10)


FAILED = {
    "400": (400, "INVALID_ARGUMENT", {"BadRequest"}), "400-long": (400, "INVALID_ARGUMENT", set()),
    "401": (401, "UNAUTHENTICATED", {"ErrorInfo"}), "403": (403, "PERMISSION_DENIED", {"ErrorInfo"}),
    "403-verify": (403, "PERMISSION_DENIED", {"ErrorInfo"}), "404": (404, "NOT_FOUND", set()),
    "429": (429, "RESOURCE_EXHAUSTED", {"ErrorInfo", "RetryInfo"}),
    "429-quota": (429, "RESOURCE_EXHAUSTED", {"ErrorInfo", "RetryInfo"}),
    "429-bare": (429, "RESOURCE_EXHAUSTED", set()), "500": (500, "INTERNAL", set()),
    "503": (503, "UNAVAILABLE", set()), "503-capacity": (503, "UNAVAILABLE", {"ErrorInfo"}),
    "504": (504, "DEADLINE_EXCEEDED", set()),
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


@pytest.mark.parametrize(("name", "open_after"), [("drop", False), ("half-close", True)])
async def test_half_close_leaves_the_other_half_open(name: str, open_after: bool) -> None:
    async with GoogleSimulator(tls=False, pace=0.0) as google:
        body = json.dumps(envelope(inner(f"sim:{name}"))).encode()

        def talk() -> bool:
            with socket.create_connection(("127.0.0.1", google.port), timeout=10) as client:
                client.sendall(post(f"Content-Length: {len(body)}") + body)
                while client.recv(1 << 16):
                    pass
                try:
                    for _ in range(3):
                        client.sendall(b"x")
                except ConnectionError:
                    return False
                return True

        assert await asyncio.to_thread(talk) is open_after


async def test_flaky_fails_as_often_as_told(google: GoogleSimulator) -> None:
    statuses = [(await fetch(google, INTERNAL, envelope(inner("again sim:flaky 2")))).status for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert (await fetch(google, INTERNAL, envelope(inner("other sim:flaky")))).status == 503


@pytest.mark.parametrize("once", ["malformed-once", "nameless-once"])
async def test_a_call_that_is_broken_once(google: GoogleSimulator, once: str) -> None:
    body = envelope(inner(f"sim:{once} what is the weather?"))
    first, second = [(await fetch(google, INTERNAL, body)).stream for _ in range(2)]
    assert [call["name"] for call in first.calls] == [""] * (once == "nameless-once")
    assert [call["name"] for call in second.calls] == ["get_weather"]


async def test_a_call_whose_name_is_no_text(google: GoogleSimulator) -> None:
    google.script(Scenario([(0, event({"functionCall": {"name": 5}, "thoughtSignature": SIGN}, finish="STOP"))]))
    told = (await fetch(google, INTERNAL, envelope(inner("hello")))).stream
    assert [call["name"] for call in told.calls] == [5]


async def test_thinking_once_thinks_then_answers(google: GoogleSimulator) -> None:
    first, second = [(await fetch(google, INTERNAL, envelope(inner("sim:thinking-once")))).stream for _ in range(2)]
    assert (first.text, first.thoughts) == ("", THOUGHT)
    assert second.text


async def test_gzip_only_when_asked_for(google: GoogleSimulator) -> None:
    body = envelope(inner("sim:think"))
    plain = await fetch(google, INTERNAL, body)
    packed = await fetch(google, INTERNAL, body, Accept_Encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.stream.text == plain.stream.text == TEXT


async def test_each_event_of_a_gzip_stream_can_be_read_at_once(google: GoogleSimulator) -> None:
    """Every HTTP chunk ends at a flush, so that nothing waits in the compressor."""
    import zlib

    reply = await fetch(google, INTERNAL, envelope(inner("sim:think")), Accept_Encoding="gzip")
    inflate = zlib.decompressobj(31)
    pieces = [inflate.decompress(chunk) for chunk in reply.chunks]
    assert sum(piece.endswith(b"\r\n\r\n") for piece in pieces) == len(reply.stream.events) > 3


async def test_framing_is_crlf_and_one_line_per_event(google: GoogleSimulator) -> None:
    reply = await fetch(google, INTERNAL, envelope(inner("sim:unicode")))
    lines = reply.body.split(b"\r\n")
    assert reply.body.endswith(b"\r\n\r\n")
    assert all(line.startswith(b"data: {") for line in lines[::2] if line)
    assert all(line == b"" for line in lines[1::2])
    assert b"\n" not in reply.body.replace(b"\r\n", b"")


async def test_usage_is_cumulative_and_adds_up(google: GoogleSimulator) -> None:
    usages = (await fetch(google, INTERNAL, envelope(inner("sim:think")))).stream.usages
    for earlier, later in pairwise(usages):
        assert later.get("thoughtsTokenCount", 0) >= earlier.get("thoughtsTokenCount", 0)
        assert later.get("candidatesTokenCount", 0) >= earlier.get("candidatesTokenCount", 0)
    last = usages[-1]
    assert last["totalTokenCount"] == (
        last["promptTokenCount"] + last["candidatesTokenCount"] + last["thoughtsTokenCount"]
    )
    assert "candidatesTokenCount" not in usages[0], "zeros are left out"


async def test_ids_stay_the_same_within_an_answer(google: GoogleSimulator) -> None:
    stream = (await fetch(google, INTERNAL, envelope(inner("sim:think"), "gemini-3-flash-agent"))).stream
    assert len({one["responseId"] for one in stream.inner}) == 1
    assert {one["modelVersion"] for one in stream.inner} == {"gemini-3-flash-a"}
    claude = (await fetch(google, INTERNAL, envelope(inner("hello"), "claude-sonnet-4-6"))).stream
    assert claude.inner[0]["responseId"].startswith("req_vrtx_")


async def test_several_keywords_are_for_several_calls_of_a_turn(google: GoogleSimulator) -> None:
    first = (await fetch(google, INTERNAL, envelope(inner("sim:tool sim:429")))).stream
    history = [
        *inner("sim:tool sim:429")["contents"],
        {"role": "model", "parts": first.call_parts},
        {"role": "user", "parts": [{"functionResponse": {"id": first.calls[0]["id"], "name": first.calls[0]["name"],
                                                         "response": {"output": "18C"}}}]},
    ]  # fmt: skip
    reply = await fetch(google, INTERNAL, envelope(inner("", contents=history)))
    assert reply.status == 429


async def test_without_a_keyword_the_tool_that_fits_is_called_and_its_result_quoted(google: GoogleSimulator) -> None:
    first = (await fetch(google, INTERNAL, envelope(inner("Weather in Rome and in Oslo?")))).stream
    assert [call["args"] for call in first.calls] == [{"city": "Rome"}, {"city": "Oslo"}]
    answers = [{"functionResponse": {"id": call["id"], "name": call["name"], "response": {"output": f"{n} degrees"}}}
               for n, call in enumerate(first.calls)]  # fmt: skip
    history = [*inner("Weather in Rome and in Oslo?")["contents"], {"role": "model", "parts": first.call_parts},
               {"role": "user", "parts": answers}]  # fmt: skip
    second = (await fetch(google, INTERNAL, envelope(inner("", contents=history)))).stream
    assert "0 degrees" in second.text
    assert "1 degrees" in second.text


async def test_scripts_come_before_keywords_in_order(google: GoogleSimulator) -> None:
    google.script(answer("one"))
    google.script(answer("two"), match="hello")
    texts = [
        (await fetch(google, INTERNAL, envelope(inner(prompt)))).stream.text for prompt in ("x", "sim:text", "hello")
    ]
    assert texts == ["one", TEXT, "two"]


def post(*lines: str) -> bytes:
    """The head of a request to v1internal."""
    head = (f"POST {INTERNAL} HTTP/1.1", "Host: localhost", "Authorization: Bearer t", *lines, "", "")
    return "\r\n".join(head).encode()


async def test_a_client_that_goes_is_noticed(google: GoogleSimulator) -> None:
    google.script(Scenario([*say("begun"), (0, asyncio.Event())]))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", google.port, ssl=trust(google.ca_pem), server_hostname="localhost"
    )
    body = json.dumps(envelope(inner("x"))).encode()
    writer.write(post(f"Content-Length: {len(body)}") + body)
    await reader.readuntil(b"begun")
    writer.transport.abort()
    received = google.requests[-1]
    await asyncio.wait_for(received.done.wait(), 10)
    assert received.ended == "client_gone"


async def test_stop_cuts_what_runs() -> None:
    google = GoogleSimulator()
    await google.start()
    google.script(Scenario([*say("begun"), (0, asyncio.Event())]))
    task = asyncio.create_task(fetch(google, INTERNAL, envelope(inner("x"))))
    received = await google.wait_for(1)
    await google.stop()
    assert (await task).end in ("closed", "reset")
    assert received.done.is_set()


async def test_tls_is_verified_by_its_authority_alone(google: GoogleSimulator) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", google.port, ssl=ssl.create_default_context())


async def test_keep_alive_and_pipelining() -> None:
    async with GoogleSimulator(tls=False, pace=0.0) as google:
        reader, writer = await asyncio.open_connection("127.0.0.1", google.port)
        body = json.dumps(envelope(inner("sim:text"))).encode()
        writer.write((post(f"Content-Length: {len(body)}") + body) * 3)
        writer.write_eof()
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert data.count(b"HTTP/1.1 200 OK") == data.count(b"\r\n0\r\n\r\n") == 3
    assert google.connections == 1


@pytest.mark.parametrize("encode", ["gzip", "chunked"])
async def test_request_bodies_may_be_compressed_or_chunked(encode: str) -> None:
    import gzip

    async with GoogleSimulator(tls=False, pace=0.0) as google:
        body = json.dumps(envelope(inner("sim:text"))).encode()
        if encode == "gzip":
            body = gzip.compress(body)
            framing = ["Content-Encoding: gzip", f"Content-Length: {len(body)}"]
        else:
            body = b"".join(b"%x;x=y\r\n%b\r\n" % (len(p), p) for p in (body[:7], body[7:])) + b"0\r\nT: t\r\n\r\n"
            framing = ["Transfer-Encoding: chunked"]
        reader, writer = await asyncio.open_connection("127.0.0.1", google.port)
        writer.write(post("Connection: close", *framing) + body)
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert data.startswith(b"HTTP/1.1 200 OK")
    assert WEATHER["name"] == google.requests[0].request["tools"][0]["functionDeclarations"][0]["name"]


async def test_a_drop_may_be_scripted_anywhere(google: GoogleSimulator) -> None:
    google.script(Scenario([(0, b"data: {"), (0, Do.DROP)]))
    reply = await fetch(google, INTERNAL, envelope(inner("x")))
    assert (reply.raw, reply.end) == (b"data: {", "closed")
    assert google.requests[-1].ended == "drop"

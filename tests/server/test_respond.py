"""A channel → one HTTP answer: early faults, grace, heartbeats, writes, clients that leave or stall (H16-H18)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests.reading import to_the_end
from tests.server.support import JSON, Serve, Served, forever, say
from tests.waiting import until
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import AttemptOpened, Failed, Finished, TextDelta, ThinkingDelta, Usage
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination, bad_request, internal, upstream
from zerogravity.server import respond
from zerogravity.server.protocol import Connection
from zerogravity.server.respond import FLUSH, Pump, drop_stalled_reader
from zerogravity.server.watchdog import Room, Watchdog
from zerogravity.surfaces import chat, gemini
from zerogravity.testing.builders import FakeClock
from zerogravity.testing.check import check_chat

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**HELLO, "stream": True}
BUSY = upstream(429, "rate_limit_exceeded", "slow down", retry_after=3.2)
BROKEN = upstream(502, "upstream_drop", "the connection broke", Termination.UPSTREAM_DROP)


def codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The termination codes of the access log."""
    return [json.loads(record.message)["code"] for record in caplog.records if record.name == "zerogravity.access"]


# -- the status line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        (BUSY, {"Retry-After": "4", "x-should-retry": None}),
        (BROKEN, {"Retry-After": None, "x-should-retry": None}),
        (bad_request("no such thing", param="input").fault, {"Retry-After": None, "x-should-retry": "false"}),
        (internal("stop", Termination.SHUTDOWN, status=503), {"x-should-retry": None}),
    ],
)
async def test_early_faults_are_plain_answers(
    serve: Serve, stream: bool, fault: Any, headers: dict[str, str | None]
) -> None:
    served = await serve()

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened())
        running.close(Failed(fault))

    served.engine.script = script
    status, told, body = await served.post(CHAT, {**HELLO, "stream": stream})
    assert status == fault.status
    assert told["Content-Type"] == "application/json"
    assert body["error"]["code"] == fault.code
    assert {name: told.get(name) for name in headers} == headers
    path = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
    status, told, body = await served.post(path, {"contents": [{"parts": [{"text": "hi"}]}]})
    assert (status, body["error"]["code"]) == (fault.status, fault.status)
    assert {name: told.get(name) for name in headers} == headers
    status, told, body = await served.post("/v1/messages", {**HELLO, "max_tokens": 9, "stream": stream})
    assert (status, body["type"], body["request_id"]) == (fault.status, "error", told["request-id"])
    assert {name: told.get(name) for name in headers} == headers


GEMINI = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
SAID = {"model": "gemini-3-flash", "input": "hi", "stream": True}
ASKED = {"contents": [{"parts": [{"text": "hi"}]}]}
SHOWN = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHAT, STREAM, 200),  # reasoning_content is always shown there
        (CHAT, {**STREAM, "include_reasoning": False}, 502),
        ("/v1/responses", SAID, 502),
        ("/v1/responses", {**SAID, "reasoning": {"effort": "low"}}, 502),
        ("/v1/responses", {**SAID, "reasoning": {"summary": "auto"}}, 200),
        (GEMINI, ASKED, 502),
        (GEMINI, {**ASKED, **SHOWN}, 200),
    ],
)  # fmt: skip
async def test_thinking_that_was_not_requested_is_no_content(serve: Serve, path: str, body: Any, status: int) -> None:
    """A turn that fails after it is a plain status, not a 200 with an error in it."""

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened(), ThinkingDelta("Let me see."))
        running.close(Failed(BROKEN))

    served = await serve()
    served.engine.script = script
    async with served.http.post(served.url + path, json=body) as answer:
        assert answer.status == status
        await to_the_end(answer)


async def test_after_the_grace_faults_come_in_the_stream(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    async with served.http.post(served.url + CHAT, json=STREAM) as answer:
        assert answer.status == 200
        served.engine.turns[0].close(Failed(BROKEN))
        data, ended = await to_the_end(answer)
    check_chat(data)
    assert not ended
    assert b'"upstream_drop"' in data
    assert b"[DONE]" not in data
    assert codes(caplog) == ["upstream_drop"]


GEMINI: dict[str, Any] = {"contents": [{"parts": [{"text": "hi"}]}]}
STREAMS: dict[str, tuple[str, dict[str, Any], bool]] = {  # path, body, whether a failure ends its body well
    "chat": (CHAT, STREAM, False),
    "sse": ("/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse", GEMINI, False),
    "array": ("/v1beta/models/gemini-3-flash:streamGenerateContent", GEMINI, False),
    "masked": ("/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse&fields=candidates", GEMINI, False),
    "responses": ("/v1/responses", {"model": "gemini-3-flash", "input": "hi", "stream": True}, True),
    "messages": ("/v1/messages", {**STREAM, "max_tokens": 99}, True),
}


@pytest.mark.parametrize("terminal", [Failed(BROKEN), Failed(BUSY), Finished("stop"), Finished("length", "MAX_TOKENS")])
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["small", "large"])
@pytest.mark.parametrize("kind", STREAMS)
async def test_a_failure_in_the_middle_is_reported_and_cuts_the_body(
    serve: Serve, kind: str, size: int, terminal: Failed | Finished
) -> None:
    """Everything before it comes, the error comes, and whoever overlooks that finds a body without its end."""
    served = await serve()

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("x" * size))
        running.close(terminal)

    served.engine.script = script
    path, body, well = STREAMS[kind]
    async with served.http.post(served.url + path, json=body) as answer:
        data, ended = await to_the_end(answer)
    failed = isinstance(terminal, Failed)
    assert answer.status == 200
    assert data.count(b"x" * size) >= 1
    assert (b"the connection broke" in data or b"slow down" in data) is failed
    assert data.endswith(b"]" if kind == "array" else (b"\n\n", b"\r\n\r\n"))
    assert ended is (well or not failed)


async def test_a_late_reader_gets_the_failure(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp's client drops what nobody has read when the body breaks off; and who leaves then was answered."""
    monkeypatch.setattr(respond, "LINGER_S", 20)
    caplog.set_level(logging.INFO)
    served = await serve()
    served.engine.script = forever
    answer = asyncio.create_task(served.http.post(served.url + CHAT, json=STREAM))
    channel = await served.engine.begun()
    running = served.engine.inside(channel)
    say(running, AttemptOpened(), TextDelta("Hel"))
    answered = await answer
    running.close(Failed(BROKEN))
    arrived: Any = answered.content
    await until(lambda: b"upstream_drop" in b"".join(arrived._buffer))
    assert b"upstream_drop" in await answered.content.readany()
    answered.close()
    await until(lambda: codes(caplog))
    lines = [json.loads(record.message) for record in caplog.records if record.name == "zerogravity.access"]
    assert [line["status"] for line in lines] == [200]


async def test_before_chunks_were_known_a_body_ends_with_its_connection(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    body = json.dumps(STREAM).encode()
    head = f"POST {CHAT} HTTP/1.0\r\nHost: localhost:{served.running.port}\r\nContent-Type: application/json\r\n"
    asked = asyncio.create_task(served.raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body))
    served.engine.inside(await served.engine.begun()).close(Failed(BROKEN))
    assert (await asked).startswith((b"HTTP/1.0 502", b"HTTP/1.1 502", b"HTTP/1.0 200"))


@pytest.mark.parametrize("terminal", [Failed(BROKEN), Finished("stop")])
@pytest.mark.parametrize("kind", STREAMS)
async def test_without_chunks_a_reset_is_no_good_end(serve: Serve, kind: str, terminal: Failed | Finished) -> None:
    """HTTP/1.0, as nginx speaks it to what is behind it unless told otherwise: it hands a body on as it ends here."""
    served = await serve()

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("Hel"))
        running.close(terminal)

    served.engine.script = script
    path, asked, well = STREAMS[kind]
    body = json.dumps(asked).encode()
    head = f"POST {path} HTTP/1.0\r\nHost: localhost:{served.running.port}\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.running.port)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    data, ended = b"", False
    with suppress(ConnectionResetError):
        while piece := await reader.read(1 << 16):
            data += piece
        ended = True
    writer.close()
    failed = isinstance(terminal, Failed)
    assert b"Hel" in data
    assert (b"the connection broke" in data) is failed
    assert ended is (well or not failed)


async def test_the_first_content_ends_the_wait(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 1000})

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened(), Usage(prompt=1))
        say(running, TextDelta("Hel"))
        await running.channel.wait_closed()

    served.engine.script = script
    async with served.http.post(served.url + CHAT, json=STREAM) as answer:
        assert answer.status == 200
        for expected in (b'"role":"assistant"', b'"content":"Hel"'):
            while expected not in (await answer.content.readline()):
                pass
        served.engine.turns[0].close(Finished("stop"))
        assert b"[DONE]" in await answer.read()


async def test_headers_of_streams(serve: Serve) -> None:
    served = await serve()
    async with served.http.post(served.url + CHAT, json=STREAM, headers={"x-request-id": "s-1"}) as answer:
        told = answer.headers
        assert answer.content_type == "text/event-stream"
        assert told["Cache-Control"] == "no-cache, no-transform"
        assert told["X-Accel-Buffering"] == "no"
        assert told["x-request-id"] == "s-1"
        assert "Connection" not in told, "it stays open"
        assert told["openai-processing-ms"].isdigit()
        assert "text;dur=" in told["Server-Timing"]
        check_chat(await answer.read())


@pytest.mark.parametrize("kind", STREAMS)
async def test_the_next_turn_comes_over_the_same_connection(serve: Serve, kind: str) -> None:
    served = await serve()
    path, asked, _ = STREAMS[kind]
    body = json.dumps(asked).encode()
    head = served.head(f"POST {path}", "Content-Type: application/json", f"Content-Length: {len(body)}")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.running.port)
    try:
        for number in range(3):
            writer.write(head + body)
            async with asyncio.timeout(10):
                data = await reader.readuntil(b"\r\n0\r\n\r\n")
            assert data.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"Hel" in data
            assert len(served.engine.turns) == number + 1
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("then", [b"", b"POST /v1/cha"])
async def test_behind_a_stream_a_connection_that_is_idle_or_sends_half_a_head_is_closed(
    serve: Serve, then: bytes
) -> None:
    served = await serve(limits={"keepalive_seconds": 0.05})
    body = json.dumps(STREAM).encode()
    head = served.head(f"POST {CHAT}", "Content-Type: application/json", f"Content-Length: {len(body)}")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.running.port)
    try:
        writer.write(head + body)
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.write(then)
            assert await reader.read() == b""
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("line", ["HTTP/1.1\r\nConnection: close", "HTTP/1.0\r\nConnection: keep-alive"])
async def test_a_connection_is_closed_behind_a_stream_that_needs_it(serve: Serve, line: str) -> None:
    """Who asks for it, and who knows no chunks."""
    served = await serve()
    body = json.dumps(STREAM).encode()
    head = f"POST {CHAT} {line}\r\nHost: localhost:{served.running.port}\r\nContent-Type: application/json\r\n"
    data = await served.raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert data.rstrip(b"\r\n0").endswith(b"data: [DONE]")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the server writes to its connections, write by write."""
    writes, made = list[bytes](), Connection.connection_made

    def noting(connection: Connection, transport: asyncio.BaseTransport) -> None:
        write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]

        def note(data: bytes) -> None:
            writes.append(bytes(data))
            write(data)

        monkeypatch.setattr(transport, "write", note)
        made(connection, transport)

    monkeypatch.setattr(Connection, "connection_made", noting)
    return writes


@pytest.mark.parametrize("kind", STREAMS)
async def test_the_headers_go_out_with_the_first_content(serve: Serve, written: list[bytes], kind: str) -> None:
    path, body, _ = STREAMS[kind]
    served = await serve()
    async with served.http.post(served.url + path, json=body) as answer:
        await to_the_end(answer)
    assert written[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Hel" in written[0]
    assert b"HTTP/1.1" not in b"".join(written[1:])


async def test_after_the_grace_the_headers_come_without_content(serve: Serve, written: list[bytes]) -> None:
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    async with served.http.post(served.url + STREAMS["sse"][0], json=GEMINI) as answer:
        assert answer.status == 200
        assert written[0].endswith(b"\r\n\r\n")
        served.engine.turns[0].close(Finished("stop"))
        await to_the_end(answer)


async def test_a_write_of_nothing_does_not_end_the_body(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.emit.ChatEmitter, "begin", lambda _: [b""])
    served = await serve()
    async with served.http.post(served.url + CHAT, json=STREAM) as answer:
        assert (await answer.read()).endswith(b"data: [DONE]\n\n")


async def test_whole_answers(serve: Serve) -> None:
    served = await serve()
    status, told, body = await served.post(CHAT, HELLO)
    assert (status, body["choices"][0]["message"]["content"]) == (200, "Hello")
    assert "turn;dur=" in told["Server-Timing"]


# -- the pump ------------------------------------------------------------------------------------------------------


async def pause() -> None:
    await asyncio.sleep(0)


class Sent:
    """Takes what is written, and lets the writer wait for room."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self._changed = asyncio.Event()

    def __call__(self, frames: list[bytes]) -> Room:
        self.writes.append(b"".join(frames))
        self._changed.set()
        return pause

    async def reach(self, count: int) -> None:
        while len(self.writes) < count:
            self._changed.clear()
            await self._changed.wait()


async def test_silence_is_filled_where_clients_take_comments(make_turn: Callable[..., Turn], clock: FakeClock) -> None:
    for surface, heartbeat in ((chat.surface, b": keep-alive\n\n"), (gemini.surface, b"")):
        writer, sent = ChannelWriter(make_turn(), clock), Sent()
        emitter = surface.emitter(writer.channel, bytes(32))
        begin = [b"".join(surface.emitter(writer.channel, bytes(32)).begin())]  # the first write, perhaps of nothing
        with writer.channel.cursor() as cursor:
            pump = asyncio.create_task(Pump(cursor, emitter, sent, Watchdog(60)).run())
            for _ in range(3):
                await sent.reach(len(begin))
                for _ in range(5):
                    await asyncio.sleep(0)
                cursor.nudge()
            for _ in range(5):
                await asyncio.sleep(0)
            assert sent.writes == begin + [heartbeat] * (3 if heartbeat else 0)
            writer.close(Finished("stop"))
            await pump


@pytest.mark.parametrize("waits", [False, True])
async def test_the_watchdog_knows_of_each_write(make_turn: Callable[..., Turn], clock: FakeClock, waits: bool) -> None:
    writer, known = ChannelWriter(make_turn(), clock), list[str]()

    class Noting(Watchdog):
        def written(self) -> None:
            known.append("written")

        async def wait(self, room: Room) -> None:
            await room()
            known.append("waited")

    def send(frames: list[bytes]) -> Room | None:
        assert frames
        return pause if waits else None

    with writer.channel.cursor() as cursor:
        pump = asyncio.create_task(
            Pump(cursor, chat.surface.emitter(writer.channel, bytes(32)), send, Noting(60)).run()
        )
        await until(lambda: bool(known))
        say(writer, TextDelta("x"))
        writer.close(Finished("stop"))
        await pump
    assert known == ["waited" if waits else "written"] * 2


@pytest.mark.parametrize("together", [False, True])
async def test_what_fails_in_a_callback_fails_in_the_reader(
    make_turn: Callable[..., Turn], clock: FakeClock, together: bool
) -> None:
    """The client has gone, or a bug."""
    for error in (ConnectionResetError, ZeroDivisionError):
        writer, sent = ChannelWriter(make_turn(), clock), list[bytes]()

        def send(frames: list[bytes], error: type[Exception] = error, sent: list[bytes] = sent) -> None:
            if sent:
                raise error
            sent.extend(frames)

        with writer.channel.cursor() as cursor:
            emitter = chat.surface.emitter(writer.channel, bytes(32))
            pump = asyncio.create_task(Pump(cursor, emitter, send, Watchdog(60)).run())
            for _ in range(3):
                await asyncio.sleep(0)
            assert not pump.done()
            if together:
                writer.hold()
            say(writer, TextDelta("x"))
            say(writer, TextDelta("y"))
            writer.settle()
            with pytest.raises(error):
                await pump
            say(writer, TextDelta("the capture goes on"))


@pytest.mark.parametrize("rounds", range(4))
async def test_a_reader_that_leaves_at_any_moment(
    make_turn: Callable[..., Turn], clock: FakeClock, rounds: int
) -> None:
    writer, sent = ChannelWriter(make_turn(), clock), Sent()
    with writer.channel.cursor() as cursor:
        emitter = chat.surface.emitter(writer.channel, bytes(32))
        pump = asyncio.create_task(Pump(cursor, emitter, sent, Watchdog(60)).run())
        await sent.reach(1)
        for _ in range(3):
            await asyncio.sleep(0)
        say(writer, TextDelta("x"))
        for _ in range(rounds):
            await asyncio.sleep(0)
        pump.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pump
    await asyncio.sleep(0)
    say(writer, TextDelta("y"))
    await asyncio.sleep(0)
    assert len(sent.writes) == (2 if rounds else 1)


async def test_heartbeats_on_the_wire(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01, "heartbeat_seconds": 0.02})
    served.engine.script = forever
    async with served.http.post(served.url + CHAT, json=STREAM) as answer:
        data = b""
        while data.count(b": keep-alive\n\n") < 3:
            data += await answer.content.readany()
        channel = served.engine.channels[0]
        running = served.engine.inside(channel)
        say(running, AttemptOpened(), TextDelta("x"))
        running.close(Finished("stop"))
        check_chat(data + await answer.read())


async def test_one_write_per_wake_up(make_turn: Callable[..., Turn], clock: FakeClock) -> None:
    writer, sent = ChannelWriter(make_turn(), clock), Sent()
    channel = writer.channel
    emitter = chat.surface.emitter(channel, bytes(32))
    with channel.cursor() as cursor:
        pump = asyncio.create_task(Pump(cursor, emitter, sent, Watchdog(60)).run())
        for burst in range(3):
            for piece in range(5):
                say(writer, TextDelta(f"{burst}.{piece} "))
            await sent.reach(1 + burst)
        writer.close(Finished("stop"))
        await pump
    assert len(sent.writes) == 4
    assert [write.count(b"data: ") for write in sent.writes[:3]] == [1 + 5, 5, 5], "with what stands before the first"
    check_chat(b"".join(sent.writes))


async def test_what_comes_together_is_written_before_anything_else_runs(
    make_turn: Callable[..., Turn], clock: FakeClock
) -> None:
    """One write for all of it; the end is the task's."""
    writer, sent = ChannelWriter(make_turn(), clock), list[bytes]()
    with writer.channel.cursor() as cursor:
        emitter = chat.surface.emitter(writer.channel, bytes(32))
        pump = asyncio.create_task(
            Pump(cursor, emitter, lambda frames: sent.append(b"".join(frames)), Watchdog(60)).run()
        )
        await until(lambda: sent)
        for _ in range(3):
            await asyncio.sleep(0)
        for burst in range(3):
            writer.hold()
            for piece in range(5):
                say(writer, TextDelta(f"{burst}.{piece} "))
            assert len(sent) == 1 + burst
            writer.settle()
            assert len(sent) == 2 + burst
            assert sent[-1].count(b"data: ") == 5
        writer.hold()
        say(writer, TextDelta("end"))
        writer.close(Finished("stop"))
        writer.settle()
        assert len(sent) == 4
        await pump
    assert len(sent) == 5
    check_chat(b"".join(sent))


async def test_long_replays_go_in_pieces_and_let_others_run(make_turn: Callable[..., Turn], clock: FakeClock) -> None:
    writer, sent = ChannelWriter(make_turn(), clock), Sent()
    channel = writer.channel
    for _ in range(100):
        say(writer, TextDelta("x" * 10_000))
    writer.close(Finished("stop"))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    with channel.cursor() as cursor:
        pump = Pump(cursor, chat.surface.emitter(channel, bytes(32)), sent, Watchdog(60))
        await pump.run()
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)
    assert pump.largest == 101
    assert max(map(len, sent.writes)) < FLUSH + 20_000
    assert turns >= 7
    check_chat(b"".join(sent.writes))


# -- clients that leave --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_ends_the_turn(serve: Serve, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = await serve(limits={"grace_seconds": 0.01})

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("Hel"))
        await running.channel.wait_closed()

    served.engine.script = script
    request = asyncio.create_task(served.http.post(served.url + CHAT, json={**HELLO, "stream": stream}))
    channel = await served.engine.begun()
    if stream:
        answer = await request
        await answer.content.readline()
        answer.close()
    else:
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    await channel.wait_closed()
    assert channel.termination is Termination.CLIENT_GONE
    assert channel.readers == 0
    await served.ask("GET", "/health")
    assert codes_of_turns(caplog) == ["client_gone"]


def codes_of_turns(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [json.loads(record.message) for record in caplog.records if record.name == "zerogravity.access"]
    return [line["code"] for line in lines if "turn" in line]


async def test_leaving_while_waiting_for_the_first_word_ends_the_turn(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 1000})
    served.engine.script = forever
    request = asyncio.create_task(served.http.post(served.url + CHAT, json=STREAM))
    channel = await served.engine.begun()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await channel.wait_closed()
    assert channel.termination is Termination.CLIENT_GONE


async def test_h17_leaving_at_the_terminal_is_a_success(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = await serve()
    async with aiohttp.ClientSession() as session:
        answer = await session.post(served.url + CHAT, json=STREAM)
        while await answer.content.readline() != b"data: [DONE]\n":
            pass
        answer.close()
    assert served.engine.channels[0].termination is Termination.OK
    await served.ask("GET", "/health")
    assert codes_of_turns(caplog) == ["ok"]


async def test_stalled_reader_is_cut(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = await serve(limits={"write_stall_seconds": 0.05})

    async def flood(running: RunningTurn) -> None:
        say(running, AttemptOpened())
        for _ in range(200):  # more than all buffers between us
            say(running, TextDelta("x" * 100_000))
            await asyncio.sleep(0)
        await running.channel.wait_closed()

    served.engine.script = flood
    writer = await unread(served)
    try:
        channel = await served.engine.begun()
        await channel.wait_closed()
        assert channel.termination is Termination.CLIENT_STALL
        while not codes_of_turns(caplog):
            await served.ask("GET", "/health")
        assert codes_of_turns(caplog) == ["client_stall"]
        assert channel.readers == 0
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize(
    ("readers", "background", "cancelled"), [(1, False, True), (2, False, False), (1, True, False)]
)
async def test_a_stalled_reader_ends_only_turns_without_other_readers(
    serve: Serve, make_turn: Callable[..., Turn], readers: int, background: bool, cancelled: bool
) -> None:
    served = await serve()
    served.engine.script = forever
    channel = served.engine.run(make_turn(background=background))
    cursors = [channel.cursor() for _ in range(readers)]
    drop_stalled_reader(served.services, channel)
    assert channel.termination is (Termination.CLIENT_STALL if cancelled else None)
    for cursor in cursors:
        cursor.close()


async def unread(served: Served) -> asyncio.StreamWriter:
    """A client that asks for a stream and reads nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.running.port, limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    body = json.dumps(STREAM).encode()
    writer.write(served.head(f"POST {CHAT}", JSON, f"Content-Length: {len(body)}") + body)
    assert not reader.at_eof()
    return writer


async def test_records_that_are_gone_end_the_stream(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = await serve()

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("Hel"))
        await gone.wait()
        say(running, TextDelta("lo"))
        running.close(Finished("stop"))
        running.release()  # what the budgets of the store do, at the worst moment

    gone = asyncio.Event()
    served.engine.script = script
    async with served.http.post(served.url + CHAT, json=STREAM) as answer:
        await answer.content.readline()
        gone.set()
        with pytest.raises(aiohttp.ClientError):  # broken off: it must not look like a whole answer
            await answer.read()
    while not codes_of_turns(caplog):
        await served.ask("GET", "/health")
    assert codes_of_turns(caplog) == ["limit_bytes"]
    assert "internal error" not in caplog.text

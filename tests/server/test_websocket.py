"""Responses over WebSocket: the same events without SSE; warm-up, multiplexing, what only the connection knows."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.server.support import Serve, Served, forever, hello, say
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptOpened, Failed, Finished, FunctionCall, TextDelta
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Termination, upstream
from zerogravity.testing.check import check_responses

PATH = "/v1/responses"
CREATE: dict[str, Any] = {"type": "response.create", "model": "gemini-3-flash", "input": "hi"}
UPGRADE = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
Socket = aiohttp.ClientWebSocketResponse[bool]
WHOLE = '{"type": "response.create", "model": "gpt-5", "input": "x", '
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


@asynccontextmanager
async def connected(served: Served, **options: Any) -> AsyncIterator[Socket]:
    async with served.http.ws_connect(served.url + PATH, max_msg_size=0, **options) as socket:
        yield socket


async def events(socket: Socket) -> list[dict[str, Any]]:
    """Everything up to the next end."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] not in ENDS:
        found.append(json.loads(await socket.receive_str(timeout=10)))
    return found


async def ask(socket: Socket, **members: Any) -> list[dict[str, Any]]:
    await socket.send_json({**CREATE, **members})
    return await events(socket)


def as_sse(found: list[dict[str, Any]]) -> bytes:
    """The same events as HTTP sends them, for the checker."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in found
    )


def text_of(response: dict[str, Any]) -> str:
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


async def test_the_same_events_as_over_http(serve: Serve) -> None:
    served = await serve()
    async with connected(served) as socket:
        found = await ask(socket)
        check_responses(as_sse(found))
        assert text_of(found[-1]["response"]) == "Hello"
        assert "stream_id" not in found[0]
    identity = found[-1]["response"]["id"]
    assert (await served.get(f"{PATH}/{identity}"))[2] == found[-1]["response"], "stored as any other"
    assert served.engine.channels[0].turn.stream is True


async def test_warm_up_and_what_it_warms(serve: Serve) -> None:
    served = await serve()
    tools = [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}]
    async with connected(served) as socket:
        warm = await ask(socket, generate=False, store=False, input=[{"role": "user", "content": "long beginning"}])
        check_responses(as_sse(warm))
        assert [event["type"] for event in warm] == [
            "response.created", "response.in_progress", "response.completed",
        ]  # fmt: skip
        response = warm[-1]["response"]
        assert (response["status"], response["output"]) == ("completed", [])
        assert response["usage"]["total_tokens"] == 0
        assert not served.engine.channels, "nobody was asked"
        more = {"previous_response_id": response["id"], "store": False, "tools": tools}
        found = await ask(socket, input=[{"role": "user", "content": "and now"}], **more)
        assert found[-1]["type"] == "response.completed", found[-1]
        told = json.dumps(served.engine.channels[0].turn.google_request["contents"])
        assert "long beginning" in told
        assert "and now" in told


async def test_what_was_not_stored_is_known_to_its_connection_only(serve: Serve) -> None:
    served = await serve()

    async def call(running: RunningTurn) -> None:
        say(running, AttemptOpened(), FunctionCall(f"call_{running.id[-8:]}", "look", "{}"))
        running.close(Finished("tool"))

    served.engine.script = call
    async with connected(served) as socket, connected(served) as other:
        first = (await ask(socket, store=False))[-1]["response"]
        assert (await served.get(f"{PATH}/{first['id']}"))[0] == 404
        served.engine.script = hello
        output = {"type": "function_call_output", "call_id": first["output"][0]["call_id"], "output": "found"}
        more = {"input": [output], "previous_response_id": first["id"], "store": False}
        second = (await ask(socket, **more))[-1]["response"]
        assert text_of(second) == "Hello"
        contents = served.engine.channels[-1].turn.google_request["contents"]
        assert [content["role"] for content in contents] == ["user", "model", "user"]
        error = (await ask(other, **more))[-1]
        assert error["type"] == "error"
        assert error["status"] == 400
        assert error["error"]["code"] == "previous_response_not_found"
        assert error["error"]["param"] == "previous_response_id"


async def test_items_that_were_not_stored_are_known_to_their_connection(serve: Serve) -> None:
    served = await serve()
    async with connected(served) as socket, connected(served) as other:
        first = (await ask(socket, store=False))[-1]["response"]
        reference = {"type": "item_reference", "id": first["output"][0]["id"]}
        for each, known in ((socket, True), (other, False)):
            await ask(each, store=False, input=[reference, {"role": "user", "content": "go on"}])
            told = json.dumps(served.engine.channels[-1].turn.google_request["contents"])
            assert ("Hello" in told) is known


async def test_stored_responses_are_continued_over_either_transport(serve: Serve) -> None:
    served = await serve()
    _, _, first = await served.post(PATH, {"model": "gemini-3-flash", "input": "hi"})
    async with connected(served) as socket:
        second = (await ask(socket, input="go on", previous_response_id=first["id"]))[-1]["response"]
    body = {"model": "gemini-3-flash", "input": "and on", "previous_response_id": second["id"]}
    assert (await served.post(PATH, body))[0] == 200
    assert len(served.engine.channels[-1].turn.google_request["contents"]) == 5


async def test_without_stream_id_one_at_a_time(serve: Serve) -> None:
    served = await serve()
    served.engine.script = forever
    async with connected(served) as socket:
        for text in ("one", "two"):
            await socket.send_json({**CREATE, "input": text})
        first = await served.engine.begun()
        first_turn = served.engine.inside(first)
        await served.get("/health")
        assert len(served.engine.channels) == 1, "the second waits"
        first_turn.close(Finished("stop"))
        check_responses(as_sse(await events(socket)))
        second = await served.engine.begun()
        second_turn = served.engine.inside(second)
        second_turn.close(Finished("stop"))
        check_responses(as_sse(await events(socket)))


async def test_with_stream_id_next_to_each_other(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    async with connected(served) as socket:
        for name in ("a", "b.2"):
            await socket.send_json({**CREATE, "stream_id": name})
            await served.engine.begun()
        await socket.send_json({**CREATE, "stream_id": "a"})
        found: dict[str, list[dict[str, Any]]] = {"a": [], "b.2": []}
        while (event := json.loads(await socket.receive_str(timeout=10)))["type"] != "error":
            found[event.pop("stream_id")].append(event)
        assert (event["status"], event["error"]["param"]) == (400, "stream_id")
        assert "stream_id" not in event, "it would end the one that runs"
        one, two = served.engine.turns
        for running, word in ((one, "1"), (two, "2"), (one, "3")):
            say(running, TextDelta(word))
        two.close(Finished("stop"))
        one.close(Finished("stop"))
        while any(not each or each[-1]["type"] not in ENDS for each in found.values()):
            event = json.loads(await socket.receive_str(timeout=10))
            found[event.pop("stream_id")].append(event)
        for name, text in (("a", "13"), ("b.2", "2")):
            check_responses(as_sse(found[name]))
            assert text_of(found[name][-1]["response"]) == text
        served.engine.script = hello
        assert (await ask(socket, stream_id="a"))[-1]["type"] == "response.completed", "its name is free again"


async def test_a_stream_id_is_free_as_soon_as_its_end_is_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served, gate = await serve(), asyncio.Event()
    real = web.WebSocketResponse.send_frame

    async def slow(self: Any, message: bytes, opcode: Any, compress: int | None = None) -> None:
        await real(self, message, opcode, compress)
        if b"response.completed" in message:
            await gate.wait()  # as a full buffer would

    monkeypatch.setattr(web.WebSocketResponse, "send_frame", slow)
    async with connected(served) as socket:
        for _ in range(2):
            assert (await ask(socket, stream_id="a"))[-1]["type"] == "response.completed"
        gate.set()


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ("{", None, "invalid_json"),
        ("[]", None, "invalid_json"),
        ('{"a": NaN}', None, "invalid_json"),
        ("\ufeff" + WHOLE + '"a": 1}', None, "invalid_json"),
        ("[" * 300, None, "request_too_complex"),
        ("{}", "type", "invalid_value"),
        ('{"type": "response.steer"}', "type", "invalid_value"),
        ('{"type": "response.create"}', "model", "missing_required_parameter"),
        ('{"type": "response.create", "model": "none", "input": "x"}', "model", "model_not_found"),
        ('{"type": "response.create", "model": "gpt-5"}', "input", "missing_required_parameter"),
        (WHOLE + '"stream_id": ""}', "stream_id", "invalid_value"),
        (
            '{"type": "response.create", "model": "gpt-5", "input": "x", "stream_id": "a b"}',
            "stream_id",
            "invalid_value",
        ),
        (
            '{"type": "response.create", "model": "gpt-5", "input": "x", "background": true}',
            "background",
            "invalid_value",
        ),
        (WHOLE + '"generate": "no"}', "generate", "invalid_value"),
    ],
)
async def test_errors_are_answered_and_the_connection_goes_on(
    serve: Serve, message: str, param: str | None, code: str
) -> None:
    served = await serve()
    async with connected(served) as socket:
        await socket.send_str(message)
        (error,) = await events(socket)
        assert set(error) <= {"type", "status", "error", "stream_id"}
        assert error["status"] == (404 if code == "model_not_found" else 400)
        assert set(error["error"]) == {"type", "code", "message", "param"}
        assert error["error"]["param"] == param
        assert error["error"]["code"] == code
        await socket.send_bytes(json.dumps(CREATE).encode())
        (error,) = await events(socket)
        assert error["error"]["message"] == "only text messages are accepted"
        assert (await ask(socket))[-1]["type"] == "response.completed"


async def test_early_and_late_faults(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.02})
    busy = Failed(upstream(429, "rate_limit_exceeded", "slow down", retry_after=3.2))

    async def early(running: RunningTurn) -> None:
        running.close(busy)

    async def late(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("Hel"))
        running.close(busy)

    async with connected(served) as socket:
        served.engine.script = early
        (error,) = await ask(socket, stream_id="s")
        assert (error["type"], error["status"], error["stream_id"]) == ("error", 429, "s")
        assert error["error"]["message"] == "slow down. Please try again in 4s."
        served.engine.script = late
        found = await ask(socket)
        check_responses(as_sse(found))
        assert found[-1]["type"] == "response.failed"


async def test_our_own_bug_ends_one_response(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve()
    run = served.engine.run

    def broken(turn: Any) -> CascadeChannel:
        raise RuntimeError("some bug")

    async with connected(served) as socket:
        served.engine.run = broken  # type: ignore[method-assign]
        (error,) = await ask(socket)
        assert (error["status"], error["error"]["message"]) == (500, "internal error")
        assert "the request failed with an internal error" in caplog.text
        served.engine.run = run  # type: ignore[method-assign]
        assert (await ask(socket))[-1]["type"] == "response.completed"


async def test_too_many_at_once(serve: Serve) -> None:
    served = await serve()
    served.engine.script = forever
    async with connected(served) as socket:
        for _ in range(17):
            await socket.send_json(CREATE)
        (error,) = await events(socket)
        assert (error["status"], error["error"]["code"]) == (503, "overloaded")


async def test_leaving_ends_what_runs(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    async with connected(served) as socket:
        await socket.send_json({**CREATE, "stream_id": "a"})
        await socket.send_json({**CREATE, "stream_id": "b"})
        while len(served.engine.channels) < 2:
            await served.engine.begun()
        say(served.engine.turns[0], AttemptOpened(), TextDelta("Hel"))
        await socket.receive_str()
    for channel in served.engine.channels:
        await channel.wait_closed()
        assert channel.termination is Termination.CLIENT_GONE
        assert channel.readers == 0


async def test_a_lost_connection_ends_what_runs(serve: Serve) -> None:
    served = await serve()
    served.engine.script = forever
    async with connected(served) as socket:
        await socket.send_json(CREATE)
        channel = await served.engine.begun()
        transport = socket.get_extra_info("socket")
        assert transport is not None
        assert socket._response.connection is not None
        assert socket._response.connection.transport is not None
        socket._response.connection.transport.abort()
        await channel.wait_closed()
    assert channel.termination is Termination.CLIENT_GONE


async def test_silence_is_filled_with_pings(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01, "heartbeat_seconds": 0.02})
    served.engine.script = forever
    async with connected(served, autoping=False) as socket:
        await socket.send_json(CREATE)
        kinds: list[aiohttp.WSMsgType] = []
        while kinds.count(aiohttp.WSMsgType.PING) < 3:
            kinds.append((await socket.receive(timeout=10)).type)
        assert set(kinds) == {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING}


async def test_old_connections_are_ended_after_the_running_response(serve: Serve) -> None:
    served = await serve(limits={"websocket_seconds": 0.1, "grace_seconds": 0.01})
    served.engine.script = forever
    async with connected(served) as socket, connected(served) as idle:
        await socket.send_json(CREATE)
        channel = await served.engine.begun()
        running = served.engine.inside(channel)
        (error,) = await events(idle)
        assert (error["status"], error["error"]["code"]) == (400, "websocket_connection_limit_reached")
        assert (await idle.receive()).type is aiohttp.WSMsgType.CLOSE
        say(running, AttemptOpened(), TextDelta("Hello"))
        running.close(Finished("stop"))
        check_responses(as_sse(await events(socket)))
        (error,) = await events(socket)
        assert error["error"]["code"] == "websocket_connection_limit_reached"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_shutdown_ends_turns_then_connections(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    async with connected(served) as socket, connected(served) as idle:
        await socket.send_json(CREATE)
        say(served.engine.inside(await served.engine.begun()), AttemptOpened(), TextDelta("Hel"))
        await socket.receive_str()
        await served.engine.close()
        stopping = asyncio.create_task(served.running.stop())
        found = await events(socket)
        assert found[-1]["type"] == "response.failed"
        for each in (socket, idle):
            message = await each.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY)
        await stopping


async def test_too_large_a_message(serve: Serve) -> None:
    served = await serve(limits={"body_bytes": 4096})
    async with connected(served) as socket:
        await socket.send_str("x" * 5000)
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.MESSAGE_TOO_BIG)


# -- the upgrade ---------------------------------------------------------------------------------------------------


async def test_a_plain_get_is_a_wrong_method(serve: Serve) -> None:
    served = await serve()
    status, headers, body = await served.get(PATH)
    assert (status, headers["Allow"], body["error"]["code"]) == (405, "POST", "method_not_allowed")


@pytest.mark.parametrize(
    "headers",
    [
        {**UPGRADE, "Connection": "close"},
        {**UPGRADE, "Sec-WebSocket-Version": "99"},
        {**UPGRADE, "Sec-WebSocket-Key": "short"},
        {**UPGRADE, "Sec-WebSocket-Key": "not base64 at all!"},
        {"Upgrade": "websocket"},
        {"Upgrade": "h2c, websocket"},
    ],
)
async def test_a_failed_upgrade_is_426(serve: Serve, headers: dict[str, str]) -> None:
    served = await serve()
    told = {"Connection": "Upgrade", "Host": f"localhost:{served.running.port}", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    data = await served.raw(f"GET {PATH} HTTP/1.1\r\n{lines}\r\n".encode())
    assert data.startswith(b"HTTP/1.1 426 ")
    assert b"\r\nUpgrade: websocket\r\n" in data
    assert b'"code":"upgrade_required"' in data


async def test_switched_off_is_426(serve: Serve) -> None:
    served = await serve(websocket=False)
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        await served.http.ws_connect(served.url + PATH)
    assert error.value.status == 426
    assert error.value.headers is not None
    assert error.value.headers["Upgrade"] == "HTTP/1.1"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer zg-right-key"}, 101),
    ],
)
async def test_the_guard_stands_before_it(
    serve: Serve, headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    served = await serve(key="zg-right-key")
    offered = ["realtime", "openai-insecure-api-key.zg-secret"]
    told = {"Authorization": "Bearer zg-right-key", **headers}
    try:
        async with connected(served, headers=told, protocols=offered) as socket:
            found = 101
            assert (await ask(socket))[-1]["type"] == "response.completed"
    except aiohttp.WSServerHandshakeError as error:
        found = error.status
    assert found == status
    assert "zg-secret" not in caplog.text
    assert "zg-right-key" not in caplog.text


async def test_half_a_surrogate_pair_costs_no_turn(serve: Serve) -> None:
    served = await serve()
    async with connected(served) as socket:
        await socket.send_str(WHOLE.replace('"x"', r'"cut \ud83d"').rstrip(", ") + "}")
        assert (await events(socket))[-1]["type"] == "response.completed"
    turn = served.engine.channels[0].turn
    assert turn.google_request["contents"][0]["parts"][0]["text"] == "cut \ufffd"
    assert any("U+FFFD" in note for note in turn.notes)


# -- what the connection remembers ---------------------------------------------------------------------------------


async def broken(running: RunningTurn) -> None:
    say(running, AttemptOpened(), TextDelta("Hel"))
    running.close(Failed(upstream(502, "upstream_drop", "gone", Termination.UPSTREAM_DROP)))


async def refused(running: RunningTurn) -> None:
    running.close(Failed(upstream(429, "rate_limit_exceeded", "slow down")))


async def cut_short(running: RunningTurn) -> None:
    say(running, AttemptOpened(), TextDelta("Hel"))
    running.close(Finished("length"))


FAILING: dict[str, tuple[Any, dict[str, Any]]] = {
    "in the middle": (broken, {}),
    "at once": (refused, {}),
    "bad output": (hello, {"input": [{"type": "function_call_output", "call_id": "call_no", "output": "x"}]}),
    "bad member": (hello, {"temperature": 3}),
    "bad generate": (hello, {"generate": 1}),
    "no whole summary": (cut_short, {"input": [{"type": "compaction_trigger"}]}),
}


@pytest.mark.parametrize("how", FAILING)
async def test_a_continuation_that_fails_forgets_what_it_continued(serve: Serve, how: str) -> None:
    """As the API and Open Responses' suite have it; what is stored is not forgotten."""
    script, members = FAILING[how]
    served = await serve()
    async with connected(served) as socket:
        for store in (False, True):
            first = (await ask(socket, store=store))[-1]["response"]
            served.engine.script = script
            more = {"store": False, "previous_response_id": first["id"]}
            found = await ask(socket, **{"input": "on", **more, **members})
            assert found[-1]["type"] in ("error", "response.failed"), found[-1]
            served.engine.script = hello
            again = (await ask(socket, input="on", **more))[-1]
            if store:
                assert again["type"] == "response.completed"
            else:
                assert (again["type"], again["error"]["code"]) == ("error", "previous_response_not_found")


async def test_what_is_incomplete_has_not_failed(serve: Serve) -> None:
    served = await serve()
    async with connected(served) as socket:
        first = (await ask(socket, store=False))[-1]["response"]
        served.engine.script = cut_short
        for _ in range(2):
            found = await ask(socket, store=False, input="on", previous_response_id=first["id"])
            assert found[-1]["type"] == "response.incomplete"


async def test_compaction(serve: Serve) -> None:
    """As Codex asks for it: only the trigger, behind what the connection knows."""
    served = await serve()
    async with connected(served) as socket:
        first = (await ask(socket, store=False, input="one"))[-1]["response"]
        trigger = [{"type": "compaction_trigger"}]
        found = await ask(socket, store=False, input=trigger, previous_response_id=first["id"])
        check_responses(as_sse(found))
        (item,) = found[-1]["response"]["output"]
        assert (found[-1]["type"], item["type"]) == ("response.completed", "compaction")
        kept = [{"role": "user", "content": "one"}, item, {"role": "user", "content": "two"}]
        for more in ({"input": "two", "previous_response_id": found[-1]["response"]["id"]}, {"input": kept}):
            assert (await ask(socket, store=False, **more))[-1]["type"] == "response.completed"
        by_id, by_item = (channel.turn.google_request for channel in served.engine.channels[-2:])
        assert by_id == by_item
        told = (await ask(socket, input=[{"role": "user", "content": "x"}, *trigger], generate=False))[-1]
        assert (told["type"], told["error"]["param"]) == ("error", "generate")


async def test_a_warm_up_is_no_history_of_its_own(serve: Serve) -> None:
    served = await serve()
    async with connected(served) as socket:
        for beginning in ("system", "assistant"):
            item = {"role": "developer" if beginning == "system" else "assistant", "content": "long beginning"}
            warm = (await ask(socket, generate=False, store=False, input=[item]))[-1]["response"]
            await ask(socket, store=False, input="and now", previous_response_id=warm["id"])
            told = json.dumps(served.engine.channels[-1].turn.google_request)
            assert told.count("long beginning") == 1
            assert "Continue." not in told


async def test_what_was_dropped_from_memory_ends_its_response_only(serve: Serve) -> None:
    """A reader so slow that its turn's events are gone: it is told, and the connection goes on."""

    async def dropped(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("Hel"))
        running.close(Finished("stop"))
        running.release()

    served = await serve()
    async with connected(served) as socket:
        for store, instead in ((True, "GET /v1/responses/resp_"), (False, "send the request again")):
            served.engine.script = dropped
            found = await ask(socket, stream_id="a", store=store)
            error = found[-1]
            assert (error["type"], error["status"], error["stream_id"]) == ("error", 503, "a")
            assert error["error"]["code"] == "response_expired"
            assert instead in error["error"]["message"]
            served.engine.script = hello
            assert (await ask(socket, stream_id="a"))[-1]["type"] == "response.completed"
    assert served.logs == []

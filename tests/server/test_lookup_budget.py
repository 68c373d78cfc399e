"""What a request pulls in from what is stored counts as if it had been sent: no few bytes make a huge request."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.server.support import Serve, Served, say
from zerogravity.core.events import AttemptOpened, Finished, FunctionCall, ServerTool, TextDelta
from zerogravity.core.running import RunningTurn
from zerogravity.server.lookup_budget import weight
from zerogravity.wire import jsonio

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"model": "gemini-3-flash", "input": "hi"}
KIB = 1 << 10
LIMITS = {"body_bytes": 64 * KIB, "json_structure": 2000}


async def long(running: RunningTurn) -> None:
    say(running, AttemptOpened())
    say(running, TextDelta("y" * 20 * KIB))
    running.close(Finished("stop"))


async def over_websocket(served: Served, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(status, error) of one response; (200, the Response)."""
    async with served.http.ws_connect(served.url + PATH) as socket:
        return await sent(socket, body)


async def sent(socket: aiohttp.ClientWebSocketResponse, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    await socket.send_json({"type": "response.create", **body})
    while True:
        event = await socket.receive_json()
        if event["type"] == "error":
            return event["status"], event["error"]
        if event["type"] == "response.completed":
            return 200, event["response"]


async def over_http(served: Served, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    status, _, answered = await served.post(PATH, body)
    return status, answered if status == 200 else answered["error"]


@pytest.mark.parametrize("ask", [over_http, over_websocket])
async def test_a_history_is_bounded_as_a_body_is(serve: Serve, ask: Any) -> None:
    served = await serve(limits=LIMITS)
    served.engine.script = long
    previous, done = None, 0
    while done < 10:
        status, answered = await ask(served, {**HELLO, "previous_response_id": previous})
        if status != 200:
            break
        previous, done = answered["id"], done + 1
    assert done == 4, "the fifth would bring 80 KiB with it"
    assert (status, answered["param"], answered["code"]) == (400, "previous_response_id", "context_length_exceeded")
    assert "65536 bytes" in answered["message"]
    assert answered["type"] == "invalid_request_error"
    assert len(served.engine.channels) == done
    sizes = [len(jsonio.dumps(channel.turn.google_request["contents"])) for channel in served.engine.channels]
    assert all(
        size <= channel.turn.size < size + 8 * KIB for size, channel in zip(sizes, served.engine.channels, strict=True)
    )


async def test_the_input_counts_too(serve: Serve) -> None:
    served = await serve(limits=LIMITS)
    served.engine.script = long
    _, first = await over_http(served, HELLO)
    follow = {**HELLO, "previous_response_id": first["id"]}
    assert (await over_http(served, {**follow, "input": "x" * 40 * KIB}))[0] == 200
    status, error = await over_http(served, {**follow, "input": "x" * 50 * KIB})
    assert (status, error["param"]) == (400, "previous_response_id")
    assert (await over_http(served, {**HELLO, "input": "x" * 50 * KIB}))[0] == 200


async def test_responses_that_only_a_connection_knows(serve: Serve) -> None:
    served = await serve(limits=LIMITS)
    served.engine.script = long
    async with served.http.ws_connect(served.url + PATH) as socket:
        previous = None
        for _ in range(4):
            status, answered = await sent(socket, {**HELLO, "store": False, "previous_response_id": previous})
            assert status == 200
            previous = answered["id"]
        status, error = await sent(socket, {**HELLO, "store": False, "previous_response_id": previous})
        assert (status, error["param"]) == (400, "previous_response_id")


async def test_references_count_each_time(serve: Serve) -> None:
    served = await serve(limits=LIMITS)
    served.engine.script = long
    _, first = await over_http(served, HELLO)
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    last = {"role": "user", "content": "x"}
    assert (await over_http(served, {**HELLO, "input": [*[reference] * 3, last]}))[0] == 200
    status, error = await over_http(served, {**HELLO, "input": [last, *[reference] * 100]})
    assert (status, error["param"], error["code"]) == (400, "input[3]", "context_length_exceeded")


async def test_a_history_of_many_small_things(serve: Serve) -> None:
    served = await serve(limits={**LIMITS, "body_bytes": 1 << 20})
    many = [{"role": "user", "content": [{"type": "input_text", "text": "x"}] * 2}] * 60
    previous, statuses = None, []
    for _ in range(9):
        status, answered = await over_http(served, {**HELLO, "input": many, "previous_response_id": previous})
        statuses.append(status)
        if status != 200:
            break
        previous = answered["id"]
    assert statuses[0] == 200
    assert (statuses[-1], answered["param"]) == (400, "previous_response_id")
    assert "2000 JSON elements" in answered["message"]


@pytest.mark.parametrize(
    ("path", "param", "body"),
    [
        (PATH, "input", lambda called: {"model": "gemini-3-flash", "input": [
            item for call_id in called for item in (
                {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": call_id, "output": "r"})]}),
        ("/v1/chat/completions", "messages", lambda called: {"model": "gemini-3-flash", "messages": [
            message for call_id in called for message in (
                {"role": "assistant", "tool_calls": [
                    {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": call_id, "content": "r"})]}),
    ],
)  # fmt: skip
async def test_what_comes_back_with_a_call(serve: Serve, path: str, param: str, body: Any) -> None:
    """Google's own tools may have done much around a call that the client names by its id."""
    served = await serve(limits=LIMITS)
    called: list[str] = []

    async def searching(running: RunningTurn) -> None:
        called.append(f"call_{running.id[-8:]}")
        part = json.dumps({"toolResponse": {"id": "1", "response": "z" * 9 * KIB}})
        say(running, AttemptOpened())
        say(running, ServerTool(part), FunctionCall(called[-1], "f", "{}"))
        running.close(Finished("tool"))

    served.engine.script = searching
    for _ in range(10):
        await over_http(served, HELLO)
    status, _, _ = await served.post(path, body(called[:2]))
    assert status == 200
    status, _, answered = await served.post(path, body(called))
    assert (status, answered["error"]["param"]) == (400, param)
    assert answered["error"]["code"] == "context_length_exceeded"


def test_a_weight_is_that_of_the_json() -> None:
    value = [{"role": "user", "parts": ({"text": "é" * 9},), "a": [1, 2.5, None]}]
    data = jsonio.dumps(value)
    assert weight(value) == (len(data), sum(data.count(mark) for mark in (b"[", b"{", b",", b":")))

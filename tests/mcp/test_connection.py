"""Sessions with real servers, the SDK's own and raw ones, on loopback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.mcp.serving import Witness, recording, sdk_server, served
from zerogravity.config import Limits
from zerogravity.mcp.connection import Connection
from zerogravity.mcp.failures import ServerError
from zerogravity.mcp.servers import Endpoint

LIMITS = Limits(mcp_seconds=20)
SERVER = Path(__file__).with_name("stdio_server.py")


@asynccontextmanager
async def connected(limits: Limits = LIMITS, **endpoint: Any) -> AsyncIterator[Connection]:
    made = Connection(Endpoint("s", **endpoint), limits)
    try:
        yield made
    finally:
        await made.close()
        assert all(life.done() for life in made._lives)
        assert not made._asking
        assert not [task for task in asyncio.all_tasks() if "mcp.client" in task.get_name()]


async def refused(asking: Any) -> dict[str, Any]:
    with pytest.raises(ServerError) as caught:
        await asking
    return caught.value.error


@pytest.fixture
def witness() -> Witness:
    return Witness()


@asynccontextmanager
async def over_http(witness: Witness, **app: Any) -> AsyncIterator[str]:
    async with served(recording(sdk_server(witness).streamable_http_app(**app), witness)) as base:
        yield f"{base}/mcp"


@asynccontextmanager
async def over_sse(witness: Witness) -> AsyncIterator[str]:
    async with served(recording(sdk_server(witness).sse_app(), witness)) as base:
        yield f"{base}/sse"


# -- the SDK's own server --------------------------------------------------------------------------------------------

STREAMED = [pytest.param(over_http, id="streamable HTTP"), pytest.param(over_sse, id="SSE")]
WAYS = [*STREAMED, pytest.param(lambda witness: over_http(witness, json_response=True), id="streamable HTTP, JSON")]


@pytest.mark.parametrize("way", WAYS)
async def test_tools_are_listed_and_called(way: Any, witness: Witness) -> None:
    async with way(witness) as url, connected(url=url, headers={"Authorization": "Bearer t"}) as session:
        tools, cursor = await session.list_tools()
        assert [tool["name"] for tool in tools] == ["add", "ship", "fail", "picture", "huge", "wait"]
        assert tools[0]["annotations"] == {"readOnlyHint": True}
        assert (tools[0]["description"], cursor) == ("Adds two numbers", None)
        result = await session.call_tool("add", {"a": 2, "b": 3})
        assert (result["content"], result.get("isError", False)) == ([{"type": "text", "text": "5"}], False)
        failed = await session.call_tool("fail", {})
        assert failed["isError"] is True
        assert "fail" in failed["content"][0]["text"]
        [picture] = (await session.call_tool("picture", {}))["content"]
        assert picture["mimeType"] == "image/png"
    assert {headers["authorization"] for headers in witness.headers} == {"Bearer t"}
    assert {headers["accept-encoding"] for headers in witness.headers} == {"identity"}


@pytest.mark.parametrize("way", STREAMED)
async def test_a_call_that_nobody_waits_for_is_cancelled_at_the_server(way: Any, witness: Witness) -> None:
    async with way(witness) as url, connected(url=url) as session:
        asking = asyncio.create_task(session.call_tool("wait", {}))
        await witness.waiting.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(10):
            await witness.cancelled.wait()


@pytest.mark.parametrize("way", STREAMED)
async def test_closing_ends_what_is_being_asked(way: Any, witness: Witness) -> None:
    async with way(witness) as url, connected(url=url) as session:
        asking = asyncio.create_task(session.call_tool("wait", {}))
        await witness.waiting.wait()
        await session.close()
        assert (await refused(asking))["type"] == "http_error"
        async with asyncio.timeout(10):
            await witness.cancelled.wait()
        assert (await refused(session.list_tools()))["message"] == "the session was closed"


@pytest.mark.parametrize("way", WAYS)
async def test_a_result_may_be_so_large_and_no_larger(way: Any, witness: Witness) -> None:
    limits = Limits(mcp_seconds=20, mcp_bytes=64 << 10)
    async with way(witness) as url, connected(limits, url=url) as session:
        assert len((await session.call_tool("huge", {"size": 1000}))["content"][0]["text"]) == 1000
        error = await refused(session.call_tool("huge", {"size": 10 << 20}))
        assert error["type"] in ("http_error", "mcp_protocol_error")


async def test_an_argument_that_is_wanted_as_a_header(witness: Witness) -> None:
    """The list of tools, which says so, may be from an earlier turn."""
    async with over_http(witness) as url, connected(url=url) as session:
        result = await session.call_tool("ship", {"region": "north"})
        assert result["content"] == [{"type": "text", "text": "to north"}]
    assert "north" in [headers.get("mcp-param-region") for headers in witness.headers]


async def test_a_tool_that_there_is_not(witness: Witness) -> None:
    async with over_http(witness) as url, connected(url=url) as session:
        result = await session.call_tool("nothing", {})
        assert result["isError"] is True


# -- commands ----------------------------------------------------------------------------------------------------


async def test_a_command_is_started_asked_and_ended(capfd: pytest.CaptureFixture[str]) -> None:
    command = {"command": sys.executable, "args": (str(SERVER),), "env": {"GREETING": "good day"}}
    async with connected(**command) as session:
        assert [tool["name"] for tool in (await session.list_tools())[0]] == ["greet", "pid", "die", "sleep"]
        result = await session.call_tool("greet", {"name": "Ada"})
        assert result["content"] == [{"type": "text", "text": "good day Ada"}]
        pid = int((await session.call_tool("pid", {}))["content"][0]["text"])
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)
    assert capfd.readouterr().err == ""


async def test_a_command_that_ends_by_itself_is_started_again() -> None:
    async with connected(command=sys.executable, args=(str(SERVER),)) as session:
        assert (await refused(session.call_tool("die", {})))["message"]
        result = await session.call_tool("greet", {"name": "Ada"})
        assert result["content"] == [{"type": "text", "text": "hello Ada"}]


async def test_a_command_that_cannot_be_run() -> None:
    async with connected(command="/nowhere/such-a-program") as session:
        error = await refused(session.list_tools())
        assert error == {
            "type": "http_error", "code": 503, "message": "its command /nowhere/such-a-program cannot be run"
        }  # fmt: skip


async def test_a_command_that_is_no_server() -> None:
    async with connected(command=sys.executable, args=("-c", "print('hello')")) as session:
        assert (await refused(session.list_tools()))["type"] == "mcp_protocol_error"


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


async def test_a_command_that_does_not_end_is_killed(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    async with connected(command=sys.executable, args=("-c", STUBBORN, str(noted))) as session:
        asking = asyncio.create_task(session.list_tools())
        async with asyncio.timeout(20):
            while not noted.exists() or not noted.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        pid = int(noted.read_text())
        await session.close()
        assert (await refused(asking))["message"] == "the session was closed"
    assert not psutil.pid_exists(pid)


# -- servers that hang, lie or refuse ----------------------------------------------------------------------------

INITIALIZED = {
    "protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "raw", "version": "1"},
}  # fmt: skip


class Raw:
    """A server of the older protocol, made by hand. ``answer``: of everything but the handshake."""

    def __init__(self, answer: Callable[[web.Request, dict[str, Any]], Any]) -> None:
        self.answer = answer
        self.got: list[str] = []
        self.cancelled = asyncio.Event()
        self.asked = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405)
        message = await request.json()
        self.got.append(message["method"])
        match message["method"]:
            case "server/discover":
                return web.json_response(failure(message, -32601, "unknown method"), status=400)
            case "initialize":
                return web.json_response(success(message, INITIALIZED))
            case "notifications/cancelled":
                self.cancelled.set()
                return web.Response(status=202)
            case method if method.startswith("notifications/"):
                return web.Response(status=202)
            case _:
                self.asked.set()
                answer = self.answer(request, message)
                return await answer if asyncio.iscoroutine(answer) else answer


def success(message: dict[str, Any], result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def failure(message: dict[str, Any], code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}}


@asynccontextmanager
async def raw(handler: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/mcp", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/mcp"))


async def _hang(*_: Any) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def _endless_event(request: web.Request, _: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: ")
    for _ in range(10_000):
        await response.write(b"x" * 65536)
    return response


async def _event(line: str) -> web.StreamResponse:
    return web.Response(text=f"{line}\n\n", content_type="text/event-stream")


async def _ends_at_once(request: web.Request, _: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def _compressed(_: web.Request, message: dict[str, Any]) -> web.StreamResponse:
    response = web.json_response(success(message, {"tools": []}))
    response.enable_compression(web.ContentCoding.gzip)
    return response


PROTOCOL, HTTP = "mcp_protocol_error", "http_error"
TOKEN, KEY, MASKED = "tok-en-of-it", "words-of-it", "no [redacted], [redacted]"


@pytest.mark.parametrize(
    ("answer", "kind", "code", "words"),
    [
        (_hang, HTTP, 504, "it did not answer within 3 s"),
        (_endless_event, PROTOCOL, -32000, "SSE stream failed"),
        (_ends_at_once, PROTOCOL, -32000, "ended without a response"),
        (_compressed, HTTP, 502, "its answer is compressed"),
        (lambda _, m: web.json_response(failure(m, -32602, "no such cursor")), PROTOCOL, -32602, "no such cursor"),
        (lambda _, m: web.json_response(success(m, {"tools": "none"})), PROTOCOL, -32603, "does not follow"),
        (lambda _, m: web.json_response(success(m, {"tools": [{"name": 7}]})), PROTOCOL, -32603, "does not follow"),
        (lambda _, m: web.json_response({"jsonrpc": "2.0", "id": 999, "result": {}}), HTTP, 504, "did not answer"),
        (lambda _, m: web.json_response(["secret"]), PROTOCOL, -32700, "is no message of the protocol"),
        (lambda _, m: _event("data: {secret"), PROTOCOL, -32700, "is no message of the protocol"),
        (lambda _, m: web.json_response(failure(m, -1, f"no {TOKEN}, {KEY}"), status=401), PROTOCOL, -1, MASKED),
        (lambda _, m: web.json_response(failure(m, -1, f"no {TOKEN}, {KEY}")), PROTOCOL, -1, MASKED),
        (lambda _, m: web.Response(text="<html>", content_type="text/html"), PROTOCOL, -32600, ""),
        (lambda _, m: web.Response(text="{" + "x" * (1 << 20), content_type="application/json"), HTTP, 502, "65536"),
        (lambda _, m: web.Response(status=401), HTTP, 401, "it answered 401"),
        (lambda _, m: web.Response(status=500, text="secret"), HTTP, 500, "it answered 500"),
        (lambda _, m: web.Response(status=307, headers={"Location": "http://secret.example"}), HTTP, 307, "elsewhere"),
    ],
)  # fmt: skip
async def test_what_a_server_may_do(answer: Any, kind: str, code: int, words: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Key": KEY, "User-Agent": "no"}
    limits = Limits(mcp_seconds=3, mcp_bytes=65536)
    async with raw(Raw(answer).handle) as url, connected(limits, url=url, headers=headers) as session:
        error = await refused(session.list_tools())
        assert (error["type"], error["code"]) == (kind, code)
        assert words in error["message"]
        for secret in ("secret", TOKEN, KEY):
            assert secret not in str(error)


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_server_that_refuses_the_handshake(status: int) -> None:
    async def refusing(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with raw(refusing) as url, connected(url=url) as session:
        error = await refused(session.list_tools())
        assert error == {"type": "http_error", "code": status, "message": f"it answered {status}"}


async def test_a_server_that_is_not_there() -> None:
    async with raw(_hang) as url:
        pass
    async with connected(url=url) as session:
        error = await refused(session.list_tools())
        assert error == {"type": "http_error", "code": 503, "message": "it cannot be reached"}


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/mcp", "https://[::1]:1/mcp", "https://10.0.0.1/mcp"])
async def test_a_server_of_a_request_must_be_public(url: str) -> None:
    async with connected(url=url, public=True) as session:
        error = await refused(session.list_tools())
        assert error == {"type": "http_error", "code": 502, "message": "its host is not public"}


async def test_an_older_server_is_told_that_a_call_is_cancelled() -> None:
    server = Raw(_hang)
    async with raw(server.handle) as url, connected(url=url) as session:
        asking = asyncio.create_task(session.call_tool("x", {}))
        await server.asked.wait()
        asking.cancel()
        async with asyncio.timeout(10):
            await server.cancelled.wait()
        await asyncio.wait((asking,))


@pytest.mark.parametrize("calls", [1, 3])
async def test_an_older_server_is_told_so_where_the_session_is_closed_too(calls: int) -> None:
    server = Raw(_hang)
    async with raw(server.handle) as url, connected(url=url) as session:
        asking = [asyncio.create_task(session.call_tool("x", {})) for _ in range(calls)]
        async with asyncio.timeout(10):
            while server.got.count("tools/call") < calls:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await session.close()
        assert server.got.count("notifications/cancelled") >= calls
        for one in asking:
            assert (await refused(one))["message"] == "the session was closed"


async def test_a_server_that_does_not_take_that_notification_keeps_nobody_waiting() -> None:
    server = Raw(_hang)

    async def deaf(request: web.Request) -> web.StreamResponse:
        message = await request.json() if request.method == "POST" else {}
        return await (_hang() if message.get("method") == "notifications/cancelled" else server.handle(request))

    async with raw(deaf) as url, connected(Limits(mcp_seconds=1), url=url) as session:
        asking = asyncio.create_task(session.call_tool("x", {}))
        await server.asked.wait()
        async with asyncio.timeout(10):
            await session.close()
        assert (await refused(asking))["message"] == "the session was closed"


class Sessions(Raw):
    """One that wants its session's id with each request, and forgets the session after it has listed its tools."""

    known = ""
    forgets: tuple[str, ...] = ("tools/list",)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405)
        method = (await request.json())["method"]
        if method == "initialize":
            self.known = f"s{len(self.got)}"
        elif method != "server/discover" and request.headers.get("Mcp-Session-Id") != self.known:
            self.got.append(f"{method} refused")
            return web.Response(status=404)
        answer = await super().handle(request)
        answer.headers["Mcp-Session-Id"] = self.known
        if method in self.forgets:
            self.known = ""
        return answer


async def test_a_session_that_the_server_has_forgotten_is_opened_again() -> None:
    """As after its restart. What was asked in the old one was not done."""
    content = {"content": [{"type": "text", "text": "done"}]}
    server = Sessions(lambda _, m: web.json_response(success(m, {"tools": []} if "list" in m["method"] else content)))
    async with raw(server.handle) as url, connected(url=url) as session:
        await session.list_tools()
        both = await asyncio.gather(session.call_tool("x", {}), session.call_tool("y", {}))
        assert [one["content"] for one in both] == [content["content"]] * 2
    assert server.got.count("initialize") == 2


async def test_a_server_that_forgets_every_session_is_not_asked_for_ever() -> None:
    server = Sessions(lambda _, m: web.json_response(success(m, {})))
    server.forgets = ("initialize", "notifications/initialized")
    async with raw(server.handle) as url, connected(url=url) as session:
        error = await refused(session.list_tools())
        assert error == {"type": "http_error", "code": 404, "message": "it answered 404"}
    assert server.got.count("tools/list refused") == 2


async def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK would log what servers send, and their URLs."""
    server = Raw(lambda _, message: web.json_response(["secret"]))
    async with raw(server.handle) as url, connected(url=f"{url}?key=secret", headers={"X-Key": "secret"}) as session:
        await refused(session.list_tools())
    assert "secret" not in caplog.text.replace("/mcp?key=secret HTTP", "")

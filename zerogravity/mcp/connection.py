"""One session with an MCP server, by the official SDK: streamable HTTP, SSE where the server refuses that, or the
standard input and output of a command. It is opened at its first use, and lives in a task of its own, since the SDK
wants it to be closed where it was opened.

Importing this module imports the SDK: do that in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    CancelledNotification,
    CancelledNotificationParams,
    Implementation,
)

from zerogravity.config import Limits
from zerogravity.mcp.failures import ServerError, gone, http, protocol, slow
from zerogravity.mcp.guard import Guard
from zerogravity.mcp.servers import Endpoint

INTERNAL_ERROR = -32603
FORGOTTEN = "Session terminated"  # the SDK's words for a 404 where there was a session; … for a status without a body:
BARE = frozenset({"Server returned an error response", "Not Found", FORGOTTEN})
UNREADABLE = "Failed to parse "  # … what they quote
OLD_TRANSPORT = frozenset({400, 404, 405})  # answers to a POST by which a server may mean that it speaks SSE only
CLOSE_S = 8.0  # the SDK gives a command some seconds before it kills it
TELL_S = 2.0  # a server has to take the news that nobody waits for it any more
US = Implementation(name="zerogravity", version="1")
for _name in ("mcp", "httpx2", "httpcore2"):  # they log URLs, and what servers send
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class Connection:
    """What is asked is answered in any order."""

    def __init__(self, endpoint: Endpoint, limits: Limits) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._guard: Guard | None = None
        self._open: asyncio.Future[Client] | None = None
        self._life: asyncio.Task[None]  # of the session that is opened, or open
        self._lives = set[asyncio.Task[None]]()  # … and of those before it
        self._end = asyncio.Event()  # of all
        self._closed = False
        self._asking = set[asyncio.Task[Any]]()

    async def list_tools(self, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
        """One page of its tools, as JSON, and the cursor of the next page. Raises ServerError."""
        page = await self._ask(lambda client: client.list_tools(cursor=cursor, cache_mode="bypass"))
        return [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in page.tools], page.next_cursor

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What the tool has come to: a CallToolResult as JSON. Raises ServerError."""
        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
        result = await self._ask(lambda client: _called(client, request))
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)

    async def close(self) -> None:
        """End what is being asked, and the session."""
        self._closed = True
        try:
            await self._give_up()
            self._end.set()
            if self._open is not None and not self._open.done():
                self._life.cancel()
            if self._lives:
                await asyncio.wait(self._lives, timeout=CLOSE_S)
        finally:
            self._end.set()
            if left := [life for life in self._lives if life.cancel()]:
                await asyncio.wait(left)

    async def _give_up(self) -> None:
        """The SDK hands over a notification for each question, which would be cut off with the session: a further one
        is handed over when they have been sent. An id of none of them is to be ignored."""
        asking = set(self._asking)
        for one in asking:
            one.cancel()
        if not asking:
            return
        await asyncio.wait(asking)
        if self._open is not None and self._open.done():
            last = CancelledNotification(params=CancelledNotificationParams(request_id="all"))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._open.result().session.send_notification(last), TELL_S)

    # -- asking ----------------------------------------------------------------------------------------------

    async def _ask[T](self, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Raises ServerError for whatever goes wrong at the server's end, also when it is too slow. A question that is
        given up is cancelled at the server, too: the SDK sees to that."""
        asking = _quiet(asyncio.create_task(self._asked(question)))
        self._asking.add(asking)
        try:
            await asyncio.wait((asking,), timeout=self._limits.mcp_seconds)
            if not asking.done():
                raise slow(self._limits.mcp_seconds)
            if asking.cancelled():
                raise gone("the session was closed")
            if (error := asking.exception()) is not None:
                raise self._described(error)
            return asking.result()
        finally:
            self._asking.discard(asking)
            if asking.cancel():
                await asyncio.wait((asking,))

    async def _asked[T](self, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        client = await self._client()
        try:
            return await question(client)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED and self._endpoint.command:
                self._leave(client)  # it has ended, and is started again for the next question
            if error.message != FORGOTTEN:
                raise
        self._leave(client)  # what was asked in it was not done
        return await question(await self._client())

    def _leave(self, client: Client) -> None:
        """Ask nothing more in that session; what is being asked in it goes on."""
        if self._open is not None and self._open.done() and self._open.result() is client:
            self._open = None

    async def _client(self) -> Client:
        if self._closed:
            raise gone("the session was closed")
        if self._open is None or self._life.done():
            self._open = asyncio.get_running_loop().create_future()
            self._life = _quiet(asyncio.create_task(self._live(self._open), name=f"mcp {self._endpoint.label}"))
            self._lives.add(self._life)
        opened, life = self._open, self._life
        await asyncio.wait((opened, life), return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            error = None if life.cancelled() else life.exception()
            raise self._described(error or gone("the session was closed"))
        return opened.result()

    def _described(self, error: BaseException) -> ServerError:
        """In words that say nothing of headers, addresses or bodies."""
        while isinstance(error, BaseExceptionGroup):
            error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
        status = self._guard.status if self._guard is not None else 0
        match error:
            case ServerError():
                return error
            case _ if self._guard is not None and self._guard.failure:
                return http(502, self._guard.failure)
            case MCPError() if status >= 400 and error.message in BARE:
                return http(status, f"it answered {status}")
            case MCPError() if 300 <= status < 400:
                return http(status, f"it redirects elsewhere (it answered {status})")
            case MCPError() if error.message.startswith(UNREADABLE):
                return protocol(error.code, "its answer is no message of the protocol")
            case MCPError():
                return protocol(error.code, self._endpoint.masked(error.message))
            case httpx2.HTTPStatusError():
                return http(error.response.status_code, f"it answered {error.response.status_code}")
            case httpx2.TimeoutException():
                return slow(self._limits.mcp_seconds)
            case FileNotFoundError() | PermissionError() if self._endpoint.command:
                return gone(f"its command {self._endpoint.command} cannot be run")
            case OSError() | httpx2.TransportError():
                return gone("it cannot be reached")
            case _:
                return protocol(INTERNAL_ERROR, f"its answer does not follow the protocol ({type(error).__name__})")

    # -- the session -----------------------------------------------------------------------------------------

    async def _live(self, opened: asyncio.Future[Client]) -> None:
        try:
            await _stay(self._by_command() if self._endpoint.command else self._over_http(), opened, self._end)
        except (MCPError, httpx2.HTTPError, ExceptionGroup):
            if opened.done() or self._guard is None or self._guard.status not in OLD_TRANSPORT:
                raise
            await _stay(self._over_sse(), opened, self._end)

    @asynccontextmanager
    async def _by_command(self) -> AsyncGenerator[Client]:
        endpoint = self._endpoint
        command = StdioServerParameters(command=endpoint.command, args=list(endpoint.args), env=dict(endpoint.env))
        with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230  what it says there may be secret
            async with Client(stdio_client(command, nowhere), client_info=US) as client:
                yield client

    @asynccontextmanager
    async def _over_http(self) -> AsyncGenerator[Client]:
        async with self._http_client() as over:
            transport = streamable_http_client(
                self._endpoint.url, http_client=over, max_sse_event_size=self._limits.mcp_bytes
            )
            async with Client(transport, client_info=US) as client:
                yield client

    def _over_sse(self) -> Client:
        seconds = self._limits.mcp_seconds
        transport = sse_client(self._endpoint.url, timeout=seconds, httpx_client_factory=self._http_client)
        return Client(transport, client_info=US, mode="legacy")

    def _http_client(self, *_: object, **__: object) -> httpx2.AsyncClient:
        """Whatever the SDK would have it be."""
        self._guard = Guard(self._endpoint.public, self._limits.mcp_bytes)
        headers = {**self._endpoint.headers, "Accept-Encoding": "identity"}
        timeout = httpx2.Timeout(self._limits.mcp_seconds, read=None)
        return httpx2.AsyncClient(transport=self._guard, headers=headers, timeout=timeout)


async def _stay(
    session: AbstractAsyncContextManager[Client], opened: asyncio.Future[Client], end: asyncio.Event
) -> None:
    """Keep a session open until it is to end."""
    async with session as client:
        opened.set_result(client)
        await end.wait()


def _quiet[T](task: asyncio.Task[T]) -> asyncio.Task[T]:
    """A failure that nobody asks for is not for the log: it may quote the server."""
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task


async def _called(client: Client, request: CallToolRequest) -> CallToolResult:
    """As the SDK's ``call_tool``, which would also hold the result against the server's own schema, whose patterns may
    take for ever."""
    try:
        return await client.session.send_request(request, CallToolResult)
    except MCPError as error:
        if error.code != HEADER_MISMATCH:
            raise
        await client.list_tools(cache_mode="bypass")  # says which arguments are wanted as headers, too
        return await client.session.send_request(request, CallToolResult)

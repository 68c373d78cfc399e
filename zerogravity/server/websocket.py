"""GET /v1/responses with an upgrade: ``response.create`` messages in, the events of the Responses stream out, one JSON
text each. The same parser, emitter and pump as over HTTP. Facts: wire-openai 8; real-clients HTTP 3.

| message                      | here                                                                              |
|------------------------------|-----------------------------------------------------------------------------------|
| ``response.create``          | the body of POST, without ``background``; it always streams                        |
| … with ``generate: false``   | a response without output, which the next one can continue                        |
| … with ``stream_id``         | runs beside others, and all its events repeat it; without one they run one by one |
| anything else                | an error; the connection goes on                                                  |

``previous_response_id`` may also name a response of this connection that was not stored, until a turn that continues it
fails: then it is forgotten, as in the API, and the client sends the whole dialogue. A turn that cannot begin is
answered with ``{"type": "error", "status", "error"}``, where HTTP would use that status; so is a turn whose events were
dropped from memory because the client read too slowly.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from zerogravity import background
from zerogravity.core.channel import CascadeChannel, ChannelWriter, CursorExpired
from zerogravity.core.events import Failed, Finished
from zerogravity.errors import RETRY, Fault, FaultError, Termination, bad_request, internal
from zerogravity.server.body import Body, overloaded, parse
from zerogravity.server.connection_memory import ConnectionMemory, LocalResponses
from zerogravity.server.conversation_writer import CONVERSATIONS
from zerogravity.server.following import following
from zerogravity.server.middleware import fault_of, rendered
from zerogravity.server.respond import abort, drop_stalled_reader, wait_for_content, write_frames
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.services import EXCHANGE, SERVICES
from zerogravity.server.turns import Incoming, hold, start, turn_of
from zerogravity.server.watchdog import Stalled
from zerogravity.surfaces.openai.errors import openai_error_object
from zerogravity.surfaces.responses.compaction import TRIGGER, outcome
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.ids import response_id
from zerogravity.surfaces.responses.stored import stored_at_end
from zerogravity.wire import jsonio

CONCURRENT = 16  # responses of one connection that run or wait
_STREAM_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_OURS = ("type", "generate", "stream_id", "stream", "stream_options")

SOCKETS: web.AppKey[set[web.WebSocketResponse[bool]]] = web.AppKey("sockets", set)
CONNECTION_MEMORY: web.AppKey[ConnectionMemory] = web.AppKey("remembered", ConnectionMemory)


async def serve(request: web.Request) -> web.StreamResponse:
    """GET /v1/responses. A 426 makes clients go on over HTTP at once."""
    config = request.app[SERVICES].config
    if "websocket" not in request.headers.get("Upgrade", "").lower():
        raise web.HTTPMethodNotAllowed("GET", ["POST"])
    if not config.websocket:
        return refused(request, "WebSocket is switched off here; use POST /v1/responses", "HTTP/1.1")
    socket: web.WebSocketResponse[bool] = web.WebSocketResponse(
        max_msg_size=config.limits.body_bytes, compress=False, decode_text=False
    )
    if not socket.can_prepare(request).ok:
        return refused(request, "the WebSocket handshake is not valid", "websocket")
    await socket.prepare(request)
    request.app[SOCKETS].add(socket)
    try:
        await ResponsesSocket(request, socket).run()
    finally:
        request.app[SOCKETS].discard(socket)
    return socket


def refused(request: web.Request, why: str, instead: str) -> web.Response:
    """426, which has to name a protocol that is supported."""
    fault = bad_request(why, code="upgrade_required", status=426).fault
    exchange = request[EXCHANGE]
    response = rendered(exchange.surface.error(fault, exchange.id), {"Upgrade": instead})
    response.force_close()
    return response


async def close_sockets(app: web.Application) -> None:
    """At shutdown, after every turn's terminal event."""
    for socket in list(app[SOCKETS]):
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"shutting down")


class ResponsesSocket:
    """One WebSocket connection of a client."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse[bool]) -> None:
        self._request = request
        self._socket = socket
        self._services = request.app[SERVICES]
        self._limits = self._services.config.limits
        self._surface = self._services.surfaces["responses"]
        self._memory = request.app[CONNECTION_MEMORY]
        self._local: LocalResponses = OrderedDict()  # stored nowhere else
        self._running: dict[asyncio.Task[None], str | None] = {}  # → its stream_id
        self._lock = asyncio.Lock()  # responses without a stream_id run one after the other

    async def run(self) -> None:
        """Until the client goes, or the connection is too old; responses that run then are finished first."""
        try:
            try:
                async with asyncio.timeout(self._limits.websocket_seconds):
                    async for message in self._socket:
                        await self._take(message.type, message.data)
            except TimeoutError:
                if self._running:
                    await asyncio.wait(self._running)
                limit = f"this connection is older than {self._limits.websocket_seconds:g} s; open a new one"
                await self._fault(bad_request(limit, code="websocket_connection_limit_reached").fault, None)
                await self._socket.close()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._memory.leave(self._local)

    async def _take(self, kind: WSMsgType, data: Any) -> None:
        """One message. An error is answered, and the connection goes on."""
        stream_id = None
        try:
            if kind is not WSMsgType.TEXT:
                raise bad_request("only text messages are accepted", code="invalid_json")
            body = await parse(data, self._limits, self._services.parses)
            stream_id = self._stream_id(body.members)
            if body.members.get("type") != "response.create":
                raise bad_request("'type' must be 'response.create'.", param="type")
            if len(self._running) >= CONCURRENT:
                raise overloaded(f"this connection already has {CONCURRENT} responses running or waiting")
        except FaultError as error:
            await self._fault(error.fault, stream_id)
            return
        task = background.task(self._answer(body, stream_id), "websocket turn")
        self._running[task] = stream_id
        task.add_done_callback(self._running.pop)

    def _stream_id(self, body: dict[str, object]) -> str | None:
        """The message's stream_id. Raises FaultError when it is malformed or in use."""
        given = body.get("stream_id")
        if given is None:
            return None
        if not isinstance(given, str) or not _STREAM_ID.fullmatch(given):
            raise bad_request(f"'stream_id' must match {_STREAM_ID.pattern}", param="stream_id")
        if given in self._running.values():
            raise bad_request(f"A response with stream_id '{given}' is running.", param="stream_id")
        return given

    async def _answer(self, body: Body, stream_id: str | None) -> None:
        """One response, from its request to its last event."""
        turn = self._lock if stream_id is None else nullcontext()
        async with turn:
            fault = await fault_of(self._respond(body, stream_id), self._request[EXCHANGE].id)
            if fault is not None:
                self._forget(body.members.get("previous_response_id"))
                await self._fault(fault, stream_id)

    async def _respond(self, body: Body, stream_id: str | None) -> None:
        incoming = await self._read(body)
        generate = body.members.get("generate", True)
        if not isinstance(generate, bool):
            raise bad_request("'generate' must be true or false.", param="generate")
        channel = await (start(self._request.app, incoming) if generate else self._warmed(incoming))
        self._request[EXCHANGE].channel = channel
        with channel.cursor() as cursor:
            await wait_for_content(self._surface, channel, self._limits.grace_seconds)
            emitter = following(self._surface, channel, self._services.secret)
            suffix = b',"stream_id":%b}' % jsonio.dumps(stream_id) if stream_id is not None else b"}"
            try:
                await write_frames(
                    self._request, cursor, emitter, lambda frames: partial(self._send, channel, suffix, frames)
                )
            except Stalled:
                drop_stalled_reader(self._services, channel)
                abort(self._request)
            except CursorExpired:
                raise FaultError(_gone(channel)) from None

    async def _read(self, body: Body) -> Incoming:
        """The turn that a message describes."""
        if body.members.get("background"):
            raise bad_request("'background' is not supported over WebSocket.", param="background")
        http_body = {name: value for name, value in body.members.items() if name not in _OURS} | {"stream": True}
        return await turn_of(self._request, self._surface, http_body, body, local=self._local)

    async def _warmed(self, incoming: Incoming) -> CascadeChannel:
        """A turn without a model call: its input is kept for the next one."""
        app, turn = self._request.app, incoming.turn
        if turn.details_as(ResponsesDetails).compacts:
            raise bad_request(f"'generate' is false, so there can be no {TRIGGER}: leave either out.", param="generate")
        await hold(app, incoming)
        writer = ChannelWriter(turn, self._services.store.clock)
        writer.close(Finished("stop"))
        app[RESPONSE_WRITER].save_end(writer.channel)
        app[CONVERSATIONS].turn_over(writer.channel)
        return writer.channel

    async def _send(self, channel: CascadeChannel, suffix: bytes, frames: list[bytes]) -> None:
        """SSE frames → messages. A heartbeat has no data and becomes a ping."""
        if channel.closed:  # before the client reads the end and goes on
            self._release(channel)
        for frame in frames:
            data = frame.partition(b"\ndata: ")[2].rstrip()
            if data:
                await self._socket.send_frame(data[:-1] + suffix, WSMsgType.TEXT)
            else:
                await self._socket.ping()
            self._request[EXCHANGE].sent_bytes += len(data)

    def _release(self, channel: CascadeChannel) -> None:
        """The turn is over: its stream_id is free, and what is stored nowhere else is kept here."""
        task = asyncio.current_task()
        assert task is not None
        self._running[task] = None
        assert channel.terminal is not None
        if isinstance(outcome(channel.turn, channel.state, channel.terminal), Failed):
            self._forget(channel.turn.previous_id)
        if channel.turn.store or response_id(channel.id) in self._local:
            return
        stored = stored_at_end(channel, self._services.secret)
        self._memory.add(self._local, stored, channel.held)

    def _forget(self, response: object) -> None:
        """A turn that continues that response has failed."""
        if isinstance(response, str):
            self._memory.forget(self._local, response)

    async def _fault(self, fault: Fault, stream_id: str | None) -> None:
        """An error is a message of its own, with the status that HTTP would have."""
        message: dict[str, object] = {"type": "error", "status": fault.status, "error": openai_error_object(fault)}
        if stream_id is not None:
            message["stream_id"] = stream_id
        try:
            with suppress(ConnectionError):  # the receiving side ends the connection
                async with asyncio.timeout(self._limits.write_stall_seconds):
                    await self._socket.send_frame(jsonio.dumps(message), WSMsgType.TEXT)
        except TimeoutError:
            abort(self._request)


def _gone(channel: CascadeChannel) -> Fault:
    """Its events were dropped from memory before this client read them."""
    instead = f"GET /v1/responses/{response_id(channel.id)} returns all of it" if channel.turn.store else RETRY
    text = f"the rest of this response was dropped from memory because it was read too slowly; {instead}"
    return internal(text, Termination.LIMIT_BYTES, status=503, code="response_expired")

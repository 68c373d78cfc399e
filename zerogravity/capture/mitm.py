"""The parts of mitmproxy that have no type hints, with some: the one file where the checker looks away."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, MutableMapping
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any, cast

from mitmproxy import ctx, http, optmanager
from mitmproxy.addonmanager import safecall, traverse
from mitmproxy.addons.termlog import TermLogHandler
from mitmproxy.connection import Connection
from mitmproxy.exceptions import AddonHalt
from mitmproxy.hooks import Hook
from mitmproxy.log import LegacyLogEvents
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy import layer
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.events import DataReceived
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

LAST_HOOKS = HttpResponseHook, HttpErrorHook
FLOW_HOOKS = HttpRequestHeadersHook, HttpRequestHook, HttpResponseHeadersHook, *LAST_HOOKS


def headers(message: http.Message) -> MutableMapping[str, str]:
    return message.headers


def addon(name: str) -> Any:
    """The addon of that name; None if there is none."""
    return ctx.master.addons.get(name)


def listening() -> Iterator[socket.socket]:
    """The TCP sockets of all its ports."""
    proxyserver = addon("proxyserver")
    for mode in proxyserver.servers if proxyserver is not None else ():
        for server in getattr(mode, "_servers", ()):  # UDP's, and those that listen nowhere, have none
            yield from getattr(server, "sockets", ())


def add_addons(master: Master, *addons: object) -> None:
    master.addons.add(*addons)


def no_log_events() -> None:
    """Each log record also becomes an event for addons, a deprecated one that none of ours listens to: it wakes the
    loop, and goes through all of them."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, LegacyLogEvents)]:
        root.removeHandler(handler)


def no_terminal_log() -> None:
    """The log is printed by a handler of ours. mitmproxy's addon stays: ``termlog_verbosity`` is its option."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, TermLogHandler)]:
        root.removeHandler(handler)


def check_no_messages() -> None:
    """mitmproxy checks the types of all fields of each request and response: its own ``assert``, which finds bugs in
    addons, and costs as much as all else that a message does there."""
    if hasattr(http.MessageData, "__post_init__"):  # not under python -O
        setattr(http.MessageData, "__post_init__", _unchecked)  # noqa: B010 - the checker knows no such member


def _unchecked(_: http.MessageData) -> None:
    pass


def lower_names_at_once() -> None:
    """mitmproxy lowers each name of a message, in a function of its own, to find one header."""
    setattr(http.Headers, "_kconv", staticmethod(bytes.lower))  # noqa: B010 - as above


def copy_no_options() -> None:
    """mitmproxy copies an option's value whenever it is read, some twenty times in a call; most cannot be changed."""
    option, copied = optmanager._Option, optmanager._Option.current

    def current(self: Any) -> Any:
        value = self._default if self.value is optmanager.unset else self.value
        return value if isinstance(value, str | int | None) else copied(self)

    setattr(option, "current", current)  # noqa: B010 - as above


def keep_queues_small() -> None:
    """Each of mitmproxy's layers, some six of a call, has a queue of events that is nearly always empty; an empty deque
    takes half a KiB."""
    setattr(layer, "collections", SimpleNamespace(deque=_Queue))  # noqa: B010 - as above


class _Queue(list[Any]):
    __slots__ = ()

    def popleft(self) -> Any:
        return self.pop(0)


def keep_nothing_read() -> None:
    """mitmproxy keeps what it has read last while it waits for more: up to 64 KiB of each call until its answer is
    over. Here it is let go at once."""
    handle = ConnectionHandler.handle_connection

    def handle_connection(self: ConnectionHandler, connection: Connection) -> Coroutine[Any, Any, None]:
        io = self.transports[connection]
        io.reader = cast("Any", _Reader(self, connection, io.reader))
        return handle(self, connection)

    setattr(ConnectionHandler, "handle_connection", handle_connection)  # noqa: B010 - as above


class _Reader:
    """In the place of a connection's reader: does what the loop in ``handle_connection`` would with each piece, and
    gives none of them but the end."""

    def __init__(self, handler: ConnectionHandler, connection: Connection, reader: Any) -> None:
        self._handler = handler
        self._connection = connection
        self._reader = reader

    async def read(self, size: int) -> bytes:
        while data := await self._reader.read(size):
            await self._handler.server_event(DataReceived(self._connection, data))
            del data
            await self._handler.drain_writers()
        return b""


def find_listeners_once(master: Master) -> None:
    """mitmproxy asks all addons, at each event, whether they listen to it. Here they are asked once for each hook, and
    again when one has come: a first client may be earlier than the last addon. One that fails is logged, and keeps no
    other from being called, as before."""
    vars(master.addons)["trigger_event"] = _Listeners(master).trigger_event


def take_flows_at_once() -> None:
    """mitmproxy asks for the fields of a hook's class each time that it takes the flow out of one."""
    for kind in FLOW_HOOKS:
        setattr(kind, "args", _flow_of)  # noqa: B010 - as above


def _flow_of(hook: Any) -> list[http.HTTPFlow]:
    return [hook.flow]


class _Listeners:
    def __init__(self, master: Master) -> None:
        self._chain = cast("Iterable[object]", master.addons.chain)
        self._by_name = cast("dict[str, object]", master.addons.lookup)
        self._known = 0
        self._found: dict[str, list[Callable[..., Any]]] = {}

    async def trigger_event(self, event: Hook) -> None:
        found = self._of(event.name)
        arguments = event.args() if found else ()
        for hook in found:
            try:
                with safecall():
                    result = hook(*arguments)
                    if result is not None and isawaitable(result):
                        await result
            except AddonHalt:
                return

    def _of(self, name: str) -> list[Callable[..., Any]]:
        if self._known != len(self._by_name):
            self._known = len(self._by_name)
            self._found.clear()
        if (found := self._found.get(name)) is None:
            addons = cast("Iterable[object]", traverse(self._chain))
            self._found[name] = found = [hook for one in addons if callable(hook := getattr(one, name, None))]
        return found


def set_options(options: Options, **values: object) -> None:
    """All at once. Raises OptionsError, and then none is set."""
    options.update(**values)


def is_set(option: str) -> bool:
    """Whether one of mitmproxy's options is not at its default."""
    return ctx.options.has_changed(option)


def spawn(work: Coroutine[Any, Any, None], name: str, client: tuple[Any, ...] | None) -> None:
    """Run ``work`` on behalf of a client's connection."""
    asyncio_utils.create_task(work, name=name, keep_ref=True, client=client)


def begun(handler: ConnectionHandler, hook: StartHook) -> asyncio.Task[None]:
    """A hook that runs; mitmproxy's loop begins with a task at once, so nearly every one has run when this returns."""
    return asyncio.create_task(handler.handle_hook(hook))


def streaming(layer: HttpLayer, stream_id: int) -> http.Response | None:
    """The answer whose pieces the layer would only frame for HTTP/1.1 and write at this moment: its head has been
    sent, nothing waits before them, and nobody reads, keeps or encrypts them."""
    stream, client = layer.streams.get(stream_id), layer.connections.get(layer.context.client)
    if stream is None or not isinstance(client, Http1Server) or layer.context.client.tls:
        return None
    if stream.server_state != stream.state_stream_response_body or is_set("store_streamed_bodies"):
        return None
    response, busy = stream.flow.response, stream._paused or client._paused
    return None if busy or response is None or response.stream is not True else response


def has_more(layer: HttpLayer) -> bool:
    """Whether its client has sent more than the request that is being answered."""
    client = layer.connections.get(layer.context.client)
    return isinstance(client, Http1Server) and bool(client.buf)


def client_has_reset(stream: HttpStream) -> bool:
    """As noted before the ``error`` hook."""
    return stream.client_state == stream.state_errored

"""mitmproxy behind our hints: each helper does what its name says with the real thing."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy import commands, context, events, layer
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, HttpStream
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO
from mitmproxy.test import taddons, tflow
from mitmproxy.test.tflow import tclient_conn

from tests.waiting import until
from zerogravity.capture import mitm


class Named:
    name = "ours"


def test_headers_are_the_messages_own() -> None:
    request = tflow.tflow().request
    mitm.headers(request)["X-Mine"] = "1"
    assert request.headers["x-mine"] == "1"


def test_an_addon_is_found_by_its_name() -> None:
    one = Named()
    with taddons.context() as context:
        assert mitm.addon("ours") is None
        mitm.add_addons(context.master, one)
        assert mitm.addon("ours") is one


async def test_the_sockets_that_it_listens_on() -> None:
    with taddons.context() as context:
        assert [*mitm.listening()] == []
        server = Proxyserver()
        context.master.addons.add(server)
        context.options.update(mode=["reverse:https://x.example@127.0.0.1:0"])
        server.running()
        assert await server.setup_servers()
        ports = {address[1] for address in server.listen_addrs()}
        assert {one.getsockname()[1] for one in mitm.listening()} == ports
        context.options.update(server=False)
        assert await server.setup_servers()
        assert [*mitm.listening()] == []


async def test_records_are_no_events() -> None:
    class Listens:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def add_log(self, entry: Any) -> None:
            self.heard.append(entry.msg)

    heard = []
    for silent in (False, True):
        addon = Listens()
        master = Master(Options(), with_termlog=True)
        mitm.add_addons(master, addon)
        if silent:
            mitm.no_log_events()
        logging.getLogger("zerogravity").error("something happened")
        await asyncio.sleep(0)
        heard.append(any("something happened" in message for message in addon.heard))
        await master.done()
    assert heard == [True, False]


async def test_listeners_are_found_once_and_called_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    class Listens:
        def __init__(self, name: str, *inner: object, error: Exception | None = None) -> None:
            self.name, self.addons, self.error = name, inner, error

        async def running(self) -> None:
            heard.append(self.name)
            if self.error is not None:
                raise self.error

        def done(self) -> None:
            heard.append(f"{self.name} ends")

    master = Master(Options())
    mitm.add_addons(
        master, Listens("outer", Listens("inner")), Named(), Listens("bug", error=RuntimeError("our bug")),
        Listens("halt", error=AddonHalt()), Listens("never"),
    )  # fmt: skip
    for quick in (False, True):
        heard = list[str]()
        if quick:
            mitm.find_listeners_once(master)
        for _ in range(2):
            await master.running()
        assert heard == ["outer", "inner", "bug", "halt"] * 2
    assert caplog.text.count("RuntimeError: our bug") == 4
    await master.done()
    assert heard[8:] == [f"{name} ends" for name in ("outer", "inner", "bug", "halt", "never")]


async def test_a_listener_that_comes_later_is_found_too() -> None:
    class Listens:
        def __init__(self, name: str) -> None:
            self.name = name

        def running(self) -> None:
            heard.append(self.name)

    heard, master = list[str](), Master(Options())
    mitm.find_listeners_once(master)
    for name in ("first", "second"):
        mitm.add_addons(master, Listens(name))
        await master.running()
    assert heard == ["first", "first", "second"]
    await master.done()


def test_options_are_set_all_or_none() -> None:
    with taddons.context(Proxyserver()) as context:
        mitm.set_options(context.options, upstream_cert=False, listen_port=1)
        assert (context.options.upstream_cert, context.options.listen_port) == (False, 1)
        with pytest.raises(OptionsError):
            mitm.set_options(context.options, upstream_cert=True, mode=["nonsense:"])
        assert (context.options.upstream_cert, context.options.listen_port) == (False, 1)


async def test_work_of_a_connection_runs() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    mitm.spawn(work(), "work", ("127.0.0.1", 1))
    await asyncio.wait_for(done.wait(), 5)


UNCHECKED = """
from mitmproxy import http
from zerogravity.capture import mitm

def made():
    return http.Response(b"HTTP/1.1", "200", b"OK", http.Headers(), None, None, 0.0, None)

try:
    made()
except TypeError:
    mitm.check_no_messages()
    assert made().data.status_code == "200"
else:
    raise AssertionError("mitmproxy does not check")
"""


def test_messages_are_not_checked() -> None:
    """In a process of its own: it is for all of it."""
    subprocess.run([sys.executable, "-c", UNCHECKED], check=True, timeout=60)


CHEAPER = """
from mitmproxy import http, options
from mitmproxy.test import tflow
from zerogravity.capture import mitm

def seen():
    found = http.Headers([(b"Set-Cookie", b"a"), (b"X-A", b"1"), (b"set-cookie", b"b")])
    found["x-a"] = "2"
    del found["X-a"]
    made = options.Options(mode=["reverse:http://a"], listen_port=1)
    made.mode.append("changed")
    told = made.mode, made.listen_port, made.listen_host, made.has_changed("mode")
    flow = tflow.tflow()
    flows = [kind(flow).args() == [flow] for kind in mitm.FLOW_HOOKS]
    return found.get_all("SET-cookie"), found.fields, told, flows

before = seen()
mitm.lower_names_at_once()
mitm.copy_no_options()
mitm.take_flows_at_once()
assert seen() == before, (seen(), before)
"""


def test_what_is_cheaper_does_the_same() -> None:
    """As above."""
    subprocess.run([sys.executable, "-c", CHEAPER], check=True, timeout=60)


class Pausing(layer.Layer):
    """Waits for an answer at each event; notes what it gets meanwhile, in order."""

    def __init__(self) -> None:
        super().__init__(context.Context(tclient_conn(), Options()))
        self.seen: list[events.Event] = []

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self.seen.append(event)
        yield commands.OpenConnection(self.context.server)


def test_a_layer_that_waits_gets_its_events_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "collections", layer.collections)  # put back afterwards
    mitm.keep_queues_small()
    paused, given = Pausing(), [events.Start() for _ in range(4)]
    (asked,) = paused.handle_event(given[0])
    for event in given[1:]:
        assert list(paused.handle_event(event)) == []
    assert sys.getsizeof(paused._paused_event_queue) < 200
    while asked is not None:
        asked = next(paused.handle_event(events.OpenConnectionCompleted(asked, None)), None)
    assert paused.seen == given


class Ended(ConnectionHandler):
    """A connection whose events are noted, until it is closed."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(context.Context(tclient_conn(), Options()))
        self.seen: list[tuple[str, int]] = []
        self.transports[self.client] = ConnectionIO(reader=reader, writer=Mock(drain=AsyncMock()))

    async def handle_hook(self, hook: StartHook) -> None:
        raise AssertionError

    async def server_event(self, event: events.Event) -> None:
        data = event.data if isinstance(event, events.DataReceived) else b""
        self.seen.append((type(event).__name__, len(data)))


@pytest.mark.parametrize("end", ["closed", "broken", "cancelled"])
async def test_what_was_read_is_not_kept_while_more_is_awaited(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(ConnectionHandler, "handle_connection", ConnectionHandler.handle_connection)  # as above
    mitm.keep_nothing_read()
    reader = asyncio.StreamReader()
    handler = Ended(reader)
    running = asyncio.create_task(handler.handle_connection(handler.client))
    tracemalloc.start()
    try:
        for number in (1, 2):
            reader.feed_data(bytes(50_000))
            await until(lambda number=number: len(handler.seen) == number)
            assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()
    if end == "cancelled":
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    else:
        reader.feed_eof() if end == "closed" else reader.set_exception(ConnectionResetError("gone"))
        await until(lambda: len(handler.seen) == 3)
        running.cancel()
        await asyncio.wait([running])
    assert handler.seen == [("DataReceived", 50_000)] * 2 + [("ConnectionClosed", 0)]
    assert not handler.transports


PLAIN: dict[str, Callable[[HttpLayer, HttpStream], object]] = {
    "it is read": lambda _, stream: setattr(stream.flow.response, "stream", lambda data: data),
    "it is kept": lambda *_: ctx.options.update(store_streamed_bodies=True),
    "it is encrypted": lambda layer, _: setattr(layer.context.client, "tls", True),
    "its head has not been sent": lambda _, stream: setattr(stream, "server_state", stream.state_done),
    "a hook runs": lambda _, stream: setattr(stream, "_paused", "a hook"),
    "over HTTP/2": lambda layer, _: layer.connections.update({layer.context.client: Http2Server(layer.context.fork())}),
    "it is over": lambda layer, _: layer.streams.clear(),
}


@pytest.mark.parametrize("change", [None, *PLAIN])
def test_pieces_that_the_layers_would_do_more_with_are_left_to_them(change: str | None) -> None:
    with taddons.context(Proxyserver()):
        flow = tflow.tflow(resp=True)
        flow.client_conn.tls = False
        assert flow.response is not None
        flow.response.stream = True
        made = HttpLayer(context.Context(flow.client_conn, ctx.options), HTTPMode.regular)
        made.connections[flow.client_conn] = Http1Server(made.context.fork())
        made.streams[1] = stream = HttpStream(made.context.fork(), 1)
        stream.flow, stream.server_state = flow, stream.state_stream_response_body
        if change is not None:
            PLAIN[change](made, stream)
        assert mitm.streaming(made, 1) is (flow.response if change is None else None)

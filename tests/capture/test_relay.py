"""Claimed calls on both response paths, through mitmproxy's own layers: the language server and the turn get the same,
the same hooks run. And what the relay alone has to do."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import weakref
from collections.abc import Callable, Generator, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mitmproxy import ctx, http
from mitmproxy.exceptions import OptionsError
from mitmproxy.net.http.http1 import assemble_request
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpStream
from mitmproxy.proxy.layers.http._events import ResponseEndOfMessage
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server import SimpleConnectionHandler
from mitmproxy.test import tflow, tutils

from tests.capture.response_paths import RESPONSE_PATHS, Google, Middle, Relayed, ResponsePath, middle
from tests.waiting import until
from zerogravity.capture import mitm, relay, relayed_call
from zerogravity.capture.interceptor import Deps
from zerogravity.capture.tap import Tap
from zerogravity.core.events import Failed, Finished
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import PASSIVE
from zerogravity.errors import Termination, cancelled
from zerogravity.observe.health import Health
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.recorder import NullRecorder
from zerogravity.observe.requests import RequestSinks
from zerogravity.surfaces import REGISTRY
from zerogravity.testing import builders

pytestmark = pytest.mark.asyncio
CASCADE = "c0ffee00-1111-4222-8333-444455556666"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def deps(clock: Any) -> Deps:
    metrics = Metrics(REGISTRY)
    made = Deps(MitmStore(clock), Health(clock), metrics, RequestSinks(NullRecorder()))
    metrics.watch(made.store)
    return made


@pytest.fixture
def running(deps: Deps, make_turn: Any) -> RunningTurn:
    made = deps.store.open(make_turn())
    deps.store.bind(made, CASCADE)
    return made


@pytest.fixture(params=RESPONSE_PATHS)
def response_path(request: pytest.FixtureRequest) -> ResponsePath:
    return request.param


def call(cascade: str = CASCADE) -> http.HTTPFlow:
    """A language server's call."""
    text = f"<USER_REQUEST>\n.<cid:{cascade}>\n</USER_REQUEST>"
    body = {
        "project": "p", "requestType": "agent", "model": "gemini-3-flash-agent",
        "request": {"contents": [{"role": "user", "parts": [{"text": text}]}], "sessionId": "-1"},
    }  # fmt: skip
    headers = ((b"Host", b"x"), (b"X-Own", b"Kept as it is"), (b"Content-Length", b"0"))
    request = tutils.treq(
        method=b"POST", path=b"/v1internal:streamGenerateContent?alt=sse", headers=http.Headers(headers),
        content=json.dumps(body).encode(), authority=b"",
    )  # fmt: skip
    request.content = request.content  # its length
    return tflow.tflow(req=request)


def event(*parts: Any, finish: str | None = None) -> bytes:
    return b"data: " + json.dumps({"response": builders.chunk(*parts, finish=finish)}).encode() + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


TEXT, MORE, END = event(builders.part("Par")), event(builders.part("is")), event(builders.part(""), finish="STOP")
TOOL = event(builders.call("get_weather", city="Paris"))
LAST = b"0\r\n\r\n"


def answer(*deeds: bytes | str | float, asked: list[bytes] | None = None) -> Google:
    """A server that answers each request so: bytes, pauses, and ``close``, ``reset`` or ``wait`` as the last thing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                if asked is not None:
                    asked.append(head + body)
                for deed in deeds:
                    if isinstance(deed, bytes):
                        writer.write(deed)
                        await writer.drain()
                    elif deed == "close":
                        return
                    elif deed == "reset":
                        writer.transport.abort()
                    elif deed == "wait":
                        await reader.read()
                        return
                    else:
                        await asyncio.sleep(float(deed))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return serve


SMALL = [bytes([byte]) for byte in CHUNKED + chunk(TEXT + MORE) + chunk(END) + LAST]
# name: (what Google does, the hooks from the answer on, how the turn ends)
ENDED = ["responseheaders", "response"]
BROKEN = ["responseheaders", "error"]
ANSWERS: dict[str, tuple[Google, list[str], str]] = {
    "text": (answer(CHUNKED, chunk(TEXT), chunk(MORE), chunk(END), LAST), ENDED, "Paris"),
    "all at once": (answer(CHUNKED + chunk(TEXT + MORE + END) + LAST), ENDED, "Paris"),
    "byte by byte": (answer(*SMALL), ENDED, "Paris"),
    "with pauses": (answer(CHUNKED, 0.02, chunk(TEXT), 0.3, chunk(MORE), 0.02, chunk(END), LAST), ENDED, "Paris"),
    "a client's call": (answer(CHUNKED, chunk(TEXT + TOOL), chunk(END), LAST), ENDED, "Par"),
    "a length": (
        answer(CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(TEXT + END)) + TEXT, END),
        ENDED, "Par",
    ),
    "until the end": (
        answer(CHUNKED.replace(b"Transfer-Encoding: chunked\r\n", b"") + TEXT, END, "close"), ENDED, "Par",
    ),
    "gzip": (
        answer(CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n", chunk(gzip.compress(TEXT + END)) + LAST), ENDED, "Par",
    ),
    "closed after text": (answer(CHUNKED + chunk(TEXT), "close"), BROKEN, "upstream_drop"),
    "closed in an event": (answer(CHUNKED + chunk(TEXT + MORE[:9]), "close"), BROKEN, "upstream_drop"),
    "reset after text": (answer(CHUNKED + chunk(TEXT), 0.05, "reset"), BROKEN, "upstream_drop"),
    "closed after the head": (answer(CHUNKED, "close"), BROKEN, "upstream_drop"),
    "closed after the finish": (answer(CHUNKED + chunk(TEXT + END), "close"), BROKEN, "Par"),
    "closed before the head": (answer("close"), ["error"], "upstream_drop"),
    "reset before the head": (answer("reset"), ["error"], "upstream_drop"),
    "refused": (
        answer(b'HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n'
               b'{"error":{"code":429}}'), ENDED, "upstream_status",
    ),
    "refused in chunks": (answer(CHUNKED.replace(b"200 OK", b"503 Busy") + chunk(b"no") + LAST), ENDED,
                          "upstream_status"),
    "refused, cut": (answer(CHUNKED.replace(b"200 OK", b"503 Busy") + chunk(b"no"), "close"), BROKEN, "upstream_drop"),
    "a JSON body": (
        answer(CHUNKED.replace(b"text/event-stream", b"application/json") + chunk(b"[" + TEXT[6:].strip() + b",")
               + chunk(END[6:].strip() + b"]") + LAST), ENDED, "Par",
    ),
    "no HTTP": (answer(b"hello\r\n\r\n", "wait"), ["error"], "upstream_drop"),
}  # fmt: skip


def end_of(running: RunningTurn) -> str:
    """Its text, or how it failed."""
    match running.channel.terminal:
        case Finished():
            return running.channel.state.text
        case Failed(fault):
            return fault.termination.value
        case None:
            return "open"


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_comes_both_paths_tell_the_same(monkeypatch, clock, make_turn, name: str) -> None:
    google, hooks, end = ANSWERS[name]
    seen: dict[ResponsePath, Any] = {}
    for path in RESPONSE_PATHS:
        metrics = Metrics(REGISTRY)
        deps = Deps(MitmStore(clock), Health(clock), metrics, RequestSinks(NullRecorder()))
        running = deps.store.open(make_turn())
        deps.store.bind(running, CASCADE)
        async with middle(monkeypatch, deps, path, google) as made:
            reader, body = await made.ask(call())
            await until(lambda made=made, hooks=hooks: made.hooks[2:] == hooks)
            assert end_of(running) == end
            assert made.interceptor.claims == {}
            assert (made.relay.google is not None) is (path == "relay")
        assert reader.head is not None
        seen[path] = (reader.head.status, dict(reader.head.headers), body, reader.error, reader.keeps)
    status, _, _, error, keeps = seen["hooks"]
    assert seen["relay"][0] == status
    if status == 200:
        assert seen["relay"] == seen["hooks"]
    else:  # the words of a broken connection may differ
        assert error is None or error == seen["relay"][3]
        assert keeps is seen["relay"][4]


async def test_what_goes_to_google_is_the_same(monkeypatch, deps, make_turn) -> None:
    sent: dict[ResponsePath, list[bytes]] = {"relay": [], "hooks": []}
    for path, asked in sent.items():
        running = deps.store.open(make_turn())
        deps.store.bind(running, cascade := f"c0ffee00-1111-4222-8333-44445555666{len(deps.store)}")
        async with middle(monkeypatch, deps, path, answer(CHUNKED + chunk(TEXT + END) + LAST, asked=asked)) as made:
            await made.ask(call(cascade))
    host = b"Host: 127.0.0.1:"
    asked_for = [one for (one,) in sent.values()]
    lines = [[line for line in one.split(b"\r\n") if not line.startswith(host)] for one in asked_for]
    assert lines[0] == lines[1]
    relayed = asked_for[0]
    assert b"X-Own: Kept as it is\r\n" in relayed


async def test_other_calls_go_mitmproxys_way(monkeypatch, deps, response_path) -> None:
    async with middle(monkeypatch, deps, response_path, answer(CHUNKED + chunk(TEXT) + LAST)) as made:
        _, body = await made.ask(call("00000000-1111-4222-8333-444455556666"))
        assert body == TEXT
        assert made.relay.google is None
        assert made.hooks == ["requestheaders", "request", "responseheaders", "response"]


@pytest.mark.parametrize("begun", [True, False])
async def test_a_call_that_we_cut(monkeypatch, deps, running, response_path, begun) -> None:
    asked: list[bytes] = []
    google = answer(*([CHUNKED + chunk(TEXT)] if begun else []), "wait", asked=asked)
    async with middle(monkeypatch, deps, response_path, google) as made:
        asking = asyncio.create_task(made.ask(call()))
        await until(lambda: running.channel.state.text if begun else asked)
        running.close(Failed(cancelled()))
        running.end_attempts(cut=True)
        reader, body = await asking
        assert (reader.error is not None) is begun
        assert body == TEXT if begun else reader.head.status == 502  # type: ignore[union-attr]
        assert made.hooks[-1] == "error"
        assert made.carrier.idle == 0


@pytest.mark.parametrize("end", ["whole", "broken", "the ls leaves"])
async def test_a_call_that_is_over_holds_nothing_of_its_turn(monkeypatch, deps, running, response_path, end) -> None:
    """A flow, and all that mitmproxy has of it, is freed when the garbage collector comes round; the request, of up to
    many MB, must not wait for that."""
    taps: list[weakref.ref[Tap]] = []
    begin = Tap.__init__

    def noted(self: Tap, *args: Any, **options: Any) -> None:
        taps.append(weakref.ref(self))
        begin(self, *args, **options)

    monkeypatch.setattr(Tap, "__init__", noted)
    last: list[bytes | str] = {"whole": [LAST], "broken": ["reset"], "the ls leaves": ["wait"]}[end]
    async with middle(monkeypatch, deps, response_path, answer(CHUNKED + chunk(TEXT + END), *last)) as made:
        gc.disable()
        try:
            asking = asyncio.create_task(made.ask(call()))
            if end == "the ls leaves":
                await until(lambda: running.channel.state.text)
                asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await until(lambda: made.hooks[-1] in ("response", "error") and not made.interceptor.claims)
            await until(lambda: [tap() for tap in taps] == [None])
        finally:
            gc.enable()


async def test_a_call_that_a_stop_sequence_has_ended(monkeypatch, deps, make_turn, response_path) -> None:
    """Google would go on for ever; the language server has got what came until then."""
    running = deps.store.open(make_turn(stops=("aris",)))
    deps.store.bind(running, cascade := "c0ffee00-1111-4222-8333-444455556669")
    async with middle(monkeypatch, deps, response_path, answer(CHUNKED, chunk(TEXT), chunk(MORE), "wait")) as made:
        asking = asyncio.create_task(made.ask(call(cascade)))
        await running.channel.wait_closed()
        running.end_attempts(cut=True)  # as the engine does
        reader, body = await asking
        assert reader.error is not None
        assert body == TEXT + MORE
        assert (running.channel.state.text, running.channel.terminal) == ("P", Finished("stop_sequence", "aris"))
        assert made.hooks[-1] == "error"
        assert made.carrier.idle == 0


async def test_an_ls_that_leaves_ends_the_call(monkeypatch, deps, running, response_path) -> None:
    gone = asyncio.Event()

    async def google(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + chunk(TEXT))
        while await reader.read(65536):
            pass
        gone.set()
        writer.close()

    async with middle(monkeypatch, deps, response_path, google) as made:
        asking = asyncio.create_task(made.ask(call()))
        await until(lambda: running.channel.state.text)
        asking.cancel()
        await asyncio.wait([asking])
        async with asyncio.timeout(10):
            await gone.wait()
        await until(lambda: running.closed)
        assert running.channel.termination is Termination.LS_GONE


# -- the relay alone ---------------------------------------------------------------------------------------------


async def test_an_ls_that_does_not_read_loses_its_copy_and_no_more(monkeypatch, deps, running) -> None:
    words = builders.part("x" * 60_000)
    many = [CHUNKED, *[chunk(event(words))] * 300, chunk(END), LAST]
    monkeypatch.setattr(relayed_call, "HELD_BYTES", 100_000)
    async with middle(monkeypatch, deps, "relay", answer(*many)) as made:
        _, writer = await asyncio.open_connection("127.0.0.1", made.port, limit=1)
        writer.write(assemble_request(call().request))
        await until(lambda: running.closed)
        assert end_of(running) == "x" * 60_000 * 300
        writer.transport.abort()
        await until(lambda: made.hooks[-1] == "error")


async def test_calls_share_a_kept_connection(monkeypatch, deps, make_turn) -> None:
    opened: list[int] = []
    serve = answer(CHUNKED + chunk(TEXT + END) + LAST)

    async def google(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        await serve(reader, writer)

    async with middle(monkeypatch, deps, "relay", google) as made:
        for number in range(3):
            running = deps.store.open(make_turn())
            deps.store.bind(running, cascade := f"c0ffee00-1111-4222-8333-44445555666{number}")
            _, body = await made.ask(call(cascade))
            assert body == TEXT + END
        assert len(opened) == 1
        server = made.flows[-1].server_conn
        assert server.address == server.peername == ("127.0.0.1", made.relay.google.port)
        assert server.timestamp_start is not None
        assert all(not flow.server_conn.connected for flow in made.flows)


async def test_nothing_is_left_of_a_call(monkeypatch, deps, running) -> None:
    async with middle(monkeypatch, deps, "relay", answer(CHUNKED + chunk(TEXT + END) + LAST)) as made:
        await made.ask(call())
        (flow,) = (weakref.ref(one) for one in made.flows)
        made.flows.clear()
        running.end_attempts(cut=False)  # as the engine does
        await until(lambda: (gc.collect(), flow() is None)[1])


async def test_a_connection_is_there_before_the_call(monkeypatch, deps, make_turn) -> None:
    opened: list[int] = []
    serve = answer(CHUNKED + chunk(TEXT + END) + LAST)

    async def google(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        await serve(reader, writer)

    async with middle(monkeypatch, deps, "relay", google) as made:
        deps.store.on_open.append(made.relay.turn_begins)
        deps.store.on_closed.append(made.relay.turn_ends)
        made.relay.google = made.target
        running = deps.store.open(make_turn())
        await until(lambda: made.carrier.idle == 1)
        deps.store.open(make_turn(surface=PASSIVE))  # its call is here already
        deps.store.open(make_turn(at_once=True))  # none will come
        deps.store.bind(running, CASCADE)
        _, body = await made.ask(call())
        assert body == TEXT + END
        assert len(opened) == 1
        given_up = [deps.store.open(make_turn()) for _ in range(20)]
        await until(lambda: made.carrier.idle == relay.WARM)
        for one in given_up:
            one.close(Failed(cancelled()))
        deps.store.open(make_turn())
        assert made.carrier.idle == relay.WARM == len(opened)


UNUSUAL: dict[str, Callable[[http.HTTPFlow], object]] = {
    "replayed": lambda flow: setattr(flow, "is_replay", "request"),
    "streamed": lambda flow: setattr(flow.request, "stream", True),
    "with trailers": lambda flow: setattr(flow.request, "trailers", http.Headers(a="b")),
    "from another machine": lambda flow: setattr(flow.client_conn, "peername", ("203.0.113.9", 1)),
    "through another proxy": lambda flow: setattr(
        flow.client_conn, "proxy_mode", ProxyMode.parse("upstream:http://127.0.0.1:1")
    ),
    "with ciphers of its own": lambda _: ctx.options.update(ciphers_server="AES128-SHA"),
    "from an address of its own": lambda _: ctx.options.update(connect_addr="127.0.0.1"),
    "with an old TLS": lambda _: ctx.options.update(tls_version_server_min="TLS1"),
    "with a limit on bodies": lambda _: ctx.options.update(body_size_limit="1m"),
}


def asking(made: Middle, stub: Relayed) -> tuple[relay.RelayingLayer, GetHttpConnection]:
    """The layer of a claimed call, which asks for a connection."""
    made.handlers.append(SimpleNamespace(client=stub.flow.client_conn, transports={}))  # type: ignore[arg-type]
    layer, asked = relay.RelayingLayer(stub.layer, made.relay), GetHttpConnection(("example.com", 443), True, None)
    stream = HttpStream(layer.context.fork(), 1)
    stream.flow = stub.flow
    layer.command_sources[asked] = stream
    return layer, asked


@pytest.mark.parametrize("change", [None, *UNUSUAL])
async def test_what_is_unusual_goes_mitmproxys_way(monkeypatch, deps, change) -> None:
    async with middle(monkeypatch, deps, "relay", answer("wait")) as made:
        stub = Relayed(call())
        monkeypatch.setattr(made.relay, "_turn_of", lambda _: "turn_1")
        layer, asked = asking(made, stub)
        if change is not None:
            UNUSUAL[change](stub.flow)
        found = made.relay.call_for(layer, asked)
        assert (found is not None) is (change is None)
        made.handlers.clear()


async def test_options_that_change_count_from_then_on(monkeypatch, deps) -> None:
    async with middle(monkeypatch, deps, "relay", answer("wait")) as made:
        monkeypatch.setattr(made.relay, "_turn_of", lambda _: "turn_1")
        mitm.add_addons(ctx.master, made.relay)
        layer, asked = asking(made, Relayed(call()))
        relayed = [made.relay.call_for(layer, asked) is not None]
        for limit in ("1m", None):
            ctx.options.update(body_size_limit=limit)
            relayed.append(made.relay.call_for(layer, asked) is not None)
        assert relayed == [True, False, True]
        made.handlers.clear()


@pytest.mark.parametrize("tunnelled", [False, True])
async def test_a_hook_that_has_to_be_waited_for_is(monkeypatch, deps, running, response_path, tunnelled) -> None:
    go = asyncio.Event()

    async def slow(self: Any, hook: Any) -> None:
        if hook.name in ("requestheaders", "responseheaders"):
            await go.wait()
        await SimpleConnectionHandler.handle_hook(self, hook)

    async with middle(monkeypatch, deps, response_path, answer(CHUNKED, chunk(TEXT + END), LAST)) as made:
        made.handle_hook, made.tunnelled = slow, tunnelled
        asked = asyncio.create_task(made.ask(call()))
        await until(lambda: made.handlers)
        assert "requestheaders" not in made.hooks
        go.set()
        _, body = await asked
        assert body == TEXT + END
        assert made.hooks == ["requestheaders", "request", *ENDED]
        assert end_of(running) == "Par"


async def test_many_requests_in_one_go_are_not_too_many(monkeypatch, deps, response_path) -> None:
    count, got = 400, b""
    refuse = SimpleNamespace(request=lambda flow: setattr(flow, "response", http.Response.make(403)))
    async with middle(monkeypatch, deps, response_path, answer("wait")) as made:
        made.addons.append(refuse)
        stream, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * count)
        async with asyncio.timeout(10):
            while got.count(b"HTTP/1.1 403") < count and (data := await stream.read(65536)):
                got += data
        writer.close()
    assert got.count(b"HTTP/1.1 403") == count


@pytest.mark.parametrize("count", [2, 3, 150])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_requests_that_come_at_once_are_answered_in_order(
    monkeypatch, deps, response_path, method, count
) -> None:
    asked, body = list[bytes](), b"abc" if method == b"POST" else b""
    requests = [
        b"%b /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (method, number, len(body), body)
        for number in range(count)
    ]
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with middle(monkeypatch, deps, response_path, answer(ok, asked=asked)) as made:
        stream, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"".join(requests))
        async with asyncio.timeout(20):
            for _ in requests:
                assert (await stream.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await stream.readexactly(2) == b"ok"
        writer.close()
    assert [one.split()[1] for one in asked] == [b"/%d" % number for number in range(count)]


@pytest.mark.parametrize("late", [False, True])
async def test_a_hook_that_fails_holds_nothing_up(monkeypatch, deps, running, late) -> None:
    async def failing(self: Any, hook: Any) -> None:
        await SimpleConnectionHandler.handle_hook(self, hook)
        if late:
            await asyncio.sleep(0)
        if isinstance(hook, mitm.FLOW_HOOKS):
            raise RuntimeError("forced")

    async with middle(monkeypatch, deps, "relay", answer(CHUNKED, chunk(TEXT + END), LAST)) as made:
        made.handle_hook = failing
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        _, body = await made.ask(call())
        assert body == TEXT + END
        assert made.hooks == ["requestheaders", "request", *ENDED]


async def test_a_piece_that_cannot_be_written_past_mitmproxy_goes_its_way(monkeypatch, deps, running) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("forced")

    monkeypatch.setattr(mitm, "streaming", broken)
    async with middle(monkeypatch, deps, "relay", answer(CHUNKED, chunk(TEXT), 0.3, chunk(END), LAST)) as made:
        _, body = await made.ask(call())
        assert body == TEXT + END
        assert made.failures
        assert end_of(running) == "Par"


async def test_hooks_cost_no_task_and_pieces_no_event_of_mitmproxys(monkeypatch, deps, running, response_path) -> None:
    """What the relay is for: the same bytes for less."""
    pieces = [event(builders.part(word)) for word in ("One", "two", "three")]
    shown = [piece for word in pieces for piece in (chunk(word), 0.3)]
    async with middle(monkeypatch, deps, response_path, answer(CHUNKED, *shown, chunk(END), LAST)) as made:
        _, body = await made.ask(call())
        assert body == b"".join(pieces) + END
    hooked = [seen for seen in made.events if isinstance(getattr(seen, "command", None), mitm.FLOW_HOOKS)]
    assert len(hooked) == (4 if response_path == "hooks" else 0)
    relayed = [seen for seen in made.events if isinstance(seen, relayed_call.Relayed)]
    assert len(relayed) == (2 if response_path == "relay" else 0)  # its head, its end


@pytest.mark.parametrize("name", ["requestheaders", "request", "responseheaders", "response"])
async def test_a_hook_that_fails_stops_its_own_flow_and_not_the_layers(
    monkeypatch, deps, running, response_path, name, caplog
) -> None:
    """A script may set an option to something that is refused. Over HTTP/2, other calls share the connection."""

    async def failing(handler: Any, hook: Any) -> None:
        await SimpleConnectionHandler.handle_hook(handler, hook)
        if hook.name == name:
            raise OptionsError("forced")

    async with middle(monkeypatch, deps, response_path, answer(CHUNKED + chunk(TEXT + END) + LAST)) as made:
        made.handle_hook = failing
        _, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(assemble_request(call().request))
        await until(lambda: name in made.hooks)
        writer.close()
        await until(lambda: not made.handlers[0].transports)
    assert "mitmproxy has crashed" not in caplog.text


async def test_an_answer_of_our_own_is_one_write(monkeypatch, deps, running) -> None:
    running.close(Failed(cancelled()))  # the language server is told to stop
    async with middle(monkeypatch, deps, "relay", answer("wait")) as made:
        reader, body = await made.ask(call())
        assert (reader.head.status if reader.head else 0, b"STOP" in body) == (200, True)
        assert len(made.writes) == 1


async def test_what_goes_to_one_connection_in_a_row_is_joined() -> None:
    to, other = tflow.tclient_conn(), tflow.tclient_conn()

    def given(*, fails: bool = False) -> Iterator[commands.Command]:
        for connection, data in ((to, b"a"), (to, b"b"), (other, b"c")):
            yield commands.SendData(connection, data)
        if fails:
            raise RuntimeError("forced")
        yield commands.Log("d")

    def seen(command: commands.Command) -> bytes:
        return command.data if isinstance(command, commands.SendData) else b"log"

    assert [seen(one) for one in relay._joined(given())] == [b"ab", b"c", b"log"]
    broken = relay._joined(given(fails=True))
    assert [seen(next(broken)), seen(next(broken))] == [b"ab", b"c"], "what came before is sent all the same"
    with pytest.raises(RuntimeError):
        next(broken)
    left = relay._joined(given())
    assert seen(next(left)) == b"ab"
    cast("Generator[object]", left).close()


async def test_what_comes_too_late_for_a_connection_is_ignored() -> None:
    stub = Relayed(call())
    ours = relay.RelayingLayer(stub.layer, relay.Relay(lambda _: None))
    late = relayed_call.Relayed(stub.call.server, ResponseEndOfMessage(1))
    assert list(ours.handle_event(late)) == []
    assert stub.layer.context.layers == [ours]


async def test_our_own_mistake_leaves_the_call_to_mitmproxy(monkeypatch, deps, running) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("forced")

    monkeypatch.setattr(relay, "RelayedCall", broken)
    async with middle(monkeypatch, deps, "relay", answer(CHUNKED + chunk(TEXT + END) + LAST)) as made:
        _, body = await made.ask(call())
        assert body == TEXT + END
        assert end_of(running) == "Par"
        assert made.carrier.idle == 0
        assert len(made.failures) == 1

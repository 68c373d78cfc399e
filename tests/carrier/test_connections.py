"""Many calls on one HTTP/2 connection, against a server of the h2 library that does what a test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import pytest
from h2.errors import ErrorCodes

from tests.carrier.test_pool import Heard, post
from tests.waiting import until
from zerogravity.carrier import connections
from zerogravity.carrier.calls import Call, Target
from zerogravity.carrier.connections import Connection
from zerogravity.carrier.pool import Carrier, Trust
from zerogravity.testing.simulator.http import tls
from zerogravity.wire.http1 import Head

OK = [(":status", "200"), ("content-type", "text/plain")]


class Served(asyncio.Protocol):
    """One connection. ``asked``: its streams, in the order in which their requests were whole."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.asked: list[int] = []
        self.bodies: dict[int, bytes] = {}
        self.headers: dict[int, dict[bytes, bytes]] = {}
        self.reset: list[int] = []
        self.pings = 0
        self.deaf = self.http1 = False
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.connections.append(self)
        if self.transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            self.http1 = True
            return
        settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.server.streams}
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=settings)
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        if self.http1:
            self.asked.append(0)
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        for event in self.h2.receive_data(data):
            match event:
                case h2.events.RequestReceived(stream_id=stream, headers=headers):
                    self.headers[stream] = dict(cast("Any", headers))
                    self.bodies[stream] = b""
                case h2.events.DataReceived(stream_id=stream, data=body, flow_controlled_length=length):
                    self.bodies[stream] += body
                    self.h2.acknowledge_received_data(length, stream)
                case h2.events.StreamEnded(stream_id=stream):
                    self.asked.append(stream)
                    self.server.answer(self, stream)
                case h2.events.StreamReset(stream_id=stream):
                    self.reset.append(stream)
                case h2.events.PingReceived():
                    self.pings += 1
                case _:
                    pass
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.closed += 1

    def flush(self) -> None:
        self.transport.write(self.h2.data_to_send())

    # -- what answers are made of --------------------------------------------------------------------------------

    def ok(self, stream: int, body: bytes = b"ok") -> None:
        self.h2.send_headers(stream, OK)
        self.h2.send_data(stream, body, end_stream=True)
        self.flush()

    def begin(self, stream: int, body: bytes = b"a") -> None:
        self.h2.send_headers(stream, OK)
        self.h2.send_data(stream, body)
        self.flush()

    def end(self, stream: int) -> None:
        self.h2.end_stream(stream)
        self.flush()

    def refuse(self, stream: int, code: ErrorCodes = ErrorCodes.REFUSED_STREAM) -> None:
        self.h2.reset_stream(stream, code)
        self.flush()

    def go_away(self, last: int) -> None:
        self.h2.close_connection(ErrorCodes.NO_ERROR, last_stream_id=last)
        self.flush()


class Server:
    """``answer`` is told each request that is whole."""

    def __init__(self, answer: Callable[[Served, int], object] = Served.ok, streams: int = 100) -> None:
        self.answer = answer
        self.streams = streams
        self.connections: list[Served] = []
        self.closed = 0
        self.identity = tls.self_signed(["127.0.0.1"])

    @property
    def asked(self) -> list[list[int]]:
        return [connection.asked for connection in self.connections]


@asynccontextmanager
async def serving(server: Server, **options: Any) -> AsyncIterator[tuple[Carrier, Callable[..., tuple[Call, Heard]]]]:
    """(a carrier, sends a request there)"""
    context = server.identity.server_context(["h2", "http/1.1"])
    listening = await asyncio.get_running_loop().create_server(lambda: Served(server), "127.0.0.1", 0, ssl=context)
    target = Target("127.0.0.1", listening.sockets[0].getsockname()[1], True, "127.0.0.1")
    carrier = Carrier(lambda: Trust(insecure=True), **options)

    def send(body: bytes = b"body", heard: Heard | None = None) -> tuple[Call, Heard]:
        heard = heard or Heard()
        return carrier.call(target, post(body), heard), heard

    try:
        yield carrier, send
    finally:
        await carrier.close()
        listening.close()
        for connection in server.connections:
            connection.transport.abort()
        await until(lambda: server.closed == len(server.connections))


async def all_over(*heard: Heard) -> list[str]:
    """How each has ended."""
    async with asyncio.timeout(10):
        for one in heard:
            await one.over.wait()
    return [one.told[-1] for one in heard]


async def test_calls_at_once_share_a_connection() -> None:
    async with serving(server := Server()) as (carrier, send):
        heard = [send(b"%d" % number)[1] for number in range(20)]
        assert await all_over(*heard) == ["ended"] * 20
        assert [one.body for one in heard] == [b"ok"] * 20
        (served,) = server.connections
        assert sorted(map(int, served.bodies.values())) == list(range(20))
        assert served.headers[1] == {
            b":method": b"POST", b":scheme": b"https", b":authority": b"x", b":path": b"/x", b"content-length": b"1",
        }  # fmt: skip
        assert carrier.idle == 1
        head = cast("Head", heard[0].head)
        assert (head.version, head.status, head.headers) == ("2", 200, ((b"content-type", b"text/plain"),))


async def test_more_calls_than_it_carries_open_another() -> None:
    async with serving(server := Server(Served.begin, streams=3)) as (_, send):
        heard = [send()[1] for _ in range(7)]
        await until(lambda: all(one.body for one in heard))
        assert sum(len(one.asked) for one in server.connections) == 7
        assert all(len(one.asked) <= 3 for one in server.connections)
        for served in server.connections:
            for stream in served.asked:
                served.end(stream)
        assert await all_over(*heard) == ["ended"] * 7


async def test_a_server_that_carries_one_call_at_a_time_gets_them_all() -> None:
    async with serving(server := Server(streams=1)) as (_, send):
        assert await all_over(*[send()[1] for _ in range(30)]) == ["ended"] * 30
        assert sum(map(len, server.asked)) == 30


async def test_a_call_that_is_cancelled_ends_its_stream_alone() -> None:
    async with serving(server := Server(Served.begin)) as (carrier, send):
        (first, heard), (_, other) = send(), send()
        await until(lambda: heard.body and other.body)
        first.cancel()
        await until(lambda: server.connections[0].reset == [1])
        server.connections[0].end(3)
        assert await all_over(other) == ["ended"]
        assert heard.told == ["begun", "data"]
        assert (carrier.idle, server.closed) == (1, 0)


async def test_calls_that_are_cancelled_before_there_is_a_connection_leave_it_to_the_others() -> None:
    async with serving(server := Server()) as (carrier, send):
        calls = [send() for _ in range(5)]
        for call, _ in calls[:3]:
            call.cancel()
        assert await all_over(*(heard for _, heard in calls[3:])) == ["ended"] * 2
        assert {one.told[0] for _, one in calls if one.told} == {"begun"}
        assert (server.asked, carrier.idle) == ([[1, 3]], 1)


async def test_a_listener_may_cancel_while_it_is_told() -> None:
    async with serving(server := Server()) as (_, send):
        heard, calls = Heard(), list[Call]()
        heard.on_data = lambda: calls[0].cancel()
        calls.append(send(heard=heard)[0])
        await until(lambda: heard.body)
        assert await all_over(send()[1]) == ["ended"]
        assert heard.told == ["begun", "data"]
        assert len(server.connections) == 1


async def test_a_fault_of_a_listener_ends_its_call_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("forced")

    async with serving(server := Server(Served.begin)) as (_, send):
        bad, (_, good) = Heard(), send()
        bad.on_data = fail
        send(heard=bad)
        await until(lambda: good.body and server.connections[0].reset == [3])
        server.connections[0].end(1)
        assert await all_over(good, bad) == ["ended", "broken"]
    assert "RuntimeError: forced" in caplog.text


async def test_a_request_larger_than_all_windows_arrives_whole() -> None:
    body = bytes(range(256)) * (8 << 12)
    async with serving(server := Server()) as (_, send):
        (_, large), (_, small) = send(body), send()
        assert await all_over(large, small) == ["ended", "ended"]
        assert server.connections[0].bodies[1] == body


# -- what goes out again, and what does not ------------------------------------------------------------------------


async def test_a_request_that_is_refused_goes_out_again() -> None:
    def answer(served: Served, stream: int) -> None:
        if stream == 3 and served is server.connections[0]:
            served.refuse(stream)
        else:
            served.ok(stream)

    async with serving(server := Server(answer)) as (_, send):
        assert await all_over(send()[1], send()[1]) == ["ended", "ended"]
        assert server.asked == [[1, 3, 5]]


async def test_one_that_is_always_refused_fails() -> None:
    async with serving(server := Server(Served.refuse)) as (_, send):
        _, heard = send()
        assert await all_over(heard) == ["broken"]
        assert heard.why == "the server reset the stream: REFUSED_STREAM"
        assert sum(map(len, server.asked)) == 3


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL, ErrorCodes.ENHANCE_YOUR_CALM])
async def test_another_reset_ends_the_call(code: ErrorCodes) -> None:
    async with serving(server := Server(lambda served, stream: served.refuse(stream, code))) as (_, send):
        _, heard = send()
        assert await all_over(heard) == ["broken"]
        assert heard.why == f"the server reset the stream: {code.name}"
        assert server.asked == [[1]]


async def test_a_server_that_goes_away_ends_what_it_works_on_and_the_rest_goes_elsewhere() -> None:
    def answer(served: Served, stream: int) -> None:
        if served is not server.connections[0]:
            served.ok(stream, b"elsewhere")
        elif stream == 1:
            served.begin(stream)
        else:
            served.go_away(1)

    async with serving(server := Server(answer)) as (_, send):
        first = send()[1]
        await until(lambda: first.body)
        second = send()[1]
        assert await all_over(second) == ["ended"]
        assert second.body == b"elsewhere"
        assert await all_over(send()[1]) == ["ended"]
        assert server.asked == [[1, 3], [1, 3]]
        server.connections[0].transport.abort()
        assert await all_over(first) == ["broken"]
        assert first.why.startswith("server closed connection")


def closes_at_the_second(served: Served, stream: int) -> None:
    if stream == 3:
        served.transport.abort()
    else:
        served.ok(stream)


async def test_one_that_was_closed_at_the_next_request_costs_nothing() -> None:
    async with serving(server := Server(closes_at_the_second)) as (_, send):
        assert await all_over(send()[1]) == ["ended"]
        assert await all_over(send()[1]) == ["ended"]
        assert server.asked == [[1, 3], [1]]


async def test_where_no_request_may_go_out_twice_that_ends_the_call() -> None:
    async with serving(Server(closes_at_the_second), crossing_s=0) as (_, send):
        assert await all_over(send()[1]) == ["ended"]
        assert await all_over(send()[1]) == ["broken"]


async def test_one_that_is_lost_ends_the_answers_that_had_begun() -> None:
    async with serving(server := Server(Served.begin)) as (_, send):
        heard = [send()[1] for _ in range(3)]
        await until(lambda: all(one.body for one in heard))
        server.connections[0].transport.abort()
        assert await all_over(*heard) == ["broken"] * 3
        assert {one.why for one in heard} == {"server closed connection"}


async def test_nonsense_ends_the_connection_and_the_next_call_has_a_new_one() -> None:
    def answer(served: Served, stream: int) -> None:
        if len(server.connections) == 1:
            served.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        else:
            served.ok(stream)

    async with serving(server := Server(answer)) as (_, send):
        _, heard = send()
        assert await all_over(heard) == ["broken"]
        assert heard.why.startswith("HTTP/2 protocol error: ")
        assert await all_over(send()[1]) == ["ended"]


# -- HTTP/1.1 ----------------------------------------------------------------------------------------------------


async def test_a_server_may_want_http1() -> None:
    answer = lambda served, stream: served.refuse(stream, ErrorCodes.HTTP_1_1_REQUIRED)  # noqa: E731
    async with serving(server := Server(answer)) as (_, send):
        assert await all_over(send()[1]) == ["ended"]
        assert await all_over(send()[1]) == ["ended"]
        assert server.asked == [[1], [0, 0]]


async def test_calls_at_once_to_a_server_that_speaks_http1_have_connections_of_their_own() -> None:
    server = Server()
    context = server.identity.server_context()
    listening = await asyncio.get_running_loop().create_server(lambda: Served(server), "127.0.0.1", 0, ssl=context)
    target = Target("127.0.0.1", listening.sockets[0].getsockname()[1], True, "127.0.0.1")
    carrier = Carrier(lambda: Trust(insecure=True))
    for _ in range(2):
        heard = [Heard() for _ in range(5)]
        for one in heard:
            carrier.call(target, post(b"body"), one)
        assert await all_over(*heard) == ["ended"] * 5
    assert (len(server.connections), carrier.idle) == (5, 5)
    late = [(carrier.call(target, post(b"body"), heard), heard) for heard in (Heard() for _ in range(7))]
    late[5][0].cancel()  # it waits for a connection
    assert await all_over(*(heard for call, heard in late if not call.over)) == ["ended"] * 6
    assert len(cast("Any", carrier)._idle) == len(set(cast("Any", carrier)._idle)) == carrier.idle
    await carrier.close()
    listening.close()
    await until(lambda: server.closed == len(server.connections))


async def test_who_is_not_offered_http2_has_a_connection_for_each_call_from_the_start() -> None:
    """As the language server: what has only HTTP/1.1 waits for no other call's connection, nor fails with it."""
    async with serving(server := Server()) as (carrier, send):
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
        cast("Any", carrier)._trust = lambda: plain
        heard = [send()[1] for _ in range(3)]
        assert len(cast("Any", carrier)._openings) == 3
        assert await all_over(*heard) == ["ended"] * 3
        cast("Any", carrier)._trust = lambda: Trust(insecure=True)
        for connection in server.connections:
            connection.transport.abort()
        await until(lambda: not carrier.idle)
        assert await all_over(send()[1]) == ["ended"]
        assert server.asked == [[0], [0], [0], [1]]


async def test_one_that_is_closed_before_it_may_be_used_carries_nothing() -> None:
    async def refuses(_: object) -> str | None:
        await until(lambda: len(server.connections) > server.closed)
        server.connections[-1].transport.abort()
        (opened,) = cast("Any", carrier)._connections
        await until(lambda: opened.gone)
        return None

    async with serving(server := Server(), refuses=refuses) as (carrier, send):
        heard = [send()[1] for _ in range(2)]
        assert await all_over(*heard) == ["broken"] * 2
        assert {one.why for one in heard} == {"server closed connection"}
        assert cast("Any", carrier)._shared == []


async def test_a_fault_of_a_listener_that_waits_leaves_the_others_told(caplog: pytest.LogCaptureFixture) -> None:
    class Bad(Heard):
        def broken(self, why: str) -> None:
            super().broken(why)
            raise RuntimeError("forced")

    async def refuses(_: object) -> str | None:
        return "refused"

    async with serving(Server(), refuses=refuses) as (_, send):
        heard = [send(heard=Bad())[1], send()[1]]
        assert await all_over(*heard) == ["broken"] * 2
    assert "RuntimeError: forced" in caplog.text


async def test_http2_is_offered_unless_it_is_switched_off() -> None:
    async with serving(server := Server()) as (carrier, send):
        cast("Any", carrier)._trust = lambda: Trust(insecure=True, http2=False)
        assert await all_over(send()[1]) == ["ended"]
        assert server.asked == [[0]]


# -- whether it lives --------------------------------------------------------------------------------------------


async def test_a_warm_connection_is_one_for_many() -> None:
    async with serving(server := Server()) as (carrier, send):
        await all_over(send()[1])
        (connection,) = cast("Any", carrier)._connections
        for wanted in (1, 8):
            carrier.warm(connection.target, wanted)
        assert await all_over(*[send()[1] for _ in range(8)]) == ["ended"] * 8
        assert len(server.connections) == 1


async def test_one_that_is_quiet_for_long_has_to_tell_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call on one that does not goes out on another, one that has begun ends."""
    monkeypatch.setattr(connections, "QUIET_S", 0.0)
    monkeypatch.setattr(connections, "PING_S", 5.0)

    def answer(served: Served, stream: int) -> None:
        served.begin(stream) if len(server.connections) == 1 else served.ok(stream)

    async with serving(server := Server(answer), crossing_s=60) as (_, send):
        begun = send()[1]
        await until(lambda: server.connections and server.connections[0].pings > 1 and begun.body)
        assert (begun.told, len(server.connections)) == (["begun", "data"], 1)
        server.connections[0].deaf = True
        later = send()[1]
        await until(lambda: later.body)
        assert await all_over(begun, later) == ["broken", "ended"]
        assert begun.why == "the server does not answer any more"
        assert len(server.connections) == 2


async def test_one_that_has_been_quiet_is_asked_before_it_gets_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a large one the server could not answer in time."""
    pings = list[int]()

    def answer(served: Served, stream: int) -> None:
        pings.append(served.pings)
        served.ok(stream)

    monkeypatch.setattr(connections, "QUIET_S", 0.0)
    async with serving(Server(answer)) as (_, send):
        assert await all_over(send(bytes(50_000))[1]) == ["ended"]
    assert pings == [1]


async def test_one_that_carries_nothing_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "QUIET_S", 0.0)
    async with serving(Server()) as (carrier, send):
        assert await all_over(send()[1]) == ["ended"]
        (ours,) = cast("Any", carrier)._connections
        await until(lambda: ours._check is None)


async def test_idle_ones_are_closed() -> None:
    async with serving(server := Server(), idle_s=0.01) as (carrier, send):
        assert await all_over(send()[1]) == ["ended"]
        await until(lambda: server.closed == 1)
        assert carrier.idle == 0
        assert await all_over(send()[1]) == ["ended"]


async def test_one_that_carries_an_answer_is_not_idle() -> None:
    async with serving(server := Server(Served.begin), idle_s=0.01) as (carrier, send):
        _, heard = send()
        await until(lambda: heard.body)
        cast("Any", carrier)._expire()
        server.connections[0].end(1)
        assert await all_over(heard) == ["ended"]


async def test_what_a_listener_gets_to_know_of_it() -> None:
    seen = list[Connection]()

    class Looks(Heard):
        def begun(self, head: Head, connection: Connection) -> None:
            super().begun(head, connection)
            seen.append(connection)

    async with serving(Server()) as (_, send):
        await all_over(send(heard=Looks())[1])
        assert seen[0].info("ssl_object").selected_alpn_protocol() == "h2"
        assert seen[0].shared


async def test_a_listener_that_cannot_be_told_anything_disturbs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    class Deaf(Heard):
        def data(self, data: bytes) -> None:
            raise RuntimeError("forced")

        def broken(self, why: str) -> None:
            raise RuntimeError("forced")

    async with serving(server := Server(Served.begin)) as (_, send):
        _, good = send()
        send(heard=Deaf())
        await until(lambda: good.body and server.connections[0].reset == [3])
        server.connections[0].end(1)
        assert await all_over(good) == ["ended"]
    assert caplog.text.count("RuntimeError: forced") > 1


async def test_calls_that_nobody_waits_for_open_no_connection() -> None:
    async with serving(server := Server(Served.begin, streams=1)) as (_, send):
        (_, first), *others = [send() for _ in range(5)]
        for call, _ in others:
            call.cancel()
        await until(lambda: first.body)
        _, second = send()
        await until(lambda: second.body)
        assert len(server.connections) == 2


async def test_closing_tells_who_waits_before_it_returns() -> None:
    """On a connection that was there before: its close crosses nothing, for it is ours."""
    async with serving(server := Server(Served.ok)) as (carrier, send):
        await all_over(send()[1])
        server.answer = lambda *_: None
        _, heard = send()
        await until(lambda: server.asked == [[1, 3]])
        await carrier.close()
        assert heard.told == ["broken"]


@pytest.mark.parametrize(
    "word",
    [
        lambda served, stream: served.h2.send_headers(stream, [(":status", "103")]),
        lambda served, stream: served.h2.increment_flow_control_window(1, stream),
    ],
    ids=["interim answer", "window"],
)
async def test_a_request_that_is_known_to_have_arrived_is_not_sent_again(word: Callable[[Served, int], object]) -> None:
    def answer(served: Served, stream: int) -> None:
        word(served, stream)
        served.flush()
        served.transport.close()

    async with serving(server := Server()) as (_, send):
        await all_over(send()[1])
        server.answer = answer
        assert await all_over(send()[1]) == ["broken"]
        assert server.asked == [[1, 3]]


@pytest.mark.parametrize(
    "deed",
    [
        lambda served: served.go_away(0),
        lambda served: served.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda served: served.transport.abort(),
    ],
    ids=["goes away", "nonsense", "closes"],
)
async def test_one_that_takes_no_call_from_the_first_costs_none(deed: Callable[[Served], object]) -> None:
    """What it says or does comes before the first request has gone out: with TLS 1.2 in one packet with the end of the
    handshake, and always where the address is looked at for long."""
    refused: list[object] = []

    async def refuses(peer: object) -> None:
        refused.append(peer)
        if len(refused) == 1:
            await until(lambda: server.connections)
            (ours,) = cast("Any", carrier)._connections
            deed(server.connections[0])
            await until(lambda: not ours.room)

    async with serving(server := Server(), refuses=refuses) as (carrier, send):
        heard = [send()[1] for _ in range(3)]
        assert await all_over(*heard) == ["ended"] * 3
        assert [len(asked) for asked in server.asked] == [0, 3]


async def test_one_that_never_takes_a_call_is_not_tried_for_ever() -> None:
    async def refuses(_: object) -> None:
        tried.append(True)
        await until(lambda: len(server.connections) == len(tried))
        server.connections[-1].transport.abort()
        await until(lambda: server.closed == len(tried))
        await until(lambda: not cast("Any", carrier)._connections)

    tried: list[bool] = []
    async with serving(server := Server(), refuses=refuses) as (carrier, send):
        heard = [send()[1] for _ in range(3)]
        assert await all_over(*heard) == ["broken"] * 3
        assert server.asked == [[]] * len(tried)


async def test_a_call_cancelled_before_there_is_one_leaves_it_to_the_next_alone() -> None:
    server = Server()
    context = server.identity.server_context()
    listening = await asyncio.get_running_loop().create_server(lambda: Served(server), "127.0.0.1", 0, ssl=context)
    target = Target("127.0.0.1", listening.sockets[0].getsockname()[1], True, "127.0.0.1")
    carrier = Carrier(lambda: Trust(insecure=True))
    (first, _), (_, second) = [(carrier.call(target, post(b"body"), one), one) for one in (Heard(), Heard())]
    first.cancel()
    assert await all_over(second) == ["ended"]
    assert carrier.idle == 1
    await carrier.close()
    listening.close()
    await until(lambda: server.closed == 1)

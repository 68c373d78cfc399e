"""The connection that does not exist: what it sends, what it makes of an answer in whatever order things come."""

from __future__ import annotations

import logging

import pytest
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError
from mitmproxy.test import tflow, tutils

from tests.capture.response_paths import Relayed, spawn_at_once
from zerogravity.capture import mitm
from zerogravity.wire.http1 import Head


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mitm, "spawn", spawn_at_once)


def kinds(made: Relayed) -> list[str]:
    return [type(event).__name__.removeprefix("Response") for event in made.events]


REQUESTS: dict[str, tuple[str, list[tuple[bytes, bytes]], bytes]] = {
    "as it is": (
        "HTTP/1.1", [(b"Host", b"a.com"), (b"X-a", b"1"), (b"content-length", b"5")],
        b"Host: a.com\r\nX-a: 1\r\ncontent-length: 5\r\n\r\nhello",
    ),
    "in chunks": (
        "HTTP/1.1", [(b"Host", b"a.com"), (b"Transfer-Encoding", b"chunked")],
        b"Host: a.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ),
    "what is the connection's own": (
        "HTTP/1.1", [(b"Host", b"a.com"), (b"Connection", b"close"), (b"TE", b"trailers"), (b"Content-Length", b"5")],
        b"Host: a.com\r\nContent-Length: 5\r\n\r\nhello",
    ),
    "HTTP/2": (
        "HTTP/2.0", [(b"x-a", b"1"), (b"cookie", b"a=1"), (b"cookie", b"b=2")],
        b"Host: a.com\r\nx-a: 1\r\nContent-Length: 5\r\nCookie: a=1; b=2\r\n\r\nhello",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("version", "headers", "sent"), REQUESTS.values(), ids=REQUESTS)
def test_the_request_goes_out_as_mitmproxy_would_send_it(
    version: str, headers: list[tuple[bytes, bytes]], sent: bytes
) -> None:
    authority = b"a.com" if version == "HTTP/2.0" else b""
    request = tutils.treq(
        method=b"POST", path=b"/p?q", headers=http.Headers(headers), authority=authority, http_version=version.encode()
    )
    made = Relayed(tflow.tflow(req=request))
    made.send(b"hel", b"lo")
    assert made.carrier.sent == b"POST /p?q HTTP/1.1\r\n" + sent


@pytest.mark.parametrize(
    ("headers", "framed"),
    [
        ([(b"Content-Length", b"4"), (b"Content-Length", b"9")], b"Content-Length: 4\r\n\r\nbody"),
        ([(b"Content-Length", b"9")], b"Content-Length: 4\r\n\r\nbody"),
        ([(b"Content-Length", b"4"), (b"Transfer-Encoding", b"chunked")],
         b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"),
    ],
    ids=["two lengths", "a wrong length", "chunks and a length"],
)  # fmt: skip
def test_a_request_ends_where_it_says(headers: list[tuple[bytes, bytes]], framed: bytes) -> None:
    made = Relayed(tflow.tflow(req=tutils.treq(headers=http.Headers([(b"Host", b"h"), *headers]))))
    made.send(b"body")
    assert made.carrier.sent.split(b"Host: h\r\n")[1] == framed


@pytest.mark.parametrize("value", [b"a\r\nX: b", b"a\nb", b"a\0"])
def test_a_header_is_one_line(value: bytes) -> None:
    made = Relayed(tflow.tflow(req=tutils.treq(headers=http.Headers([(b"X", value)]))))
    made.send()
    assert made.carrier.sent == b""
    assert [event.message for event in made.events] == ["the call could not be sent"]


def test_bytes_that_nobody_reads_pass_at_once() -> None:
    made = Relayed()
    made.send()
    made.begin(status=503)
    made.call.data(b"no")
    made.call.ended()
    assert kinds(made) == ["Headers", "Data", "EndOfMessage"]
    assert made.timers == []


def test_what_a_reader_makes_of_them_is_held_and_its_tail_comes_before_the_end() -> None:
    made = Relayed()
    made.send()
    made.begin(reader=lambda data: [data.upper()] if data else [b"!"])
    made.call.data(b"a")
    made.call.data(b"b")
    assert kinds(made) == ["Headers"]
    assert len(made.timers) == 1
    made.call.ended()
    assert kinds(made) == ["Headers", "Data", "EndOfMessage"]
    assert made.body == b"AB!"
    assert made.events[0].response.stream is True


@pytest.mark.parametrize("ends", ["ended", "broken", None])
def test_what_comes_before_the_hook_has_run_waits_for_it(ends: str | None) -> None:
    made, read = Relayed(), []
    made.send()
    made.call.begun(head(), made)  # type: ignore[arg-type]
    made.call.data(b"a")
    made.call.data(b"b")
    if ends == "ended":
        made.call.ended()
    elif ends == "broken":
        made.call.broken("lost")
    assert kinds(made) == ["Headers"]
    response = made.events[0].response
    response.stream = lambda data: read.append(data) or [data]
    made.call.attach(response)
    assert read == [b"a", b"b", *([b""] if ends == "ended" else [])]
    last = {"ended": ["Data", "EndOfMessage"], "broken": ["Data", "ProtocolError"], None: []}[ends]
    assert kinds(made) == ["Headers", *last]


def head() -> Head:
    return Head("1.1", 200, b"OK", ((b"Connection", b"close"), (b"X", b"y")))


def test_the_head_loses_what_is_the_connections_own() -> None:
    made = Relayed()
    made.send()
    made.call.begun(head(), made)  # type: ignore[arg-type]
    (event,) = made.events
    assert event.response.headers.fields == ((b"X", b"y"),)
    assert (event.response.http_version, event.response.status_code, event.stream_id) == ("HTTP/1.1", 200, 7)
    assert made.call.server.peername == ("192.0.2.1", 443)


@pytest.mark.parametrize(
    ("status", "kept"), [(200, b"Transfer-Encoding"), (204, b"Content-Length"), (304, b"Content-Length")]
)
def test_the_body_ends_in_one_way_only(status: int, kept: bytes) -> None:
    made = Relayed()
    made.send()
    both = ((b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked"))
    made.call.begun(Head("1.1", status, b"", both), made)  # type: ignore[arg-type]
    (event,) = made.events
    assert [name for name, _ in event.response.headers.fields] == [kept]


def test_a_reader_that_fails_costs_the_ls_nothing(caplog: pytest.LogCaptureFixture) -> None:
    made = Relayed()
    made.send()

    def reader(data: bytes) -> list[bytes]:
        raise RuntimeError("forced")

    made.begin(reader=reader)
    made.call.data(b"a")
    made.call.ended()
    assert made.body == b"a"
    assert kinds(made)[-1] == "EndOfMessage"
    assert "the bytes flow on" in caplog.text
    assert len(made.failures) == 2


def test_a_call_that_cannot_go_out_is_an_error_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Relayed()

    def call(*_: object) -> None:
        raise RuntimeError("forced")

    monkeypatch.setattr(made.carrier, "call", call)
    made.send()
    assert kinds(made) == ["ProtocolError"]
    assert len(made.failures) == 1


@pytest.mark.parametrize("begun", [True, False])
def test_our_own_end_of_it_looks_like_googles(begun: bool) -> None:
    made = Relayed()
    made.send()
    if begun:
        made.begin(reader=lambda data: [data] if data else [])
        made.call.data(b"a")
    made.call.cut()
    made.call.cut()
    assert made.carrier.cancelled == 1
    assert isinstance(made.events[-1], ResponseProtocolError)
    assert made.events[-1].message == "server closed connection"
    assert made.body == b"a" * begun


@pytest.mark.parametrize("how", ["cut", "give_up"])
def test_after_its_end_nothing_can_be_ended(how: str) -> None:
    made = Relayed()
    made.send()
    made.begin()
    made.call.ended()
    getattr(made.call, how)()
    assert made.carrier.cancelled == 0
    assert kinds(made) == ["Headers", "EndOfMessage"]


def test_an_ls_that_leaves_is_told_nothing_more() -> None:
    made = Relayed()
    made.send()
    made.begin(reader=lambda data: [data] if data else [])
    made.call.data(b"a")
    assert list(made.call.handle_event(RequestProtocolError(7, "gone", ErrorCode.CLIENT_DISCONNECTED))) == []
    assert made.carrier.cancelled == 1
    assert kinds(made) == ["Headers"]


@pytest.mark.parametrize("end", ["ended", "left", "killed"])
def test_the_connection_is_known_until_the_end(end: str) -> None:
    made = Relayed()
    assert made.layer.connections == {made.call.server: made.call}
    assert made.call.server.connected
    made.send()
    made.begin()
    if end == "ended":
        made.call.ended()
    elif end == "killed":
        made.call.give_up()
    else:
        list(made.call.handle_event(RequestProtocolError(7, "gone", ErrorCode.CLIENT_DISCONNECTED)))
    assert made.layer.connections == {}
    assert made.call.server.state is ConnectionState.CLOSED
    assert made.call.server.timestamp_end is not None


def test_what_it_does_not_expect_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert list(Relayed().call.handle_event(events.Start())) == []
    assert "Start" in caplog.text

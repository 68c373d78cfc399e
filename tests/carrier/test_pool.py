"""Calls over real sockets against a server that does what a test's script says, however awkward."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest
import pytest_asyncio

from tests.waiting import until
from zerogravity.carrier.calls import Call, Target, Unopened
from zerogravity.carrier.connections import Connection
from zerogravity.carrier.pool import Carrier, Trust
from zerogravity.testing.simulator.http import tls
from zerogravity.wire.http1 import Head
from zerogravity.wire.request import Request


def post(body: bytes) -> Request:
    return Request(b"POST", b"/x", ((b"Host", b"x"), (b"Content-Length", b"%d" % len(body))), (body,))


REQUEST = post(b"body")
SENT = b"".join(REQUEST.http1())
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
Script = list[bytes | str]
"""What a connection answers to each request it gets: bytes, or a deed: ``close``, ``reset``, ``wait``."""


class Server:
    """``scripts``: of each connection, in the order in which they are opened; the last one counts for all that follow.
    Each is a list of answers. ``asked``: the requests of each connection."""

    def __init__(self, *scripts: list[Script], context: ssl.SSLContext | None = None) -> None:
        self.scripts = list(scripts)
        self.asked: list[list[bytes]] = []
        self.closed = 0
        self.open: list[asyncio.StreamWriter] = []
        self._context = context

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.open:
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def target(self) -> Target:
        return Target("127.0.0.1", self.port, self._context is not None, "127.0.0.1")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.append(writer)
        asked: list[bytes] = []
        self.asked.append(asked)
        script = self.scripts[min(len(self.asked), len(self.scripts)) - 1]
        try:
            for answer in script:
                if answer[:1] != ["close idle"]:
                    asked.append(await reader.readexactly(len(SENT)))
                for deed in answer:
                    if isinstance(deed, bytes):
                        writer.write(deed)
                        await writer.drain()
                    elif deed == "reset":
                        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
                        writer.transport.abort()
                    elif deed.startswith("close"):
                        writer.close()
                        return
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed += 1
            writer.transport.abort()


class Heard:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.body = b""
        self.told: list[str] = []
        self.why = ""
        self.on_data: Callable[[], object] = lambda: None
        self.over = asyncio.Event()

    def begun(self, head: Head, connection: Connection) -> None:
        assert connection.info("peername")[0] == "127.0.0.1"
        self.head = head
        self.told.append("begun")

    def data(self, data: bytes) -> None:
        self.body += data
        self.told.append("data")
        self.on_data()

    def ended(self) -> None:
        self.told.append("ended")
        self.over.set()

    def broken(self, why: str) -> None:
        self.why = why
        self.told.append("broken")
        self.over.set()


@pytest_asyncio.fixture
async def carrier() -> AsyncIterator[Carrier]:
    made = Carrier()
    yield made
    await made.close()


async def ask(carrier: Carrier, target: Target) -> Heard:
    heard = Heard()
    carrier.call(target, REQUEST, heard)
    assert heard.told == []
    async with asyncio.timeout(10):
        await heard.over.wait()
    return heard


pytestmark = pytest.mark.asyncio


async def test_calls_one_after_another_share_a_connection(carrier: Carrier) -> None:
    async with Server([[OK], [CHUNKED, b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"], [OK]]) as server:
        bodies = [(await ask(carrier, server.target)).body for _ in range(3)]
        assert bodies == [b"ok", b"ab", b"ok"]
        assert server.asked == [[SENT] * 3]
        assert carrier.idle == 1


async def test_calls_at_once_have_connections_of_their_own(carrier: Carrier) -> None:
    async with Server([[OK], [OK]]) as server:
        heard = await asyncio.gather(*(ask(carrier, server.target) for _ in range(3)))
        assert [one.told for one in heard] == [["begun", "data", "ended"]] * 3
        assert len(server.asked) == 3
        assert carrier.idle == 3


async def test_a_large_request_arrives_whole(carrier: Carrier) -> None:
    body = bytes(range(256)) * 8192
    request = Request(b"POST", b"/", ((b"Content-Length", b"%d" % len(body)),), (body[:1000], body[1000:]))
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend((await reader.readexactly(len(b"".join(request.http1()))))[-len(body) :])
        writer.write(OK)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1], False, "")
        heard = Heard()
        carrier.call(target, request, heard)
        await heard.over.wait()
        assert heard.told[-1] == "ended"
        assert bytes(got) == body
        await carrier.close()


STALE: dict[str, list[Script]] = {
    "closed while idle": [[OK], ["close idle"]],
    "closed at the next request": [[OK], ["close"]],
    "reset at the next request": [[OK], ["reset", "wait"]],
}


@pytest.mark.parametrize("script", STALE.values(), ids=STALE)
async def test_a_kept_connection_that_was_closed_costs_a_call_nothing(carrier: Carrier, script: list[Script]) -> None:
    async with Server(script, [[OK]]) as server:
        await ask(carrier, server.target)
        heard = await ask(carrier, server.target)
        assert heard.told == ["begun", "data", "ended"]
        assert len(server.asked) == 2


async def test_what_google_may_have_worked_on_is_not_sent_again() -> None:
    carrier = Carrier(crossing_s=0)
    async with Server([[OK], ["close"]], [[OK]]) as server:
        await ask(carrier, server.target)
        heard = await ask(carrier, server.target)
        assert (heard.told, heard.why) == (["broken"], "server closed connection")
        assert len(server.asked) == 1
    await carrier.close()


@pytest.mark.parametrize("status", [b"200 OK", b"413 Too Large"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_large_request_that_was_refused_may_not_have_been_read(status: bytes, secure: bool) -> None:
    request = post(bytes(size := 8 << 20))
    head = request.http1()[0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(head) + (size if status.startswith(b"200") else 1000))
        writer.write(OK.replace(b"200 OK", status))
        await over.wait()
        writer.transport.abort()

    over, carrier = asyncio.Event(), Carrier(lambda: Trust(insecure=True))
    context = tls.self_signed(["127.0.0.1"]).server_context() if secure else None
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        heard = Heard()
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1], secure, "127.0.0.1")
        carrier.call(target, request, heard)
        async with asyncio.timeout(10):
            await heard.over.wait()
        assert (heard.body, carrier.idle) == (b"ok", int(status.startswith(b"200")))
        over.set()
        await carrier.close()


async def test_several_stale_connections_cost_no_more_than_one(carrier: Carrier) -> None:
    async with Server([[OK], ["close"]], [[OK], ["close"]], [[OK]]) as server:
        await asyncio.gather(ask(carrier, server.target), ask(carrier, server.target))
        assert carrier.idle == 2
        assert (await ask(carrier, server.target)).told[-1] == "ended"
        assert len(server.asked) == 3  # a new one, not the next that was kept


BROKEN: dict[str, tuple[Script, list[str], bytes, str]] = {
    "closes at once": (["close"], ["broken"], b"", "server closed connection"),
    "resets at once": (["reset"], ["broken"], b"", "server closed connection"),
    "half a head": ([b"HTTP/1.1 200 O", "close"], ["broken"], b"", "server closed connection"),
    "half a body": (
        [CHUNKED + b"5\r\nhello\r\n5\r\nhe", "close"], ["begun", "data", "broken"], b"hellohe", "complete message body",
    ),
    "reset in a body": (
        [CHUNKED + b"5\r\nhello\r\n", "reset"], ["begun", "data", "broken"], b"hello", "complete message body",
    ),
    "reset where a body ends with its connection": (
        [b"HTTP/1.1 200 OK\r\n\r\nok", "reset"], ["begun", "data", "broken"], b"ok", "server closed connection",
    ),
    "no HTTP": ([b"hello\r\n\r\n", "wait"], ["broken"], b"", "HTTP/1 protocol error: no HTTP/1.1 answer: 'hello'"),
    "garbage in a body": (
        [CHUNKED + b"5\r\nhello\r\nxyz\r\n", "wait"], ["begun", "data", "broken"], b"hello", "protocol error",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "told", "body", "why"), BROKEN.values(), ids=BROKEN)
async def test_what_breaks_is_told_after_all_that_came(
    carrier: Carrier, script: Script, told: list[str], body: bytes, why: str
) -> None:
    async with Server([script], [[OK]]) as server:
        heard = await ask(carrier, server.target)
        assert (heard.told, heard.body) == (told, body)
        assert why in heard.why
        assert carrier.idle == 0
        assert len(server.asked) == 1  # a new connection is tried once


UNUSUAL: dict[str, tuple[Script, bytes, int]] = {
    "interim answers": ([b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n", OK], b"ok", 1),
    "trailers": ([CHUNKED + b"2\r\nok\r\n0\r\nx: y\r\n\r\n"], b"ok", 1),
    "compressed": ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"],
                   b"\x1f\x8b\x08", 1),
    "until the end": ([b"HTTP/1.1 200 OK\r\n\r\nok", "close"], b"ok", 0),
    "closes behind it": ([OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), "close"], b"ok", 0),
    "says more": ([OK + OK, "wait"], b"ok", 0),
    "a refusal": ([b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno"], b"no", 1),
}  # fmt: skip


@pytest.mark.parametrize(("script", "body", "idle"), UNUSUAL.values(), ids=UNUSUAL)
async def test_unusual_answers(carrier: Carrier, script: Script, body: bytes, idle: int) -> None:
    async with Server([script]) as server:
        heard = await ask(carrier, server.target)
        assert (heard.told[-1], heard.body) == ("ended", body)
        assert carrier.idle == idle


async def test_a_call_that_is_cancelled_closes_its_connection_and_tells_nothing(carrier: Carrier) -> None:
    async with Server([[CHUNKED + b"1\r\na\r\n", "wait"]]) as server:
        heard = Heard()
        call = carrier.call(server.target, REQUEST, heard)
        await until(lambda: heard.body)
        call.cancel()
        call.cancel()
        await until(lambda: server.closed)
        assert heard.told == ["begun", "data"]
        assert carrier.idle == 0


async def test_a_listener_may_cancel_while_it_is_told(carrier: Carrier) -> None:
    async with Server([[OK], [OK]]) as server:
        heard = Heard()
        calls: list[Call] = []
        heard.on_data = lambda: calls[0].cancel()
        calls.append(carrier.call(server.target, REQUEST, heard))
        await until(lambda: heard.body)
        assert heard.told == ["begun", "data"]
        assert (await ask(carrier, server.target)).told[-1] == "ended"


async def test_a_call_cancelled_before_there_is_a_connection_leaves_that_to_the_next(carrier: Carrier) -> None:
    async with Server([[OK]]) as server:
        heard = Heard()
        carrier.call(server.target, REQUEST, heard).cancel()
        await until(lambda: carrier.idle)
        assert (await ask(carrier, server.target)).told[-1] == "ended"
        assert heard.told == []
        assert len(server.asked) == 1


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_crowd_cancelled_before_there_is_a_connection_leaves_one(secure: bool) -> None:
    """It is kept once: twice it could be closed under the call that it carries."""
    context = tls.self_signed(["127.0.0.1"]).server_context() if secure else None
    carrier = Carrier(lambda: Trust(insecure=True))
    async with Server([[OK], [OK]], context=context) as server:
        for call in [carrier.call(server.target, REQUEST, Heard()) for _ in range(5)]:
            call.cancel()
            assert call.request is None
        await until(lambda: carrier.idle)
        assert (await ask(carrier, server.target)).told[-1] == "ended"
        await until(lambda: carrier.idle == len(server.asked) - server.closed)
        await carrier.close()


async def test_of_a_crowd_whose_first_is_cancelled_each_other_has_a_connection() -> None:
    carrier = Carrier(lambda: Trust(insecure=True))
    async with Server([[OK], [OK]], context=tls.self_signed(["127.0.0.1"]).server_context()) as server:
        carrier.call(server.target, REQUEST, Heard()).cancel()
        heard = await asyncio.gather(*(ask(carrier, server.target) for _ in range(3)))
        assert [one.told[-1] for one in heard] == ["ended"] * 3
        assert carrier.idle == len(server.asked) == 3
        await carrier.close()


async def test_what_nobody_asked_for_ends_an_idle_connection(carrier: Carrier) -> None:
    async with Server([[OK]], [[OK]]) as server:
        await ask(carrier, server.target)
        server.open[0].write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await until(lambda: not carrier.idle)
        assert (await ask(carrier, server.target)).body == b"ok"


async def test_idle_connections_are_few_and_not_for_ever() -> None:
    carrier = Carrier(idle_s=0.01, max_idle=2)
    async with Server([[OK]]) as server:
        await asyncio.gather(*(ask(carrier, server.target) for _ in range(5)))
        assert carrier.idle <= 2
        await until(lambda: server.closed == 5)
        assert carrier.idle == 0
    await carrier.close()


# -- warm ------------------------------------------------------------------------------------------------------


async def test_a_warm_connection_is_taken_by_the_next_call(carrier: Carrier) -> None:
    async with Server([[OK]]) as server:
        carrier.warm(server.target, 1)
        await until(lambda: carrier.idle)
        carrier.warm(server.target, 1)
        assert (await ask(carrier, server.target)).told[-1] == "ended"
        assert len(server.asked) == 1


async def test_a_call_takes_the_connection_that_is_on_its_way(carrier: Carrier) -> None:
    async with Server([[OK]]) as server:
        carrier.warm(server.target, 1)
        assert (await ask(carrier, server.target)).told[-1] == "ended"
        assert len(server.asked) == 1


async def test_as_many_are_warmed_as_are_wanted(carrier: Carrier) -> None:
    async with Server([[OK]]) as server:
        for wanted in (1, 2, 3, 2):
            carrier.warm(server.target, wanted)
        await until(lambda: carrier.idle == 3)
        assert len(server.open) == 3


async def test_warming_up_in_vain_is_no_matter(carrier: Carrier) -> None:
    async with Server([[OK]]) as server:
        target = server.target
    carrier.warm(target, 1)
    heard = await ask(carrier, target)
    assert heard.told == ["broken"]


# -- who is talked to --------------------------------------------------------------------------------------------


async def test_nobody_there_is_told_in_the_systems_words(carrier: Carrier) -> None:
    async with Server([[OK]]) as server:
        target = server.target
    heard = await ask(carrier, target)
    assert heard.told == ["broken"]
    assert "Connect call failed" in heard.why


async def test_a_name_that_is_none(carrier: Carrier) -> None:
    heard = await ask(carrier, Target("no.such.name.invalid", 443, True, "no.such.name.invalid"))
    assert heard.told == ["broken"]
    assert heard.why


async def test_an_address_may_be_refused() -> None:
    async def refuses(peer: tuple[Any, ...]) -> str | None:
        return f"not to port {peer[1]}"

    carrier = Carrier(refuses=refuses)
    async with Server([[OK]]) as server:
        heard = await ask(carrier, server.target)
        assert (heard.told, heard.why) == (["broken"], f"not to port {server.port}")
    await carrier.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_one_that_is_closed_before_it_may_be_used_is_not(secure: bool) -> None:
    context = tls.self_signed(["127.0.0.1"]).server_context() if secure else None

    async def refuses(_: tuple[Any, ...]) -> str | None:
        (opened,) = carrier._connections  # pyright: ignore[reportPrivateUsage]
        await until(lambda: opened.gone)
        return None

    carrier = Carrier(lambda: Trust(insecure=True), refuses)
    async with Server([["close idle"]], context=context) as server:
        heard = await ask(carrier, server.target)
        assert (heard.told, heard.why, server.closed) == (["broken"], "server closed connection", 3)
        await carrier.close()


async def test_our_own_mistake_ends_the_call_and_closes_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def refuses(_: tuple[Any, ...]) -> str | None:
        raise RuntimeError("forced")

    carrier = Carrier(refuses=refuses)
    async with Server([[OK]]) as server:
        heard = await ask(carrier, server.target)
        assert (heard.told, heard.why) == (["broken"], "forced")
        carrier.warm(server.target, 1)
        await until(lambda: server.closed == 2)
        assert carrier.idle == 0
    await carrier.close()
    assert "RuntimeError: forced" in caplog.text


@pytest.fixture
def trust(tmp_path: Path) -> Callable[..., Trust]:
    def made(identity: tls.Identity, **options: Any) -> Trust:
        file = tmp_path / "ca.pem"
        file.write_bytes(identity.ca_pem)
        return Trust(str(file), **options)

    return made


@pytest.mark.parametrize(
    ("names", "own", "options", "why"),
    [
        (["127.0.0.1"], True, {}, ""),
        (["127.0.0.1"], False, {}, "Certificate verify failed: "),
        (["example.com"], True, {}, "Certificate verify failed: IP address mismatch"),
        (["example.com"], False, {"insecure": True}, ""),
    ],
    ids=["verified", "another authority", "another name", "not verified"],
)
async def test_tls_is_verified_as_configured(trust, names: list[str], own: bool, options: Any, why: str) -> None:
    identity = tls.authority_signed(names)
    given = trust(identity if own else tls.authority_signed(["127.0.0.1"]), **options)
    carrier = Carrier(lambda: given)
    async with Server([[OK], [OK]], context=identity.server_context()) as server:
        heard = await ask(carrier, server.target)
        assert heard.why.startswith(why)
        assert heard.told[-1] == ("broken" if why else "ended")
        await carrier.close()


async def test_a_tls_connection_keeps_no_certificate_and_carries_on(trust) -> None:
    """What it does at the first answer sends nothing: the second call finds it as it was."""
    identity, seen = tls.authority_signed(["127.0.0.1"]), list[Connection]()
    given = trust(identity)
    carrier = Carrier(lambda: given)

    class Looks(Heard):
        def begun(self, head: Head, connection: Connection) -> None:
            super().begun(head, connection)
            seen.append(connection)

    async with Server([[OK], [OK], [OK]], context=identity.server_context()) as server:
        for _ in range(3):
            heard = Looks()
            carrier.call(server.target, REQUEST, heard)
            await heard.over.wait()
            assert heard.body == b"ok"
        assert len(set(map(id, seen))) == len(server.asked) == 1
        assert seen[0].info("ssl_object") is not None
        assert seen[0].info("peercert") is None
        await carrier.close()


@pytest.mark.parametrize("ca", ["missing.pem", "none.pem"])
async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path, ca: str) -> None:
    (tmp_path / "none.pem").write_text("no certificate\n")
    carrier = Carrier(lambda: Trust(str(tmp_path / ca)))
    heard = await ask(carrier, Target("127.0.0.1", 1, True, "127.0.0.1"))
    assert heard.why.startswith(f"the trusted certificates in {tmp_path / ca} cannot be read: ")


async def test_a_server_without_tls_is_named(carrier: Carrier) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        heard = await ask(carrier, Target("127.0.0.1", server.sockets[0].getsockname()[1], True, "127.0.0.1"))
        assert "the TLS handshake failed" in heard.why


async def test_a_handshake_that_ends_at_once_is_told_in_words(carrier: Carrier) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        heard = await ask(carrier, Target("127.0.0.1", server.sockets[0].getsockname()[1], True, "127.0.0.1"))
        assert heard.why == "server closed connection"


async def test_closing_tells_who_waits() -> None:
    carrier = Carrier()
    async with Server([[CHUNKED + b"1\r\na\r\n", "wait"]]) as server:
        heard = Heard()
        carrier.call(server.target, REQUEST, heard)
        await until(lambda: heard.body)
        await carrier.close()
        assert heard.told == ["begun", "data", "broken"]
        assert (await ask(carrier, server.target)).told == ["broken"]


async def test_where_no_request_may_go_out_twice_a_closed_connection_ends_the_call() -> None:
    made = Carrier(crossing_s=0)
    async with Server([[OK], ["close"]], [[OK]]) as server:
        assert (await ask(made, server.target)).body == b"ok"
        heard = await ask(made, server.target)
        assert heard.told == ["broken"]
        assert not isinstance(heard.why, Unopened)
        assert len(server.asked) == 1
    await made.close()


async def test_why_there_is_no_connection(unused_tcp_port: int) -> None:
    made = Carrier(connect_s=5)
    heard = await ask(made, Target("127.0.0.1", unused_tcp_port, tls=False, name="127.0.0.1"))
    assert isinstance(heard.why, Unopened)
    assert isinstance(heard.why.error, ConnectionRefusedError)
    await made.close()

from __future__ import annotations

import asyncio
import sys

import pytest

from zerogravity import event_loop
from zerogravity.carrier import Carrier, Connection, Target
from zerogravity.wire.http1 import Head

uvloop = pytest.importorskip("uvloop")


def test_without_the_extra_it_is_asyncios(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert event_loop.factory() is None


def test_with_it_tasks_start_eagerly_as_mitmproxy_wants_them():
    async def main() -> list[str]:
        loop, seen = asyncio.get_running_loop(), list[str]()
        assert isinstance(loop, uvloop.Loop)

        async def work(name: str) -> None:
            seen.append(name)

        later = asyncio.create_task(work("later"))
        loop.set_task_factory(asyncio.eager_task_factory)
        eager = asyncio.create_task(work("at once"), name="eager")
        assert (eager.get_name(), eager.done()) == ("eager", True)
        await later
        loop.set_task_factory(None)
        again = asyncio.create_task(work("later again"))
        assert not again.done()
        await again
        return seen

    assert asyncio.run(main(), loop_factory=event_loop.factory()) == ["at once", "later", "later again"]


class Told:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def begun(self, head: Head, connection: Connection) -> None:
        self.pieces.append(b"%d" % head.status)

    def data(self, data: bytes) -> None:
        self.pieces.append(data)

    def ended(self) -> None:
        self.end.set_result("ended")

    def broken(self, why: str) -> None:
        self.end.set_result(why)


@pytest.mark.parametrize("factory", [None, event_loop.factory()], ids=["asyncio", "uvloop"])
def test_the_carrier_runs_on_either(factory):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        await reader.read()
        writer.close()

    async def main() -> tuple[list[bytes], str]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        carrier, told = Carrier(), Told()
        carrier.call(Target(host, port, tls=False, name=host), [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], told)
        end = await told.end
        await carrier.close()
        server.close()
        await server.wait_closed()
        return told.pieces, end

    assert asyncio.run(main(), loop_factory=factory) == ([b"200", b"hello"], "ended")

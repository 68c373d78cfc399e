"""``Relay``: a hop between two ports of this machine that can be slow, cut bytes into pieces, or break anywhere."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress


class Relay:
    """Relays bytes between a port of its own and ``port``. ``delays``: at most so many seconds for each piece.
    ``cuts``: a connection breaks after at most so many bytes of answers."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self.delays, self.cuts, self.port = 0.0, 0, 0
        self._target, self._rng = port, rng
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.drop()
        await self._server.wait_closed()

    async def drop(self) -> None:
        """Break all open connections."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        ends = [writer]
        with suppress(OSError):
            back, forth = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(forth)
            limit = self._rng.randrange(self.cuts) if self.cuts else None
            pending = {
                asyncio.ensure_future(self._pass(reader, forth, None)),
                asyncio.ensure_future(self._pass(back, writer, limit)),
            }
            try:
                while pending:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    if any(one.result() for one in done):
                        break
            except asyncio.CancelledError:
                for end in ends:
                    end.transport.abort()
            finally:
                for one in pending:
                    one.cancel()
                await asyncio.gather(*pending, return_exceptions=True)
        for end in ends:
            end.close()
        for end in ends:
            with suppress(OSError):
                await end.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> bool:
        """Copy until one side has sent all (False), or the connection breaks, also by a reset (True)."""
        try:
            while data := await reader.read(1 << 16):
                for piece in self._pieces(data):
                    if self.delays:
                        await asyncio.sleep(self._rng.uniform(0, self.delays))
                    if limit is not None and self.cuts and len(piece) >= limit:
                        writer.write(piece[:limit])
                        return True
                    limit = None if limit is None else limit - len(piece)
                    writer.write(piece)
                    await writer.drain()
            writer.write_eof()
        except OSError:
            return True
        return False

    def _pieces(self, data: bytes) -> list[bytes]:
        """Late bytes come in pieces, too."""
        if not self.delays or len(data) < 2:
            return [data]
        middle = self._rng.randrange(1, len(data))
        return [data[:middle], data[middle:]]

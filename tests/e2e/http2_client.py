"""A client of HTTP/2 by the ``h2`` library, which refuses every byte that oversteps a window."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from tests.testing.simulator.support import INTERNAL, Reply, contents, envelope, trust


class Client:
    """One connection. ``window``: bytes of each answer that it takes before it has acknowledged some, which it does at
    once unless ``slow``. ``largest``: bytes of a frame."""

    def __init__(
        self, port: int, ca_pem: bytes, window: int = 65_535, *, largest: int = 16_384, slow: bool = False
    ) -> None:
        self._port, self._ca_pem, self._slow = port, ca_pem, slow
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        codes = h2.settings.SettingCodes
        values = {codes.INITIAL_WINDOW_SIZE: window, codes.MAX_FRAME_SIZE: largest, codes.HEADER_TABLE_SIZE: 0}
        self.h2.local_settings = h2.settings.Settings(client=True, initial_values=values)
        self.h2.max_inbound_frame_size = largest
        self.h2.decoder.max_allowed_table_size = 0
        self.replies: dict[int, Reply] = {}
        self.pings: list[bytes] = []
        self._moved = asyncio.Event()

    async def __aenter__(self) -> Client:
        context = trust(self._ca_pem, "h2")
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=context)
        assert self._writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        self.h2.initiate_connection()
        self.flush()
        self._task = asyncio.create_task(self._pump())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._task
        await self._writer.wait_closed()

    def flush(self) -> None:
        self.say(self.h2.data_to_send())

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    def ask(self, path: str = INTERNAL, *, ends: bool = True, more: Any = (), **priority: Any) -> int:
        """Begin a request; the number of its stream."""
        number = self.h2.get_next_available_stream_id()
        head = [(":method", "POST"), (":path", path), (":scheme", "https"), (":authority", "localhost"), *more]
        self.h2.send_headers(number, head, end_stream=ends, **priority)
        self.replies[number] = Reply(end="")
        self.flush()
        return number

    async def body(self, number: int, body: bytes, *, ends: bool = True, **padding: int) -> None:
        """Send it as the server's windows let it."""
        while body:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size) - 32
            if room > 0:
                self.h2.send_data(number, body[:room], end_stream=ends and len(body) <= room, **padding)
                self.flush()
                body = body[room:]
            else:
                await self.seen(lambda: self.h2.local_flow_control_window(number) > 32)

    async def prompt(self, text: str, size: int = 0) -> int:
        """Ask for what ``text`` says, after ``size`` bytes of history."""
        number = self.ask(ends=False)
        body = envelope({"contents": [*contents("." * size), *contents(text)]})
        await self.body(number, json.dumps(body).encode())
        return number

    async def whole(self, number: int) -> Reply:
        reply = self.replies[number]
        await self.seen(lambda: reply.end)
        assert reply.end == "complete"
        return reply

    async def begun(self, number: int, count: int = 1) -> None:
        """Until so many bytes of its answer are there."""
        await self.seen(lambda: len(self.replies[number].raw) >= count)

    def reset(self, number: int) -> None:
        self.h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        self.flush()

    async def seen(self, condition: Callable[[], object]) -> None:
        """Look whenever something has come."""
        async with asyncio.timeout(60):
            while not condition():
                assert not self._task.done(), "the connection has ended"
                await self._moved.wait()

    async def _pump(self) -> None:
        try:
            while data := await self._reader.read(65_536):
                for event in self.h2.receive_data(data):
                    self._take(event)
                self.flush()
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
        finally:
            self._moved.set()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=number, headers=headers):
                self.replies[number].headers = dict(headers)
                self.replies[number].status = int(dict(headers)[":status"])
            case h2.events.DataReceived(stream_id=number, data=data, flow_controlled_length=length):
                self.replies[number].chunks.append(data)
                if not self._slow:
                    self.h2.acknowledge_received_data(length, number)
            case h2.events.StreamEnded(stream_id=number):
                self.replies[number].end = "complete"
            case h2.events.StreamReset(stream_id=number, error_code=code):
                self.replies[number].end = f"reset {int(code)}"
            case h2.events.PingAckReceived(ping_data=data):
                self.pings.append(data)
            case _:
                pass

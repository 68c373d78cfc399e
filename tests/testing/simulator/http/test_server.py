"""The server's connections: clients that go, answers that are cut by its end."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from tests.testing.simulator.support import INTERNAL, envelope, fetch, inner, post, trust
from zerogravity.testing.simulator.google import GoogleSimulator, Scenario, say


async def test_a_client_that_goes_is_noticed(google: GoogleSimulator) -> None:
    google.script(Scenario([*say("begun"), (0, asyncio.Event())]))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", google.port, ssl=trust(google.ca_pem), server_hostname="localhost"
    )
    body = json.dumps(envelope(inner("x"))).encode()
    writer.write(post(f"Content-Length: {len(body)}") + body)
    await reader.readuntil(b"begun")
    writer.transport.abort()
    received = google.requests[-1]
    await asyncio.wait_for(received.done.wait(), 10)
    assert received.ended == "client_gone"


async def test_stop_cuts_what_runs() -> None:
    google = GoogleSimulator()
    await google.start()
    google.script(Scenario([*say("begun"), (0, asyncio.Event())]))
    task = asyncio.create_task(fetch(google, INTERNAL, envelope(inner("x"))))
    received = await google.wait_for(1)
    await google.stop()
    assert (await task).end in ("closed", "reset")
    assert received.done.is_set()


async def test_stop_does_not_wait_for_a_handshake_that_is_under_way() -> None:
    google = GoogleSimulator()
    await google.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", google.port)
    await asyncio.sleep(0)  # accepted
    await asyncio.sleep(0)
    stopping = asyncio.create_task(google.stop())
    await asyncio.sleep(0)
    with suppress(OSError):
        await writer.start_tls(trust(google.ca_pem), server_hostname="localhost")
        assert await reader.read() == b""
    await asyncio.wait_for(stopping, 10)
    writer.close()

"""Requests to a server over real sockets: what is written, what comes back, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from tests.backends.conftest import CSRF, Station
from tests.waiting import until
from zerogravity.backends.antigravity.client import SERVICE, Endpoint
from zerogravity.backends.antigravity.connections import BrokenError, Connections

PATH, TOKEN = SERVICE + "Heartbeat", {"X-Codeium-Csrf-Token": CSRF}


@pytest_asyncio.fixture
async def connections(station: Station) -> AsyncIterator[Connections]:
    made = Connections(station.endpoint)
    yield made
    await made.close()


async def test_an_answer_as_a_whole(station: Station, connections: Connections) -> None:
    station.answers["Heartbeat"] = (404, {"a": 1})
    with connections.post(PATH, b'{"b":2}', TOKEN) as answer:
        assert b'"a"' in await answer.whole()
        assert answer.status == 404
    assert station.seen == [("Heartbeat", {"b": 2})]
    assert station.headers[0]["Host"] == f"127.0.0.1:{station.port}"


async def test_an_answer_piece_by_piece(connections: Connections) -> None:
    with connections.post(PATH, b"{}", TOKEN) as answer:
        assert await answer.head() == 200
        assert await answer.more() == b"{}"
        assert await answer.more() == b""


async def test_an_answer_that_breaks_off(station: Station, connections: Connections) -> None:
    station.answers["Heartbeat"] = ConnectionError
    for wait in ("whole", "more", "head"):
        with connections.post(PATH, b"{}", TOKEN) as answer, pytest.raises(BrokenError) as raised:
            await getattr(answer, wait)()
        assert (raised.value.unsent, raised.value.begun) == (None, False)


async def test_there_is_no_connection(unused_tcp_port: int) -> None:
    connections = Connections(Endpoint(f"https://127.0.0.1:{unused_tcp_port}", CSRF))
    with connections.post(PATH, b"{}", TOKEN) as answer, pytest.raises(BrokenError) as raised:
        await answer.whole()
    assert isinstance(raised.value.unsent, ConnectionRefusedError)
    await connections.close()


async def test_nobody_waits_any_more(station: Station, connections: Connections) -> None:
    async def endless(_: Any) -> Any:
        await asyncio.Event().wait()

    station.answers["Heartbeat"] = endless
    with connections.post(PATH, b"{}", TOKEN):
        await until(lambda: bool(station.seen))
    station.answers.clear()
    with connections.post(PATH, b"{}", TOKEN) as answer:
        assert await answer.whole() == b"{}"
    assert len(station.peers) == 2  # the first connection was closed


async def test_a_base_path_stands_before_that_of_the_method(station: Station) -> None:
    connections = Connections(replace(station.endpoint, url=station.url + "/base"))
    with connections.post(PATH, b"{}", TOKEN) as answer:
        await answer.whole()
        assert answer.status == 404
    await connections.close()

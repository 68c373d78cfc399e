"""One subscription per gateway: whoever follows is woken, commands arrive, and both go on after a break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from tests.waiting import until, until_so
from zerogravity.store.redis import keys, news
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.news import News

OWN, OWNER, ID = "0123456789abcdef", "owner", "resp_1"


@pytest.fixture
async def listening(connection: Connection) -> AsyncIterator[News]:
    listening = News(connection, OWN)
    listening.listen(lambda *_: None)
    yield listening
    await listening.close()
    await listening.close()


async def woken(event: asyncio.Event) -> None:
    async with asyncio.timeout(20):
        await event.wait()
    event.clear()


async def subscribers(connection: Connection) -> int:
    return (await connection.client.pubsub_numsub(keys.news(OWNER, ID)))[0][1]


async def test_whoever_follows_is_woken_by_each_batch(connection: Connection, listening: News) -> None:
    async with listening.followed(OWNER, ID) as first, listening.followed(OWNER, ID) as second:
        await woken(first)  # the subscription has begun
        second.clear()
        for _ in range(3):
            await connection.client.publish(keys.news(OWNER, ID), b"")
            await asyncio.gather(woken(first), woken(second))
        await connection.client.publish(keys.news(OWNER, "resp_2"), b"")
        await connection.client.publish(keys.news(OWNER, ID), b"")
        await woken(first)
        assert await subscribers(connection) == 1, "one subscription, however many follow"


async def test_what_nobody_follows_any_more_is_not_subscribed(connection: Connection, listening: News) -> None:
    async with listening.followed(OWNER, ID) as event:
        await woken(event)
        assert await subscribers(connection) == 1

    async def is_over() -> bool:
        return await subscribers(connection) == 0

    await until_so(is_over)


async def test_commands_reach_the_gateway_that_is_asked(connection: Connection) -> None:
    heard = asyncio.Queue[tuple[str, str, str]]()
    asked, other = News(connection, OWN), News(connection, "another")
    asked.listen(lambda *command: heard.put_nowait(command))
    try:
        async with asked.followed(OWNER, ID) as event:
            await woken(event)
            for content in (b"", b"explode owner/resp_1", b"\xff"):
                await connection.client.publish(keys.to(OWN), content)
            await other.ask(OWN, "cancel", OWNER, ID)
            await other.ask("nobody", "cancel", OWNER, ID)
            await other.ask(OWN, "delete", OWNER, ID)
            async with asyncio.timeout(20):
                assert [await heard.get() for _ in range(2)] == [("cancel", OWNER, ID), ("delete", OWNER, ID)]
    finally:
        await asked.close()


async def test_it_goes_on_after_what_nobody_has_foreseen(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(news, "PAUSE_S", 0.01)
    heard = asyncio.Queue[str]()

    def obey(command: str, *_: str) -> None:
        heard.put_nowait(command)
        if command == "cancel":
            raise KeyError("unforeseen")

    listening = News(connection, OWN)
    listening.listen(obey)
    try:
        async with listening.followed(OWNER, ID) as event:
            await woken(event)
            await listening.ask(OWN, "cancel", OWNER, ID)
            await woken(event)  # it is subscribed again
            await listening.ask(OWN, "delete", OWNER, ID)
            async with asyncio.timeout(20):
                assert [await heard.get() for _ in range(2)] == ["cancel", "delete"]
    finally:
        await listening.close()
    assert "unforeseen" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("trouble", ["killed", "paused"])
async def test_it_goes_on_after_a_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    monkeypatch.setattr(news, "SILENCE_S", 0.1)
    monkeypatch.setattr(news, "PAUSE_S", 0.01)
    server = RedisServer(tmp_path)
    server.start()
    connection = Connection(server.url)
    listening, heard = News(connection, OWN), asyncio.Event()
    listening.listen(lambda *_: heard.set())
    try:
        async with listening.followed(OWNER, ID) as event:
            await woken(event)
            if trouble == "killed":
                server.kill()
                server.start()
            else:
                server.pause()
                await until(lambda: listening._wire is None)  # pyright: ignore[reportPrivateUsage]
                server.go_on()
            await woken(event)  # it is subscribed again: something may have been missed
            await connection.client.publish(keys.news(OWNER, ID), b"")
            await woken(event)
            await listening.ask(OWN, "cancel", OWNER, ID)
            await woken(heard)
    finally:
        await listening.close()
        server.kill()
        await connection.close()

"""The sums of several gateways in Redis: each copies the days of its own file there, so that ``read`` has them all.

A day is copied whole, under the id of its file. So whatever is copied twice, late or again after an outage changes
nothing, and gateways that share a file count once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError

from zerogravity.store.address import shown, with_a_strange_parameter
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import ANSWER_S, CONNECT_S
from zerogravity.store.usage import Row, first_day, read_all
from zerogravity.wire import jsonio, narrow
from zerogravity.worker import BackgroundWorker

KEPT_DAYS = 400
PAUSE_S = 2.0  # what is written meanwhile is copied at once
QUEUED = 1000


class SharedUsage:
    """Copies ``file``, by a thread of its own: all of it at the start, then the days that ``written`` is told of. What
    cannot be copied is tried again with the next turn. Raises ValueError for a ``url`` that Redis clients do not take.
    """

    def __init__(
        self,
        url: str,
        file: Path,
        *,
        wall: Callable[[], float] = time.time,
        report: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._name = shown(url)
        self._client = _client(url)
        self._file = file
        self._wall = wall
        self._late: set[str] = set()  # days, the thread's own
        self.worker: BackgroundWorker[Collection[str]] = BackgroundWorker(
            "shared usage", self._copy, limit=QUEUED, pause=PAUSE_S, report=report
        )

    def start(self) -> None:
        self.worker.start()
        self.worker.put(())

    def written(self, days: Collection[str]) -> None:
        """These days have changed. For any thread."""
        self.worker.put(days)

    def close(self) -> None:
        """Copy what is left."""
        self.worker.close()
        self._client.close()

    def _copy(self, batch: list[Collection[str]]) -> None:
        """An empty collection in the batch: every day."""
        since = first_day(self._wall(), KEPT_DAYS)
        wanted = self._late.union(*batch)
        every = not all(batch)
        own, rows = read_all(self._file, since=since if every else min(wanted, default=since))
        days: dict[str, list[Row]] = {} if every else {day: [] for day in wanted}
        for row in rows:
            if every or row.day in days:
                days.setdefault(row.day, []).append(row)
        self._late |= days.keys()
        if own and days:
            try:
                self._write(own, days, since)
            except (RedisError, OSError) as error:
                raise OSError(f"usage at {self._name}: {error}") from error
        self._late.clear()

    def _write(self, own: str, days: dict[str, list[Row]], since: str) -> None:
        key = keys.usage(own)
        old = [day for name in self._client.hkeys(key) if (day := name.decode()) < since]
        with self._client.pipeline(transaction=True) as both:
            both.sadd(keys.USAGE, own)
            both.hset(key, mapping={day: jsonio.dumps([asdict(row) for row in rows]) for day, rows in days.items()})
            if old:
                both.hdel(key, *old)
            for kept in (keys.USAGE, key):
                both.expire(kept, KEPT_DAYS * 86400)
            both.execute()


def read(url: str, *, since: str = "") -> list[Row]:
    """The rows of all gateways since that day. Raises OSError when Redis cannot be used."""
    try:
        client = _client(url)
    except ValueError as error:
        raise OSError(str(error)) from None
    try:
        files = sorted(client.smembers(keys.USAGE))
        hashes = [client.hgetall(keys.usage(own.decode())) for own in files]
    except (RedisError, OSError) as error:
        raise OSError(f"Redis at {shown(url)} cannot be used: {error}") from error
    finally:
        client.close()
    return [row for days in hashes for day, made in days.items() if day.decode() >= since for row in _rows(made)]


def _rows(made: bytes) -> list[Row]:
    """What another version knows besides is left out."""
    days = narrow.objects(jsonio.loads(made))
    return [Row(**cast("Any", {name: day[name] for name in _NAMES if name in day})) for day in days]


_NAMES = [field.name for field in fields(Row)]


def _client(url: str) -> Any:
    """The types of its answers depend on its options. Raises ValueError for what stands after the question mark."""
    try:
        client: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S
        )
        client.connection_pool.make_connection()  # looks at the parameters, and connects to nothing
    except (TypeError, ValueError):
        raise ValueError(with_a_strange_parameter(url)) from None
    return client

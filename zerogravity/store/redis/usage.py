"""The sums of several gateways in Redis: each copies the days of its own file there, so that ``read`` has them all.

A day is copied whole, under the id of its file. So whatever is copied twice, late or again after an outage changes
nothing, and gateways that share a file count once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from zerogravity.store.address import shown, with_a_strange_parameter
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import ANSWER_S, CONNECT_S, is_of_another_kind, words_of
from zerogravity.store.redis.scripts import ONLY
from zerogravity.store.usage import COUNTS, KEYS, Row, first_day, read_all
from zerogravity.wire import jsonio, narrow
from zerogravity.worker import BackgroundWorker

KEPT_DAYS = 400
PAUSE_S = 2.0  # what is written meanwhile is copied at once
QUEUED = 1000

_TIDY = f"""{ONLY}
-- ids of all files, the days of this one: what has expired, or is none of ours, goes
only(KEYS[1], 'set')
only(KEYS[2], 'hash')
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', KEYS[1] .. ':' .. id) == 0 then redis.call('SREM', KEYS[1], id) end
end
"""


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
        self._own = ""  # its id
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
        every = not all(batch) or self._is_lost()
        self._own, rows = read_all(self._file, since=since if every else min(wanted, default=since))
        days: dict[str, list[Row]] = {} if every else {day: [] for day in wanted}
        for row in rows:
            if every or row.day in days:
                days.setdefault(row.day, []).append(row)
        self._late |= days.keys()
        if self._own and days:
            try:
                if every:
                    self._client.eval(_TIDY, 2, keys.USAGE, keys.usage(self._own))
                self._write(self._own, days, since)
            except (RedisError, OSError) as error:
                raise OSError(f"usage at {self._name}: {words_of(error)}") from error
        self._late.clear()

    def _is_lost(self) -> bool:
        """Whether Redis knows nothing of the file any more, as far as can be seen."""
        with suppress(RedisError, OSError):
            return not self._client.exists(keys.usage(self._own))
        return False

    def _write(self, own: str, days: dict[str, list[Row]], since: str) -> None:
        key = keys.usage(own)
        old = [day for day in self._client.hkeys(key) if day < since.encode()]
        with self._client.pipeline(transaction=True) as both:
            both.sadd(keys.USAGE, own)
            both.hset(key, mapping={day: jsonio.dumps([asdict(row) for row in rows]) for day, rows in days.items()})
            if old:
                both.hdel(key, *old)
            for kept in (keys.USAGE, key):
                both.expire(kept, KEPT_DAYS * 86400)
            both.execute()


def read(url: str, *, since: str = "") -> tuple[list[Row], int]:
    """The rows of all gateways since that day, and how many things are there that cannot be read. Raises OSError when
    Redis cannot be used."""
    try:
        client = _client(url)
    except ValueError as error:
        raise OSError(str(error)) from None
    try:
        files = sorted(client.smembers(keys.USAGE))
        hashes = [_days(client, own.decode(errors="replace")) for own in files]
    except (RedisError, OSError) as error:
        raise OSError(f"Redis at {shown(url)} cannot be used: {words_of(error)}") from error
    finally:
        client.close()
    kept = [made for days in hashes for day, made in days.items() if day >= since.encode()]
    found = [_row(one) for made in kept for one in _objects(made)]
    rows = [row for row in found if row is not None]
    return rows, len(found) - len(rows)


def _days(client: Any, own: str) -> dict[bytes, bytes]:
    try:
        return client.hgetall(keys.usage(own))
    except ResponseError as error:
        if not is_of_another_kind(error):
            raise
        return {_ANY_DAY: b""}  # which is nothing that can be read


def _objects(made: bytes) -> list[object]:
    """What should be rows; what is no row where it is nothing of that kind."""
    try:
        found = narrow.an_array(jsonio.loads(made))
    except ValueError:
        found = None
    return [None] if found is None else found


def _row(found: object) -> Row | None:
    """What another version knows besides is left out. None: it is none."""
    known = {name: value for name, value in narrow.members(found).items() if name in _KINDS}
    if not _DAY.fullmatch(narrow.text(known.get("day"))) or "model" not in known:
        return None
    if not all(isinstance(value, _KINDS[name]) for name, value in known.items()):
        return None
    return Row(**cast("Any", known))


_KINDS: Mapping[str, Any] = {**dict.fromkeys(KEYS, str), **dict.fromkeys(COUNTS, int), "usd": float | int | None}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ANY_DAY = b"~"  # behind all of them


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

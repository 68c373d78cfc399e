"""``open_store``: the ``ResponseStore`` that a setting names. A further kind of store is a module of this package that
passes ``tests/store/test_contract.py``, and a line here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from zerogravity.errors import FaultError, bad_request
from zerogravity.store import address
from zerogravity.store.base import MAX_AGE_S, MAX_BYTES, ResponseStore, StoreLimits
from zerogravity.store.memory import MemoryStore
from zerogravity.store.sqlite import SqliteStore

REMEDY = "Start that server, or correct store; with store_required = false memory serves for it"


async def open_store(
    store: str,
    *,
    limit: int,
    max_age_s: float = MAX_AGE_S,
    now: Callable[[], float] = time.time,
    max_bytes: int = MAX_BYTES,
    report: Callable[[str | None], object] = lambda _: None,
) -> ResponseStore:
    """``store``: as the setting (``address``). ``report`` gets, again and again, why a Redis server cannot be used
    later, or None. Raises FaultError when it cannot be used now."""
    limits = StoreLimits(limit, max_bytes, max_age_s, now)
    if store == address.MEMORY:
        return MemoryStore(limits)
    if address.is_redis(store):
        return await _redis(store, limits, report)
    made = SqliteStore(Path(store), limits)
    await made.open()
    return made


async def _redis(store: str, limits: StoreLimits, report: Callable[[str | None], object]) -> ResponseStore:
    try:
        from zerogravity.store.redis import leases
        from zerogravity.store.redis.connection import Connection
        from zerogravity.store.redis.entries import RedisStore
    except ImportError as error:
        text = f"store is {address.shown(store)}, but the Python package {error.name} is not installed"
        fault = bad_request(text, param="store", code="invalid_config").fault
        raise FaultError(replace(fault, remedy=f"Run: {address.INSTALL}")) from None
    try:
        connection = Connection(store)
        made = RedisStore(connection, limits, leases.Leases(connection, leases.LEASE_S, leases.RENEW_S, report))
        try:
            await made.open()
        except FaultError as error:
            await connection.close()
            raise FaultError(replace(error.fault, remedy=REMEDY)) from error
    except (TypeError, ValueError):  # what stands after its question mark
        text = address.with_a_strange_parameter(store)
        raise bad_request(text, param="store", code="invalid_config") from None
    return made

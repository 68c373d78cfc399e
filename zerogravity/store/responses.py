"""``open_store``: the ``ResponseStore`` that a setting names. A further kind of store is a module of this package that
passes ``tests/store/test_contract.py``, and a line here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from zerogravity.store.base import MAX_AGE_S, MAX_BYTES, ResponseStore, StoreLimits
from zerogravity.store.memory import MemoryStore
from zerogravity.store.sqlite import SqliteStore


async def open_store(
    path: str | None,
    *,
    limit: int,
    max_age_s: float = MAX_AGE_S,
    now: Callable[[], float] = time.time,
    max_bytes: int = MAX_BYTES,
) -> ResponseStore:
    """``path`` None: in memory. Raises FaultError when the file cannot be used."""
    limits = StoreLimits(limit, max_bytes, max_age_s, now)
    if path is None:
        return MemoryStore(limits)
    store = SqliteStore(Path(path), limits)
    await store.open()
    return store

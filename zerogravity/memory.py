"""How glibc's heap is used; elsewhere nothing is done.

While turns run, what is free in it is used again: new pages cost nearly as much as all else that is done for a large
request (measured: of 64 ms for each MB of a history of 8 MB, 30 are the kernel's). Once things are calm, what a burst
of turns has left goes back (13 of 200 MiB after 1,000 turns).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zerogravity.worker import PATIENCE_S, BackgroundWorker

if TYPE_CHECKING:
    from zerogravity.core.channel import CascadeChannel
    from zerogravity.core.registry import MitmStore

BURST = 32  # turns that begin or end, or MiB of what they hold
CALM_S = 3.0
_MIB = 1 << 20
_REUSED = 256 << 20  # bytes that may lie free at the heap's end
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # mallopt(3)


def reuse() -> None:
    """For the whole process, from now on: one heap for all threads, large blocks in it as well, and what is free at its
    end stays there. Threads that run already keep theirs."""
    if (library := _library()) is not None:
        for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _REUSED), (_M_TRIM_THRESHOLD, _REUSED)):
            library.mallopt(option, value)


@contextmanager
def given_back(store: MitmStore) -> Generator[None]:
    """While the turns of ``store`` run; once. It takes 2 to 4 ms of a thread of its own, each time."""
    if (trim := trimmer()) is None:
        yield
        return
    worker = BackgroundWorker[int]("memory", lambda _: trim(), pause=CALM_S, patience=PATIENCE_S)
    counted = 0

    def count(channel: CascadeChannel) -> None:
        nonlocal counted
        counted += 1 + channel.held // _MIB
        if counted >= BURST:
            worker.put(counted)
            counted = 0

    worker.start()
    store.on_open.append(count)
    store.on_closed.append(count)
    try:
        yield
    finally:
        worker.close()


def trimmer() -> Callable[[], None] | None:
    """What gives memory back; None: this C library cannot."""
    library = _library()
    return None if library is None else lambda: library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    """glibc."""
    try:
        library = ctypes.CDLL(None)
        _ = library.malloc_trim, library.mallopt
    except (AttributeError, OSError, TypeError):
        return None
    return library

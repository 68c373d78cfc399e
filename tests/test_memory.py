"""Memory goes back to the system after a burst, and not after each turn."""

from __future__ import annotations

import platform
import threading

import psutil
import pytest

from zerogravity import memory
from zerogravity.core.events import Finished
from zerogravity.core.registry import MitmStore


@pytest.mark.parametrize(
    ("turns", "ended", "expected"),
    [(0, 0, 0), (memory.BURST - 1, 0, 0), (memory.BURST, 0, 1), (100, 0, 1), (20, 20, 1), (20, 0, 0)],
)
def test_it_is_given_back_after_a_burst(make_turn, monkeypatch, turns: int, ended: int, expected: int) -> None:
    trimmed: list[str] = []
    monkeypatch.setattr(memory, "CALM_S", 60.0)  # however slow the machine is, it is one burst
    monkeypatch.setattr(memory, "trimmer", lambda: lambda: trimmed.append(threading.current_thread().name))
    store = MitmStore(lambda: 0)
    before = threading.active_count()
    with memory.given_back(store):
        writers = [store.open(make_turn(id=f"turn_{number:032x}")) for number in range(turns)]
        for writer in writers[:ended]:
            writer.close(Finished("stop"))
    assert trimmed == ["zerogravity-memory"] * expected
    assert threading.active_count() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_is_free_in_the_middle_of_the_heap_goes_back() -> None:
    held = [bytearray(60_000) for _ in range(1000)]
    kept = held[::10]
    for one in held:
        one[::1000] = b"x" * 60
    full = psutil.Process().memory_info().rss
    del held, one
    trim = memory.trimmer()
    assert trim is not None
    trim()
    assert psutil.Process().memory_info().rss < full - (30 << 20)
    assert len(kept) == 100


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch, error: type[Exception]) -> None:
    def missing(name: object) -> object:
        raise error("not here")

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    before = threading.active_count()
    with memory.given_back(MitmStore(lambda: 0)):
        assert threading.active_count() == before

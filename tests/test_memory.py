"""Memory is used again while turns run, and goes back to the system after a burst."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading

import psutil
import pytest

from zerogravity import memory
from zerogravity.core.events import Finished
from zerogravity.core.registry import MitmStore

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")


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


def test_a_turn_counts_by_what_it_holds(make_turn, monkeypatch) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr(memory, "CALM_S", 60.0)
    monkeypatch.setattr(memory, "trimmer", lambda: lambda: trimmed.append(1))
    store = MitmStore(lambda: 0)
    with memory.given_back(store):
        writer = store.open(make_turn(google_request={"contents": []}))
        writer.append(0, bytes(memory.BURST << 20), ())
        writer.close(Finished("stop"))
    assert trimmed == [1]


FAULTS = """
import resource, sys, threading
from zerogravity import memory

if sys.argv[1] == "reused":
    memory.reuse()

def work() -> None:
    global before
    for number in range(3):
        if number == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        _ = [bytes(1) * (8 << 20) for _ in range(4)]
        del _

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@glibc
@pytest.mark.parametrize(("how", "few"), [("reused", True), ("as it is", False)])
def test_a_thread_uses_large_blocks_again(how: str, few: bool) -> None:
    """Of 128 MiB it needs new pages for 64 MiB, or for none."""
    told = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True, timeout=60)
    assert (int(told.stdout) < 1000) is few


@glibc
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
    memory.reuse()
    with memory.given_back(MitmStore(lambda: 0)):
        assert threading.active_count() == before

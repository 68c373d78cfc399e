"""What a process costs: CPU to the nanosecond where the system tells, and resident memory."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Collection

import psutil

STEP_S = 0.25
IDLE = 0.03  # of a core, which a process at rest may take
AT_MOST_S = 60.0


def cpu(pid: int) -> float:
    """Seconds of CPU that a process, with all its threads, has taken. Elsewhere than on Linux in steps of 10 ms."""
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | 2)  # the clock of clock_getcpuclockid(3)
    return sum(psutil.Process(pid).cpu_times()[:2])


async def rest(pids: Collection[int], seconds: float) -> bool:
    """Wait until none of these processes has worked for ``seconds``, at most ``AT_MOST_S``: earlier work, such as
    traces, would count as the cost of what comes next. False: they still do."""
    deadline, quiet = time.monotonic() + AT_MOST_S, 0.0
    while quiet < seconds and time.monotonic() < deadline:
        before = [cpu(pid) for pid in pids]
        await asyncio.sleep(STEP_S)
        took = max(cpu(pid) - then for pid, then in zip(pids, before, strict=True))
        quiet = quiet + STEP_S if took < IDLE * STEP_S else 0.0
    return quiet >= seconds


def resident(pid: int) -> float:
    """MiB."""
    return psutil.Process(pid).memory_info().rss / (1 << 20)

"""What a process costs: CPU to the nanosecond where the system tells, and resident memory."""

from __future__ import annotations

import sys
import time

import psutil


def cpu(pid: int) -> float:
    """Seconds of CPU that a process, with all its threads, has taken. Elsewhere than on Linux in steps of 10 ms."""
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | 2)  # the clock of clock_getcpuclockid(3)
    return sum(psutil.Process(pid).cpu_times()[:2])


def resident(pid: int) -> float:
    """MiB."""
    return psutil.Process(pid).memory_info().rss / (1 << 20)

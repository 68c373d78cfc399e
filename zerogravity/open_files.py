"""How many files and connections this process may have open: as many as the system lets us say.

A turn of the runtime needs five at its busiest, and macOS allows a process 256 unless it asks for more.
"""

from __future__ import annotations

import resource
from contextlib import suppress

WANTED = 10_240  # more is refused by macOS


def allow_many() -> None:
    """Raise our own limit, never lower it. Those that we start inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""Ports for what a test starts by its number.

They lie below those that the system gives out by itself (from 32768 on), where a connection of another test could take
one between its choice and its use; each worker of the suite chooses from a range of its own.
"""

from __future__ import annotations

import os
import socket
from itertools import cycle

WORKERS, EACH = 16, 1000
_first = 12000 + EACH * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS)
_next = cycle(range(_first, _first + EACH))


def free_port() -> int:
    """A free TCP port of 127.0.0.1 that nobody is given by chance. Raises OSError if a whole range is taken."""
    for port, _ in zip(_next, range(EACH), strict=False):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"none of the ports {_first} to {_first + EACH - 1} is free")

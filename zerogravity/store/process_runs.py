"""Which processes use a file, and which still live: each has a run id and holds a lock on a small file next to it.

The kernel releases the lock when the process ends, however it ends. So telling whether a run is alive needs no clock,
heartbeat or process table, and works for several processes on one file.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from glob import escape
from pathlib import Path

_RUN = re.compile(r"[0-9a-f]{16}")


class ProcessRuns:
    """``own``: this run's id, which others see from ``open`` to ``close``."""

    def __init__(self, path: Path) -> None:
        self.own = secrets.token_hex(8)
        self._path = path
        self._held: int | None = None

    def open(self) -> None:
        """Announce this run and remove the files of dead ones. Raises OSError."""
        self._sweep()
        self._held = self._hold(self._file(self.own))

    def alive(self, run: str) -> bool:
        """Whether the process of that run still lives."""
        if run == self.own:
            return True
        return _RUN.fullmatch(run) is not None and _locked(self._file(run))

    def close(self) -> None:
        """End this run."""
        if self._held is not None:
            held, self._held = self._held, None
            self._file(self.own).unlink(missing_ok=True)
            os.close(held)

    def _file(self, run: str) -> Path:
        return self._path.with_name(f"{self._path.name}-run-{run}")

    def _hold(self, file: Path) -> int:
        """Lock the file before others can see it: an unlocked one belongs to a dead process."""
        hidden = file.with_name(f".{file.name}")
        held = os.open(hidden, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        hidden.rename(file)
        return held

    def _sweep(self) -> None:
        for file in self._path.parent.glob(f"{escape(self._path.name)}-run-*"):
            if not _locked(file):
                file.unlink(missing_ok=True)


def _locked(file: Path) -> bool:
    try:
        opened = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(opened)

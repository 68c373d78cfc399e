"""Who uses a file, and who still lives: each process has a run id and holds a lock on a small file beside it.

The kernel lets go of the lock when the process ends, however it ends. So "is that run still going?" needs no clock, no
heartbeat and no process table, and is right for several processes on one file.
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
    """``own`` is this run's id, known from ``open`` to ``close``."""

    def __init__(self, path: Path) -> None:
        self.own = secrets.token_hex(8)
        self._path = path
        self._held: int | None = None

    def open(self) -> None:
        """This run is going on, and what the dead have left is put away. Raises OSError."""
        self._sweep()
        self._held = self._hold(self._file(self.own))

    def alive(self, run: str) -> bool:
        """Whether the process of that run is still there."""
        if run == self.own:
            return True
        return _RUN.fullmatch(run) is not None and _locked(self._file(run))

    def close(self) -> None:
        """This run is over."""
        if self._held is not None:
            held, self._held = self._held, None
            self._file(self.own).unlink(missing_ok=True)
            os.close(held)

    def _file(self, run: str) -> Path:
        return self._path.with_name(f"{self._path.name}-run-{run}")

    def _hold(self, file: Path) -> int:
        """Nobody must see the file before it is locked: who finds it unlocked takes its owner for dead."""
        hidden = file.with_name(f".{file.name}")
        held = os.open(hidden, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        hidden.rename(file)
        return held

    def _sweep(self) -> None:
        """What the dead have left behind."""
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

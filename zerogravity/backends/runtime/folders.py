"""A folder for each process of the runtime, that only this user can read; those of killed gateways are swept away.

A folder is in use while its gateway holds a lock on it, which the kernel drops with the gateway. A process id in its
name would not do: it may be somebody else's by now, or mean nothing in another container that shares the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "zerogravity-runtime-"
NEW_S = 60.0  # one that is younger may be about to be locked


class Folder:
    """Made and locked; ``remove`` it. Raises OSError."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))  # 0700
        self._lock = _lock(self.path)

    def remove(self) -> None:
        """With all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def sweep() -> None:
    """Remove those of gateways that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if (lock := _lock(left)) is None:
            continue
        try:
            about = os.fstat(lock)
            if about.st_uid == os.getuid() and time.time() - about.st_mtime > NEW_S:
                shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """The descriptor that holds it; None: somebody else does, or it cannot be had."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor

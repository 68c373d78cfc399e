"""Which runs use a gateway: each holds a lock on one file, so that the run that has started it outlasts the others."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

LOOK_S = 0.2


class Use:
    """A run's lock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def is_only(self) -> bool:
        """Whether no other run holds one."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def until_only(self) -> None:
        while not self.is_only():  # noqa: ASYNC110 (other processes tell nobody)
            await asyncio.sleep(LOOK_S)


@contextmanager
def use(file: Path) -> Generator[Use]:
    """As long as the block runs, also when it is killed. Raises OSError when the file cannot be made."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield Use(descriptor)
    finally:
        os.close(descriptor)

"""A command line → a process that ends when we do, with all that it has started: even when we are killed.

Nobody who gets SIGKILL can tell anybody, but the kernel closes what he held. So a tiny shell leads the child's process
group and reads from a pipe whose other end only we hold; when that is closed, it ends the group: SIGTERM, then SIGKILL.
It is in the group itself, so the group's number is nobody else's while it lives, and it goes with the group.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

SHELL = "/bin/sh"
WATCH = "trap '' HUP INT QUIT TERM; read -r _; kill -s TERM 0; sleep 0.5 || sleep 1; kill -s KILL 0"


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A running process and what it has started; all of them are one process group."""

    process: Process
    _watcher: Process

    async def end(self, grace_s: float) -> int:
        """SIGTERM to all, SIGKILL after a while to whoever is still there. The process's exit code."""
        try:
            if self.process.returncode is None:
                _signal(self._watcher, signal.SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.process.wait(), grace_s)
        finally:
            _signal(self._watcher, signal.SIGKILL)
            _let_go(self._watcher)
        await self._watcher.wait()
        return await self.process.wait()


async def start(*command: str, **options: Any) -> ProcessGroup:
    """``options`` as ``create_subprocess_exec`` takes them. Raises OSError, and ValueError for what is no command."""
    watcher = await asyncio.create_subprocess_exec(
        SHELL, "-c", WATCH, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, env={"PATH": os.defpath}, process_group=0
    )
    try:
        # Until it is in the group, the child holds the pipe as well: it cannot miss the end of it.
        process = await asyncio.create_subprocess_exec(*command, process_group=watcher.pid, **options)
    except BaseException:
        _signal(watcher, signal.SIGKILL)
        _let_go(watcher)
        await watcher.wait()
        raise
    return ProcessGroup(process, watcher)


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` for a command that starts others: SIGTERM ends it as Ctrl-C does, by its clean-up."""
    told = False

    def tell(task: asyncio.Task[Any] | None) -> None:
        nonlocal told
        told = True
        assert task is not None
        task.cancel()

    async def until_told() -> T:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell, asyncio.current_task())
        return await main

    try:
        return asyncio.run(until_told())
    except asyncio.CancelledError:
        if told:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise


def _signal(watcher: Process, number: signal.Signals) -> None:
    """To the whole group."""
    if watcher.returncode is None:  # else the group's number may be somebody else's
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of dead ones
            os.killpg(watcher.pid, number)


def _let_go(watcher: Process) -> None:
    assert watcher.stdin is not None
    watcher.stdin.close()

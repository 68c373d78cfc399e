"""A command line → a process that ends when we do, with all that it has started, even when we are killed.

A process that gets SIGKILL cannot clean up, but the kernel closes its files. So a tiny shell leads the child's process
group and reads from a pipe whose other end only we hold; when that is closed, it ends the group: SIGTERM, then SIGKILL.
As a member it keeps the group's id from being reused while it lives, and it dies with the group.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from errno import EPIPE
from typing import Any

SHELL = "/bin/sh"
WATCH = "trap '' HUP INT QUIT TERM; read -r _; kill -s TERM 0; sleep 0.5 || sleep 1; kill -s KILL 0"


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A running process and all that it has started."""

    process: Process
    _watcher: Process

    async def end(self, grace_s: float) -> int:
        """SIGTERM to all; after ``grace_s`` SIGKILL to the rest. Returns the process's exit code."""
        try:
            if self.process.returncode is None:
                _signal(self._watcher, signal.SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.process.wait(), grace_s)
        finally:
            _signal(self._watcher, signal.SIGKILL)
            _close_pipe(self._watcher)
        await self._watcher.wait()
        return await self.process.wait()


async def start(*command: str, **options: Any) -> ProcessGroup:
    """``options`` as for ``create_subprocess_exec``. Raises OSError, and ValueError for a malformed command."""
    watcher = await asyncio.create_subprocess_exec(
        SHELL, "-c", WATCH, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, env={"PATH": os.defpath}, process_group=0
    )
    try:
        # Before it joins the group the child holds the pipe as well, so it cannot miss its end.
        process = await asyncio.create_subprocess_exec(*command, process_group=watcher.pid, **options)
    except BaseException:
        _signal(watcher, signal.SIGKILL)
        _close_pipe(watcher)
        await watcher.wait()
        raise
    return ProcessGroup(process, watcher)


async def tell(process: Process, data: bytes) -> None:
    """Write to its standard input. Raises ConnectionError when it does not listen any more."""
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        await process.stdin.drain()
    except RuntimeError as error:  # uvloop's, where the process has ended before
        raise BrokenPipeError(EPIPE, str(error)) from None


def run[T](main: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """``asyncio.run`` for a command that starts others: SIGTERM runs its clean-up, as Ctrl-C does."""
    terminated = False

    def terminate(task: asyncio.Task[Any] | None) -> None:
        nonlocal terminated
        terminated = True
        assert task is not None
        task.cancel()

    async def until_terminated() -> T:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate, asyncio.current_task())
        return await main

    try:
        return asyncio.run(until_terminated(), loop_factory=loop_factory)
    except asyncio.CancelledError:
        if terminated:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise


def _signal(watcher: Process, number: signal.Signals) -> None:
    """To the whole group."""
    if watcher.returncode is None:  # else the group's id may have been reused
        with suppress(ProcessLookupError, PermissionError):  # macOS raises the latter for a group of dead processes
            os.killpg(watcher.pid, number)


def _close_pipe(watcher: Process) -> None:
    assert watcher.stdin is not None
    watcher.stdin.close()

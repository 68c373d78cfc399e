"""A command line → a process in our place: it has our terminal, our signals, our group, and we leave with its code."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
TYPED = (signal.SIGINT, signal.SIGQUIT)  # a terminal sends them to everything in the foreground


async def run(words: Sequence[str], env: Mapping[str, str]) -> int:
    """Its exit code, 128 + n when signal n has ended it. Raises OSError when it cannot be started.

    Signals that a terminal sends reach it without us, once; the others, and those where there is no terminal, are
    passed on. When it stops we stop, so that the shell takes over; when we go on it goes on.
    """
    pid: int | None = None
    early: list[signal.Signals] = []

    def forward(number: signal.Signals) -> None:
        if pid is None:
            early.append(number)
        elif not waiting.done() and not (number in TYPED and _has_terminal()):
            _send(pid, number)

    loop = asyncio.get_running_loop()
    for number in (*FORWARDED, *TYPED):
        loop.add_signal_handler(number, forward, number)
    try:
        process = await asyncio.to_thread(subprocess.Popen[bytes], words, env=env)
        waiting = asyncio.create_task(asyncio.to_thread(_wait, process))
        pid = process.pid
        for number in early:  # of before it was there
            _send(pid, number)
        return await waiting
    finally:
        for number in (*FORWARDED, *TYPED):
            loop.remove_signal_handler(number)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Until it ends."""
    while True:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            code = os.waitstatus_to_exitcode(status)
            process.returncode = code
            return code if code >= 0 else 128 - code
        # after Ctrl-Z the shell may have let both go on before we got here
        if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
            os.kill(os.getpid(), signal.SIGSTOP)
            _send(process.pid, signal.SIGCONT)


def _has_terminal() -> bool:
    """Whether we are what a terminal sends its signals to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)

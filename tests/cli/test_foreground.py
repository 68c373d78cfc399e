"""A process in our place: with a terminal, stopped and let on again."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.waiting import until
from zerogravity.cli import foreground

RUNS = """
import asyncio, os, sys
from zerogravity.cli import foreground
sys.exit(asyncio.run(foreground.run(sys.argv[1:], os.environ)))
"""
WRITES = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # waited for: none is missed on the way to a blocking call
print("terminal", sys.stdin.isatty(), sys.stdout.isatty(), os.getpgrp() == os.tcgetpgrp(0), flush=True)
print("caught", int(signal.sigwait({signal.SIGINT})), flush=True)
line = sys.stdin.readline()
print("read", line.strip(), "pending", *map(int, signal.sigpending()), flush=True)
sys.exit(5)
"""


@asynccontextmanager
async def in_a_terminal(*words: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, list[str]]]:
    """(the process, the terminal's other end, what it shows)"""
    ours, theirs = pty.openpty()

    def takes() -> None:
        os.setsid()
        os.close(os.open(os.ttyname(theirs), os.O_RDWR))  # makes it the controlling one

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUNS, *words, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=takes
    )
    os.close(theirs)
    shown: list[str] = []

    def read() -> None:
        try:
            shown.append(os.read(ours, 4096).decode())
        except OSError:
            asyncio.get_running_loop().remove_reader(ours)

    asyncio.get_running_loop().add_reader(ours, read)
    try:
        yield process, ours, shown
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        os.close(ours)


async def test_the_terminal_is_the_programs_and_ctrl_c_reaches_it_once() -> None:
    async with in_a_terminal(sys.executable, "-c", WRITES) as (process, keyboard, shown):
        await until(lambda: "terminal True True True" in "".join(shown))
        os.write(keyboard, termios.tcgetattr(keyboard)[6][termios.VINTR])
        await until(lambda: "caught 2" in "".join(shown))
        os.write(keyboard, b"bees\n")
        assert await asyncio.wait_for(process.wait(), 20) == 5
        await until(lambda: "read bees pending\r\n" in "".join(shown))  # no second one


STOPS = "import os, signal; print('stops', flush=True); os.kill(os.getpid(), signal.SIGSTOP); raise SystemExit(6)"


async def test_when_the_program_stops_we_stop_and_it_goes_on_with_us() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUNS, sys.executable, "-c", STOPS, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        await until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        process.send_signal(signal.SIGCONT)
        assert await asyncio.wait_for(process.wait(), 20) == 6
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def test_a_signal_of_before_it_was_there_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = subprocess.Popen

    def slow(*words: Any, **fields: Any) -> subprocess.Popen[bytes]:
        os.kill(os.getpid(), signal.SIGTERM)
        return starts(*words, **fields)

    monkeypatch.setattr(subprocess, "Popen", {bytes: slow})
    assert await foreground.run(["sleep", "60"], os.environ) == 128 + signal.SIGTERM


async def test_what_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await foreground.run([str(tmp_path / "nobody")], {})

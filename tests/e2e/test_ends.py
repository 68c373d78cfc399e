"""Processes end together: whoever started the others is killed, or told to end, and nothing of them stays.

What is started x signal → all processes gone and their ports free within the bound, with this exit code. Then the same
for a mitmdump with connections open that must not put its end off, and with some that may, within the limit.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.ports import free_port
from tests.running import URL, Command, command, program
from tests.waiting import until
from zerogravity import ADDON
from zerogravity.backends.antigravity.child import STOP_S
from zerogravity.testing.simulator.google import GoogleSimulator

pytestmark = pytest.mark.e2e
SOON_S = 20.0  # on a busy machine too; a stubborn one is given STOP_S besides
KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
LS = [sys.executable, "-m", "zerogravity", "simulate", "ls", "--stdin", "--random_port"]
# It hears no SIGTERM, what listens is a process that it has started, and it outlives that one.
STUBBORN = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.run([*{LS}, *sys.argv[1:]], stdin=sys.stdin)
time.sleep(600)
"""
READY = re.compile(r"zerogravity is ready on")


@dataclass(frozen=True, slots=True)
class Descendants:
    """What a process has started, as it was before its end."""

    processes: list[psutil.Process]
    sockets: set[str]

    @classmethod
    def of(cls, pid: int, *, with_itself: bool = True) -> Descendants:
        found = children(pid)
        family = [*found, psutil.Process(pid)] if with_itself else found
        return cls(found, listening() & {held for process in family for held in held_by(process)})

    async def gone(self, seconds: float) -> None:
        """Until none of them runs, and nobody who has inherited it listens on a socket of theirs (their ports may be
        another test's by then). Raises TimeoutError."""
        await until(lambda: not any(map(runs, self.processes)), seconds)
        assert not self.sockets & listening()


def listening() -> set[str]:
    """The inodes of the TCP sockets that listen (proc(5): ``/proc/net/tcp``)."""
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A"}


def held_by(process: psutil.Process) -> set[str]:
    """The inodes of its sockets."""
    found: set[str] = set()
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def runs(process: psutil.Process) -> bool:
    """A dead one that nobody has collected does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# -- who started the others ----------------------------------------------------------------------------------------


@asynccontextmanager
async def served(folder: Path, ls: list[str], *how: str) -> AsyncIterator[Command]:
    """``how``: further arguments of serve; none of them: mitmdump with the addon."""
    async with GoogleSimulator(tls=False, http2=False) as google:
        mode = f"reverse:{google.url}@127.0.0.1:{free_port()}"
        if how:
            arguments = ("--listen", "127.0.0.1:0", "--ls-command", shlex.join(ls), *how)
            if "--no-mitm" not in how:
                arguments += ("--google", google.url, "--proxy-port", str(free_port()))
            started = command(folder, "serve", *arguments)
        else:
            settings = (f"mode={mode}", "zg_listen=127.0.0.1:0", f"zg_ls_command={shlex.join(ls)}",
                        f"confdir={folder / 'ca'}")  # fmt: skip
            words = [word for setting in settings for word in ("--set", setting)]
            started = program(folder, str(Path(sys.executable).parent / "mitmdump"), "-s", str(ADDON), *words)
        async with started as serving:
            await serving.until(URL)
            yield serving


def stubborn(folder: Path) -> list[str]:
    (folder / "stubborn.py").write_text(STUBBORN)
    return [sys.executable, str(folder / "stubborn.py")]


@asynccontextmanager
async def demonstrated(folder: Path, *arguments: str) -> AsyncIterator[Command]:
    async with command(folder, *arguments) as running:
        if "--serve" in arguments:
            await running.until(READY)
        else:
            pid = running.process.pid
            await until(lambda: any("mitmdump" in " ".join(words) for words in map(words_of, children(pid))), 60)
        yield running


def children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


Started = Callable[[Path], AbstractAsyncContextManager[Command]]
STARTED: dict[str, Started] = {
    "demo --serve": lambda folder: demonstrated(folder, "demo", "--serve", "--port", "0"),
    "demo": lambda folder: demonstrated(folder, "demo"),
    "doctor": lambda folder: demonstrated(folder, "doctor"),
    "serve": lambda folder: served(folder, LS, "--mode", "reverse"),
    "serve, a stubborn LS": lambda folder: served(folder, stubborn(folder), "--mode", "reverse"),
    "serve --no-mitm": lambda folder: served(folder, LS, "--no-mitm"),
    "mitmdump": lambda folder: served(folder, LS),
    "mitmdump, a stubborn LS": lambda folder: served(folder, stubborn(folder)),
}
SHORT = ("demo", "doctor")  # they have something to do, and have not done it


@pytest.mark.parametrize("number", [KILL, TERM, INT], ids=lambda number: number.name)
@pytest.mark.parametrize("name", STARTED)
async def test_they_end_together(tmp_path: Path, name: str, number: signal.Signals) -> None:
    async with STARTED[name](tmp_path) as running:
        left = Descendants.of(running.process.pid)
        assert left.processes
        bound = SOON_S + (STOP_S if "stubborn" in name else 0)
        running.process.send_signal(number)
        if number is not KILL:
            async with asyncio.timeout(bound):
                assert await running.process.wait() == (128 + number if name in SHORT else 0), running.output
        await left.gone(bound)


async def test_a_child_that_ends_takes_its_own_with_it(tmp_path: Path) -> None:
    """Whatever it had started goes, and what watches over it."""
    async with served(tmp_path, stubborn(tmp_path), "--no-mitm") as serving:
        left = Descendants.of(serving.process.pid, with_itself=False)
        (leader,) = (one for one in psutil.Process(serving.process.pid).children() if "stubborn" in str(words_of(one)))
        leader.kill()
        await left.gone(20)

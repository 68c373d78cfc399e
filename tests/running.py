"""The command as a process of its own: started, listened to, stopped, and always gone in the end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from zerogravity import ADDON

URL = re.compile(r"answers agents on (http://\S+)")
OWN_PROCESSES = str(Path(__file__).with_name("own_processes"))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Ours, without settings of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZEROGRAVITY_")}
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data")}
    return {**kept, **home, "PYTHONUNBUFFERED": "1", **more}


class Command:
    """One running ``zerogravity``; ``output`` is everything on its stderr and stdout so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""

    async def until(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Read on until its output matches. Fails when it ends before."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while (found := pattern.search(self.output)) is None:
                line = await self.process.stdout.readline()
                assert line, f"ended with {await self.process.wait()}:\n{self.output}"
                self.output += line.decode()
        return found

    async def ended(self) -> int:
        """Its exit code."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            self.output += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    async def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await self.ended()


def command(folder: Path, *arguments: str, **variables: str) -> AbstractAsyncContextManager[Command]:
    """``python -m zerogravity ARGUMENTS`` with these environment variables."""
    return program(folder, sys.executable, "-m", "zerogravity", *arguments, **variables)


def mitmdump(
    folder: Path, *arguments: str, addon: Path = ADDON, **variables: str
) -> AbstractAsyncContextManager[Command]:
    """``mitmdump -s addons/capture.py ARGUMENTS``; quiet about flows."""
    own = ("-s", str(addon), "--set", f"confdir={folder / 'mitmproxy'}", "--set", "flow_detail=0", *arguments)
    return program(folder, str(Path(sys.executable).with_name("mitmdump")), *own, **variables)


@asynccontextmanager
async def program(folder: Path, *words: str, **variables: str) -> AsyncIterator[Command]:
    """Any command, with our environment and these variables. Of language servers it sees those of its own worker."""
    process = await asyncio.create_subprocess_exec(
        *words, env=environment(folder, **{"PYTHONPATH": OWN_PROCESSES, **variables}),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        # A shell ignores SIGINT for what runs beside it, and so would all that comes from there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    running = Command(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()


async def script(file: Path, *arguments: str, seconds: float) -> str:
    """The output of a script of ours. Fails when it leaves with another code than 0, or takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(file), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(seconds):
            output = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, output
    return output


@asynccontextmanager
async def taken() -> AsyncIterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]

"""How tests run programs of Google's SDK: each in a process of its own, with nothing of the user's environment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

AGENT = Path(__file__).with_name("agent.py")
KEY = "AIzaSyB-real-looking-0123456789abcdefghi"
SECONDS = 60


def clean(home: Path, **more: str) -> dict[str, str]:
    """An environment whose home is ``home``. The runtime keeps files there."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "GEMINI_API_KEY": KEY} | more


async def output(*command: str, env: Mapping[str, str], cwd: Path | None = None) -> str:
    """What a program prints. It fails the test when it fails, or does not end."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    assert process.returncode == 0, f"{' '.join(command)}\n{out.decode()[-2000:]}\n{err.decode()[-2000:]}"
    return out.decode()


class Agents:
    """A Python that runs agents as ``agent.py`` describes them, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self._log = log

    async def run(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What an agent got, for each thing that was said to it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(given).encode() + b"\n")
        async with asyncio.timeout(SECONDS):
            line = await self.process.stdout.readline()
        assert line, self._log.read_text()[-3000:]
        return json.loads(line)


@asynccontextmanager
async def agents(environment: Path, home: Path, **env: str) -> AsyncIterator[Agents]:
    """``env``: further variables of theirs."""
    log = home / f"agents-{uuid4().hex}.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            str(environment / "bin" / "python"), str(AGENT), env=clean(home, **env), cwd=home, limit=64 << 20,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr, start_new_session=True,
        )  # fmt: skip
    try:
        yield Agents(process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()

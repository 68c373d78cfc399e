"""Programs that are clients: started with a clean environment, bounded in time, ended by their own process group."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import termios
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.install import NPM, ROOT, client
from tests.waiting import until

HERE = Path(__file__).resolve().parent
NOWHERE = "http://127.0.0.1:9"  # the discard port: what does not go to us goes nowhere


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def said(self) -> Any:
        """The JSON of the last line."""
        assert self.code == 0, self
        return json.loads(self.out.strip().split("\n")[-1])


def home(name: str) -> Path:
    """An empty home folder, not below the folder for temporary files: Codex refuses those."""
    folder = ROOT / "homes" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


async def run(
    *command: str | Path,
    cwd: Path,
    env: dict[str, str] | None = None,
    home: Path | None = None,
    seconds: float = 90,
    interrupt: Callable[[], bool] | None = None,
) -> Ran:
    """One program to its end. ``interrupt``: it gets a SIGINT, as from a keyboard, as soon as this holds."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, env=_environment(env, home or cwd), start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            if interrupt is not None:
                await until(interrupt, seconds)
                process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    finally:
        await _end(process)
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


class Terminal:
    """What a program shows in a terminal, and what is typed there."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._raw = b""

    def read(self) -> None:
        try:
            self._raw += os.read(self._file, 1 << 16)
        except OSError:  # the program is gone
            asyncio.get_running_loop().remove_reader(self._file)

    def type(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    @property
    def shown(self) -> str:
        """All of it, each movement of the cursor a blank."""
        return re.sub(r"\x1b\[[0-9;?>]*[a-zA-Z]", " ", self._raw.decode(errors="replace"))


@contextlib.asynccontextmanager
async def terminal(*command: str | Path, cwd: Path, env: dict[str, str], home: Path) -> AsyncIterator[Terminal]:
    """One program in a terminal, ended with the block."""
    file, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, env=_environment({"TERM": "xterm-256color", **env}, home), start_new_session=True,
        stdin=inside, stdout=inside, stderr=inside,
    )  # fmt: skip
    os.close(inside)
    shows = Terminal(file)
    asyncio.get_running_loop().add_reader(file, shows.read)
    try:
        yield shows
    finally:
        asyncio.get_running_loop().remove_reader(file)
        await _end(process)
        os.close(file)


def _environment(env: dict[str, str] | None, home: Path) -> dict[str, str]:
    node = client("node") / "node_modules" / ".bin"
    return {
        "PATH": f"{node}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "HTTPS_PROXY": NOWHERE,
        "HTTP_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        **(env or {}),
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left running, too
    await process.wait()


async def script(name: str, case: str, url: str, cwd: Path, in_client: str | None = None) -> Any:
    """One case of a script in ``py/`` or ``js/`` → the JSON it prints."""
    folder = client(in_client or name)
    if (in_client or name) in NPM:
        # modules are looked for beside the script
        file = Path(shutil.copy(HERE / "js" / f"{name}.mjs", folder))
        program = (client("node") / "node_modules" / ".bin" / "node",)
    else:
        # -P: the script's own name is no module
        file, program = HERE / "py" / f"{name.replace('-', '_')}.py", (folder / "bin" / "python", "-P")
    return (await run(*program, file, case, url, cwd=cwd)).said

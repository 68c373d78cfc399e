"""Programs that are clients: started with a clean environment, bounded in time, ended by their own process group."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable
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
    node = client("node") / "node_modules" / ".bin"
    environment = {
        "PATH": f"{node}:{os.environ['PATH']}",
        "HOME": str(home or cwd),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "HTTPS_PROXY": NOWHERE,
        "HTTP_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        **(env or {}),
    }
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, env=environment, start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            if interrupt is not None:
                await until(interrupt, seconds)
                process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left running, too
        await process.wait()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


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

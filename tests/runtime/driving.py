"""How tests run programs of Google's SDK: each in a process of its own, with nothing of the user's environment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


async def run_agent(environment: Path, home: Path, given: Mapping[str, Any], **env: str) -> list[dict[str, Any]]:
    """The answers that an agent as ``agent.py`` describes it got, one for each thing that was said."""
    python = str(environment / "bin" / "python")
    printed = await output(python, str(AGENT), json.dumps(given), env=clean(home, **env), cwd=home)
    return json.loads(printed)["answers"]

"""The short form of ``scripts/bench/soak.py``: after many turns nothing has stayed behind in the gateway's process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "soak.py"


async def test_h39_turns_leave_nothing_behind() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), "--turns", "200", "--warm-up", "200",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(110):
            said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, said

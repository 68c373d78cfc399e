"""The short form of ``scripts/bench/chaos.py``: few seconds, and fewer turns at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "chaos.py"


@pytest.mark.parametrize(
    "kinds",
    [("ls-killed", "google-cut", "disk-full", "delays"), ("killed", "store-locked", "store-shut")],
    ids="-".join,
)
async def test_what_must_hold_holds(kinds: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), "--seconds", "10", "--turns", "8", "--only", *kinds,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(300):
            said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, said
    lines = {line.split()[0]: line for line in said.splitlines() if "rounds" in line}
    assert tuple(lines) == kinds
    assert all("wrong=0" in line for line in lines.values())

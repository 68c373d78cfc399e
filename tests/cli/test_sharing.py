"""Locks of runs that share a gateway."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

from zerogravity.cli.sharing import use


async def test_a_run_knows_whether_it_is_the_only_one(tmp_path: Path) -> None:
    file = tmp_path / "data" / "lock"
    with use(file) as first:
        assert first.is_only()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with use(file) as first:
        with use(file):
            assert not first.is_only()
            waiting = asyncio.create_task(first.until_only())
            await asyncio.sleep(0)
            assert not waiting.done()
        async with asyncio.timeout(20):
            await waiting

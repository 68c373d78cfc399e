"""The short form of ``scripts/bench/soak.py``: after many turns nothing has stayed behind in the gateway's process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import script

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "soak.py"


async def test_h39_turns_leave_nothing_behind() -> None:
    await script(SCRIPT, "--turns", "200", "--warm-up", "200", seconds=110)

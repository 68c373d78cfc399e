"""The short form of ``scripts/bench/chaos.py``: few seconds, and fewer turns at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import script

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "chaos.py"


@pytest.mark.parametrize(
    "kinds",
    [("ls-killed", "google-cut", "disk-full", "delays"), ("killed", "store-locked", "store-shut")],
    ids="-".join,
)
async def test_no_round_goes_wrong(kinds: tuple[str, ...]) -> None:
    said = await script(SCRIPT, "--seconds", "4", "--turns", "8", "--only", *kinds, seconds=300)
    lines = {line.split()[0]: line for line in said.splitlines() if "rounds" in line}
    assert tuple(lines) == kinds
    assert all("wrong=0" in line for line in lines.values())

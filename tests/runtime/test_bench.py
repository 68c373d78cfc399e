"""The short form of ``scripts/bench/backends.py``: both back ends take their turns, and a crowd gets right answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import script

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "backends.py"


async def test_both_back_ends_and_a_crowd(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", str(binary))
    output = await script(SCRIPT, "--turns", "2", "--events", "3", "--many", "20", "--at-once", "10", seconds=300)
    rows = [line.split()[:2] for line in output.splitlines()]
    for mode in ("reverse", "proxy"):
        assert [row[1] for row in rows if row[:1] == [mode]] == ["runtime", "LS"]
    assert "40 of 40 answers right" in output

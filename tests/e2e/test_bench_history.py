"""The short form of ``scripts/bench/history.py``: every search has its figures, and finds what is there. Says nothing of
time."""

from __future__ import annotations

from pathlib import Path

from tests.running import script

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "history.py"


async def test_every_search_has_its_figures() -> None:
    head, *rows = (await script(SCRIPT, "--turns", "40", "--rounds", "5", seconds=100)).splitlines()
    assert head.startswith("40 turns, ")
    found = {name: set[str]() for name in ("newest page", "a word", "a rare word")}
    for row in rows:
        if row.startswith("  "):
            name, took, number, _ = row[2:30].strip(), *row[30:].split()
            assert float(took) > 0
            if name in found:
                found[name].add(number)
    assert found["newest page"] == {"40"}
    assert found["a word"] != {"0"}
    assert found["a rare word"] == {"0"}

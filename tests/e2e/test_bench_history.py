"""The short form of ``scripts/bench/history.py``: every search finds what is there. Says nothing of time."""

from __future__ import annotations

from pathlib import Path

from tests.running import script

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "history.py"


async def test_every_search_finds_what_is_there() -> None:
    head, *rows = (await script(SCRIPT, "--turns", "85", "--rounds", "5", seconds=100)).splitlines()
    assert head.startswith("85 turns, ")
    found = dict[str, list[str]]()
    for row in rows:
        if row.startswith("  "):
            name, figures = row[2:24].strip(), row[24:].split()
            float(figures[0])
            found.setdefault(name, []).append(figures[1])
    assert found["newest page"] == ["85", "85"]
    assert found["a rare word"] == ["1", "1"]
    assert "0" not in found["a word"]

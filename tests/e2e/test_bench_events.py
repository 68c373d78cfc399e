"""The short form of ``scripts/bench/events.py``: every row is there, and nothing is lost. Says nothing of time."""

from __future__ import annotations

from pathlib import Path

from tests.running import script

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "events.py"


async def test_every_row_has_a_figure_for_each_length() -> None:
    said = await script(SCRIPT, "--events", "20,40", "--rounds", "1", seconds=60)
    head, *rows = (line.rsplit(maxsplit=2) for line in said.splitlines())
    assert head == ["us per event", "20", "40"]
    surfaces = ("chat", "responses", "messages", "gemini")
    of_surfaces = [f"{name} {kind}" for kind in ("emit", "reader", "flood") for name in surfaces]
    assert [name.strip() for name, *_ in rows] == ["tap", "tap flood", "loop", *of_surfaces]
    assert all(float(figure) for _, *figures in rows for figure in figures)

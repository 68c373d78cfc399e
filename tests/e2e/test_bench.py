"""The short form of ``scripts/bench/path.py``: nothing is lost on any path, and the table is whole. Nothing about time:
a machine that is busy must not fail it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.running import script

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "path.py"
FIGURE = re.compile(r"  -?\d[\d,.]*(?=  |$)")
LINES = {"S-1": 3, "S-2": 3, "S-3": 5, "S-4": 1, "S-5": 4, "S-6": 6, "S-7": 6, "S-8": 4}


@pytest.mark.parametrize(
    ("chat", "limit", "at_least", "verdict"),
    [(2.0, 2.5, False, "≤ 2.50: yes"), (3.0, 2.5, False, "≤ 2.50: no"), (3.0, 2.5, True, "≥ 2.50: yes"),
     (2.0, 2.5, True, "≥ 2.50: no"), (float("nan"), 2.5, False, "≤ 2.50: –")],
)  # fmt: skip
def test_a_goal_is_about_chat_whatever_was_measured_first(
    monkeypatch: pytest.MonkeyPatch, chat: float, limit: float, at_least: bool, verdict: str
) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    report = importlib.import_module("rig.report")
    made = report.Report()
    made.add("S-1", "what", "us", {"gemini": 9.0, "bare": 4.0, "chat": chat}, report.Goal(limit, at_least=at_least))
    line = made.table().splitlines()[1]
    assert line.endswith(verdict)
    assert ("0.50" in line) == (chat == 2.0)  # the ratio to bare


async def test_nothing_is_lost_and_the_table_is_whole() -> None:
    output = await script(SCRIPT, "--smoke", seconds=110)
    table = [line for line in output.splitlines() if re.match(r"S-\d  ", line)]
    assert {row: sum(line.startswith(row) for line in table) for row in LINES} == LINES, output
    assert [line for line in table if not FIGURE.search(line)] == []
    assert "nothing failed, nothing was lost" in output

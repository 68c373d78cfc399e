"""The short form of ``scripts/bench/inspector.py``: every row has its figures. Says nothing of time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.observe.inspector.browser import MISSING
from tests.running import script

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "inspector.py"


async def test_every_row_has_its_figures() -> None:
    sizes = ("--rounds", "3", "--tokens", "2000", "--times", "3", "--pieces", "3")
    head, *rows = (line.rsplit(maxsplit=2) for line in (await script(SCRIPT, *sizes, seconds=100)).splitlines())
    assert head == ["ms", "median", "largest"]
    assert [name.strip() for name, *_ in rows] == ["open first", "open new", "open again", "live"]
    assert all(float(figure) for _, *figures in rows for figure in figures)

"""When a Responses turn has something to show its client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.surfaces.playing import replayed
from tests.surfaces.responses.support import records, turn
from zerogravity.core.events import Event, Finished, TextDelta, ThinkingDelta
from zerogravity.surfaces.responses import surface

THOUGHT, TEXT = ThinkingDelta("hm"), TextDelta("a")
UNSEEN = {"echo": {"reasoning": {"effort": None, "summary": None}}}


@pytest.mark.parametrize(
    ("events", "details", "shows"),
    [
        ([], {}, False),
        ([THOUGHT], {}, True),
        ([THOUGHT], UNSEEN, False),
        ([THOUGHT, TEXT], UNSEEN, True),
        ([TEXT], {"compacts": True}, False),
    ],
)
def test_has_output(events: Sequence[Event], details: dict[str, Any], shows: bool) -> None:
    assert surface.has_output(replayed(records(events, Finished("stop")), turn(**details))) is shows

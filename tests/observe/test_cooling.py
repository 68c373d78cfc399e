"""Models that are left alone, in words."""

from __future__ import annotations

import pytest

from zerogravity.observe.cooling import left_alone, seconds_left

NOW = 1_770_000_000.0
FLASH = {"model": "gemini-3-flash", "until": "2026-02-02T02:40:42.000Z", "reason": "rate", "google": "429 X"}


@pytest.mark.parametrize(
    ("until", "seconds"),
    [("2026-02-02T02:40:42.500Z", 42.5), ("2026-02-02T02:39:00.000Z", 0), ("soon", 0), (None, 0)],
)
def test_seconds_left(until: object, seconds: float) -> None:
    assert seconds_left({"until": until}, NOW) == seconds


def test_in_words() -> None:
    others = [{**FLASH, "model": "all models", "until": "2026-02-08T02:40:00Z", "reason": ""}, {**FLASH, "until": ""}]
    assert left_alone([FLASH, *others], NOW) == [
        "gemini-3-flash: left alone for 42 s (rate)", "all models: left alone for 6 d (429 X)",
    ]  # fmt: skip

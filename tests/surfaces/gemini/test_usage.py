"""Sums of ``usageMetadata`` over the attempts of a turn."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.surfaces.gemini.usage import summed


@pytest.mark.parametrize(
    ("first", "second", "made"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 3, "b": 3}),
        ({"a": [{"modality": "TEXT", "tokenCount": 1}]},
         {"a": [{"modality": "TEXT", "tokenCount": 2}, {"modality": "IMAGE", "tokenCount": 4}]},
         {"a": [{"modality": "TEXT", "tokenCount": 3}, {"modality": "IMAGE", "tokenCount": 4}]}),
        ({"trafficType": "A"}, {"trafficType": "B"}, {"trafficType": "B"}),
        ({"a": True}, {"a": 1}, {"a": 1}),
        ({"a": [7]}, {"a": ["x"]}, {"a": [7, "x"]}),
    ],
)  # fmt: skip
def test_sums_of_usage(first: dict[str, Any], second: dict[str, Any], made: dict[str, Any]) -> None:
    assert summed(first, second) == made

"""The mode in which functions may be called, in any spelling."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.surfaces.common.functions import calling_mode


@pytest.mark.parametrize(
    ("given", "word"),
    [("ANY", "ANY"), ("any", "ANY"), (2, "ANY"), ("2", "ANY"), ("NONE", "NONE"), (3, "NONE"), ("AUTO", "AUTO"),
     (None, ""), (0, "")],
)  # fmt: skip
def test_a_mode_is_read_in_any_spelling(given: Any, word: str) -> None:
    assert calling_mode({"toolConfig": {"functionCallingConfig": {"mode": given}}}) == word


@pytest.mark.parametrize("request_", [{}, {"toolConfig": None}, {"toolConfig": {"functionCallingConfig": []}}])
def test_without_a_mode(request_: dict[str, Any]) -> None:
    assert calling_mode(request_) == ""

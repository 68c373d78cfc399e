"""Ids as the API's clients take them."""

from __future__ import annotations

import re

import pytest

from zerogravity import ids
from zerogravity.surfaces.messages.identifiers import call_id, message_id, tool_use_id

TAKEN = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # LangChain rewrites others


def test_ids_are_taken_by_clients() -> None:
    assert TAKEN.fullmatch(message_id(ids.new("turn")))
    assert message_id("turn_1").startswith("msg_")
    assert TAKEN.fullmatch(tool_use_id(ids.new("call")))


def test_a_call_is_found_again() -> None:
    ours = ids.new("call")
    assert tool_use_id(ours).startswith("toolu_")
    assert call_id(tool_use_id(ours)) == ours


@pytest.mark.parametrize("foreign", ["toolu_bdrk_01A09q90qw90lq917835", "call_1", "toolu_", "", "x" * 2000, "é"])
def test_ids_that_cannot_be_ours_stay_as_they_are(foreign: str) -> None:
    assert call_id(foreign) == foreign

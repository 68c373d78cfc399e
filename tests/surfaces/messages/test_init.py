"""The Messages surface: when there is something for the client."""

from __future__ import annotations

import pytest

from tests.surfaces.messages.answering import STOP, Json, turn_with
from zerogravity import errors
from zerogravity.core.events import Event, Failed, Finished, FunctionCall, TextDelta, ThinkingDelta
from zerogravity.surfaces.messages import surface
from zerogravity.testing import builders


@pytest.mark.parametrize(
    ("form", "event", "shown"),
    [
        ({}, TextDelta("a"), True),
        ({}, FunctionCall("call_1", "f", "{}"), True),
        ({}, ThinkingDelta("hm"), False),
        ({"thoughts": "shown"}, ThinkingDelta("hm"), True),
        ({"thoughts": "omitted"}, ThinkingDelta("hm"), True),
        ({"search": "alone"}, TextDelta("a"), False),
        ({"search": "alone", "thoughts": "shown"}, ThinkingDelta("hm"), True),
    ],
)
def test_when_there_is_something_for_the_client(form: Json, event: Event, shown: bool) -> None:
    assert surface.has_output(builders.channel(turn_with(form), event)) is shown


@pytest.mark.parametrize(
    ("end", "shown"), [(STOP, True), (Failed(errors.upstream(502, "upstream_drop", "broke")), False)]
)
def test_the_text_of_a_search_is_there_at_a_good_end(end: Finished | Failed, shown: bool) -> None:
    """A search that fails is a plain HTTP status."""
    assert surface.has_output(builders.channel(turn_with({"search": "alone"}), TextDelta("a"), end=end)) is shown

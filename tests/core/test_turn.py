from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from zerogravity.core.turn import RecordedDetails, Target
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.surfaces.gemini.details import GeminiDetails


@pytest.mark.parametrize(
    ("names", "upstream", "expected"),
    [
        ({}, "shell", "shell"),
        ({"f_1": "my tool/1"}, "f_1", "my tool/1"),
        ({"f_1": "my tool/1"}, "f_2", "f_2"),
    ],
)
def test_a_call_has_the_clients_own_name(make_turn, names, upstream, expected):
    assert make_turn(tool_names=names).client_name(upstream) == expected


def test_a_turn_cannot_be_changed(make_turn):
    turn = make_turn()
    with pytest.raises(FrozenInstanceError):
        turn.model = "other"
    with pytest.raises(TypeError):
        turn.tool_names["f"] = "g"


def test_a_target_keeps_the_models_own_choice_by_default():
    assert Target("gemini-3-flash", "MODEL_X").wire_model is None


@pytest.mark.parametrize("details", [ChatDetails(one_call=True), RecordedDetails({"one_call": True, "of_later": 1})])
def test_details_are_asked_for_as_the_surfaces_own_kind(make_turn, details):
    assert make_turn(details=details).details_as(ChatDetails).one_call


def test_details_of_another_surface_are_none_of_this_ones(make_turn):
    with pytest.raises(TypeError, match="has ChatDetails, not GeminiDetails"):
        make_turn(details=ChatDetails()).details_as(GeminiDetails)

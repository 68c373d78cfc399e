from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from zerogravity.core.turn import Target


@pytest.mark.parametrize(
    ("names", "upstream", "expected"),
    [
        ({}, "shell", "shell"),
        ({"f_1": "my tool/1"}, "f_1", "my tool/1"),
        ({"f_1": "my tool/1"}, "f_2", "f_2"),
    ],
)
def test_a_call_is_told_by_the_clients_own_name(make_turn, names, upstream, expected):
    assert make_turn(tool_names=names).client_name(upstream) == expected


def test_a_turn_cannot_be_changed(make_turn):
    turn = make_turn()
    with pytest.raises(FrozenInstanceError):
        turn.model = "other"
    with pytest.raises(TypeError):
        turn.echo["temperature"] = 1


def test_a_target_keeps_the_models_own_choice_unless_told():
    assert Target("gemini-3-flash", "MODEL_X").wire_model is None

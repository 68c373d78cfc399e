"""What is left of a conversation whose items were deleted; whole conversations are in ``test_conversation``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.surfaces.responses.loose_ends import NO_CALL, NO_REQUEST, NO_RESULT, without, without_loose_ends

END = "end"  # of a turn
Short = str | tuple[str, str]  # an item's type, and what joins it to others


def items_of(*short: Short) -> list[dict[str, Any]]:
    """Named by their numbers."""
    made: list[dict[str, Any]] = []
    for number, each in enumerate(short):
        kind, of = each if isinstance(each, tuple) else (each, "")
        if kind == END:
            made.append({"contents": [], "shown_as": of.split()})
        elif kind == "mcp_approval_response":
            made.append({"id": str(number), "type": kind, "approval_request_id": of})
        elif kind == "image_generation_call":
            made.append({"id": str(number), "type": kind, "result": of})
        else:
            made.append({"id": str(number), "type": kind, **({"call_id": of} if of else {})})
    return made


CALL, RESULT, REQUEST, SAID = "function_call", "function_call_output", "mcp_approval_request", "mcp_approval_response"


@pytest.mark.parametrize(
    ("short", "loose"),
    [
        ([(CALL, "c"), (RESULT, "c"), END], {}),
        ([(CALL, "c")], {}),
        ([(CALL, "c"), END], {"0": NO_RESULT}),
        ([END, (CALL, "c"), (CALL, "d"), (RESULT, "d"), END, (RESULT, "c")], {"1": NO_RESULT, "5": NO_CALL}),
        ([(RESULT, "c"), (CALL, "c")], {"0": NO_CALL}),
        ([(CALL, "c"), (RESULT, "c"), (RESULT, "c")], {"2": NO_CALL}),
        ([(CALL, "c"), (CALL, "c"), (RESULT, "c"), (RESULT, "c"), END], {}),
        ([(CALL, "c"), ("custom_tool_call_output", "c")], {}),
        (["shell_call_output"], {"0": NO_CALL}),
        ([("local_shell_call", "c"), ("local_shell_call_output", "0")], {}),
        ([("local_shell_call", "c"), ("local_shell_call_output", "7"), END], {"0": NO_RESULT, "1": NO_CALL}),
        (["tool_search_call", END, "tool_search_output"], {}),
        ([REQUEST, (SAID, "0"), END], {}),
        ([REQUEST, END], {}),
        ([REQUEST, (SAID, "0"), (SAID, "0")], {"2": NO_REQUEST}),
        ([(SAID, "1"), REQUEST], {"0": NO_REQUEST}),
        ([REQUEST, END, (SAID, "0")], {"2": NO_REQUEST}),
        (["mcp_call", "reasoning", "mcp_list_tools", "message", END, "web_search_call", "compaction"], {}),
        ([("image_generation_call", "iVBORw0KGgo="), ("image_generation_call", "")], {}),
        ([(END, "1"), ("image_generation_call", "%")], {}),
    ],
)
def test_halves(short: list[Short], loose: dict[str, str]) -> None:
    given = items_of(*short)
    left, notes = without_loose_ends(given)
    assert list(left) == [item for item in given if item.get("id") not in loose]
    types = {str(number): item.get("type") for number, item in enumerate(given)}
    assert list(notes) == [f"conversation: {types[number]} {number} left out: {why}" for number, why in loose.items()]


def test_an_answer_goes_with_any_of_its_items() -> None:
    """And pictures that only it could bring."""
    end = {"turn": "turn_1", "contents": [{"role": "model", "parts": []}], "family": "f", "shown_as": ["1", "2", "3"]}
    given = [end, *items_of("", (CALL, "c"), ("image_generation_call", "%"), "message")[1:], *items_of(END)]
    left, notes = without_loose_ends(given)
    assert left == ({**end, "contents": [], "shown_as": []}, given[3], given[4])
    assert [note.split()[1:3] for note in notes] == [["function_call", "1"], ["image_generation_call", "2"]]
    assert without(given, ["9"]) == tuple(given)


@given(st.lists(st.sampled_from([END, "message", (CALL, "c"), (RESULT, "c"), REQUEST, (SAID, "0"), (SAID, "1")])))
def test_what_is_left_has_no_loose_ends(short: list[Short]) -> None:
    left, _ = without_loose_ends(items_of(*short))
    assert without_loose_ends(left) == (left, ())

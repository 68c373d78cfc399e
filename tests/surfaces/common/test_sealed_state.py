"""Sealed state: ours comes back, anything else is recognised as not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.fold import Call, Reasoning
from zerogravity.surfaces.common.sealed_state import (
    MAX_PARTS,
    PREFIX,
    Carried,
    seal,
    seal_text,
    state_of_call,
    state_of_thought,
    unseal,
    unseal_text,
)

SECRET, OTHER = bytes(32), b"x" * 32
PARTS = ('{"toolCall": {"id": "1", "args": {"n": 1.0}}}', '{"toolResponse": {"id": "1"}}')
SOME = [Carried("c2ln", "gemini-3-flash", "call_1", PARTS), Carried("dGV4dA==", "claude")]


def test_what_is_sealed_is_unsealed() -> None:
    assert unseal(SECRET, seal(SECRET, SOME)) == SOME
    assert unseal(SECRET, seal(SECRET, [])) == []
    assert unseal_text(SECRET, seal_text(SECRET, "a summary, grüße")) == "a summary, grüße"


@pytest.mark.parametrize(("size", "carried"), [(MAX_PARTS, True), (MAX_PARTS + 1, False)])
def test_too_many_server_tool_parts_are_not_sealed(size: int, carried: bool) -> None:
    parts = ["x" * (size - 1), "y"]
    call = Call(0, "call_1", "f", "{}", "c2ln", before=parts)
    assert state_of_call(call, "gemini") == ([Carried("c2ln", "gemini", "call_1", tuple(parts))] if carried else [])


@pytest.mark.parametrize(
    "text",
    ["", "gAAAAABo-openai-fernet==", "EqQBCgIYAhIM-anthropic", PREFIX, PREFIX + "!", PREFIX + "AAAA", PREFIX + "é",
     seal(OTHER, SOME), seal_text(SECRET, "text"), PREFIX + seal_text(SECRET, "text").partition(".")[2],
     seal(SECRET, SOME)[:-4], "x" + seal(SECRET, SOME)],
)  # fmt: skip
def test_what_is_not_ours_is_none(text: str) -> None:
    assert unseal(SECRET, text) is None


def test_sealed_text_and_sealed_signatures_are_not_confused() -> None:
    assert unseal_text(SECRET, seal(SECRET, SOME)) is None
    assert unseal_text(OTHER, seal_text(SECRET, "x")) is None


@pytest.mark.parametrize("prefix", ["", "zg2.", "ZG1.", "zg1t."])
def test_another_prefix_is_not_opened(prefix: str) -> None:
    """What a later version writes may hold the same bytes and mean something else."""
    assert unseal(SECRET, prefix + seal(SECRET, SOME).removeprefix(PREFIX)) is None
    assert unseal_text(SECRET, prefix.replace("t", "u") + seal_text(SECRET, "text").partition(".")[2]) is None


@given(st.integers(len(PREFIX)), st.sampled_from("Aa0_"))
def test_one_changed_character_is_a_forgery(place: int, character: str) -> None:
    text = seal(SECRET, SOME)
    place = len(PREFIX) + place % (len(text) - len(PREFIX) - 1)  # bits of the last character may be padding
    forged = text[:place] + character + text[place + 1 :]
    assert (unseal(SECRET, forged) is None) == (forged != text)


@given(st.text(max_size=60))
def test_any_text_is_answered(text: str) -> None:
    assert unseal(SECRET, PREFIX + text) is None


@pytest.mark.parametrize(
    ("family", "text", "signature", "shown", "before"),
    [
        ("claude", "hmm", "c2ln", True, ("hmm",)),
        ("claude", "hmm", "c2ln", False, ("hmm",)),
        ("claude", "x" * (MAX_PARTS + 1), "c2ln", True, ()),
        ("gemini-3-flash", "hmm", "c2ln", True, ()),
        ("gemini-3-flash", "hmm", "c2ln", False, ("hmm",)),
        ("claude", "hmm", None, True, None),
        ("gemini-3-flash", "x" * (MAX_PARTS + 1), "c2ln", False, None),
    ],
)
def test_a_thought_takes_its_text_along_where_nobody_else_keeps_it(
    family: str, text: str, signature: str | None, shown: bool, before: tuple[str, ...] | None
) -> None:
    thought = Reasoning(0, [text], signature)
    expected = [] if before is None else [Carried("c2ln", family, None, before)]
    assert state_of_thought(thought, family, shown=shown) == expected

"""The marker comes back out of whatever a language server makes of it, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core import marker

IDS = st.text(st.characters(exclude_characters="<>", exclude_categories=["Z", "C"]), min_size=1, max_size=128)


@given(IDS, st.text(st.characters(exclude_characters="<"), max_size=20))
def test_a_marker_survives_any_surroundings(cascade_id: str, around: str) -> None:
    text = f"{around}{marker.marker_for(cascade_id)}{around}"
    assert marker.cascades(text) == [cascade_id]
    go = json.dumps(text).replace("<", r"\u003c").replace(">", r"\u003e")  # as Go writes it
    assert marker.cascades(json.loads(go)) == [cascade_id]
    wrapped = f"{marker.REQUEST}\n{text}\n{marker.REQUEST_END}"
    assert [marker.cascades(inside) for inside in marker.requests(wrapped)] == [[cascade_id]]


@pytest.mark.parametrize("text", ["", ".<cid:>", ".<cid:a b>", f".<cid:{'x' * 129}>", "<cid:a<b>", "cid:a"])
def test_malformed_markers_are_ignored(text: str) -> None:
    assert marker.cascades(text) == []


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("<USER_REQUEST>a</USER_REQUEST> b <USER_REQUEST>c</USER_REQUEST>", ["a", "c"]),
        ("<USER_REQUEST>never closed", []),
        ("<USER_REQUEST>cut <USER_REQUEST>whole</USER_REQUEST>", ["whole"]),
        ("</USER_REQUEST>", []),
    ],
)
def test_the_text_inside_each_request_wrapper(text: str, inside: list[str]) -> None:
    assert list(marker.requests(text)) == inside


@pytest.mark.parametrize(
    ("text", "bare"),
    [("Step Id: 0\n\nx", "x"), ("  x", "x"), (" \nStep Id: 12 x", "x"), ("Step Id: x", "Step Id: x"), ("", "")],
)
def test_a_step_number_is_removed(text: str, bare: str) -> None:
    assert marker.unnumbered(text) == bare

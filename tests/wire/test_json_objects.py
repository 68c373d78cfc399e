"""Bodies cut into their JSON objects, however their bytes come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from tests.wire.test_jsonio import spelled
from zerogravity.wire.json_objects import ObjectParser, ObjectTooLarge, Piece


def cut(*chunks: bytes, **limits: int) -> list[Piece]:
    parser = ObjectParser(**limits)
    return [piece for chunk in chunks for piece in parser.feed(chunk)] + parser.end()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'[{"a": 1}\r\n,\r\n{"a": "}]{\\"["}\r\n]', [b'{"a": 1}', b'{"a": "}]{\\"["}']),
        (b'{"a": [{}, [1]]}\n', [b'{"a": [{}, [1]]}']),
        (b"{}{}\n{}", [b"{}", b"{}", b"{}"]),
        (b'\xef\xbb\xbf["{", {"\\\\": 1}]', [b'{"\\\\": 1}']),
        (b'[{"a": 1},{"b": ', [b'{"a": 1}', b'{"b": ']),
        (b'{"a": "x', [b'{"a": "x']),
        (b'{"a": "x\\', [b'{"a": "x\\']),
        (b"[]", []),
        (b"", []),
        (b"}]nonsense", []),
    ],
)
def test_objects_of_a_body_at_every_split(body: bytes, found: list[bytes]) -> None:
    whole = cut(body)
    assert [piece.data for piece in whole] == found
    assert all(body[slice(*piece.span)] == piece.data for piece in whole)
    assert cut(*(body[at : at + 1] for at in range(len(body)))) == whole
    for at in range(len(body) + 1):
        assert cut(body[:at], body[at:]) == whole


@given(st.lists(st.dictionaries(st.text(max_size=5), json_values, max_size=3), max_size=4), st.data())
def test_objects_of_any_array(objects: list[Any], data: st.DataObject) -> None:
    body = data.draw(spelled(objects)).encode()
    split = data.draw(st.integers(0, len(body)))
    assert [json.loads(piece.data) for piece in cut(body[:split], body[split:])] == objects


@given(st.binary(max_size=60), st.integers(0, 60))
def test_objects_of_any_bytes(body: bytes, split: int) -> None:
    assert cut(body[:split], body[split:]) == cut(body)


def test_an_object_that_is_too_large() -> None:
    assert len(cut(*[b'{"a": 1}'] * 20, max_object=64)) == 20
    with pytest.raises(ObjectTooLarge, match="more than 64"):
        cut(b'{"a": "' + b"x" * 60, max_object=64)

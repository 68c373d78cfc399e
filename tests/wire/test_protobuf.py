"""The few bytes of protobuf with which language servers are greeted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.wire.protobuf import ProtobufError, fields, text_field


@pytest.mark.parametrize(
    ("number", "text", "data"),
    [
        (1, "", b"\x0a\x00"),
        (3, "127.0.0.1", b"\x1a\x09127.0.0.1"),
        (15, "é", b"\x7a\x02\xc3\xa9"),
        (2, "x" * 300, b"\x12\xac\x02" + b"x" * 300),
    ],
)
def test_a_text(number: int, text: str, data: bytes) -> None:
    assert text_field(number, text) == data
    assert list(fields(data)) == [(number, text.encode())]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\x08\x00", [(1, 0)]),
        (b"\x08\xa0\x8d\x06\x12\x01k\x08\x01", [(1, 99_999 + 1), (2, b"k"), (1, 1)]),
        (b"\xf8\x01\x05", [(31, 5)]),
    ],
)
def test_numbers_and_texts_in_their_order(data: bytes, found: list[object]) -> None:
    assert list(fields(data)) == found


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08", "cut"),
        (b"\x12\x05abc", "cut"),
        (b"\x0d\x01", "wire type 5"),
        (b"\x08" + b"\xff" * 10, "without an end"),
    ],
)
def test_what_is_no_message(data: bytes, why: str) -> None:
    with pytest.raises(ProtobufError, match=why):
        list(fields(data))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = list(fields(data))
    except ProtobufError:
        return
    assert sum(len(value) for _, value in found if isinstance(value, bytes)) <= len(data)

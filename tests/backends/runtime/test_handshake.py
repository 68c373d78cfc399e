"""The runtime's handshake as bytes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zerogravity.backends.runtime.handshake import MAX_SIZE, HandshakeError, Listening, greeting, read, size_of


def test_the_greeting_asks_for_loopback_and_no_storage() -> None:
    assert greeting() == b"\x0b\x00\x00\x00\x1a\x09127.0.0.1"


@pytest.mark.parametrize(
    ("prefix", "size"),
    [
        (b"\x01\0\0\0", 1),
        (b"\x2f\x01\0\0", 0x12F),
        (MAX_SIZE.to_bytes(4, "little"), MAX_SIZE),
        ((MAX_SIZE + 1).to_bytes(4, "little"), None),
        (b"\0\0\0\0", None),
        (b"\xff\xff\xff\xff", None),
        (b"usag", None),  # of a program that is another one
    ],
)
def test_the_length_of_its_answer(prefix: bytes, size: int | None) -> None:
    if size is None:
        with pytest.raises(HandshakeError, match="bytes"):
            size_of(prefix)
    else:
        assert size_of(prefix) == size


@pytest.mark.parametrize(
    ("message", "listening"),
    [
        (b"\x08\x90\x4e\x12\x03abc", Listening(10000, "abc")),
        (b"\x12\x03abc\x08\x90\x4e", Listening(10000, "abc")),
        (b"\x08\xff\xff\x03", Listening(65535, "")),
        (b"\x08\x01\x08\x02", Listening(2, "")),  # the last one counts
        (b"\x08\x01\x18\x07\x22\x02hi", Listening(1, "")),  # fields of a later version
        (b"\x08\x01\x12\x01\xff", Listening(1, "\ufffd")),
    ],
)
def test_its_answer(message: bytes, listening: Listening) -> None:
    assert read(message) == listening


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "port 0"),
        (b"\x12\x03abc", "port 0"),
        (b"\x08\x80\x80\x04", "port 65536"),
        (b"\x08", "cut"),
        (b"\x08\x90", "cut"),
        (b"\x08\x01\x12\x03ab", "cut"),
        (b"\x08\x01\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7fab", "cut"),
        (b"\x08" + b"\xff" * 11, "without an end"),
        (b"\x0d\0\0\0\0", "wire type 5"),
        (b"\x0b\0", "wire type 3"),
    ],
)
def test_an_answer_that_is_none(message: bytes, why: str) -> None:
    with pytest.raises(HandshakeError, match=why):
        read(message)


@given(st.binary(max_size=64))
@example(b"\x08\x90\x4e\x12\x03abc")
def test_any_bytes_are_an_answer_or_none(message: bytes) -> None:
    try:
        listening = read(message)
    except HandshakeError as error:
        assert str(error)
    else:
        assert 0 < listening.port < 1 << 16


def test_the_key_is_not_shown() -> None:
    assert repr(Listening(1, "secret")) == "Listening(port=1)"

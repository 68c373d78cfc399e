"""Frames as stores keep them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zerogravity.store.joined import joined, split


@given(st.lists(st.binary()))
def test_frames_come_back_as_they_were(frames: list[bytes]) -> None:
    assert split(joined(frames)) == tuple(frames)


@given(st.lists(st.binary()), st.lists(st.binary()))
def test_batches_can_be_put_together(first: list[bytes], second: list[bytes]) -> None:
    assert joined(first) + joined(second) == joined([*first, *second])


def test_each_frame_stands_after_its_length() -> None:
    assert joined([b"ab", b""]) == b"\x00\x00\x00\x02ab\x00\x00\x00\x00"

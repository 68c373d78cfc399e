"""Frames ↔ bytes, as stores keep them: each frame after its length (4 bytes, big-endian)."""

from __future__ import annotations

from collections.abc import Iterable


def joined(frames: Iterable[bytes]) -> bytes:
    return b"".join(len(frame).to_bytes(4) + frame for frame in frames)


def split(data: bytes) -> tuple[bytes, ...]:
    """Raises ValueError for what ``joined`` has not made."""
    frames: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + 4
        position = start + int.from_bytes(data[position:start])
        if position > len(data):
            raise ValueError("the last frame is cut off")
        frames.append(data[start:position])
    return tuple(frames)

"""The bytes of HTTP/2: frames to write and to read, and the header block of an answer, whose headers are literals."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import cache

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">HBBBL")  # of a frame: length (its 16 upper bits, its 8 lower ones), kind, flags, stream
SETTING = struct.Struct(">HL")
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME = 3, 4, 5  # settings
REFUSED_STREAM = 7
DEFAULT_WINDOW, LARGEST = 65_535, 16_384  # bytes in flight and of a frame, until settings say otherwise
NO_TABLE = b"\x20"  # at the beginning of a connection's first block: no header is ever one to remember


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """One frame, of the stream ``number`` or (0) of the connection."""
    return HEAD.pack(len(payload) >> 8, len(payload) & 255, kind, flags, number) + payload


def word(kind: int, number: int, value: int) -> bytes:
    """A frame that says one number: RST_STREAM, WINDOW_UPDATE."""
    return frame(kind, 0, number, value.to_bytes(4, "big"))


def settings(values: Mapping[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(name, value) for name, value in values.items()))


def data(number: int, payload: bytes, largest: int, *, ends: bool) -> bytes:
    """As few DATA frames as it needs; ``ends``: they are the stream's last."""
    flags = END_STREAM if ends else 0
    if len(payload) <= largest:
        return frame(DATA, flags, number, payload)
    last = (len(payload) - 1) // largest * largest
    pieces = [frame(DATA, 0, number, payload[at : at + largest]) for at in range(0, last, largest)]
    return b"".join([*pieces, frame(DATA, flags, number, payload[last:])])


@cache
def block(status: int, content_type: bytes) -> bytes:
    """The headers of an answer. ``content_type``: less than 127 bytes."""
    code = b"\x88" if status == 200 else b"\x08\x03%d" % status
    return code + b"\x0f\x10%c" % len(content_type) + content_type


def unpadded(flags: int, payload: bytes) -> bytes:
    """Of a DATA or HEADERS frame."""
    return payload[1 : len(payload) - payload[0]] if flags & PADDED else payload


class Reader:
    """The frames that a client sends."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each that is whole now. Raises ValueError."""
        data, at = self._rest + data, 0
        if not self._begun:
            at = len(PREFACE)
            if data[:at] != PREFACE[: len(data)]:
                raise ValueError(f"no HTTP/2: {data[:at]!r}")
            self._begun = len(data) >= at
        while len(data) >= (start := at + HEAD.size):
            upper, lower, kind, flags, number = HEAD.unpack_from(data, at)
            size = upper << 8 | lower
            if size > LARGEST:
                raise ValueError(f"a frame of {size} bytes")
            if len(data) < start + size:
                break
            at = start + size
            yield kind, flags, number & 0x7FFF_FFFF, data[start:at]
        self._rest = data[at:] if self._begun else data

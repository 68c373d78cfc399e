"""How far a protobuf message reaches that is followed by anything: FileDescriptorProto's fields by their wire types."""

from __future__ import annotations

LENGTH_DELIMITED = 2
FIELDS = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 0, 11: 0, 12: 2, 14: 0, 15: 2}
PACKED = (10, 11)
NAME = 1
LARGEST = 5_000_000


def extent(data: bytes, at: int) -> int:
    """Where the FileDescriptorProto that begins at ``at`` ends: at what is no field of one, or a second name."""
    named = False
    while at < len(data):
        try:
            key, begin = _varint(data, at)
            number, kind = key >> 3, key & 7
            fits = FIELDS.get(number) == kind or (kind == LENGTH_DELIMITED and number in PACKED)
            if not fits or (number == NAME and named):
                return at
            named = named or number == NAME
            size, begin = _varint(data, begin)
        except (IndexError, ValueError):
            return at
        if kind == LENGTH_DELIMITED and (begin + size > len(data) or size > LARGEST):
            return at
        at = begin + size if kind == LENGTH_DELIMITED else begin
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise ValueError("no varint")

"""What little of binary protobuf is needed to greet a language server: fields ↔ bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

BYTES = 2  # wire type


class ProtobufError(ValueError):
    """These bytes are no such message."""


def text_field(number: int, text: str) -> bytes:
    """A string field; ``number`` below 16."""
    data = text.encode()
    return bytes((number << 3 | BYTES,)) + _varint(len(data)) + data


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field, numbers and strings alone. Raises ProtobufError, also for other kinds."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        value, at = _read_varint(message, at)
        match tag & 7:
            case 0:  # a number
                yield tag >> 3, value
            case 2:  # a length and so many bytes
                if at + value > len(message):
                    raise ProtobufError("a message that is cut")
                yield tag >> 3, message[at : at + value]
                at += value
            case kind:
                raise ProtobufError(f"a field of wire type {kind}")


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes((*made, value))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise ProtobufError("a message that is cut")
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ProtobufError("a number without an end")

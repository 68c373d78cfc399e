"""JSON bodies cut into their objects as they come, sans-I/O: bytes in → source texts out, in linear time."""

from __future__ import annotations

import re

from zerogravity.core.values import value

MAX_OBJECT = 32 << 20
_QUOTE, _BACKSLASH = b'"\\'
_OPEN_OBJECT, _OPEN_ARRAY = b"{["


class ObjectTooLarge(ValueError):
    """A limit was passed."""


@value
class Piece:
    """The source text of one object of a body and its (start, end) offsets there."""

    data: bytes
    span: tuple[int, int]


class ObjectParser:
    """Cuts a JSON body (one object, an array of objects that grows, objects one after the other) into its objects.

    What stands between them is passed over. Cost is linear however the body is split.
    """

    __slots__ = ("_base", "_begin", "_buffer", "_depth", "_in_string", "_max_object", "_searched")

    _INSIDE = re.compile(rb'["\\]')
    _OUTSIDE = re.compile(rb'["{}\[\]]')

    def __init__(self, *, max_object: int = MAX_OBJECT) -> None:
        self._max_object = max_object
        self._buffer = bytearray()
        self._base = 0  # offset in the body of the buffer's first byte
        self._searched = 0
        self._begin = 0  # of the object that is open, in the buffer
        self._depth = 0
        self._in_string = False

    def feed(self, chunk: bytes) -> list[Piece]:
        """The objects that ``chunk`` completes. Raises ObjectTooLarge."""
        buffer, position = self._buffer, self._searched
        buffer += chunk
        found: list[Piece] = []
        while (token := (self._INSIDE if self._in_string else self._OUTSIDE).search(buffer, position)) is not None:
            kind, position = buffer[token.start()], token.end()
            if kind == _BACKSLASH:
                if position == len(buffer):
                    position -= 1  # what it escapes has not come yet
                    break
                position += 1
            elif kind == _QUOTE:
                self._in_string = not self._in_string
            elif self._nest(kind, token.start()):
                span = (self._base + self._begin, self._base + position)
                found.append(Piece(bytes(buffer[self._begin : position]), span))
        else:
            position = len(buffer)
        done = self._begin if self._depth else position
        del buffer[:done]
        self._base += done
        self._searched = position - done
        self._begin = 0
        if len(buffer) > self._max_object:
            raise ObjectTooLarge(f"an object of more than {self._max_object} bytes")
        return found

    def end(self) -> list[Piece]:
        """The body is over: the object that is not complete, if there is one."""
        if not self._depth:
            return []
        self._depth = 0
        return [Piece(bytes(self._buffer), (self._base, self._base + len(self._buffer)))]

    def _nest(self, kind: int, position: int) -> bool:
        """Go in or out; whether an outermost object ends here. Arrays around the objects do not count."""
        if self._depth == 0:
            if kind == _OPEN_OBJECT:
                self._begin, self._depth = position, 1
            return False
        self._depth += 1 if kind in (_OPEN_OBJECT, _OPEN_ARRAY) else -1
        return self._depth == 0

"""Halves of a character beyond U+FFFF: a text that Google cut between the two escapes of a surrogate pair → one
character; a half without its other half → U+FFFD. On the source text, so that all else stays as Google wrote it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from zerogravity.core.events import TextDelta, ThinkingDelta
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

Path = tuple[str | int, ...]
_HIGH, _LOW = rb"u[dD][89abAB][0-9a-fA-F]{2}", rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"(?P<pair>\\" + _HIGH + rb"\\" + _LOW + rb")|\\(?:(?P<high>" + _HIGH + rb")|(?P<low>" + _LOW + rb")|.)", re.DOTALL
)
_LOW_FIRST = re.compile(rb"\\" + _LOW)
_LOST = rb"\ufffd"


class Halves:
    """``pending``: the first half (its escape) that the newest text ended with, and whether that was thinking."""

    __slots__ = ("pending",)

    def __init__(self) -> None:
        self.pending: tuple[bytes, bool] | None = None

    def mend(self, data: bytes) -> bytes:
        """One payload, JSON. A first half at the end of its last text is held back for the next one."""
        try:
            value = jsonio.loads(data)
        except ValueError:
            return data
        edits: list[tuple[int, int, bytes]] = []
        for path, part in _parts(value):
            self._part(data, path, part, edits)
        for start, end, new in reversed(edits):
            data = data[:start] + new + data[end:]
        return _ESCAPE.sub(_whole, data)

    def end(self) -> tuple[TextDelta | ThinkingDelta, ...]:
        """The body is over: what is still held back has lost its other half."""
        pending, self.pending = self.pending, None
        if pending is None:
            return ()
        return ((ThinkingDelta if pending[1] else TextDelta)("\ufffd"),)

    def _part(self, data: bytes, path: Path, part: Json, edits: list[tuple[int, int, bytes]]) -> None:
        thought = part.get("thought") is True
        place = jsonio.span(data, (*path, "text")) if isinstance(part.get("text"), str) else None
        if place is not None and place[1] - place[0] == 2:
            return  # an empty text is between nothing
        text = b"" if place is None else data[place[0] + 1 : place[1] - 1]
        if self.pending is not None:
            half, kind = self.pending
            self.pending = None
            if place is not None and kind == thought:
                text = (half if _LOW_FIRST.match(text) else _LOST) + text
            elif (whole := jsonio.span(data, path)) is not None:
                lost = b'{"text":"' + _LOST + (b'","thought":true},' if kind else b'"},')
                edits.append((whole[0], whole[0], lost))
        if place is None:
            return
        last = next(iter(deque(_ESCAPE.finditer(text), 1)), None)
        if last is not None and last["high"] and last.end() == len(text):
            self.pending = last.group(), thought
            text = text[: last.start()]
        edits.append((place[0] + 1, place[1] - 1, text))


def _whole(escape: re.Match[bytes]) -> bytes:
    return _LOST if escape["high"] or escape["low"] else escape.group()


def _parts(value: object) -> Iterator[tuple[Path, Json]]:
    """The parts of the first candidates, in order, and where they are."""
    for number, chunk in enumerate(narrow.items(value) or [value]):
        path: Path = (number,) if isinstance(value, list) else ()
        inner = narrow.members(chunk)
        if (response := narrow.an_object(inner.get("response"))) is not None:
            inner, path = response, (*path, "response")
        for position, candidate in narrow.numbered(inner.get("candidates")):
            if not candidate.get("index"):
                here = (*path, "candidates", position, "content", "parts")
                for index, part in narrow.numbered(narrow.lookup(candidate, "content", "parts")):
                    yield (*here, index), part
                break

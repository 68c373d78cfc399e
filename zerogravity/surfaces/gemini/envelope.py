"""v1internal's envelope around a chunk → the chunk, in Google's own bytes. Facts: language-server-and-google C.4."""

from __future__ import annotations

import re

from zerogravity.wire import jsonio
from zerogravity.wire.narrow import OBJECT, Json, is_a

OUTSIDE = 64 << 10  # bytes behind the chunk that are looked through, at most
_HEAD = re.compile(rb'\s*\{\s*"response"\s*:\s*')
_BRACES = b"{}"


class Envelopes:
    """Those of one stream: nearly always the same bytes stand around its chunks, so they are looked at once."""

    __slots__ = ("_around",)

    def __init__(self) -> None:
        self._around: tuple[bytes, bytes] | None = None

    def glance(self, text: bytes) -> tuple[bytes, Json] | None:
        """The chunk's text and value, at the price of parsing it; None: not without a closer look."""
        if self._around is not None:
            head, tail = self._around
            if not (text.startswith(head) and text.endswith(tail)):
                return None
            text = text[len(head) : -len(tail)]
            if text[:1] + text[-1:] != _BRACES:
                return None
        try:
            value = jsonio.glance(text)
        except ValueError:
            return None
        return (text, value) if is_a(value, OBJECT) and "response" not in value else None

    def opened(self, text: bytes, envelope: Json) -> bytes:
        """The source text of ``response`` in an envelope with that value."""
        found = _from_both_ends(text, envelope) or jsonio.span(text, ("response",))
        if found is None:
            return b"{}"
        begin, end = found
        if envelope.keys().isdisjoint(("error", "usageMetadata")) and text.count(b'"response"') == 1:
            self._around = text[:begin], text[end:]
        return text[begin:end]


def _from_both_ends(text: bytes, envelope: Json) -> tuple[int, int] | None:
    """Where ``response`` stands, if nothing is odd about the envelope. The chunk is not gone through: whatever stands
    behind it is short, and is found from the end."""
    first, *others = envelope
    head = _HEAD.match(text)
    if head is None or first != "response" or text.count(b'"response"') != 1:
        return None
    end = text.rfind(b"}")
    if others:
        name = jsonio.dumps(others[0])
        tail = text.rfind(name)
        if tail < 0 or len(text) - tail > OUTSIDE or text.count(name) != 1:
            return None
        try:
            rest = jsonio.glance(b"{" + text[tail:])
        except ValueError:
            return None  # it stands somewhere deeper
        end = text.rfind(b",", 0, tail)
        if rest != {other: envelope[other] for other in others} or text[end + 1 : tail].strip():
            return None
    return head.end(), len(text[:end].rstrip())

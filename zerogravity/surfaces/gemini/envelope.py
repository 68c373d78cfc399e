"""v1internal's envelope around a chunk → the chunk, in Google's own bytes. Facts: language-server-and-google C.4."""

from __future__ import annotations

import re

from zerogravity.surfaces.gemini.json_edit import edited
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import OBJECT, Json, is_a

BOM = b"\xef\xbb\xbf"
OUTSIDE = 64 << 10  # bytes behind the chunk that are looked through, at most
_HEAD = re.compile(rb'\s*\{\s*"response"\s*:\s*')


Opened = tuple[bytes, dict[str, object], bool]
"""A chunk's own text and value, and whether it came in an envelope."""


class Envelopes:
    """Those of one stream. Nearly always the same bytes stand around its chunks, so they are looked at once: what then
    stands between them is parsed, and that is all."""

    __slots__ = ("_around",)

    def __init__(self) -> None:
        self._around: tuple[bytes, bytes] | None = None

    def opened(self, text: bytes) -> Opened | None:
        """The chunk in one payload, with or without an envelope; None when there is no object in it."""
        if self._around is not None and (found := self._between(text, *self._around)) is not None:
            return found
        try:
            value = jsonio.glance(text)
        except ValueError:
            text = valid_utf8(text).removeprefix(BOM)
            try:
                value = jsonio.loads(text)
            except ValueError:
                return None
        if not is_a(value, OBJECT):
            return None
        inner = value.get("response")
        return self._within(text, value, inner) if is_a(inner, OBJECT) else (text, value, False)

    def _between(self, text: bytes, head: bytes, tail: bytes) -> Opened | None:
        """What stands between the bytes that stood around the chunk before. If that is an object, it is the value that
        ``head`` announces, and nothing else could be."""
        if not (text.startswith(head) and text.endswith(tail)):
            return None
        text = text[len(head) : -len(tail)]
        if not (text.startswith(b"{") and text.endswith(b"}")):
            return None
        try:
            value = jsonio.glance(text)
        except ValueError:
            return None
        return (text, value, True) if is_a(value, OBJECT) else None

    def _within(self, whole: bytes, envelope: Json, chunk: dict[str, object]) -> Opened:
        found = _from_both_ends(whole, envelope) or jsonio.span(whole, ("response",))
        if found is None:
            return (b"{}", chunk, True)
        begin, end = found
        text = whole[begin:end]
        if "usageMetadata" in envelope and "usageMetadata" not in chunk:
            text = edited(text, ("usageMetadata",), jsonio.at(whole, ("usageMetadata",)))
            chunk["usageMetadata"] = envelope["usageMetadata"]
        elif "usageMetadata" not in envelope:
            self._around = whole[:begin], whole[end:]
        return (text, chunk, True)


def valid_utf8(text: bytes) -> bytes:
    """The text with broken bytes replaced."""
    if text.isascii():
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace").encode()
    return text


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

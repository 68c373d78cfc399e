"""Changes inside one chunk's source text that leave every other value as Google wrote it: arguments of calls are never
rendered anew. Only for the few chunks that must be changed; not for the hot path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

Path = tuple[str | int, ...]
LARGE = 64 << 10
_HEAD = re.compile(rb'\s*\{\s*"response"\s*:\s*')


def edited(text: bytes, path: Path, new: bytes | None) -> bytes:
    """The text with the value at ``path`` set to ``new``; None removes it. All but its last step must exist."""
    if not path:
        assert new is not None
        return new
    value, step, rest = jsonio.loads(text), path[0], path[1:]
    if isinstance(step, int):
        items: list[bytes | None] = [source(text, index) for index, _ in enumerate(narrow.items(value))]
        items[step] = edited(source(text, step), rest, new) if rest else new
        return array(item for item in items if item is not None)
    members = {name: source(text, name) for name in narrow.members(value)}
    made = edited(members[step], rest, new) if rest else new
    if made is None:
        members.pop(step, None)
    else:
        members[step] = made
    return composed(members)


def source(text: bytes, step: str | int) -> bytes:
    """The source text of a member or element that is there."""
    found = jsonio.at(text, (step,))
    assert found is not None
    return found


def unwrapped(text: bytes, chunk: Json) -> bytes:
    """The source text of ``response`` in an envelope with the value ``chunk``. In a large one it is not gone through:
    whatever stands behind it is short, and is found from the end."""
    found = _from_both_ends(text, chunk) if len(text) > LARGE else None
    return found or jsonio.at(text, ("response",)) or b"{}"


def _from_both_ends(text: bytes, chunk: Json) -> bytes | None:
    """The same where nothing is odd about the envelope, else None."""
    first, *others = chunk
    head = _HEAD.match(text)
    if head is None or first != "response" or text.count(b'"response"') != 1:
        return None
    end = text.rfind(b"}")
    if others:
        name = jsonio.dumps(others[0])
        tail = text.rfind(name)
        if tail < 0 or len(text) - tail > LARGE or text.count(name) != 1:
            return None
        try:
            rest = jsonio.glance(b"{" + text[tail:])
        except ValueError:
            return None  # it stands somewhere deeper
        end = text.rfind(b",", 0, tail)
        if rest != {other: chunk[other] for other in others} or text[end + 1 : tail].strip():
            return None
    return text[head.end() : end].rstrip()


def composed(members: Mapping[str, bytes]) -> bytes:
    """An object from source texts."""
    return b"{" + b",".join(jsonio.dumps(name) + b":" + value for name, value in members.items()) + b"}"


def array(items: Iterable[bytes]) -> bytes:
    """An array from source texts."""
    return b"[" + b",".join(items) + b"]"

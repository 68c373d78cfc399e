"""Changes inside one chunk's source text that leave every other value as Google wrote it: arguments of calls are never
rendered anew. Only for the few chunks that must be changed; not for the hot path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zerogravity.wire import jsonio, narrow

Path = tuple[str | int, ...]


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


def composed(members: Mapping[str, bytes]) -> bytes:
    """An object from source texts."""
    return b"{" + b",".join(jsonio.dumps(name) + b":" + value for name, value in members.items()) + b"}"


def array(items: Iterable[bytes]) -> bytes:
    """An array from source texts."""
    return b"[" + b",".join(items) + b"]"

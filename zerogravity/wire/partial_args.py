"""Arguments that come in pieces → the source text of one object: objects whose members are put together, and
``partialArgs``, each a value and the JSON path where it belongs. Strings at one path are joined, numbers keep their
text.
Facts: wire-gemini-and-mapping 2.3.
"""

from __future__ import annotations

import re
from typing import Any, cast

from zerogravity.wire import jsonio, narrow

Json = dict[str, Any]
Path = tuple[str | int, ...]
_STEP = re.compile(
    r"""\.?(?P<name>[^.\[\]'"]+)|\[(?P<index>\d{1,6})\]|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\["(?P<double>(?:[^"\\]|\\.)*)"\]"""
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
MAX_STEPS = 100


class Partial:
    """``open``: the newest string has not ended."""

    __slots__ = ("_object", "_source", "_strings", "open")

    def __init__(self) -> None:
        self.open = False
        self._source: bytes | None = None  # of the only object so far
        self._object: Json | None = None
        self._strings: dict[Path, list[str]] = {}

    def take(self, source: bytes) -> None:
        """An object's source text: its members."""
        if self._source is None and self._object is None:
            self._source = source
        else:
            self._made().update(narrow.members(jsonio.loads(source)))

    def apply(self, source: bytes) -> bool:
        """``partialArgs``. False: they do not fit together."""
        pieces: Any = jsonio.loads(source)
        made = self._made()
        return isinstance(pieces, list) and all(self._piece(made, piece) for piece in cast("list[Any]", pieces))

    def text(self) -> bytes | None:
        """The whole object; None while a string is open, or where it is nested too deeply."""
        if self.open:
            return None
        if self._object is None:
            return self._source or b"{}"
        for path, texts in self._strings.items():
            _put(self._object, path, "".join(texts))
        return jsonio.dumps(self._object)

    def _made(self) -> Json:
        if self._object is None:
            self._object = cast("Json", jsonio.loads(self._source or b"{}"))
        return self._object

    def _piece(self, made: Json, piece: Any) -> bool:
        if not isinstance(piece, dict):
            return False
        piece = {_snake(name): value for name, value in cast("Json", piece).items()}
        path = _path(piece.get("json_path"))
        if path is None:
            return False
        match piece:
            case {"string_value": str(text)}:
                self.open = piece.get("will_continue") is True
                if (known := self._strings.get(path)) is not None:
                    known.append(text)
                    return True
                self._strings[path] = [text]
                return _put(made, path, text)
            case {"number_value": int() | float() as value} if not isinstance(value, bool):
                return (isinstance(value, jsonio.Number) or value - value == 0) and _put(made, path, value)
            case {"bool_value": bool(value)}:
                return _put(made, path, value)
            case {"null_value": _}:
                return _put(made, path, None)
            case _:  # no value: the end of a string
                self.open = self.open and piece.get("will_continue") is True
                return path in self._strings


def _path(text: object) -> Path | None:
    """``$.a[0]['b c']`` → its steps."""
    if not isinstance(text, str):
        return None
    steps: list[str | int] = []
    position = 1 if text.startswith("$") else 0
    while position < len(text) and len(steps) < MAX_STEPS:
        step = _STEP.match(text, position)
        if step is None:
            return None
        quoted = step["single"] if step["single"] is not None else step["double"]
        if step["index"] is not None:
            steps.append(int(step["index"]))
        else:
            steps.append(step["name"] if quoted is None else _ESCAPED.sub(r"\1", quoted))
        position = step.end()
    return tuple(steps) if steps and position >= len(text) else None


def _put(made: Any, path: Path, value: Any) -> bool:
    """Set a value; what it stands in is made. False: something else is there, or a list would have a gap."""
    for step, after in zip(path, (*path[1:], None), strict=True):
        if not _fits(made, step):
            return False
        if isinstance(step, int) and step >= len(made):
            if step > len(made):
                return False
            made.append(_empty(after))
        elif isinstance(step, str):
            made.setdefault(step, _empty(after))
        if after is None:
            made[step] = value
        made = made[step]
    return True


def _fits(made: object, step: str | int) -> bool:
    return isinstance(made, list if isinstance(step, int) else dict)


def _empty(step: str | int | None) -> Any:
    """What ``step`` can be taken in."""
    return None if step is None else [] if isinstance(step, int) else {}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()

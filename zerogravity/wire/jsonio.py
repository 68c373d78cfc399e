"""JSON both ways: orjson first, the standard library where orjson's limits differ; exact source slices.

Limits measured on orjson 3.13: refuses NaN, a BOM and lone surrogates, makes floats of integers above 64 bit, dumps
refuses depth above 254. Knows nothing of what the JSON means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import orjson

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)
_BIG_INTEGER = re.compile(rb"[:\[,]\s*-?\d{19,}\s*[,}\]]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(data: bytes) -> Any:
    """Parse; what orjson refuses goes to the standard library, with lone surrogates replaced by U+FFFD.

    Integers are exact. Raises ValueError (with position, as json says it) when it is no JSON.
    """
    if _BIG_INTEGER.search(data) is None:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
    return _mend(json.loads(data.decode("utf-8-sig", "replace")))


def dumps(value: Any) -> bytes:
    """Compact JSON; the standard library takes over beyond orjson's depth and integer limits."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def at(data: bytes, path: Sequence[str | int]) -> bytes | None:
    """The exact source text of the value at ``path`` (member names and indices), or None if there is none.

    ``data`` must be valid JSON. Linear in ``data``; not for the hot path.
    """
    if not path:
        return data.strip()
    for key, start, end in _children(data):
        if key == path[0]:
            return at(data[start:end], path[1:])
    return None


def member(data: bytes, name: str) -> bytes | None:
    """The exact source text of a top-level member."""
    return at(data, (name,))


def _children(data: bytes) -> Iterator[tuple[str | int, int, int]]:
    """(name or index, start, end) of each member or element of the outermost object or array."""
    depth, index, start = 0, 0, 0
    name: str | None = None
    last_string: bytes | None = None
    is_object = False
    for token in _TOKEN.finditer(data):
        text = token.group()
        first = text[:1]
        if first == b'"':
            if depth == 1:
                last_string = text
        elif first in b"{[":
            depth += 1
            if depth == 1:
                is_object, start = first == b"{", token.end()
        elif depth == 1 and first == b":" and is_object and name is None:
            name, start = cast("str", json.loads(last_string or b'""')), token.end()
        elif depth == 1 and (first == b"," or first in b"}]"):
            if data[start : token.start()].strip():
                key: str | int = name if is_object and name is not None else index
                yield key, *_trim(data, start, token.start())
            index, name, start = index + 1, None, token.end()
            if first != b",":
                return
        elif first in b"}]":
            depth -= 1


def _trim(data: bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and data[start] in b" \t\r\n":
        start += 1
    while end > start and data[end - 1] in b" \t\r\n":
        end -= 1
    return start, end


def _mend(value: Any) -> Any:
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case list():
            return [_mend(item) for item in cast("list[Any]", value)]
        case dict():
            return {_mend(key): _mend(item) for key, item in cast("dict[Any, Any]", value).items()}
        case _:
            return value

"""JSON both ways: orjson first, other means where orjson's limits differ; exact source slices.

Limits measured on orjson 3.13: refuses NaN, 1e400, a BOM and lone surrogates, makes floats of integers above 64 bit and
0 of -0; dumps refuses depth above 254 and integers above 64 bit. Numbers keep the text they came with (threats T14).
Knows nothing of what the JSON means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from typing import Any, Self, cast

import orjson

MAX_DEPTH = 10_000  # of what is written: about what can be read
_BOM = b"\xef\xbb\xbf"
_LONG = 4000  # digits of an integer that Python would refuse to read or write (it does above 4,300)
_NEGATIVE_ZERO = re.compile(rb"-(?=0\s*+(?:[,}\]]|\Z))")  # begins with one literal byte: many times as fast
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_STRING = rb'"[^"\\]{0,999}+(?:\\.[^"\\]{0,999}+){0,99}+"'  # long ones: _end_of_string, which is many times as fast
_FLAT = rb'[^"{}\[\]]++|' + _STRING
_NESTED = reduce(lambda inner, _: _FLAT + rb"|[{\[](?:" + inner + rb")*+[}\]]", range(4), _FLAT)  # passed at a stroke
_INSIDE = re.compile(rb"(?:" + _NESTED + rb")*+", re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:\[\]{}"]++')
_SPACE = re.compile(rb"[ \t\r\n]*+")
_INDENTED = re.compile(rb"[\r\n][ \t\r\n]*+")  # never inside a string: there line ends are escaped


class Number(float):
    """A number whose text a float or an integer would lose: ``1.10``, ``1E5``, ``1e400``, ``-0``. A float to whoever
    reckons with it (possibly infinite), and written as it was read."""

    __slots__ = ("source",)

    def __new__(cls, source: str) -> Self:
        self = super().__new__(cls, source)
        self.source = source
        return self

    def __repr__(self) -> str:
        return self.source

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.source,)


def loads(data: bytes) -> object:
    """Parse; what orjson refuses goes to the standard library, with lone surrogates replaced by U+FFFD.

    Numbers are exact: ``dumps`` gives each its own text again. Raises ValueError (with position, as json says it)
    when it is no JSON.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return exact(data)
    return _with_numbers(value, data)


def exact(data: bytes) -> object:
    """The same as ``loads``, faster where there are fractions, which a call to Google nearly always has."""
    try:
        text = data.decode("utf-8-sig", "replace")
        value = _EXACT.decode(text)
        return _without_surrogates(value) if _SURROGATE_ESCAPE.search(data) else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def strict(data: bytes) -> object:
    """Parse what is JSON by the letter, in valid UTF-8, without lone surrogates, at most 1024 levels deep; numbers are
    exact. Raises ValueError for all else; ``loads`` may still read it."""
    return _with_numbers(orjson.loads(data), data)


def depth(value: object) -> int:
    """How many objects and arrays are inside of each other, at most."""
    level, count = _containers((value,)), 0
    while level:
        level, count = [inner for one in level for inner in _containers(one)], count + 1
    return count


def glance(data: bytes) -> object:
    """Parse as fast as can be, to look at: no number keeps its text. Raises ValueError for all that is not strictly
    JSON in valid UTF-8, and for numbers beyond a double; ``loads`` may still read it."""
    return orjson.loads(data)


def dumps(value: object, *, indent: bool = False) -> bytes:
    """Compact JSON, or with two spaces per level; beyond orjson's depth and integer limits it is written here.

    NaN is null, any Mapping an object. Raises TypeError for what is no JSON value, ValueError when it is nested too
    deeply.
    """
    try:
        return orjson.dumps(value, _special, orjson.OPT_INDENT_2 if indent else 0)
    except TypeError:
        return _written(value, indent=indent)


def kept(value: object) -> bytes:
    """``dumps`` for what stays in memory: behind its bytes orjson leaves the room that it wrote in, up to ten times as
    much."""
    return memoryview(dumps(value)).tobytes()


def text(value: object, *, indent: bool = False) -> str:
    """The same as a string."""
    return dumps(value, indent=indent).decode()


def at(data: bytes, path: Sequence[str | int]) -> bytes | None:
    """The exact source text of the value at ``path`` (member names and indices), or None if there is none."""
    found = span(data, path)
    return None if found is None else data[found[0] : found[1]]


def span(data: bytes, path: Sequence[str | int]) -> tuple[int, int] | None:
    """Where the value at ``path`` begins and ends, or None if there is none.

    Of equal names the last one counts, as for parsers. ``data`` is gone through once.
    """
    found = _found(data, path, each=False)
    return found[0] if found else None


def elements(data: bytes, path: Sequence[str | int] = ()) -> list[bytes]:
    """The exact source texts of the elements of the array at ``path``, in one pass; nothing if there is none."""
    return [data[start:end] for start, end in _found(data, path, each=True)]


# -- source positions --------------------------------------------------------------------------------------------

_QUOTE, _COMMA, _COLON, _BACKSLASH = b'",:\\'
_OPEN_OBJECT, _OPEN_ARRAY, _CLOSE_OBJECT, _CLOSE_ARRAY = b"{[}]"


class _Malformed(Exception):
    """Not JSON here."""


def one_line(source: bytes) -> bytes:
    """A value's source text without the line ends between its tokens."""
    if b"\n" in source or b"\r" in source:  # looked for first: that is many times as fast
        source = _INDENTED.sub(b" ", source)
    return source


def _start(data: bytes) -> int:
    return _skip_space(data, len(_BOM) if data.startswith(_BOM) else 0)


def _skip_space(data: bytes, position: int) -> int:
    """Where the next token begins. Raises _Malformed at the end of ``data``."""
    found = _SPACE.match(data, position)
    if found is None or found.end() == len(data):
        raise _Malformed
    return found.end()


def _end(data: bytes, position: int) -> int:
    """Where the value that begins at ``position`` ends."""
    first = data[position]
    if first == _QUOTE:
        return _end_of_string(data, position)
    if first in (_OPEN_OBJECT, _OPEN_ARRAY):
        return _end_of_nest(data, position)
    if (found := _SCALAR.match(data, position)) is None:
        raise _Malformed
    return found.end()


def _end_of_string(data: bytes, position: int) -> int:
    """Where quotes are escaped, that is blotted out first, in windows that grow: plain searches all of it."""
    begin, size = position + 1, 4096
    quote = data.find(b'"', begin)
    if quote >= 0 and data[quote - 1] != _BACKSLASH:
        return quote + 1
    while quote >= 0:
        window = data[begin : begin + size].replace(b"\\\\", b"__").replace(b'\\"', b"__")
        if (found := window.find(b'"')) >= 0:
            return begin + found + 1
        if begin + size >= len(data):
            break
        size *= 4
    raise _Malformed


def _end_of_nest(data: bytes, position: int) -> int:
    depth = 0
    while position < len(data):
        if data[position] == _QUOTE:  # a long one, or it has no other
            position = _end_of_string(data, position)
        else:
            depth += 1 if data[position] in (_OPEN_OBJECT, _OPEN_ARRAY) else -1
            position += 1
            if depth == 0:
                return position
        position = cast("re.Match[bytes]", _INSIDE.match(data, position)).end()
    raise _Malformed


def _found(data: bytes, path: Sequence[str | int], *, each: bool) -> list[tuple[int, int]]:
    """Where the value at ``path`` begins and ends; ``each``: its elements."""
    found: list[tuple[int, int]] = []

    def take(start: int) -> int:
        end = _end(data, start)
        found.append((start, end))
        return end

    def find(start: int, depth: int) -> int:
        """Where the value that begins at ``start`` ends, which is so deep in the path."""
        if depth == len(path):
            if not each:
                return take(start)
            return _walk(data, start, lambda _, item: take(item)) if data[start] == _OPEN_ARRAY else _end(data, start)

        def enter(name: str | int, item: int) -> int:
            if name != path[depth]:
                return _end(data, item)
            found.clear()
            return find(item, depth + 1)

        return _walk(data, start, enter) if data[start] in (_OPEN_OBJECT, _OPEN_ARRAY) else _end(data, start)

    try:
        find(_start(data), 0)
    except _Malformed:
        return []
    return found


def _walk(data: bytes, begin: int, visit: Callable[[str | int, int], int]) -> int:
    """``visit`` is told name or index, and start, of each member or element of the object or array at ``begin``, and
    says where it ends. Returns where the whole ends."""
    is_object = data[begin] == _OPEN_OBJECT
    close = _CLOSE_OBJECT if is_object else _CLOSE_ARRAY
    position, index = _skip_space(data, begin + 1), 0
    if data[position] == close:
        return position + 1
    while True:
        name: str | int = index
        if is_object:
            end = _end(data, position)
            name = _name(data[position:end])
            position = _skip_space(data, end)
            if data[position] != _COLON:
                raise _Malformed
            position = _skip_space(data, position + 1)
        position = _skip_space(data, visit(name, position))
        if data[position] == close:
            return position + 1
        if data[position] != _COMMA:
            raise _Malformed
        position, index = _skip_space(data, position + 1), index + 1


def _name(token: bytes) -> str:
    if token[0] != _QUOTE:
        raise _Malformed
    if _BACKSLASH not in token:
        return token[1:-1].decode("utf-8", "replace")
    try:
        return cast("str", json.loads(token.decode("utf-8", "replace")))
    except ValueError:
        raise _Malformed from None


# -- beyond orjson --------------------------------------------------------------------------------------------------


def _with_numbers(value: object, data: bytes) -> object:
    """What orjson made of ``data``, with exact numbers. Where it writes ``data`` again, none has lost its text."""
    lost = _has_float(value) or _NEGATIVE_ZERO.search(data)
    with suppress(TypeError):  # nested too deeply
        if not lost or (len(data) <= 4096 and orjson.dumps(value) == data):
            return value
    return exact(data)


def _containers(value: Any) -> list[Any]:
    """The objects and arrays directly in it."""
    kind = cast("object", type(value))
    members: list[Any] = list(value.values()) if kind is dict else value
    return [one for one in members if isinstance(one, dict | list)]


def _has_float(value: Any) -> bool:
    """Whether there may be a number whose text is lost: orjson makes floats of all of these but -0."""
    items: list[Any] = [value]
    for item in items:  # which grows meanwhile
        if type(item) is dict:
            items += item.values()
        elif type(item) is list:
            items += item
        elif type(item) is float:
            return True
    return False


def _float(source: str) -> float:
    value = float(source)
    return value if repr(value) == source and "e" not in source else Number(source)


def _integer(source: str) -> int | float:
    return Number(source) if source == "-0" or len(source) > _LONG else int(source)


_EXACT = json.JSONDecoder(parse_float=_float, parse_int=_integer)


def _special(value: object) -> object:
    """What orjson does not know."""
    match value:
        case Number():
            return orjson.Fragment(value.source)
        case Mapping():
            return dict(cast("Mapping[object, object]", value))
        case _:
            raise TypeError(f"{type(value).__name__} is no JSON value")


class _Text(bytes):
    __slots__ = ()  # JSON that is written already


_ENDS = (_Text(b"}"), _Text(b"]"))


def _written(value: object, *, indent: bool) -> bytes:
    """JSON of what orjson refuses, token by token; lone surrogates are replaced."""
    tokens: list[bytes] = []
    rest: list[object] = [value]  # the next one last
    depth = 0
    while rest:
        item = rest.pop()
        if isinstance(item, _Text):
            depth -= any(item is end for end in _ENDS)
            tokens.append(item)
        elif isinstance(item, Mapping | list | tuple):
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("nested too deeply")
            rest += reversed(
                _level(cast("Mapping[object, object] | Sequence[object]", item), depth if indent else None)
            )
        else:
            tokens.append(_scalar(item))
    return b"".join(tokens)


def _level(value: Mapping[object, object] | Sequence[object], depth: int | None) -> list[object]:
    """One object or array: its values with the text between them."""
    line = b"" if depth is None else b"\n" + b"  " * depth
    colon, comma = (b":" if depth is None else b": "), _Text(b"," + line)
    made: list[object] = []
    if isinstance(value, Mapping):
        for name, member in value.items():
            text = _scalar(name)
            made += [comma, _Text((text if text[:1] == b'"' else b'"' + text + b'"') + colon), member]
    else:
        for member in value:
            made += [comma, member]
    if made:
        made[0] = _Text(line)
        made.append(_Text(line[:-2]))
    is_object = isinstance(value, Mapping)
    return [_Text(b"{" if is_object else b"["), *made, _ENDS[0 if is_object else 1]]


def _scalar(value: object) -> bytes:
    match value:
        case str():
            return orjson.dumps(_SURROGATE.sub("\ufffd", value))
        case int() if not -(2**63) <= value < 2**64:
            return str(value).encode()
        case _:
            return orjson.dumps(value, default=_special)


def _without_surrogates(value: object) -> object:
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case list():
            return [_without_surrogates(item) for item in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value).items()
            return {_without_surrogates(key): _without_surrogates(item) for key, item in members}
        case _:
            return value

"""What the grammar checkers raise, and the few words they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NoReturn, cast

from zerogravity.wire import jsonio

Json = dict[str, Any]
Source = bytes | Iterable[bytes]
SEPARATORS = (b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xc2\x85")


class GrammarError(Exception):
    """The stream is not what the surface promises; the message says where and why."""


def whole(source: Source) -> bytes:
    """Frames or bytes → bytes."""
    return source if isinstance(source, bytes) else b"".join(source)


def fail(place: str, why: str) -> NoReturn:
    raise GrammarError(f"{place}: {why}")


def need(condition: bool, place: str, why: str) -> None:
    if not condition:
        fail(place, why)


def expect_object(value: object, place: str) -> Json:
    if not isinstance(value, dict):
        fail(place, "must be an object")
    return cast("Json", value)


def expect_objects(value: object, place: str) -> list[Json]:
    if not isinstance(value, list):
        fail(place, "must be an array")
    return [expect_object(item, f"{place}[{index}]") for index, item in enumerate(cast("list[Any]", value))]


def expect_string(value: object, place: str) -> str:
    if not isinstance(value, str):
        fail(place, "must be a string")
    return value


def expect_count(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        fail(place, "must be a whole number that is not negative")
    return value


def one_of(value: object, words: Collection[str], place: str) -> None:
    need(value in words, place, f"{value!r} is not a known value")


def json_object(text: str, place: str) -> Json:
    """The arguments of a call."""
    try:
        value = jsonio.loads(text.encode())
    except ValueError:
        fail(place, "is not JSON")
    need(isinstance(value, dict), place, "is not a JSON object")
    return cast("Json", value)


def blocks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(place, block) of each SSE event whose lines end with LF, comments left out."""
    need(data.endswith(b"\n\n"), "stream", "its last event has no blank line")
    need(b"\r" not in data, "stream", "holds a carriage return")
    for number, block in enumerate(data[:-2].split(b"\n\n")):
        place = f"block {number}"
        if block.startswith(b":"):
            need(b"\n" not in block, place, "a comment shares its block with something else")
        else:
            yield place, block


def named_events(source: Source) -> Iterator[tuple[str, Json, str]]:
    """(name, object, place) of each event that has a name and data, on one line each; the object's type is the name."""
    for number, (place, block) in enumerate(blocks(whole(source))):
        first, _, second = block.partition(b"\n")
        need(first.startswith(b"event: "), place, "has no event line")
        need(second.startswith(b"data: ") and b"\n" not in second, place, "must have one data line")
        name, place = first[7:].decode("utf-8", "replace"), f"event {number}"
        value = parsed(second[6:], place)
        need(value.get("type") == name, place, f"is named {name} but its type is {value.get('type')!r}")
        yield name, value, f"{place} ({name})"


def parsed(data: bytes, place: str) -> Json:
    """One line of JSON that is an object, without what some clients take for line ends."""
    need(not any(separator in data for separator in SEPARATORS), place, "holds a raw U+2028, U+2029 or U+0085")
    try:
        data.decode()
        value = jsonio.loads(data)
    except ValueError:
        fail(place, "is not JSON in UTF-8")
    return expect_object(value, place)

"""What came in as JSON, narrowed to the kind that is wanted: what is of another kind counts as absent, and nothing here
ever raises. A parser that has to refuse what is wrong does so itself (``surfaces.openai.fields``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

Json = Mapping[str, Any]
LARGEST = 2**63 - 1


def an_object(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def an_array(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def members(value: object) -> dict[str, object]:
    """An object's members; none of anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """An array's items; none of anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def objects(value: object) -> list[dict[str, object]]:
    """The objects of an array; what else stands in it is passed over."""
    return [found for item in items(value) if (found := an_object(item)) is not None]


def numbered(value: object) -> list[tuple[int, dict[str, object]]]:
    """The objects of an array with their places in it."""
    return [(n, found) for n, item in enumerate(items(value)) if (found := an_object(item)) is not None]


def text(value: object) -> str:
    """A string; the empty one for anything else."""
    return value if isinstance(value, str) else ""


def a_string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def texts(value: object) -> list[str]:
    """The strings of an array."""
    return [item for item in items(value) if isinstance(item, str)]


def number(value: object) -> float | None:
    """A number; a boolean is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(value: object) -> int | None:
    """An integer, in any of proto-JSON's spellings: ``12``, ``12.0``, ``"12"``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return value if isinstance(value, int) else int(float(value))
    except (ValueError, OverflowError):
        return None


def count(value: object) -> int:
    """How many there are, spelled as for ``whole``; 0 for what is no number, negative, or beyond 64 bit."""
    read = whole(value)
    return read if read is not None and 0 <= read <= LARGEST else 0


def lookup(value: object, *names: str) -> object:
    """``value[a][b]…``; None where a member on the way is missing, or no object."""
    for name in names:
        value = members(value).get(name)
    return value

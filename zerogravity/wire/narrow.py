"""What came in as JSON, narrowed to the kind that is wanted: what is of another kind counts as absent, and nothing here
ever raises. A parser that has to refuse what is wrong does so itself (``surfaces.common.fields``)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

Json = Mapping[str, Any]
OBJECT = cast("type[dict[str, object]]", dict)
ARRAY = cast("type[list[object]]", list)
LARGEST = 2**63 - 1
_LONGEST = 400  # characters of a number in a string
_TENS = 308  # the largest power of ten below the end of what a double holds
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    def is_a[T](value: object, kind: type[T]) -> TypeIs[T]: ...

else:
    is_a = isinstance  # which forgets what OBJECT and ARRAY say of their members; a function of ours costs a call


def an_object(value: object) -> dict[str, object] | None:
    return value if is_a(value, OBJECT) else None


def an_array(value: object) -> list[object] | None:
    return value if is_a(value, ARRAY) else None


def members(value: object) -> dict[str, object]:
    """An object's members; none of anything else."""
    return value if is_a(value, OBJECT) else {}


def items(value: object) -> list[object]:
    """An array's items; none of anything else."""
    return value if is_a(value, ARRAY) else []


def objects(value: object) -> list[dict[str, object]]:
    """The objects of an array; what else stands in it is passed over."""
    return [item for item in value if is_a(item, OBJECT)] if is_a(value, ARRAY) else []


def numbered(value: object) -> list[tuple[int, dict[str, object]]]:
    """The objects of an array with their places in it."""
    return [(place, item) for place, item in enumerate(items(value)) if is_a(item, OBJECT)]


def text(value: object) -> str:
    """A string; the empty one for anything else."""
    return value if isinstance(value, str) else ""


def a_string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def texts(value: object) -> list[str]:
    """The strings of an array."""
    return [item for item in items(value) if isinstance(item, str)]


def number(value: object) -> float | None:
    """A number; a boolean is none, nor is an integer that no double holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def whole(value: object) -> int | None:
    """An integer, in any of proto-JSON's spellings: ``12``, ``12.0``, ``"12"``. Exact, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    return _spelled(value) if isinstance(value, str) else None


def _spelled(text: str) -> int | None:
    """The integer in a string; none where its length or its exponent would make it costly."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    try:
        read = Decimal(text)
        return int(read) if read.adjusted() <= _TENS else None
    except ArithmeticError:  # an exponent beyond those of Decimal
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

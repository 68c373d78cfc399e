"""Changes to a good stream, for the grammar checkers: each breaks one rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Values = list[dict[str, Any]]
Change = Callable[[Values], Any]


def put(into: Any, path: str, value: Any) -> None:
    """Set the member at ``member.0.member``; ``...`` deletes it."""
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        into = into[step]
    if value is ...:
        del into[last]
    else:
        into[last] = value


def at(path: str, value: Any) -> Change:
    """``put`` at ``event.member.0.member``."""
    return lambda values: put(values, path, value)


def drop(number: int) -> Change:
    return lambda values: values.pop(number)


def insert(number: int, value: dict[str, Any]) -> Change:
    return lambda values: values.insert(number, value)

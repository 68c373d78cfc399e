"""``value``: the dataclass of what is made for every event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import dataclass_transform


@dataclass_transform(frozen_default=True)
def value[T](kind: type[T]) -> type[T]:
    """A frozen dataclass with slots, which only the type checker keeps frozen: at run time that makes it five times as
    dear to make one (2.0 us for six members instead of 0.4), and each event takes four."""
    return dataclass(slots=True, unsafe_hash=True)(kind)

"""Made-up entries, for the tests of every store."""

from __future__ import annotations

from typing import Any

from zerogravity.store.base import Entry


def some(number: int, owner: str = "me", created: float = 100.0, size: int = 0, **more: Any) -> Entry:
    """``resp_<number>`` with one item, ``msg_<number>``, unless ``items`` says otherwise."""
    given = {"items": frozenset({f"msg_{number}"}), "data": {"number": number, "text": "x" * size}, **more}
    return Entry(owner, f"resp_{number}", created, **given)

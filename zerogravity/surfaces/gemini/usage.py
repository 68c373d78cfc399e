"""usageMetadata: sums over the attempts of one turn. Facts: wire-gemini-and-mapping 5."""

from __future__ import annotations

from typing import TypeGuard

from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def summed(first: Json, second: Json) -> dict[str, object]:
    """Counts are added, lists of ``{modality, tokenCount}`` by modality; anything else is the second's."""
    made: dict[str, object] = {**first, **second}
    for name in first.keys() & second.keys():
        one, other = first[name], second[name]
        if _is_count(one) and _is_count(other):
            made[name] = one + other
        elif isinstance(one, list) and isinstance(other, list):
            made[name] = _by_modality([*narrow.items(first[name]), *narrow.items(second[name])])
    return made


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _by_modality(details: list[object]) -> list[object]:
    entries: dict[str, dict[str, object]] = {}
    counts: dict[str, int] = {}
    others: list[object] = []
    for detail in details:
        entry = narrow.members(detail)
        modality, count = entry.get("modality"), entry.get("tokenCount", 0)
        if isinstance(modality, str) and _is_count(count):
            entries.setdefault(modality, entry)
            counts[modality] = counts.get(modality, 0) + count
        else:
            others.append(detail)
    return [*({**entries[modality], "tokenCount": count} for modality, count in counts.items()), *others]

"""usageMetadata: sums over the upstream calls of one turn. Facts: wire-gemini-and-mapping 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

Json = Mapping[str, Any]


def summed(first: Json, second: Json) -> dict[str, Any]:
    """Counts are added, lists of ``{modality, tokenCount}`` by modality; anything else is the second's."""
    made: dict[str, Any] = {**first, **second}
    for name in first.keys() & second.keys():
        one, other = first[name], second[name]
        if _is_count(one) and _is_count(other):
            made[name] = one + other
        elif isinstance(one, list) and isinstance(other, list):
            made[name] = _by_modality([*cast("list[Any]", one), *cast("list[Any]", other)])
    return made


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _by_modality(details: list[Any]) -> list[Any]:
    counts: dict[str, dict[str, Any]] = {}
    others: list[Any] = []
    for detail in details:
        entry = cast("dict[str, Any]", detail) if isinstance(detail, dict) else {}
        modality, count = entry.get("modality"), entry.get("tokenCount", 0)
        if not isinstance(modality, str) or not _is_count(count):
            others.append(detail)
        elif modality in counts:
            counts[modality]["tokenCount"] += count
        else:
            counts[modality] = {**entry, "tokenCount": count}
    return [*counts.values(), *others]

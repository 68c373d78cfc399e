"""Members of Google's JSON as the language-server stand-in reads them: what is of another kind than it should be counts
as absent, as a protobuf-JSON reader that is told to go on has it; a number may be a text.
"""

from __future__ import annotations

from typing import Any

LARGEST = 2**63 - 1


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def count(value: Any) -> int:
    """A token count: ``12``, ``12.0`` or ``"12"``; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return 0
    return number if 0 <= number <= LARGEST else 0

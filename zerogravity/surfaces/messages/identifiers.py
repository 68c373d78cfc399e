"""Ids in the form of the Messages API: within ``[a-zA-Z0-9_-]{1,64}``, or clients rewrite them (wire-anthropic 2.3)."""

from __future__ import annotations

from zerogravity import ids

OURS, THEIRS = "call_", "toolu_"


def message_id(turn_id: str) -> str:
    return ids.derive("msg", turn_id)


def tool_use_id(call_id: str) -> str:
    """A call's id → the ``id`` of its ``tool_use``."""
    return THEIRS + call_id.removeprefix(OURS)


def call_id(tool_use_id: str) -> str:
    """The other way; ids that cannot be ours stay as they are."""
    made = OURS + tool_use_id.removeprefix(THEIRS)
    return made if ids.valid(made, "call") and tool_use_id.startswith(THEIRS) else tool_use_id

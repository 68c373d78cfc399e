"""Ids of the Responses API ↔ ids of turns: a response id names its turn, running or stored."""

from __future__ import annotations

from zerogravity.ids import valid


def response_id(turn_id: str) -> str:
    """``turn_…`` → ``resp_…``."""
    return "resp_" + turn_id.removeprefix("turn_")


def turn_id_of(response: str) -> str | None:
    """``resp_…`` → ``turn_…``; None for what can be no id of ours."""
    return "turn_" + response.removeprefix("resp_") if valid(response, "resp") else None

"""Turns, records and streams for the tests of the Responses surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from tests.strategies import TURN_ID
from zerogravity.core.events import Event, Failed, Finished, Record
from zerogravity.core.fold import fold
from zerogravity.core.turn import Turn
from zerogravity.surfaces.responses import response
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.testing import builders
from zerogravity.testing.check import check_responses

SECRET = bytes(range(32))
ECHO: dict[str, Any] = {
    "instructions": "Be brief.", "metadata": {"k": "v"}, "parallel_tool_calls": True, "temperature": 1.0, "top_p": 1.0,
    "tool_choice": "auto", "tools": [], "previous_response_id": None, "truncation": "disabled",
    "text": {"format": {"type": "text"}}, "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_logprobs": 0,
    "reasoning": {"effort": None, "summary": "auto"}, "user": None, "max_output_tokens": None, "max_tool_calls": None,
    "store": True, "background": False, "service_tier": "default", "safety_identifier": None, "prompt_cache_key": None,
}  # fmt: skip
SEALED: dict[str, Any] = {"include": ("reasoning.encrypted_content",)}
DETAILS = {each.name for each in fields(ResponsesDetails)}
TURN = builders.turn(id=TURN_ID, stream=True, details=ResponsesDetails(echo=ECHO), google_request={"contents": []})


def turn(**given: Any) -> Turn:
    """The turn of these tests, with other fields and details; ``echo`` is merged."""
    details = {name: given.pop(name) for name in DETAILS & given.keys()}
    details["echo"] = {**ECHO, **details.get("echo", {})}
    return replace(TURN, details=ResponsesDetails(**details), **given)


def records(events: Sequence[Event], end: Finished | Failed) -> list[Record]:
    """One record per event, 400 ms apart."""
    return builders.records(events, end, gap_s=0.4)


def frames(made: Sequence[Record], of: Turn = TURN) -> list[bytes]:
    """The whole stream, one frame per event."""
    emitter = ResponsesEmitter(of, SECRET)
    return [*emitter.begin(), *(frame for record in made for frame in emitter.feed(record))]


def stream(events: Sequence[Event], end: Finished | Failed, of: Turn = TURN) -> list[dict[str, Any]]:
    """The events of a turn, checked."""
    return check_responses(frames(records(events, end), of))


def rendered(events: Sequence[Event], end: Finished | Failed, of: Turn = TURN) -> dict[str, Any]:
    """The whole Response of a turn."""
    return response.render(of, fold(records(events, end)), SECRET)

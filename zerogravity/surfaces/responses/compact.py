"""POST /v1/responses/compact: a dialogue → the user's messages of its whole chain and one sealed summary, which are
accepted as input. ``compaction.py`` makes the summary.

Facts: wire-openai 1; the SDK's ``CompactedResponse``.
"""

from __future__ import annotations

from zerogravity.core.events import Failed
from zerogravity.core.fold import TurnState
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Answer, Context
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.openai.answer import responses_usage
from zerogravity.surfaces.openai.errors import openai_error
from zerogravity.surfaces.responses import compaction, request
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.ids import response_id
from zerogravity.surfaces.responses.response import render
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

READ = ("model", "models", "instructions", "previous_response_id")


def parse(body: Json, context: Context) -> Turn:
    """The turn that writes the summary. Raises FaultError naming the parameter."""
    if body.get("conversation") is not None:
        text = "Unknown parameter: 'conversation'. Send 'previous_response_id', or the conversation's items as 'input'."
        raise bad_request(text, param="conversation", code="unknown_parameter")
    given = body.get("input")
    if given is None and body.get("previous_response_id") is None:
        raise fields.missing("input")
    items = narrow.items(given)
    if isinstance(given, str):
        items = [{"type": "message", "role": "user", "content": given}]
    elif given is not None and not isinstance(given, list):
        raise fields.invalid_type("input", "a string or an array of items", given)
    kept = {name: value for name, value in body.items() if name in READ}
    dialogue = [*items, {"type": compaction.TRIGGER}]
    return request.parse({**kept, "input": dialogue, "store": False}, context)


def answer(turn: Turn, state: TurnState, secret: bytes) -> Answer:
    """The answer of a finished turn: the compacted dialogue, or the error."""
    assert state.terminal is not None, "the turn is not over"
    terminal = compaction.outcome(turn, state, state.terminal)
    if isinstance(terminal, Failed):
        return openai_error(terminal.fault)
    details = turn.details_as(ResponsesDetails)
    messages = [*details.users, *compaction.users(details.input)]
    return Answer(
        200,
        {
            "id": response_id(turn.id),
            "object": "response.compaction",
            "created_at": int(turn.created),
            "output": [*messages, *render(turn, state, secret)["output"]],
            "usage": responses_usage(state.usage),
        },
    )

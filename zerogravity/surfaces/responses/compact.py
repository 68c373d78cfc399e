"""POST /v1/responses/compact: a dialogue → its user messages and one sealed summary, which is accepted as input again.

The model itself writes the summary, in a turn of its own. Facts: wire-openai 1; the SDK's ``CompactedResponse``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from zerogravity import ids
from zerogravity.core.events import Failed
from zerogravity.core.fold import TurnState
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination, upstream
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.carrier import seal_text
from zerogravity.surfaces.common.faults import openai_error
from zerogravity.surfaces.common.usage import responses_usage
from zerogravity.surfaces.responses import request
from zerogravity.surfaces.responses.ids import response_id
from zerogravity.surfaces.surface import Answer, Context

Json = Mapping[str, Any]
PROMPT = """\
The dialogue above has become long and will be replaced by your summary of it. Whoever goes on with the work will see
the user's own messages and this summary, and nothing else. Write down, briefly and exactly: what was asked and what is
wanted in the end; what has been done and found out, with names of files, functions, commands and figures; decisions
and the reasons for them; what failed; what is still to do, and the next step. Quote what must be known word for word.
Do not answer the user, call no tools, and write only the summary."""


def parse(body: Json, context: Context) -> Turn:
    """The turn that writes the summary. Raises FaultError naming the parameter."""
    given = body.get("input")
    if given is None and body.get("previous_response_id") is None:
        raise fields.missing("input")
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    elif given is not None and not isinstance(given, list):
        raise fields.invalid_type("input", "a string or an array of items", given)
    kept = {name: value for name, value in body.items() if name in ("model", "instructions", "previous_response_id")}
    asked = {"type": "message", "role": "user", "content": PROMPT}
    dialogue = [*cast("list[Any]", given or []), asked]
    turn = request.parse({**kept, "input": dialogue, "store": False}, context)
    return replace(turn, metadata={**turn.metadata, "input": turn.metadata["input"][:-1]})


def answer(turn: Turn, state: TurnState, secret: bytes) -> Answer:
    """The answer of a turn that is over: the compacted dialogue, or the error."""
    if isinstance(state.terminal, Failed):
        return openai_error(state.terminal.fault)
    if not state.text.strip():
        return openai_error(upstream(502, "empty_response", "the model wrote no summary", Termination.EMPTY))
    said = [item for item in turn.metadata["input"] if item.get("type") == "message" and item.get("role") == "user"]
    summary = {
        "id": ids.derive("cmp", turn.id, "summary"),
        "type": "compaction",
        "encrypted_content": seal_text(secret, state.text),
    }
    return Answer(
        200,
        {
            "id": response_id(turn.id),
            "object": "response.compaction",
            "created_at": turn.created,
            "output": [*said, summary],
            "usage": responses_usage(state.usage),
        },
    )

"""Compaction: the model summarises a dialogue, and the summary is sealed into an item that replaces the dialogue as
input.

A ``compaction_trigger`` as the last input item makes a Response whose only output is that item; POST
/v1/responses/compact answers with the user's messages as well (``compact.py``). The turn declares no tools and no form.
A summary that is not complete (cut off by a limit or a filter, a call instead, nothing) is a failure: a client that
continued from it would have lost the dialogue.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zerogravity.core.events import Failed, Terminal
from zerogravity.core.fold import TurnState
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination, upstream
from zerogravity.surfaces.common.sealed_state import seal_text
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.wire.narrow import Json

TRIGGER = "compaction_trigger"
KEPT = ("maxOutputTokens", "temperature", "topP", "presencePenalty", "frequencyPenalty", "thinkingConfig")
PROMPT = """\
The dialogue above has become long and will be replaced by your summary of it. Whoever goes on with the work will see
the user's own messages and this summary, and nothing else. Write down, briefly and exactly: what was asked and what is
wanted in the end; what has been done and found out, with names of files, functions, commands and figures; decisions
and the reasons for them; what failed; what is still to do, and the next step. Quote what must be known word for word.
Do not answer the user, call no tools, and write only the summary."""
WHY: dict[str, tuple[str, Termination]] = {
    "length": ("it exceeded the token limit", Termination.LENGTH),
    "filtered": ("it was withheld by the provider's filter", Termination.FILTERED),
    "tool": ("the model called a function instead", Termination.TOOL),
}


def request(generate: Json, limit: int) -> dict[str, Any]:
    """The Google request of a turn → one that asks for a summary. ``limit``: the model's, in tokens."""
    config: Json = generate.get("generationConfig") or {}
    made: dict[str, Any] = {"maxOutputTokens": limit, **{name: config[name] for name in KEPT if name in config}}
    if "thinkingConfig" in made:
        made["thinkingConfig"] = {**made["thinkingConfig"], "includeThoughts": False}
    dialogue = {name: generate[name] for name in ("contents", "systemInstruction") if name in generate}
    return {**dialogue, "generationConfig": made}


def outcome(turn: Turn, state: TurnState, terminal: Terminal) -> Terminal:
    """How the turn ended for its client: a compaction without a complete summary has failed."""
    if not turn.details_as(ResponsesDetails).compacts or isinstance(terminal, Failed):
        return terminal
    if terminal.reason in WHY:
        why, termination = WHY[terminal.reason]
        message = f"the model's summary is incomplete: {why}" + (f" ({terminal.detail})" if terminal.detail else "")
        return Failed(upstream(502, "compaction_incomplete", message, termination, retryable=False))
    if not state.text.strip():
        return Failed(upstream(502, "empty_response", "the model wrote no summary", Termination.EMPTY))
    return terminal


def summary(state: TurnState, secret: bytes) -> dict[str, Any]:
    """The item that replaces the dialogue, without its id."""
    return {"type": "compaction", "encrypted_content": seal_text(secret, state.text)}


def users(items: Iterable[Json]) -> list[Json]:
    """The user's own messages, which are kept with the summary."""
    return [item for item in items if item.get("type") == "message" and item.get("role") == "user"]

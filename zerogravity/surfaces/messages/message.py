"""A turn's state → one Message, and the pieces that it shares with the stream. Facts: wire-anthropic 2.3, 4."""

from __future__ import annotations

from zerogravity.core.events import Failed, Finished
from zerogravity.core.fold import TurnState
from zerogravity.core.turn import Turn
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.messages.blocks import Blocks
from zerogravity.surfaces.messages.errors import messages_error
from zerogravity.surfaces.messages.identifiers import message_id
from zerogravity.surfaces.messages.usage import Json, last_usage, whole_usage
from zerogravity.wire import jsonio

STOP_REASONS = {
    "stop": "end_turn", "tool": "tool_use", "length": "max_tokens", "stop_sequence": "stop_sequence",
    "filtered": "refusal",
}  # fmt: skip


def answer(turn: Turn, state: TurnState, secret: bytes) -> Answer:
    """The finished object, or the fault's error."""
    terminal = state.terminal
    assert terminal is not None, "the turn is not over"
    if isinstance(terminal, Failed):
        return messages_error(terminal.fault)
    blocks = Blocks(turn, secret)
    for item in state.items:
        blocks.opened(item)
        blocks.closed(item)
    blocks.ended(state, terminal)
    usage = whole_usage(last_usage(turn, state.usage, blocks.searches))
    return Answer(200, message_object(turn, [_whole(block) for block in blocks.made], ending(terminal, blocks), usage))


def message_object(turn: Turn, content: list[Json], end: Json, usage: Json) -> Json:
    """A Message: all members, null if there is nothing."""
    return {
        "id": message_id(turn.id),
        "type": "message",
        "role": "assistant",
        "model": turn.answering,
        "content": content,
        **end,
        "diagnostics": None,
        "usage": usage,
    }


NO_END: Json = {"stop_reason": None, "stop_sequence": None, "stop_details": None, "container": None}


def ending(terminal: Finished, blocks: Blocks) -> Json:
    """How it ended: of the Message, and of ``message_delta``. What a filter has stopped keeps the text so far."""
    reason = STOP_REASONS[terminal.reason]
    if reason in ("end_turn", "tool_use"):
        reason = "tool_use" if blocks.called else "end_turn"
    named = {"stop_sequence": terminal.detail} if reason == "stop_sequence" else {}
    details = {"stop_details": _refusal(terminal)} if reason == "refusal" else {}
    return {**NO_END, "stop_reason": reason, **named, **details}


def _refusal(terminal: Finished) -> Json:
    why = f"The answer was stopped by the provider's filter ({terminal.detail or 'unspecified'})."
    return {"type": "refusal", "category": None, "explanation": why}


def _whole(block: Json) -> Json:
    """A block with its arguments as an object."""
    return {**block, "input": jsonio.loads(block["input"].encode())} if "input" in block else block

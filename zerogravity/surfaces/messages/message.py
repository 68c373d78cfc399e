"""A turn's state → one Message, and the pieces that it shares with the stream. Facts: wire-anthropic 2.3, 4."""

from __future__ import annotations

from zerogravity.core.events import Failed
from zerogravity.core.fold import Message, TurnState
from zerogravity.core.turn import Turn
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.messages.errors import messages_error
from zerogravity.surfaces.messages.identifiers import message_id
from zerogravity.surfaces.messages.usage import usage_object

STOP_REASONS = {"stop": "end_turn", "tool": "tool_use", "length": "max_tokens", "filtered": "refusal"}


def answer(turn: Turn, state: TurnState, secret: bytes) -> Answer:
    """The finished object, or the fault's error."""
    terminal = state.terminal
    assert terminal is not None, "the turn is not over"
    if isinstance(terminal, Failed):
        return messages_error(terminal.fault)
    content = [{"type": "text", "text": item.text} for item in state.items if isinstance(item, Message)]
    body = {**head(turn), "content": content, "usage": usage_object(state.usage)}
    return Answer(200, {**body, "stop_reason": STOP_REASONS[terminal.reason], "stop_sequence": None})


def head(turn: Turn) -> dict[str, object]:
    return {"id": message_id(turn.id), "type": "message", "role": "assistant", "model": turn.model}

"""Records → Messages events: ``event: TYPE`` and ``data: {"type": TYPE, …}``, one per frame.

Facts: wire-anthropic 3.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.events import Failed, Record, Terminal
from zerogravity.core.fold import Assembler, Closed, Ended, Grew, Message, Opened
from zerogravity.core.turn import Turn
from zerogravity.surfaces.messages import message
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.surfaces.messages.errors import error_object
from zerogravity.surfaces.messages.usage import first_usage, usage_object
from zerogravity.wire import jsonio, sse


class MessagesEmitter:
    """One reader's stream."""

    content_type = "text/event-stream"
    heartbeat = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(self, turn: Turn, secret: bytes) -> None:
        self._turn = turn
        self._secret = secret
        self._details = turn.details_as(MessagesDetails)
        self._assembler = Assembler()
        self._index = 0

    def begin(self) -> list[bytes]:
        started: dict[str, Any] = {
            **message.head(self._turn), "content": [], "stop_reason": None, "stop_sequence": None,
            "usage": first_usage(self._details.input_tokens),
        }  # fmt: skip
        return [frame("message_start", message=started)]

    def feed(self, record: Record) -> list[bytes]:
        frames: list[bytes] = []
        for step in self._assembler.feed(record):
            match step:
                case Opened(Message()):
                    frames.append(
                        frame("content_block_start", index=self._index, content_block={"type": "text", "text": ""})
                    )
                case Grew(Message(), delta):
                    frames.append(
                        frame("content_block_delta", index=self._index, delta={"type": "text_delta", "text": delta})
                    )
                case Closed(Message()):
                    frames.append(frame("content_block_stop", index=self._index))
                    self._index += 1
                case Ended(terminal):
                    frames += self._end(terminal)
                case _:
                    pass
        return frames

    def _end(self, terminal: Terminal) -> list[bytes]:
        if isinstance(terminal, Failed):
            return [frame("error", error=error_object(terminal.fault))]
        delta = {"stop_reason": message.STOP_REASONS[terminal.reason], "stop_sequence": None}
        usage = usage_object(self._assembler.state.usage)
        return [frame("message_delta", delta=delta, usage=usage), frame("message_stop")]


def frame(kind: str, **members: Any) -> bytes:
    """One event of a stream."""
    return sse.encode(sse.escape_separators(jsonio.dumps({"type": kind, **members})), event=kind)

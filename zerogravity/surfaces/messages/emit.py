"""Records → Messages events: ``event: TYPE`` and ``data: {"type": TYPE, …}``, one per frame.

Blocks come one after the other: start in its empty form, deltas, stop. Text and thoughts are streamed; every other
block is sent whole, once it is complete, its arguments as they came in one ``input_json_delta``. A failed turn ends
with an ``error`` event, without ``message_delta`` and ``message_stop``. Facts: wire-anthropic 3.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.events import Failed, Record, Terminal, TextDelta, ThinkingDelta
from zerogravity.core.fold import Assembler, Closed, Ended, Item, Listed, Message, Opened, Returned, Step
from zerogravity.core.turn import Turn
from zerogravity.surfaces.messages import message
from zerogravity.surfaces.messages.blocks import Blocks
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.surfaces.messages.errors import error_object
from zerogravity.surfaces.messages.usage import Json, first_usage, last_usage
from zerogravity.wire import jsonio, sse
from zerogravity.wire.json_text import quoted

# type of a block → the members that are still empty when it starts
EMPTY: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
    "server_tool_use": {"input": {}},
    "web_search_tool_result": {},
}
_DELTAS = (TextDelta, ThinkingDelta)  # as a union it would be made anew for each step


class MessagesEmitter:
    """One reader's stream."""

    content_type = "text/event-stream"
    heartbeat = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(self, turn: Turn, secret: bytes) -> None:
        self._turn = turn
        self._thoughts = turn.details_as(MessagesDetails).thoughts
        self._assembler = Assembler()
        self._blocks = Blocks(turn, secret)
        self._index = 0
        self._before = b""  # of a delta of the open block; nothing where its text is not shown

    def begin(self) -> list[bytes]:
        begun = message.message_object(self._turn, [], message.NO_END, first_usage(self._turn))
        return [frame("message_start", message=begun)]

    def feed(self, record: Record) -> list[bytes]:
        frames: list[bytes] = []
        for step in self._assembler.feed(record):
            if not isinstance(step, _DELTAS):
                frames += self._step(step)
            elif before := self._before:
                frames.append(before + quoted(step.text) + b"}}\n\n")
        return frames

    def _step(self, step: Step) -> list[bytes]:
        match step:
            case Opened(item):
                frames = self._whole(self._blocks.opened(item))
                return frames + self._open(item) if self._blocks.grows(item) else frames
            case Closed(item):
                made = self._blocks.closed(item)
                frames = self._close(made.pop(0)) if self._blocks.grows(item) else []
                return frames + self._whole(made)
            case Ended(terminal):
                frames = self._whole(self._blocks.ended(self._assembler.state, terminal))
                return frames + self._end(terminal)
            case TextDelta() | ThinkingDelta() | Listed() | Returned():  # the first two are rendered by ``feed``
                return []

    def _end(self, terminal: Terminal) -> list[bytes]:
        if isinstance(terminal, Failed):
            return [frame("error", error=error_object(terminal.fault))]
        usage = last_usage(self._turn, self._assembler.state.usage, self._blocks.searches)
        end = message.ending(terminal, self._blocks)
        return [frame("message_delta", delta=end, usage=usage), frame("message_stop")]

    # -- blocks -----------------------------------------------------------------------------------------------

    def _open(self, item: Item) -> list[bytes]:
        kind = "text" if isinstance(item, Message) else "thinking"
        if kind == "text" or self._thoughts == "shown":
            self._before = (
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
                b'"delta":{"type":"%b_delta","%b":' % (self._index, kind.encode(), kind.encode())
            )
        return [self._start({"type": kind})]

    def _close(self, block: Json) -> list[bytes]:
        """What comes behind the text of a block."""
        self._before = b""
        frames = [self._delta(type="citations_delta", citation=each) for each in block.get("citations", ())]
        if block["type"] == "thinking":
            frames.append(self._delta(type="signature_delta", signature=block["signature"]))
        return [*frames, self._stop()]

    def _whole(self, blocks: list[Json]) -> list[bytes]:
        """All events of complete blocks."""
        frames: list[bytes] = []
        for block in blocks:
            frames.append(self._start(block))
            if "input" in block:
                frames.append(self._delta(type="input_json_delta", partial_json=block["input"]))
            elif text := block.get("text"):
                frames.append(self._delta(type="text_delta", text=text))
            frames += self._close(block)
        return frames

    # -- frames -----------------------------------------------------------------------------------------------

    def _start(self, block: Json) -> bytes:
        empty = {**block, **EMPTY[block["type"]]}
        empty.pop("citations", None)
        return frame("content_block_start", index=self._index, content_block=empty)

    def _delta(self, **delta: object) -> bytes:
        return frame("content_block_delta", index=self._index, delta=delta)

    def _stop(self) -> bytes:
        self._index += 1
        return frame("content_block_stop", index=self._index - 1)


def frame(kind: str, **members: Any) -> bytes:
    """One event of a stream."""
    return sse.encode(sse.escape_separators(jsonio.dumps({"type": kind, **members})), event=kind)

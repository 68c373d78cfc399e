"""Records → Responses events: ``event: TYPE`` and ``data: {"type": TYPE, "sequence_number": N, …}``, one per frame.

In the background ``response.queued`` comes first, and ``response.in_progress`` with the first record. Text and thoughts
are streamed in deltas; every other item is sent whole, once it is complete. A call that the gateway runs begins at once
and is done with its result, while other items come. There is no event for a cancelled response: it ends with
``response.failed``. No ``error`` event is sent: no client takes it for an end, and the SDKs raise at it.

Citations that arrive after the next item has begun are not shown: the item of their message is done, and the final
object must equal what was streamed. Holding the message open until the end of the answer would delay the calls. The
search and its sources are shown all the same, last.

The ``sequence_number`` is the frame's index in the stream. Facts: wire-openai 7, 13, 14.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.events import Record, Terminal, TextDelta, ThinkingDelta
from zerogravity.core.fold import Assembler, Closed, Ended, Item, Listed, Message, Opened, Returned, Step
from zerogravity.core.turn import Turn
from zerogravity.surfaces.responses import response
from zerogravity.surfaces.responses.response import Json, Output
from zerogravity.surfaces.responses.server_calls import CALL, LIST, REQUEST, RUNS
from zerogravity.wire import jsonio, sse
from zerogravity.wire.json_text import quoted

# type of a part → (prefix of its events, its text member, further members of its delta and done events)
PARTS: dict[str, tuple[str, str, Json]] = {
    "output_text": ("response.output_text", "text", {"logprobs": []}),
    "refusal": ("response.refusal", "refusal", {}),
}
CALLS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
    CALL: ("response.mcp_call_arguments", "arguments"),
}
PHASES = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
}
ENDS = ("completed", "failed")  # of a call that the gateway runs
# type of an item → the members that are still empty when it is added
EMPTY: dict[str, Json] = {
    "message": {"status": "in_progress", "content": []},
    "reasoning": {"summary": []},
    "function_call": {"status": "in_progress", "arguments": ""},
    "custom_tool_call": {"status": "in_progress", "input": ""},
    "web_search_call": {"status": "in_progress"},
    "image_generation_call": {"status": "in_progress", "result": None},
    "local_shell_call": {"status": "in_progress"},
    "shell_call": {
        "status": "in_progress",
        "action": {"commands": [], "timeout_ms": None, "max_output_length": None},
    },
    "apply_patch_call": {"status": "in_progress"},
    "tool_search_call": {"status": "in_progress"},
    "compaction": {"encrypted_content": ""},
    LIST: {"tools": []},
    CALL: {"arguments": ""},
    REQUEST: {},
}


class ResponsesEmitter:
    """One reader's stream."""

    content_type = "text/event-stream"
    heartbeat = b": keep-alive\n\n"

    def __init__(self, turn: Turn, secret: bytes) -> None:
        self._turn = turn
        self._assembler = Assembler()
        self._output = Output(turn, secret)
        self._number = 0
        self._queued = turn.background
        self._place: Json = {}  # ids and indices of the open item and part
        self._running: dict[str, Json] = {}  # the same of each call that the gateway runs, by the id of its item
        self._delta_head = self._delta_middle = self._delta_tail = b""

    def begin(self) -> list[bytes]:
        if self._queued:
            waiting = response.unfinished(self._turn, "queued")
            return [self._frame("response.created", response=waiting), self._frame("response.queued", response=waiting)]
        running = response.unfinished(self._turn, "in_progress")
        return [
            self._frame("response.created", response=running),
            self._frame("response.in_progress", response=running),
        ]

    def feed(self, record: Record) -> list[bytes]:
        frames: list[bytes] = []
        if self._queued:
            self._queued = False
            running = response.unfinished(self._turn, "in_progress")
            frames.append(self._frame("response.in_progress", response=running))
        steps = self._assembler.feed(record)
        if self._output.compacts:
            steps = [step for step in steps if isinstance(step, Ended)]
        for step in steps:
            if isinstance(step, TextDelta) or (isinstance(step, ThinkingDelta) and self._output.shows_thinking):
                frames.append(self._delta(step.text))
            elif not isinstance(step, ThinkingDelta):
                frames += self._step(step)
        return frames

    def _step(self, step: Step) -> list[bytes]:
        match step:
            case Opened(item):
                frames = self._whole(self._output.opened(item))
                return frames + self._open(item) if self._output.grows(item) else frames
            case Closed(item):
                made = self._output.closed(item)
                frames = self._close(made.pop(0)) if self._output.grows(item) else []
                return frames + self._whole(made)
            case Ended(terminal):
                frames = self._whole(self._output.ended(self._assembler.state, terminal))
                return [*frames, self._end(terminal)]
            case Listed(listing):
                return self._whole(self._output.listed(listing))
            case Returned(call):
                return self._whole(self._output.returned(call))
            case TextDelta() | ThinkingDelta():  # rendered by ``feed``
                return []

    def _end(self, terminal: Terminal) -> bytes:
        final = response.finished(self._turn, self._assembler.state, terminal, self._output.items)
        status: str = final["status"]
        return self._frame(f"response.{'failed' if status == 'cancelled' else status}", response=final)

    # -- items ------------------------------------------------------------------------------------------------

    def _open(self, item: Item) -> list[bytes]:
        """Events that open an item which is sent in deltas."""
        if isinstance(item, Message):
            return [
                self._added({"id": self._output.next_id("message"), **response.message_item([], "in_progress")}),
                *self._open_part("output_text"),
            ]
        empty: Json = {"id": self._output.next_id("reasoning"), "type": "reasoning", "summary": []}
        return [self._added(empty), *self._open_summary()]

    def _close(self, item: Json) -> list[bytes]:
        """Events that complete such an item."""
        frames = self._close_summary(item) if item["type"] == "reasoning" else self._close_part(item["content"][0])
        return [*frames, self._done(item)]

    def _whole(self, items: list[Json]) -> list[bytes]:
        """All events of complete items, and those at either end of a call that the gateway runs."""
        frames: list[bytes] = []
        for item in items:
            if (place := self._running.pop(item["id"], None)) is not None:
                frames += self._over(item, place)
                continue
            frames.append(self._added({**response.unsealed(item), **EMPTY[item["type"]]}))
            frames += self._inside(item)
            if item.get("status") == RUNS:
                self._running[item["id"]] = self._place
            else:
                frames.append(self._done(item))
        return frames

    def _inside(self, item: Json) -> list[bytes]:
        """What stands between the beginning and the end of a complete item."""
        kind: str = item["type"]
        match kind:
            case "message":
                return self._whole_part(item["content"][0])
            case "shell_call":
                return self._commands(item["action"]["commands"])
            case "mcp_call":
                return [self._frame(f"response.{CALL}.{RUNS}", **self._place), *self._call(item)]
            case "mcp_list_tools":
                end = "failed" if "error" in item else "completed"
                return [self._frame(f"response.{LIST}.{phase}", **self._place) for phase in (RUNS, end)]
            case _ if kind in CALLS:
                return self._call(item)
            case _:
                return [self._frame(f"response.{kind}.{phase}", **self._place) for phase in PHASES.get(kind, ())]

    def _over(self, item: Json, place: Json) -> list[bytes]:
        """The end of a call that the gateway has run; without one of its own where the turn has ended before."""
        status: str = item["status"]
        frames = [self._frame(f"response.{CALL}.{status}", **place)] if status in ENDS else []
        return [*frames, self._frame("response.output_item.done", output_index=place["output_index"], item=item)]

    def _added(self, item: Json) -> bytes:
        index = self._place.get("output_index", -1) + 1
        self._place = {"item_id": item["id"], "output_index": index}
        return self._frame("response.output_item.added", output_index=index, item=item)

    def _done(self, item: Json) -> bytes:
        return self._frame("response.output_item.done", output_index=self._place["output_index"], item=item)

    def _call(self, item: Json) -> list[bytes]:
        events, member = CALLS[item["type"]]
        text: str = item[member]
        name = {"name": item["name"]} if item["type"] == "function_call" else {}
        frames = [self._frame(f"{events}.delta", **self._place, delta=text)] if text else []
        return [*frames, self._frame(f"{events}.done", **self._place, **name, **{member: text})]

    def _commands(self, commands: list[str]) -> list[bytes]:
        """These events have no item_id."""
        frames: list[bytes] = []
        for number, command in enumerate(commands):
            place = {"output_index": self._place["output_index"], "command_index": number}
            name = "response.shell_call_command"
            frames.append(self._frame(f"{name}.added", **place, command=""))
            if command:
                frames.append(self._frame(f"{name}.delta", **place, delta=command))
            frames.append(self._frame(f"{name}.done", **place, command=command))
        return frames

    # -- parts ------------------------------------------------------------------------------------------------

    def _open_part(self, kind: str) -> list[bytes]:
        events, member, more = PARTS[kind]
        self._place["content_index"] = 0
        self._template(f"{events}.delta", more)
        empty = response.text_part("", []) if kind == "output_text" else {"type": kind, member: ""}
        return [self._frame("response.content_part.added", **self._place, part=empty)]

    def _close_part(self, part: Json) -> list[bytes]:
        events, member, more = PARTS[part["type"]]
        frames = [
            self._frame(f"{events}.annotation.added", **self._place, annotation_index=index, annotation=annotation)
            for index, annotation in enumerate(part.get("annotations", ()))
        ]
        frames.append(self._frame(f"{events}.done", **self._place, **{member: part[member]}, **more))
        frames.append(self._frame("response.content_part.done", **self._place, part=part))
        return frames

    def _whole_part(self, part: Json) -> list[bytes]:
        _, member, _ = PARTS[part["type"]]
        return [*self._open_part(part["type"]), self._delta(part[member]), *self._close_part(part)]

    def _open_summary(self) -> list[bytes]:
        self._place["summary_index"] = 0
        self._template("response.reasoning_summary_text.delta", {})
        part = response.summary_part("")
        return [self._frame("response.reasoning_summary_part.added", **self._place, part=part)]

    def _close_summary(self, item: Json) -> list[bytes]:
        part: Json = item["summary"][0]
        return [
            self._frame("response.reasoning_summary_text.done", **self._place, text=part["text"]),
            self._frame("response.reasoning_summary_part.done", **self._place, part=part),
        ]

    # -- frames -----------------------------------------------------------------------------------------------

    def _template(self, kind: str, more: Json) -> None:
        """The bytes around the number and the text of each delta of the open part, rendered once."""
        self._delta_head = b'event: %b\ndata: {"type":"%b","sequence_number":' % (kind.encode(), kind.encode())
        self._delta_middle = b"," + jsonio.dumps(self._place)[1:-1] + b',"delta":'
        self._delta_tail = (b"," + jsonio.dumps(more)[1:-1] if more else b"") + b"}\n\n"

    def _delta(self, text: str) -> bytes:
        number = self._number
        self._number = number + 1
        return b"%b%d%b%b%b" % (self._delta_head, number, self._delta_middle, quoted(text), self._delta_tail)

    def _frame(self, kind: str, **members: Any) -> bytes:
        self._number += 1
        return frame(kind, self._number - 1, **members)


def frame(kind: str, number: int, **members: Any) -> bytes:
    """One event of a stream."""
    data = jsonio.dumps({"type": kind, "sequence_number": number, **members})
    return sse.encode(sse.escape_separators(data), event=kind)

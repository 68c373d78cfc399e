"""The frames of a stream that nobody goes on with → those that close what is open in it.

Open are at most a message or a thought, of which deltas have come, and calls that the gateway has begun to run: a batch
of frames holds all that one record has made, and every other item is made whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zerogravity.surfaces.responses import response
from zerogravity.surfaces.responses.emit import frame
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

DELTAS = ("response.output_text.delta", "response.reasoning_summary_text.delta")
ARGUMENTS = "response.mcp_call_arguments.done"


def closing(frames: Sequence[bytes]) -> tuple[list[bytes], list[Json]]:
    """What is to be sent next, and all items as they are then."""
    items, texts = dict[int, Json](), dict[int, list[str]]()
    for event in map(_event, frames):
        index: int = event.get("output_index", -1)
        match event["type"]:
            case "response.output_item.added":
                items[index], texts[index] = event["item"], []
            case "response.output_item.done":
                items[index] = event["item"]
                del texts[index]
            case kind if kind in DELTAS:
                texts[index].append(event["delta"])
            case kind if kind == ARGUMENTS:
                items[index] = {**items[index], "arguments": event["arguments"]}
            case _:
                pass
    made: list[tuple[str, dict[str, Any]]] = []
    for index, pieces in texts.items():
        items[index], events = _closed(items[index], index, "".join(pieces))
        made += events
    numbered = enumerate(made, len(frames))
    return [frame(f"response.{kind}", number, **members) for number, (kind, members) in numbered], [*items.values()]


def _event(frame: bytes) -> Json:
    return narrow.members(jsonio.loads(frame.partition(b"\ndata: ")[2]))


def _closed(item: Json, index: int, text: str) -> tuple[Json, list[tuple[str, dict[str, Any]]]]:
    """An open item as it ends, and the events of that."""
    place: dict[str, Any] = {"item_id": item["id"], "output_index": index}
    events: list[tuple[str, dict[str, Any]]] = []
    match item["type"]:
        case "message":
            part = response.text_part(text, [])
            done = {**item, "status": "incomplete", "content": [part]}
            place["content_index"] = 0
            events.append(("output_text.done", {**place, "text": text, "logprobs": []}))
            events.append(("content_part.done", {**place, "part": part}))
        case "reasoning":
            part = response.summary_part(text)
            done = {**item, "summary": [part]}
            place["summary_index"] = 0
            events.append(("reasoning_summary_text.done", {**place, "text": text}))
            events.append(("reasoning_summary_part.done", {**place, "part": part}))
        case _:
            done = {**item, "status": "incomplete"}
    return done, [*events, ("output_item.done", {"output_index": index, "item": done})]

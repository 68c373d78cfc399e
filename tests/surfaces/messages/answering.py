"""Turns, streams and whole answers for the tests of the Messages surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.strategies import TURN_ID, record_lists
from tests.surfaces.playing import SECRET, frames, replayed
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Event, Failed, Finished, Record
from zerogravity.core.fold import fold
from zerogravity.core.turn import Target, Turn
from zerogravity.surfaces.common.sealed_state import Carried, unseal
from zerogravity.surfaces.messages import surface
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.testing.builders import TARGET, records, turn
from zerogravity.testing.check import check_message, check_messages
from zerogravity.wire import jsonio

Json = dict[str, Any]
TARGETS = (TARGET, Target("claude-sonnet-4-6", "MODEL_PLACEHOLDER_M35", family="claude"))
STOP, TOOL = Finished("stop"), Finished("tool")

forms = st.fixed_dictionaries(
    {
        "thoughts": st.sampled_from(("shown", "omitted", "hidden")),
        "one_call": st.booleans(),
        "input_tokens": st.integers(0, 500),
        "search": st.sampled_from(("none", "beside", "alone")),
    }
)


@st.composite
def answered(draw: st.DrawFn) -> tuple[list[Record], Turn]:
    """Any records, and a turn that shows them in any form, on either family."""
    made = draw(record_lists())
    names = sorted({call.name for call in fold(made).function_calls})
    renamed = {name: f"my {name}" for name in names if draw(st.booleans())}
    return made, turn_with(draw(forms), tool_names=renamed, target=draw(st.sampled_from(TARGETS)))


def turn_with(form: Json, **fields: Any) -> Turn:
    return turn(id=TURN_ID, surface="messages", stream=True, details=MessagesDetails(**form), **fields)


def channel_of(events: Sequence[Event], end: Finished | Failed, **form: Any) -> CascadeChannel:
    return replayed(records(events, end), turn_with(form))


def stream(events: Sequence[Event], end: Finished | Failed, **form: Any) -> list[Json]:
    """The events of a turn, checked."""
    return check_messages(frames("messages", channel_of(events, end, **form)))


def whole(channel: CascadeChannel) -> Json:
    """The Message, checked."""
    answer = surface.answer(channel, SECRET)
    assert answer.status == 200, answer.body
    return check_message(answer.body)


def content(events: Sequence[Event], end: Finished, **form: Any) -> list[Json]:
    """The blocks of a whole answer, which are those of the stream."""
    channel = channel_of(events, end, **form)
    made = whole(channel)
    assert accumulated(check_messages(frames("messages", channel))) == made
    return made["content"]


def put_together(events: Sequence[Json]) -> Json:
    """The Message that a stream adds up to, with every number as it was written."""
    message: Json = {**events[0]["message"], "usage": dict(events[0]["message"]["usage"])}
    blocks: list[Json] = []
    for event in events[1:]:
        match event:
            case {"type": "content_block_start", "content_block": block}:
                blocks.append({**block, "input": ""} if "input" in block else dict(block))
            case {"type": "content_block_delta", "index": index, "delta": delta}:
                (member, value), *_ = ((name, value) for name, value in delta.items() if name != "type")
                if member == "citation":
                    blocks[index].setdefault("citations", []).append(value)
                else:
                    blocks[index][{"partial_json": "input"}.get(member, member)] += value
            case {"type": "message_delta"}:
                message.update(event["delta"])
                message["usage"].update(event["usage"])
            case _:
                pass
    message["content"] = [
        {**block, "input": jsonio.loads(block["input"].encode())} if "input" in block else block for block in blocks
    ]
    return message


def accumulated(events: Sequence[Json]) -> Json:
    """The Message that Anthropic's own SDK puts together from a stream."""
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        if event["type"] != "ping":
            snapshot = accumulate_event(
                event=adapter.validate_python(event), current_snapshot=snapshot, json_bufs=buffers
            )
    return snapshot.model_dump(mode="json", exclude_unset=True)


def signature(block: Json) -> list[Carried]:
    """What a thinking block carries."""
    carried = unseal(SECRET, block["signature"])
    assert carried is not None, "not sealed by us"
    return carried

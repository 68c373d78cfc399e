"""A turn's state → one ``chat.completion`` object, and the pieces that it shares with the stream.

Images go into ``images[]`` (OpenRouter's and LiteLLM's form), other media into ``files[]``: agents parse ``content``,
so it is the model's text and nothing else. Facts: wire-openai 10; wire-gemini-and-mapping 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zerogravity import ids
from zerogravity.core.events import Failed, Finished
from zerogravity.core.fold import Call, Media, Message, TurnState
from zerogravity.core.turn import Turn
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.surfaces.common.grounding import citations
from zerogravity.surfaces.common.sealed_state import state_of_call
from zerogravity.surfaces.openai.answer import FINISH_REASONS, chat_usage, data_uri, is_picture, refusal
from zerogravity.surfaces.openai.errors import openai_error
from zerogravity.surfaces.openai.tools import custom_input


def answer(turn: Turn, state: TurnState) -> Answer:
    """The finished object, or the fault's error."""
    terminal = state.terminal
    assert terminal is not None, "the turn is not over"
    if isinstance(terminal, Failed):
        return openai_error(terminal.fault)
    choice = {
        "index": 0,
        "message": message(turn, state, terminal),
        "logprobs": None,
        "finish_reason": finish_reason(turn, state, terminal),
    }
    body = {**head(turn, "chat.completion"), "choices": [choice]}
    if state.usage.told:  # 0 would be a figure
        body["usage"] = chat_usage(state.usage)
    metadata = turn.details_as(ChatDetails).metadata
    return Answer(200, {**body, "metadata": dict(metadata)} if metadata else body)


def head(turn: Turn, kind: str) -> dict[str, object]:
    """The members that are the same in the object and in each chunk."""
    made: dict[str, object] = {
        "id": ids.derive("chatcmpl", turn.id).replace("_", "-"),
        "object": kind,
        "created": int(turn.created),
        "model": turn.answering,
        "system_fingerprint": ids.derive("fp", f"{turn.target.ls_model}/{turn.target.wire_model}", size=10),
    }
    if (tier := turn.details_as(ChatDetails).service_tier) is not None:
        made["service_tier"] = tier
    return made


def message(turn: Turn, state: TurnState, terminal: Finished) -> dict[str, object]:
    """The assistant's message. ``content`` is null if there is no text but something else."""
    text = state.text
    calls = shown_calls(turn, state.client_calls)
    media = [item for item in state.items if isinstance(item, Media)]
    refused = refusal(terminal, shown=state.emitted)
    made: dict[str, object] = {
        "role": "assistant",
        "content": text if text or not (calls or media or refused) else None,
        "refusal": refused,
    }
    if state.thinking:
        made.update(dict.fromkeys(turn.details_as(ChatDetails).reasoning, state.thinking))
    if calls and turn.details_as(ChatDetails).legacy:
        made["function_call"] = {"name": turn.client_name(calls[0].name), "arguments": calls[0].args_json}
    elif calls:
        made["tool_calls"] = [tool_call(turn, call) for call in calls]
    made.update(blobs(media))
    made["annotations"] = url_citations(state)
    if (signature := text_signature(state)) is not None:
        made["extra_content"] = extra_content(signature)
    return made


def shown_calls(turn: Turn, calls: list[Call]) -> list[Call]:
    """All calls, or the first one where the client can take only one."""
    return calls[:1] if turn.details_as(ChatDetails).one_call else calls


class ToolCall(NamedTuple):
    """A call in the client's words: ``{"type": kind, kind: {"name": name, member: text}}``."""

    kind: str
    name: str
    member: str
    text: str


def named_call(turn: Turn, call: Call) -> ToolCall:
    name = turn.client_name(call.name)
    if turn.tool_kinds.get(name) == "custom":
        return ToolCall("custom", name, "input", custom_input(call.args_json))
    return ToolCall("function", name, "arguments", call.args_json)


def tool_call(turn: Turn, call: Call) -> dict[str, object]:
    """One whole ``tool_calls`` entry."""
    kind, name, member, text = named_call(turn, call)
    made: dict[str, object] = {"id": call.call_id, "type": kind, kind: {"name": name, member: text}}
    for carried in state_of_call(call, turn.target.family):
        made["extra_content"] = extra_content(carried.signature, carried.before)
    return made


def extra_content(signature: str, server_tools: Sequence[str] = ()) -> dict[str, object]:
    """A thought signature, where Google's own OpenAI endpoint puts it, for the client to send back. ``server_tools``:
    source texts of the parts of Google's own tools before a call."""
    tools = {"server_tools": list(server_tools)} if server_tools else {}
    return {"google": {"thought_signature": signature, **tools}}


def text_signature(state: TurnState) -> str | None:
    """The signature of the last text, for the message as a whole."""
    signed = [item.signature for item in state.items if isinstance(item, Message) and item.signature is not None]
    return signed[-1] if signed else None


def blobs(media: Sequence[Media]) -> dict[str, list[dict[str, object]]]:
    """``images`` and ``files``, each only when there are some."""
    pictures = [item for item in media if is_picture(item)]
    others = [item for item in media if not is_picture(item)]
    made: dict[str, list[dict[str, object]]] = {}
    if pictures:
        made["images"] = [picture(item, index) for index, item in enumerate(pictures)]
    if others:
        made["files"] = [file(item, index) for index, item in enumerate(others)]
    return made


def picture(item: Media, index: int) -> dict[str, object]:
    made: dict[str, object] = {"index": index, "type": "image_url", "image_url": {"url": data_uri(item)}}
    return made if item.signature is None else {**made, "extra_content": extra_content(item.signature)}


def file(item: Media, index: int) -> dict[str, object]:
    return {"index": index, "type": "file", "file": {"file_data": data_uri(item)}}


def url_citations(state: TurnState) -> list[dict[str, object]]:
    """url_citation entries, indices in characters of the whole content."""
    messages = [item for item in state.items if isinstance(item, Message)]
    found = [] if any(item.grounding for item in messages) else citations(state.text, state.grounding)
    offset = 0
    for item in messages:
        found += citations(item.text, item.grounding, offset)
        offset += len(item.text)
    return [{"type": "url_citation", "url_citation": citation} for citation in found]


def finish_reason(turn: Turn, state: TurnState, terminal: Finished) -> str:
    """``finish_reason``, which the deprecated form spells differently for calls."""
    called = terminal.reason != "tool" or state.has_calls
    reason = FINISH_REASONS[terminal.reason if called else "stop"]
    return "function_call" if reason == "tool_calls" and turn.details_as(ChatDetails).legacy else reason

"""Requests and answers on every surface: a request parsed or refused; chunks through the real decoder and policy, the
checked stream, and what a client reads from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from zerogravity.core.channel import CascadeChannel, ChannelWriter
from zerogravity.core.events import Record
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError
from zerogravity.surfaces import chat, gemini, messages, responses
from zerogravity.surfaces.base import Context, Surface
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.testing.builders import TURN_ID, FakeClock, captured, replay
from zerogravity.testing.check import check_chat, check_gemini, check_messages, check_responses
from zerogravity.wire import jsonio

SURFACES: dict[str, Surface] = {
    "chat": chat.surface, "responses": responses.surface, "gemini": gemini.surface, "messages": messages.surface,
}  # fmt: skip
OPENAI = ("chat", "responses")
ALL = ("chat", "responses", "gemini", "messages")
SECRET = bytes(32)
HELLO: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hello"}]},
    "responses": {"input": "Hello"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    "messages": {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]},
}


def context(turn_id: str = TURN_ID, **remembered: RememberedCall) -> Context:
    return Context(turn_id, 1_770_000_000, Catalogue().resolve, recall=remembered.get, secret=SECRET)


def parse(name: str, **body: Any) -> Turn:
    """The turn of a request with these members; what it must have it has."""
    return SURFACES[name].parse({"model": "gemini-3-flash", **HELLO[name], **body}, context())


def refused(name: str, **body: Any) -> Fault:
    """The 400 that such a request gets, in words that name a member."""
    with pytest.raises(FaultError) as caught:
        parse(name, **body)
    fault = caught.value.fault
    answer = SURFACES[name].error(fault)
    assert fault.status == answer.status == 400
    assert answer.headers["x-should-retry"] == "false"
    assert name == "gemini" or answer.body["error"]["type"] == "invalid_request_error"
    return fault


def ask(name: str, turn_id: str = TURN_ID, **more: Any) -> Turn:
    """The turn of a short streamed request, thoughts and usage wanted."""
    bodies: dict[str, dict[str, Any]] = {
        "chat": {"messages": [{"role": "user", "content": "Hi"}], "stream_options": {"include_usage": True}},
        "responses": {"input": "Hi", "reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        "gemini": {
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        },
        "messages": {
            "max_tokens": 5000, "thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": "Hi"}],
        },
    }  # fmt: skip
    body = {"model": "gemini-3-flash", "stream": True, **bodies[name], **more}
    return SURFACES[name].parse(body, context(turn_id))


def play(turn: Turn, *chunks: Any, dropped: bool = False) -> CascadeChannel:
    """The closed channel of one upstream call; a chunk may be raw bytes."""
    return captured(turn, chunks, dropped=dropped)


def replayed(records: Iterable[Record], turn: Turn) -> CascadeChannel:
    """The channel of that turn, with these records."""
    return replay(records, ChannelWriter(turn, FakeClock()))


@dataclass(slots=True)
class Heard:
    """What a client knows after a stream."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    finish: str | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None


def frames(name: str, channel: CascadeChannel) -> list[bytes]:
    emitter = SURFACES[name].emitter(channel, SECRET)
    return [*emitter.begin(), *(frame for record in channel.records for frame in emitter.feed(record))]


def hear(name: str, channel: CascadeChannel) -> Heard:
    """The stream as a client reads it, after its grammar was checked."""
    sent = frames(name, channel)
    match name:
        case "chat":
            return _chat(check_chat(sent))
        case "responses":
            return _responses(check_responses(sent))
        case "messages":
            return _messages(check_messages(sent))
        case _:
            return _gemini(check_gemini(sent))


def _chat(chunks: Sequence[dict[str, Any]]) -> Heard:
    heard, calls = Heard(), dict[int, list[str]]()
    for one in chunks:
        heard.error = one.get("error") or heard.error
        heard.usage = one.get("usage") or heard.usage
        for choice in one.get("choices", ()):
            delta = choice["delta"]
            heard.text += delta.get("content") or ""
            heard.thoughts += delta.get("reasoning_content") or ""
            heard.finish = choice["finish_reason"] or heard.finish
            for piece in delta.get("tool_calls", ()):
                known = calls.setdefault(piece["index"], ["", "", ""])
                known[0] += piece.get("id", "")
                known[1] += piece["function"].get("name", "")
                known[2] += piece["function"].get("arguments", "")
    assert list(calls) == list(range(len(calls)))
    heard.calls = [(one, two, three) for one, two, three in calls.values()]
    return heard


def _responses(events: Sequence[dict[str, Any]]) -> Heard:
    heard, last = Heard(), events[-1].get("response", {})
    for event in events:
        if event["type"] == "response.output_text.delta":
            heard.text += event["delta"]
        if event["type"] == "response.reasoning_summary_text.delta":
            heard.thoughts += event["delta"]
    for item in last.get("output", ()):
        if item["type"] == "function_call":
            heard.calls.append((item["call_id"], item["name"], item["arguments"]))
    heard.error, heard.usage = last.get("error"), last.get("usage")
    details = last.get("incomplete_details")
    heard.finish = None if heard.error else details["reason"] if details else last["status"]
    return heard


def _messages(events: Sequence[dict[str, Any]]) -> Heard:
    heard, calls = Heard(), dict[int, list[str]]()
    for event in events:
        block, delta = event.get("content_block", {}), event.get("delta", {})
        heard.error = event.get("error") or heard.error
        heard.usage = event.get("usage") or heard.usage
        heard.finish = delta.get("stop_reason") or heard.finish
        heard.text += delta.get("text", "")
        heard.thoughts += delta.get("thinking", "")
        if block.get("type") == "tool_use":
            calls[event["index"]] = [block["id"], block["name"], ""]
        if delta.get("type") == "input_json_delta" and event["index"] in calls:
            calls[event["index"]][2] += delta["partial_json"]
    heard.calls = [(one, two, three) for one, two, three in calls.values()]
    return heard


def _gemini(chunks: Sequence[dict[str, Any]]) -> Heard:
    heard = Heard()
    for one in chunks:
        heard.error = one.get("error") or heard.error
        heard.usage = one.get("usageMetadata") or heard.usage
        feedback = one.get("promptFeedback", {}).get("blockReason")
        heard.finish = f"blocked: {feedback}" if feedback else heard.finish
        for candidate in one.get("candidates", ()):
            heard.finish = candidate.get("finishReason") or heard.finish
            for part in candidate.get("content", {}).get("parts", ()):
                if part.get("thought"):
                    heard.thoughts += part.get("text", "")
                else:
                    heard.text += part.get("text", "")
                if made := part.get("functionCall"):
                    heard.calls.append((made.get("id", ""), made["name"], jsonio.dumps(made.get("args", {})).decode()))
    return heard

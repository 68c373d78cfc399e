"""A whole surface, as small as they come: ``POST /toy/v1/say`` with ``{"say": "…"}`` → lines of text, or one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Record, TextDelta
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, bad_request
from zerogravity.surfaces.base import Answer, Context, Counting, MediaUrl, ModelList, StreamSummary, Surface
from zerogravity.surfaces.common.remote import media_url
from zerogravity.surfaces.grammar import need, parsed
from zerogravity.wire import jsonio

MODEL = "gemini-3-flash"


def media(body: Mapping[str, Any]) -> Iterator[MediaUrl]:
    return media_url(dict(body), "look", "look")


def tools(body: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    if "tool" in body:
        yield body["tool"], "any words"


def parse(body: Mapping[str, Any], context: Context) -> Turn:
    text = body.get("say")
    if not isinstance(text, str):
        raise bad_request("say something", param="say")
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return Turn(
        id=context.turn_id,
        surface="toy",
        model=MODEL,
        target=context.target(MODEL),
        google_request={"contents": contents},
        stream=body.get("stream") is True,
        store=body.get("keep") is True,
        owner=context.owner,
        created=context.created,
    )


def line(**members: Any) -> bytes:
    return b"data: " + jsonio.dumps(members) + b"\n\n"


class ToyEmitter:
    content_type = "text/event-stream"
    heartbeat = b""

    def begin(self) -> list[bytes]:
        return []

    def feed(self, record: Record) -> list[bytes]:
        if isinstance(record.terminal, Failed):
            return [line(wrong=record.terminal.fault.message)]
        told = [line(heard=event.text) for event in record.events if isinstance(event, TextDelta)]
        return told if record.terminal is None else [*told, line(over=True)]


def answer(channel: CascadeChannel, secret: bytes) -> Answer:
    if isinstance(channel.terminal, Failed):
        return error(channel.terminal.fault)
    return Answer(200, {"heard": channel.state.text})


def error(fault: Fault, request_id: str = "") -> Answer:
    return Answer(fault.status, {"wrong": fault.message})


def check(stream: bytes) -> None:
    """Any words, then one end."""
    *words, last = [parsed(data.removeprefix(b"data: "), "line") for data in stream.strip().split(b"\n\n")]
    need(all("heard" in word for word in words), "line", "is no word")
    need("over" in last or "wrong" in last, "line", "is no end")


def read(event: dict[str, Any], summary: StreamSummary) -> list[tuple[str, str]]:
    return [("text", event["heard"])] if "heard" in event else []


surface = Surface(
    name="toy",
    title="Toy",
    paths=("/toy/v1/say",),
    root="/toy",
    is_client=lambda headers, query: "x-toy" in headers,
    models=ModelList(
        lambda models, query, headers: {"toys": [model.id for model in models]},
        lambda model, name, query, headers: {"toy": name},
    ),
    counting=Counting("/toy/v1/count", parse, lambda turn, counted: Answer(200, {"counted": counted})),
    input="say",
    media=media,
    tools=tools,
    parse=parse,
    emitter=lambda channel, secret: ToyEmitter(),
    answer=answer,
    error=error,
    has_failure_event=True,
    operation="small_talk",
    sample=lambda model, prompt: {"say": prompt, "stream": True},
    check=check,
    describe_event=read,
)

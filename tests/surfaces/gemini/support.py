"""Turns of the Gemini surface from what Google sent, through the real decoder and policy."""

from __future__ import annotations

from typing import Any

from zerogravity import ids
from zerogravity.core import policy
from zerogravity.core.channel import CascadeChannel, ChannelWriter
from zerogravity.core.events import AttemptOpened, Failed
from zerogravity.core.turn import Target, Turn
from zerogravity.surfaces.gemini import surface
from zerogravity.wire import jsonio
from zerogravity.wire.google import GoogleDecoder

TURN_ID = "turn_" + "5" * 32
ALL: dict[str, Any] = {"alt": "sse", "thoughts": True}


def turn(echo: dict[str, Any] | None = None) -> Turn:
    target = Target("gemini-3-flash", "M18")
    echo = ALL if echo is None else {**ALL, **echo}
    return Turn(TURN_ID, "gemini", "gemini-3-flash", target, {"contents": []}, stream=True, echo=echo, created=1)


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of Google's."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [{**candidate, "index": 0}], **more}


def captured(
    *calls: list[Any], echo: dict[str, Any] | None = None, envelope: bool = True, dropped: bool = False
) -> CascadeChannel:
    """A closed channel of these upstream calls; each is a list of chunks (or of raw payloads)."""
    writer = ChannelWriter(turn(echo), lambda: 0)
    channel = writer.channel
    for number, chunks in enumerate(calls):
        first = len(channel.state.function_calls)
        decoder = GoogleDecoder(lambda n, first=first: ids.derive("call", TURN_ID, first + n))
        writer.append(number, b"", (AttemptOpened(),))
        for value in chunks:
            data = value
            if not isinstance(value, bytes):
                data = jsonio.dumps({"response": value, "traceId": "t"} if envelope else value)
            events = decoder.decode(data)
            writer.append(number, decoder.source, events)
        writer.append(number, b"", decoder.close())
        match policy.decide(channel.state, fault=decoder.fault, dropped=dropped):
            case policy.Finish(terminal):
                writer.close(terminal)
            case policy.Await(late=late) if number == len(calls) - 1:
                writer.close(Failed(late))
            case _:
                pass
    return channel


def frames_of(channel: CascadeChannel) -> list[bytes]:
    emitter = surface.emitter(channel, bytes(32))
    return [*emitter.begin(), *(frame for record in channel.records for frame in emitter.feed(record))]

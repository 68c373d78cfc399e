"""Values for tests: Google's parts, chunks and streams; requests, turns, records and channels; a clock that is set by
hand. Defaults fit one another, and every field can be given:
``captured(turn(), [chunk(part("It is ")), chunk(part("sunny."), finish="STOP")]).state.text == "It is sunny."``
(a turn whose answer has been read by the real decoder).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from zerogravity import ids
from zerogravity.core import policy
from zerogravity.core.channel import CascadeChannel, ChannelWriter
from zerogravity.core.events import AttemptOpened, Event, Failed, Record, Terminal
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import RecordedDetails, Target, Turn
from zerogravity.surfaces.base import StoredTurn
from zerogravity.wire import jsonio
from zerogravity.wire.calls import declared_names
from zerogravity.wire.google import GoogleDecoder

NS = 1_000_000_000
TURN_ID = "turn_" + "7" * 32
CREATED = 1_770_000_000.25  # shown by an API as whole seconds
Json = dict[str, Any]  # of Google's form
TARGET = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18")


class FakeClock:
    """Monotonic nanoseconds that move only by ``advance``."""

    def __init__(self) -> None:
        self.now = NS

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * NS)


# -- Google's side -------------------------------------------------------------------------------------------------


def part(text: str, *, thought: bool = False, signature: str | None = None) -> Json:
    """A text part."""
    return {
        "text": text,
        **({"thought": True} if thought else {}),
        **({"thoughtSignature": signature} if signature else {}),
    }


def call(name: str = "f", signature: str | None = None, **args: object) -> Json:
    """A functionCall part."""
    made: Json = {"functionCall": {"name": name, "args": args}}
    return {**made, "thoughtSignature": signature} if signature else made


def usage(prompt: int, candidates: int = 0, thoughts: int = 0, cached: int = 0) -> dict[str, int]:
    """usageMetadata; ``prompt`` includes ``cached``."""
    counts = {
        "promptTokenCount": prompt, "candidatesTokenCount": candidates, "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": cached, "totalTokenCount": prompt + candidates + thoughts,
    }  # fmt: skip
    return {name: count for name, count in counts.items() if count}


def chunk(
    *parts: object, finish: str | None = None, usage: Mapping[str, int] | None = None, **candidate: object
) -> Json:
    """One GenerateContentResponse with one candidate; without parts it has no content."""
    made: Json = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    made |= {"finishReason": finish} if finish else {}
    return {"candidates": [{**made, "index": 0, **candidate}], **({"usageMetadata": usage} if usage else {})}


def data(value: Mapping[str, object] | bytes, *, envelope: bool = True) -> bytes:
    """A chunk as the data of one event, in v1internal's envelope or without; bytes stay what they are."""
    if isinstance(value, bytes):
        return value
    return jsonio.dumps({"response": value, "traceId": "t"} if envelope else value)


def sse(*chunks: Mapping[str, object] | bytes, envelope: bool = True) -> bytes:
    """A streamed answer as Google writes it."""
    return b"".join(b"data: %b\r\n\r\n" % data(value, envelope=envelope) for value in chunks)


# -- our side ------------------------------------------------------------------------------------------------------


def google_request(text: str = "hi", **more: object) -> Json:
    """A request of one text, in Google's form."""
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


def turn(**fields: Any) -> Turn:
    """A turn of the Responses surface; its details are the defaults of whichever surface renders it."""
    defaults: dict[str, Any] = {
        "id": TURN_ID, "surface": "responses", "model": TARGET.name, "target": TARGET,
        "google_request": google_request(), "created": CREATED, "details": RecordedDetails(),
    }  # fmt: skip
    return Turn(**{**defaults, **fields})


def stored(question: str = "hi", answer: str = "hello", **fields: Any) -> StoredTurn:
    """What a stored response of one text contributes to the turn that continues it."""
    contents = ({"role": "user", "parts": [part(question)]}, {"role": "model", "parts": [part(answer)]})
    defaults: dict[str, Any] = {"family": TARGET.family}
    return StoredTurn(contents, **{**defaults, **fields})


def records(events: Iterable[Event], end: Terminal, *, gap_s: float = 0.0) -> list[Record]:
    """The records of one attempt, from its opening to its end: one for each event, ``gap_s`` apart."""
    made = [Record(0, 0, 0, b"", (AttemptOpened(),))]
    made += [Record(number, int(number * gap_s * NS), 0, b"", (event,)) for number, event in enumerate(events, 1)]
    return [*made, Record(len(made), int(len(made) * gap_s * NS), -1, b"", (end,))]


def channel(of: Turn | None = None, *events: Event, end: Terminal | None = None) -> CascadeChannel:
    """A channel in which an attempt has brought these events, one record for each; open without ``end``."""
    writer = ChannelWriter(of or turn(), FakeClock())
    for event in (AttemptOpened(), *events):
        writer.append(0, b"", (event,))
    if end is not None:
        writer.close(end)
    return writer.channel


def replay(made: Iterable[Record], into: ChannelWriter) -> CascadeChannel:
    """Write records into a channel from its beginning."""
    for record in made:
        if record.terminal is not None:
            into.close(record.terminal)
        else:
            into.append(record.attempt_no, record.data, record.events, record.span)
    return into.channel


def captured(
    of: Turn,
    *attempts: Sequence[Mapping[str, object] | bytes],
    envelope: bool = True,
    dropped: bool = False,
    clock: Callable[[], int] | None = None,
) -> CascadeChannel:
    """The closed channel of these attempts, each a list of chunks: read by the real decoder, ended as the policy has
    it, or by a stop sequence of the turn. ``dropped``: each body broke off."""
    writer = RunningTurn(of, clock or FakeClock())
    made = writer.channel
    for number, chunks in enumerate(attempts):
        first = len(made.state.function_calls)
        decoder = GoogleDecoder(
            lambda n, first=first: ids.derive("call", of.id, first + n), declared_names(of.google_request)
        )
        writer.append(number, b"", (AttemptOpened(),))
        for value in chunks:
            events = decoder.decode(data(value, envelope=envelope))
            writer.append(number, decoder.source, events)
        writer.append(number, b"", decoder.close())
        match policy.decide(made.state, fault=decoder.fault, dropped=dropped):
            case policy.Finish(terminal):
                writer.close(terminal)
            case policy.Await(late=late) if number == len(attempts) - 1:
                writer.close(Failed(late))
            case _:
                pass
    return made

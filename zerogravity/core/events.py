"""The closed union of events that one captured stream consists of; ``Record``, one upstream SSE event; and how an
attempt, one upstream HTTP call of a turn, went out.

Texts are true deltas, never text so far. ``Finished`` and ``Failed`` are terminal: exactly one per turn, last.
Facts: language-server-and-google C.4; wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from typing import Any, Literal

from zerogravity.core.values import value
from zerogravity.errors import Fault

SignatureTarget = Literal["text", "thought", "call", "alone"]
UsageSource = Literal["captured", "ls", "estimate"]
SOURCES: tuple[UsageSource, ...] = ("captured", "ls", "estimate")  # the most certain first


@value
class RoundOpened:
    """The turn goes on with another request to Google: it is asked again, or the calls that were to be run here have
    been. ``model``: who is asked now, as clients name it; ``former``: who was before, if that was another model.
    ``why``: what went wrong in the round before, of which nothing is part of the answer; empty: nothing did.

    A turn that has only one round has no such event.
    """

    model: str
    why: str = ""
    former: str = ""


@value
class ToolsListed:
    """The tools of an MCP server, which this turn's model can call and the gateway runs. A second one of the same
    server: the model that is asked now has other names for them.

    ``server``  its label. ``tools``: JSON objects as MCP lists them: name, description, inputSchema, annotations.
    ``names``   the name of each for Google, in the same order. ``asks``: the ones of them that run only with the
                client's approval. ``error``: why there are none.
    """

    server: str
    tools: tuple[dict[str, Any], ...] = ()
    names: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    error: str = ""


@value
class CallReturned:
    """What a call came to that the gateway has run. ``output``: text of its result. ``error``: why there is none, as a
    JSON object (``type`` and what belongs to it); None: it went well. ``media``: its pictures and the like, as parts in
    Google's form."""

    call_id: str
    output: str = ""
    error: dict[str, Any] | None = None
    media: tuple[dict[str, Any], ...] = ()


@value
class AttemptOpened:
    """An attempt was matched to this turn; ``attempt_no`` of the record counts them from 0.

    Written when Google's answer begins (or at the first polled step), so it marks the first byte.
    """

    model: str | None = None
    status: int = 200


@value
class ThinkingDelta:
    text: str


@value
class TextDelta:
    text: str


@value
class FunctionCall:
    """A complete call. ``args_json`` is the source text of the arguments (``{}`` when absent), never re-rendered.

    ``call_id`` is ours and unique over all answers; ``upstream_id`` is Google's, if it gave one.
    """

    call_id: str
    name: str
    args_json: str
    signature: str | None = None
    upstream_id: str | None = None


@value
class Signature:
    """An opaque thoughtSignature outside a functionCall part.

    ``text``/``thought``: it came on such a part; ``alone``: in a part of its own, for the neighbouring call.
    """

    data: str
    target: SignatureTarget


@value
class InlineData:
    """A blob of the answer, e.g. an image; ``data`` is base64 text as Google sent it. ``draft``: it came as part of
    the thinking, and no other came."""

    mime: str
    data: str
    draft: bool = False


@value
class ServerTool:
    """A step of a tool that Google ran itself beside our functions: the source text of its part (toolCall or
    toolResponse, with id and signature), which must go back as it came (wire-gemini-and-mapping 2.3)."""

    part: str


@value
class Grounding:
    """groundingMetadata as Google sent it; replaces an earlier one of the same attempt."""

    data: dict[str, Any]


@value
class Usage:
    """Token counts of one attempt, cumulative: its last one counts.

    ``prompt`` includes ``cached``; ``candidates`` excludes ``thoughts``; absent counts are 0, never negative.
    ``source``: where the figures come from; captured ones win over the LS's, those over estimates. Of a sum: the least
    certain of them. ``images``: those of ``candidates`` that are pictures; ``audio``: those of ``prompt`` that are
    sound.
    """

    prompt: int = 0
    cached: int = 0
    candidates: int = 0
    thoughts: int = 0
    tool_use: int = 0
    total: int = 0
    source: UsageSource = "captured"
    images: int = 0
    audio: int = 0

    @property
    def sent(self) -> int:
        """All that was read: the request, and what Google's own tools found."""
        return self.prompt + self.tool_use

    @property
    def made(self) -> int:
        """All that was written: the thinking and the answer, each once."""
        return self.candidates + self.thoughts

    @property
    def told(self) -> bool:
        """Whether there are any figures."""
        return bool(self.sent or self.made or self.total)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.candidates + other.candidates,
            self.thoughts + other.thoughts,
            self.tool_use + other.tool_use,
            self.total + other.total,
            _least_certain(self, other),
            self.images + other.images,
            self.audio + other.audio,
        )


def _least_certain(one: Usage, other: Usage) -> UsageSource:
    if not (one.told and other.told):
        return (one if one.told else other).source
    return SOURCES[max(SOURCES.index(one.source), SOURCES.index(other.source))]


@value
class Notice:
    """Something odd that ended nothing: a parse repair, an unknown part, a retry."""

    code: str
    text: str


@value
class AttemptClosed:
    """One upstream body has ended. ``finish`` is Google's finishReason, or ``BLOCKED:<blockReason>``, or None when
    the body ended without any; ``message`` its finishMessage. ``broken``: why a call of it cannot be run."""

    finish: str | None
    message: str | None = None
    broken: str | None = None


FinishReason = Literal["stop", "stop_sequence", "tool", "length", "filtered"]


@value
class Finished:
    """Terminal: the turn is over and well. ``detail`` is Google's word behind ``filtered`` or ``length``, or the
    sequence behind ``stop_sequence`` (see ``Turn.stops``)."""

    reason: FinishReason
    detail: str | None = None


@value
class Failed:
    """Terminal: the turn is over and not well."""

    fault: Fault


Terminal = Finished | Failed
Event = (
    RoundOpened
    | ToolsListed
    | CallReturned
    | AttemptOpened
    | ThinkingDelta
    | TextDelta
    | FunctionCall
    | Signature
    | InlineData
    | ServerTool
    | Grounding
    | Usage
    | Notice
    | AttemptClosed
    | Finished
    | Failed
)


@value
class Record:
    """One upstream SSE event (or one step of our own, with empty ``data``), with its arrival.

    ``seq``      0, 1, 2 … within the channel.
    ``t_ns``     monotonic nanoseconds.
    ``attempt_no``  which attempt of the turn, from 0; -1 for steps of our own.
    ``data``     the payload bytes of the event (what stood after ``data:``), uncompressed; where Google cut a character
                 in two between events, mended. ``span`` is of what came.
    ``span``     (start, end) byte offsets of the whole event in that attempt's uncompressed body.
    """

    seq: int
    t_ns: int
    attempt_no: int
    data: bytes
    events: tuple[Event, ...]
    span: tuple[int, int] = (0, 0)

    @property
    def terminal(self) -> Terminal | None:
        """The terminal event, if this is the last record of its channel."""
        if events := self.events:
            last = events[-1]
            if type(last) is Finished or type(last) is Failed:  # twice as fast as ``isinstance``, for each record
                return last
        return None


@value
class RequestLine:
    """An attempt as it went out: ``http_version`` as in ``HTTP/2.0``, the one that Google answered in."""

    method: str
    url: str
    http_version: str


def texts_size(events: tuple[Event, ...]) -> int:
    """Characters of texts and data in ``events``: what a record without bytes of its own holds (polled steps)."""
    size = 0
    for event in events:
        match event:
            case TextDelta(text) | ThinkingDelta(text):
                size += len(text)
            case FunctionCall(args_json=args):
                size += len(args)
            case InlineData(data=data):
                size += len(data)
            case ServerTool(part):
                size += len(part)
            case CallReturned(output=output, media=media):
                size += len(output) + sum(len(str(part)) for part in media)
            case ToolsListed(tools=tools):
                size += sum(len(str(tool)) for tool in tools)
            case _:
                pass
    return size

"""How the Google stand-in answers: scripted ``Scenario`` objects, made by tests or named in a prompt as ``sim:NAME``.

A prompt may name several, one for each call of its turn: ``sim:tool sim:429`` calls a tool, then fails.
Numbers after a name are its arguments (``sim:long 500``).

| keyword | the answer |
|---|---|
| think · text | thoughts, then text · text alone |
| tool · parallel · parallel-split | one call · three in one chunk · three in three chunks; only the first is signed |
| tool-apart · sig-before · sig-after | STOP and signature in a later chunk · signature in a part of its own |
| tool-text · tool-late-text | text in the chunk of the call · text after the call |
| search-tool | a search of Google's own (toolCall, toolResponse), then a call: all of it must come back |
| tool-noargs · tool-exact · tool-unknown · snake | no args · big numbers, odd texts · undeclared name · snake_case |
| image · code · grounding · signed-text | picture · code tool · search results (byte offsets) · signature on text |
| echo · json · unicode | the request as text · JSON for the schema · U+2028, U+0085, emoji in small pieces |
| 400 401 403 404 429 500 503 504 | Google's error with details before the stream |
| 429-quota · 429-bare · 400-long · 403-verify · 503-capacity | hours to wait · no details · context length · reasons |
| 400-key · 400-region · 400-billing · 429-day · 429-plan | the public API's: bad key · place · no free tier · used up |
| flaky N | 503 for the first N tries of this very prompt (default 1) |
| thinking-once · malformed-once · nameless-once | so the first time, then a good answer |
| 429-once · quota-once · drop-once | the same: 429, 429-quota, drop-before |
| 503-mid · 429-mid · raw-mid | error event inside the stream · a bare JSON error inside the stream |
| drop · drop-think · drop-before · cut | closed after text · after thoughts · before headers · inside an event |
| reset · reset-before · half-close · gzip-cut | RST · RST before headers · FIN without end · inside a deflate block |
| no-finish · empty · empty-body · thinking-only | ends without reason · STOP without parts · nothing · thoughts, STOP |
| garbage · nonsense | an event that is not JSON · a 200 that is an HTML page |
| nameless | a call without a name |
| malformed · unexpected · unsigned | MALFORMED_FUNCTION_CALL · UNEXPECTED_TOOL_CALL · MISSING_THOUGHT_SIGNATURE |
| safety · recitation · other · blocked · max-tokens · max-thinking | endings that are not STOP |
| slow N · stall N · stall-before N | N s between events · silence of N s after some text · before the headers |
| long N · big N · flood N · bench N MS BYTES | N events · one text of N KiB · N events at once · stamped events |
| split N · lf · cr · odd-sse · gzip | chunks of N bytes · line ends · comments, no last blank line · compressed |
| usage-after · usage-root · usage-jump · usage-none · usage-last | usage in its own chunk, beside ``response``, … |
| claude | Claude's form whatever the model is: signatures on thoughts, empty texts |

Without a keyword ``default_answers.py`` answers.
Facts: language-server-and-google C.4, C.5; wire-gemini-and-mapping 4, 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from zerogravity.testing.simulator import Json

RPC = "type.googleapis.com/google.rpc."
SIGN = "(sign this)"  # as a thoughtSignature in an event: replaced by a fresh, valid one

Usage = Literal["each", "last", "after", "root", "jump", "none"]
Event = Json


class Ending(Enum):
    """How an answer can end."""

    END = "end"
    DROP = "drop"
    RESET = "reset"
    HALF_CLOSE = "half_close"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A text event whose text is ``@SEQ:MONOTONIC_NS`` and padding: written at the moment it is sent."""

    seq: int
    size: int = 40


Action = bytes | Event | Ending | Stamp | asyncio.Event
Step = tuple[float, Action]


@dataclass(slots=True)
class Scenario:
    """One answer. A step is (seconds to wait before, what to do then).

    ``bytes``  go out as they are, as one chunk.
    an event   a GenerateContentResponse without envelope; envelope, usage, ids and SSE framing are added. One with
               ``error`` on top is an error event. ``SIGN`` as a signature is replaced by a valid one.
    ``Ending``     ends, drops, resets; END is implied after the last step.
    ``asyncio.Event``  waits until a test sets it.

    ``status`` None: no headers at all. ``body``: the whole body of an error answer, JSON or bytes.
    ``before``: seconds before the headers. ``chunk``: cut every piece into chunks of so many bytes.
    ``gzip``: None: when the client asks for it. ``truncate_gzip``: a DROP leaves half of the last block unsent.
    """

    steps: Sequence[Step] = ()
    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: object = None
    before: float = 0.0
    chunk: int | None = None
    eol: bytes = b"\r\n"
    gzip: bool | None = None
    truncate_gzip: bool = False
    usage: Usage = "each"
    prefix: bytes = b"data: "
    last_blank: bool = True
    comments: bool = False
    name: str = ""


# -- what scripts are written with ----------------------------------------------------------------------------------


def say(*texts: str, pace: float = 0.0) -> list[Step]:
    """Text deltas."""
    return [(pace, event({"text": text})) for text in texts]


def think(*texts: str, pace: float = 0.0) -> list[Step]:
    """Thought deltas."""
    return [(pace, event({"text": text, "thought": True})) for text in texts]


def call(name: str, args: Json | None = None, signature: str | None = SIGN, **more: object) -> Json:
    """A functionCall part; ``more`` are further members of the call (``id``)."""
    part: Json = {"functionCall": {"name": name, **({} if args is None else {"args": args}), **more}}
    return part if signature is None else {**part, "thoughtSignature": signature}


def event(*parts: Json, finish: str | None = None, **more: object) -> Event:
    """One chunk with one candidate; ``more`` are further members of the candidate."""
    candidate: Json = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    return {"candidates": [candidate | ({} if finish is None else {"finishReason": finish}) | more]}


def stop(signature: str | None = SIGN, finish: str = "STOP", pace: float = 0.0, **more: object) -> list[Step]:
    """The usual last chunk of a text answer: empty text with a signature and the reason."""
    part = {"text": ""} if signature is None else {"text": "", "thoughtSignature": signature}
    return [(pace, event(part, finish=finish, **more))]


def answer(*texts: str, thoughts: Sequence[str] = (), pace: float = 0.0, **fields: Any) -> Scenario:
    """The everyday scripted answer: thoughts, texts, signed STOP."""
    return Scenario([*think(*thoughts, pace=pace), *say(*texts, pace=pace), *stop(pace=pace)], **fields)


def calls(*parts: Json, pace: float = 0.0, **fields: Any) -> Scenario:
    """An answer that is these calls, all in one chunk with STOP."""
    return Scenario([(pace, event(*parts, finish="STOP"))], **fields)


def failure(code: int, status: str, message: str, details: Sequence[Json] = (), **fields: Any) -> Scenario:
    """Google's error instead of a stream."""
    return Scenario(status=code, body=error(code, status, message, details), **fields)


def error(code: int, status: str, message: str, details: Sequence[Json] = ()) -> Json:
    """Google's error object; ``code`` is the number, ``details`` are google.rpc messages."""
    body: Json = {"code": code, "message": message, "status": status}
    return {"error": {**body, "details": list(details)} if details else body}


def error_info(reason: str, domain: str = "cloudcode-pa.googleapis.com", **metadata: str) -> Json:
    return {"@type": RPC + "ErrorInfo", "reason": reason, "domain": domain, "metadata": metadata}


def retry_info(delay: str) -> Json:
    return {"@type": RPC + "RetryInfo", "retryDelay": delay}


def bad_request(*violations: tuple[str, str]) -> Json:
    """``violations``: (field path, or nothing; description)."""
    fields = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
    return {"@type": RPC + "BadRequest", "fieldViolations": fields}

"""A request without what changes from run to run → its digest, the key of a cassette. Pure.

Volatile are ids of calls, signatures, our own and random ids, times and dates, and temporary paths; secrets are masked
as in a trace. Two requests with equal digests want the same answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from zerogravity import redact
from zerogravity.core.turn import Turn
from zerogravity.wire.narrow import an_array, an_object, members

_DROPPED = frozenset({
    "thoughtSignature", "thought_signature", "labels", "requestId", "sessionId", "traceId", "userPromptId",
})  # fmt: skip
_VOLATILE = (
    (re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), "<uuid>"),
    (re.compile(r"\b(call|turn|resp|msg|rs|fc|run|session|thread|req|toolu|chatcmpl)[_-](?=[0-9a-zA-Z]*\d)[0-9a-zA-Z]{8,64}\b"),
     r"<\1>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(r"(?:/private)?(?:/tmp|/var/folders|/var/tmp)/[^\s\"'`:;,)\]}<>]+"), "<tmp>"),
    (re.compile(r"\b1[5-9]\d{8}(?:\d{3})?\b"), "<epoch>"),
)  # fmt: skip


def normalised(turn: Turn) -> dict[str, object]:
    """The part of a turn that decides its answer, in a form that two runs share."""
    return normalised_request(turn.target.name, turn.google_request, stops=turn.stops, at_once=turn.at_once)


def normalised_request(
    model: str, generate: Mapping[str, object], *, stops: Sequence[str] = (), at_once: bool = False
) -> dict[str, object]:
    made = {"model": model, **members(_stable(redact.json_value(generate)))}
    if stops:
        made["stops"] = list(map(redact.text, stops))
    return {**made, "at_once": True} if at_once else made


def digest(normalised: Mapping[str, object]) -> str:
    """32 hexadecimal digits."""
    text = json.dumps(normalised, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def lines(normalised: Mapping[str, object]) -> list[str]:
    """For diffs: indented JSON, each line of a text on a line of its own."""
    made: list[str] = []
    for line in json.dumps(normalised, sort_keys=True, indent=1, ensure_ascii=False).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        made += [piece if n == 0 else indent + piece for n, piece in enumerate(line.split("\\n"))]
    return made


def _stable(value: object) -> object:
    if (found := an_object(value)) is not None:
        return {key: _stable(_anonymous(key, item)) for key, item in found.items() if key not in _DROPPED}
    if (array := an_array(value)) is not None:
        return [_stable(item) for item in array]
    if isinstance(value, str):
        for pattern, name in _VOLATILE:
            value = pattern.sub(name, value)
    return value


def _anonymous(key: str, item: object) -> object:
    """A call or a result without its id; an ``id`` among the arguments is content and stays."""
    call = an_object(item) if key in ("functionCall", "functionResponse") else None
    return item if call is None else {name: value for name, value in call.items() if name != "id"}

"""What a request asks for, without what changes from run to run: the key of a cassette. Pure.

Volatile: ids of calls, signatures, our own and random ids, times and dates, temporary paths; secrets are masked as in
the trace. Two requests with equal digests want the same answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from zerogravity import redact
from zerogravity.core.turn import Turn

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


def normal(turn: Turn) -> dict[str, Any]:
    """The part of a turn that decides its answer, in a form that two runs share."""
    return normal_request(turn.target.name, turn.google_request)


def normal_request(model: str, generate: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": model, **_value(redact.json_value(generate))}


def digest(normalised: Mapping[str, Any]) -> str:
    """32 hexadecimal digits."""
    text = json.dumps(normalised, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def lines(normalised: Mapping[str, Any]) -> list[str]:
    """For diffs: indented JSON, long texts one line each."""
    made: list[str] = []
    for line in json.dumps(normalised, sort_keys=True, indent=1, ensure_ascii=False).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        made += [piece if n == 0 else indent + piece for n, piece in enumerate(line.split("\\n"))]
    return made


def _value(value: Any) -> Any:
    match value:
        case str():
            for pattern, name in _VOLATILE:
                value = pattern.sub(name, value)
            return value
        case dict():
            return {key: _value(_anonymous(key, item)) for key, item in value.items() if key not in _DROPPED}
        case list():
            return [_value(item) for item in value]
        case _:
            return value


def _anonymous(key: str, item: Any) -> Any:
    """A call or a result without its id; an ``id`` among the arguments means something and stays."""
    if key in ("functionCall", "functionResponse") and isinstance(item, dict):
        return {name: value for name, value in item.items() if name != "id"}
    return item

"""What the LS is told instead of what Google said: an answer without the client's calls, and a clean stop. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qs, unquote

from zerogravity.wire import calls, jsonio, sse

Json = dict[str, Any]
Form = Literal["events", "array", "object"]
FILLER = "ok"
_MODEL = re.compile(r"/(?:models|tunedModels|endpoints)/([^/?]+?)(?::|%3[Aa])")
_STREAMS = re.compile(r"(?::|%3[Aa])streamGenerateContent$")


@dataclass(frozen=True, slots=True)
class Expected:
    """The form of answer that a call asks for. ``envelope``: in Google's internal API alone; on the others the LS
    would read nothing in it and call again for ever."""

    envelope: bool = True
    form: Form = "events"
    model: str | None = None

    @property
    def content_type(self) -> str:
        return "text/event-stream" if self.form == "events" else "application/json"


def expected(path: str, model: object = None) -> Expected:
    """``model``: the one the body names, where the path names none."""
    place, _, query = path.partition("?")
    named = _MODEL.search(place)
    form: Form = "object"
    if _STREAMS.search(place):
        form = "events" if parse_qs(query).get("alt") == ["sse"] else "array"
    return Expected(named is None, form, unquote(named[1]) if named else model if isinstance(model, str) else None)


def synthetic_stop(
    model: str | None = None, text: str = FILLER, *, envelope: bool = True, form: Form = "events"
) -> bytes:
    """Some text and a clean STOP, so that the LS neither retries nor loops (D.5)."""
    chunk = jsonio.dumps(stop_chunk(model, text, envelope=envelope))
    match form:
        case "events":
            return sse.encode(chunk, eol=b"\r\n")
        case "array":
            return b"[" + chunk + b"]"
        case "object":
            return chunk


def stop_chunk(model: str | None, text: str, *, envelope: bool, usage: bool = True, finish: str = "STOP") -> Json:
    """Its one event. ``usage``: with figures, which would replace those of an answer before it."""
    candidate: Json = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish, "index": 0}
    response: Json = {"candidates": [candidate], "responseId": "r-local"}
    if usage:
        response["usageMetadata"] = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    if model is not None:
        response["modelVersion"] = model
    if not envelope:
        return response
    return {"response": response, "traceId": "0" * 16, "metadata": {}}


def retry_chunk(model: str | None, *, envelope: bool) -> Json:
    """The end of an answer with a call that cannot be run: the LS asks once more, as it does of itself where Google
    says so."""
    return stop_chunk(model, "", envelope=envelope, usage=False, finish="MALFORMED_FUNCTION_CALL")


def muted(chunk: Any, filler: str) -> Any:
    """``chunk`` without its calls, with ``filler`` as text where something was taken; itself when there are none."""
    if not isinstance(chunk, dict):
        return cast("object", chunk)
    chunk = cast("Json", chunk)
    response = chunk.get("response")
    if isinstance(response, dict):
        inner = muted(response, filler)
        return chunk if inner is response else {**chunk, "response": inner}
    candidates = chunk.get("candidates")
    if not isinstance(candidates, list):
        return chunk
    candidates = cast("list[Any]", candidates)
    shown = [_muted_candidate(candidate, filler) for candidate in candidates]
    if all(new is old for new, old in zip(shown, candidates, strict=True)):
        return chunk
    return {**chunk, "candidates": shown}


def _muted_candidate(candidate: Any, filler: str) -> Any:
    content = cast("Json", candidate).get("content") if isinstance(candidate, dict) else None
    parts = cast("Json", content).get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        return candidate
    parts = cast("list[Any]", parts)
    kept = [part for part in parts if not (isinstance(part, dict) and any(key in part for key in calls.KEYS))]
    if len(kept) == len(parts):
        return candidate
    if filler or not kept:
        kept.append({"text": filler})
    return {**candidate, "content": {**cast("Json", content), "parts": kept}}

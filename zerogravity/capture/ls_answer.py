"""What the LS gets instead of Google's answer: one without the client's calls, or a clean stop. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qs, unquote

from zerogravity.wire import calls, jsonio, narrow, sse
from zerogravity.wire.narrow import Json
from zerogravity.wire.reasons import Api

Form = Literal["events", "array", "object"]
FILLER = "ok"
_MODEL = re.compile(r"/(?:models|tunedModels|endpoints)/([^/?]+?)(?::|%3[Aa])")
_STREAMS = re.compile(r"(?::|%3[Aa])streamGenerateContent$")


@dataclass(frozen=True, slots=True)
class Expected:
    """The form of answer that a call asks for. ``envelope``: in Google's internal API alone; elsewhere the LS would
    find nothing in it and call again for ever."""

    envelope: bool = True
    form: Form = "events"
    model: str | None = None

    @property
    def api(self) -> Api:
        """Which of Google's APIs answers the call."""
        return Api.EDITOR if self.envelope else Api.KEY

    @property
    def content_type(self) -> str:
        return "text/event-stream" if self.form == "events" else "application/json"


def expected(path: str, model: object = None) -> Expected:
    """``model``: the one the body names, where the path names none."""
    of_path = _of_path(path)
    return replace(of_path, model=model) if of_path.model is None and isinstance(model, str) else of_path


@lru_cache(256)
def _of_path(path: str) -> Expected:
    route, _, query = path.partition("?")
    named = _MODEL.search(route)
    form: Form = "object"
    if _STREAMS.search(route):
        form = "events" if parse_qs(query).get("alt") == ["sse"] else "array"
    return Expected(named is None, form, unquote(named[1]) if named else None)


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
    """The one chunk of such an answer. ``usage``: with figures, which would replace those of earlier chunks."""
    candidate: Json = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish, "index": 0}
    response: dict[str, object] = {"candidates": [candidate], "responseId": "r-local"}
    if usage:
        response["usageMetadata"] = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    if model is not None:
        response["modelVersion"] = model
    if not envelope:
        return response
    return {"response": response, "traceId": "0" * 16, "metadata": {}}


def retry_chunk(model: str | None, *, envelope: bool) -> Json:
    """Ends an answer with a call that cannot be run: with this finishReason the LS calls once more."""
    return stop_chunk(model, "", envelope=envelope, usage=False, finish="MALFORMED_FUNCTION_CALL")


def strip_calls(chunk: object, filler: str) -> object:
    """``chunk`` without its calls, with ``filler`` as text where one was taken out; itself when there are none."""
    found = narrow.members(chunk)
    if (response := narrow.an_object(found.get("response"))) is not None:
        inner = strip_calls(response, filler)
        return chunk if inner is response else {**found, "response": inner}
    candidates = narrow.items(found.get("candidates"))
    shown = [_strip_candidate(candidate, filler) for candidate in candidates]
    if all(new is old for new, old in zip(shown, candidates, strict=True)):
        return chunk
    return {**found, "candidates": shown}


def _strip_candidate(candidate: object, filler: str) -> object:
    parts = narrow.items(narrow.lookup(candidate, "content", "parts"))
    kept = [part for part in parts if not any(key in narrow.members(part) for key in calls.KEYS)]
    if len(kept) == len(parts):
        return candidate
    if filler or not kept:
        kept.append({"text": filler})
    found = narrow.members(candidate)
    return {**found, "content": {**narrow.members(found["content"]), "parts": kept}}

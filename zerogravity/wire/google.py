"""Google's answer: one SSE payload → events; error bodies → Fault. Both the v1internal envelope and the public form.

Knows nothing of HTTP or of turns. Never raises on what Google sends: the unknown becomes a Notice.
Facts: language-server-and-google C.4, C.5, E; wire-gemini-and-mapping 1.4, 4, 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson

from zerogravity.core.events import (
    CallClosed,
    Event,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.errors import Fault, Termination, upstream
from zerogravity.wire import jsonio

Json = dict[str, Any]
_SNAKE = {
    "thought_signature": "thoughtSignature", "function_call": "functionCall", "inline_data": "inlineData",
    "executable_code": "executableCode", "code_execution_result": "codeExecutionResult",
}  # fmt: skip
_KEPT = {  # parts of which we keep the source text → whether they are calls
    "functionCall": True, "function_call": True,
    "toolCall": False, "tool_call": False, "toolResponse": False, "tool_response": False,
}  # fmt: skip
_INDENTED = re.compile(rb"[\r\n][ \t\r\n]*+")  # never inside a string: there line ends are escaped


class GoogleDecoder:
    """One upstream answer. ``call_id(n)`` names the n-th function call of this answer.

    ``fault``      set when the answer itself said that something is wrong (error event, error body).
    ``finish``     the finishReason so far, ``BLOCKED:<blockReason>`` for a refused prompt.
    ``enveloped``  the form of the newest chunk.
    ``has_text``   a text part that is neither empty nor thinking has come.
    """

    def __init__(self, call_id: Callable[[int], str]) -> None:
        self.fault: Fault | None = None
        self.model: str | None = None
        self.finish: str | None = None
        self.enveloped = True
        self.has_text = False
        self._call_id = call_id
        self._calls = 0
        self._blocked = False  # the prompt was refused: no finishReason says more
        self._after_call = False  # no text, thinking or media since the last call
        self._counts: Json | None = None  # usageMetadata as it came last
        self._usage: Usage | None = None
        self._message: str | None = None

    def decode(self, data: bytes) -> tuple[Event, ...]:
        """The events of one payload: a chunk, an error object, or a JSON array of either."""
        events: list[Event] = []
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = _mended(data, events)
        if isinstance(value, dict):
            self._chunk(cast("Json", value), data, events)
        elif isinstance(value, list):
            for item, source in zip(cast("list[Any]", value), jsonio.elements(data), strict=False):
                if isinstance(item, dict):
                    self._chunk(cast("Json", item), source, events)
                else:
                    events.append(Notice("not_an_object", "a chunk that is no JSON object"))
        elif not events:
            events.append(Notice("not_an_object", "a chunk that is no JSON object"))
        return tuple(events)

    def close(self) -> CallClosed:
        """The end of the body."""
        return CallClosed(self.finish, self._message)

    def _chunk(self, chunk: Json, source: bytes, events: list[Event]) -> None:
        inner = chunk.get("response")
        if isinstance(inner, dict):
            inner = cast("Json", inner)
            self.enveloped = True
        else:
            inner = chunk
            self.enveloped = "error" in chunk and self.enveloped
        if error := inner.get("error") or chunk.get("error"):
            self.fault = self.fault or _fault_of(0, _error_object(error))
        if isinstance(version := inner.get("modelVersion"), str):
            self.model = version
        if candidates := inner.get("candidates"):
            self._candidates(candidates, source, events, enveloped=inner is not chunk)
        if isinstance(feedback := inner.get("promptFeedback"), dict):
            feedback = cast("Json", feedback)
            if reason := _text(feedback.get("blockReason")):
                self._blocked = True
                self.finish = "BLOCKED:" + reason
                self._message = _text(feedback.get("blockReasonMessage"))
        counts = inner.get("usageMetadata") or chunk.get("usageMetadata")
        if counts and counts != self._counts and isinstance(counts, dict):
            self._counts = cast("Json", counts)
            usage = _usage(self._counts)
            if usage != self._usage:
                self._usage = usage
                events.append(usage)

    def _candidates(self, candidates: Any, source: bytes, events: list[Event], *, enveloped: bool) -> None:
        """Only the candidate with index 0: there is one answer per turn."""
        for position, candidate in enumerate(_list(candidates)):
            if isinstance(candidate, dict) and not cast("Json", candidate).get("index"):
                path = ("response", "candidates", position) if enveloped else ("candidates", position)
                self._candidate(cast("Json", candidate), source, path, events)
                return

    def _candidate(self, candidate: Json, source: bytes, path: tuple[str | int, ...], events: list[Event]) -> None:
        content = candidate.get("content")
        parts = _list(cast("Json", content).get("parts")) if isinstance(content, dict) else []
        sources: list[bytes] | None = None
        for index, part in enumerate(parts):
            if not isinstance(part, dict):
                events.append(Notice("unknown_part", "a part that is no object"))
                continue
            part = cast("Json", part)
            text = part.get("text")
            if len(part) == 1 and isinstance(text, str):  # the common case
                if text:
                    self.has_text, self._after_call = True, False
                    events.append(TextDelta(text))
            elif (key := _kept_key(part)) is not None:
                if sources is None:
                    sources = jsonio.elements(jsonio.at(source, (*path, "content", "parts")) or b"")
                own = sources[index] if index < len(sources) else b""
                if _KEPT[key]:
                    self._call(_camel(part), jsonio.at(own, (key, "args")), events)
                elif own:
                    events.append(ServerTool(_one_line(own)))
            else:
                self._part(_camel(part), events)
        if isinstance(grounding := candidate.get("groundingMetadata"), dict) and grounding:
            events.append(Grounding(cast("Json", grounding)))
        finish = candidate.get("finishReason")
        if isinstance(finish, str) and finish != "FINISH_REASON_UNSPECIFIED" and not self._blocked:
            self.finish = finish
            self._message = _text(candidate.get("finishMessage"))

    def _call(self, part: Json, arguments: bytes | None, events: list[Event]) -> None:
        call = cast("Json", part["functionCall"])
        name = _text(call.get("name")) or ""
        if not name:
            events.append(Notice("unnamed_call", "a function call without a name"))
        call_id, signature = self._call_id(self._calls), _text(part.get("thoughtSignature")) or None
        events.append(FunctionCall(call_id, name, _arguments(arguments), signature, _text(call.get("id")) or None))
        self._calls += 1
        self._after_call = True

    def _part(self, part: Json, events: list[Event]) -> None:
        """Everything but plain text and calls."""
        signature, thought = _text(part.get("thoughtSignature")), part.get("thought") is True
        if isinstance(text := part.get("text"), str):
            if text:
                self.has_text, self._after_call = self.has_text or not thought, False
                events.append(ThinkingDelta(text) if thought else TextDelta(text))
            if signature:
                # The signature of a call may come in an empty text part after it (wire-gemini 8, no. 2).
                own = "thought" if thought else "alone" if self._after_call and not text else "text"
                events.append(Signature(signature, own))
        elif part.keys() <= {"thought", "thoughtSignature"}:
            if signature:
                events.append(Signature(signature, "thought" if thought else "alone"))
        elif thought:
            events.append(Notice("thought_part", f"thinking that is no text: {_names(part)}"))
        elif (event := _content(part)) is not None:
            events.append(event)
            if not isinstance(event, Notice):
                self._after_call = False
                if signature:
                    events.append(Signature(signature, "text"))


def _content(part: Json) -> Event | None:
    """A part that holds neither text nor a call."""
    match part:
        case {"inlineData": dict()}:
            blob = cast("Json", part["inlineData"])
            mime = _text(blob.get("mimeType")) or _text(blob.get("mime_type"))
            return InlineData(mime or "application/octet-stream", _text(blob.get("data")) or "")
        case {"executableCode": dict()}:
            code = cast("Json", part["executableCode"])
            return TextDelta(_fenced(_text(code.get("code")) or "", (_text(code.get("language")) or "").lower()))
        case {"codeExecutionResult": dict()}:
            return TextDelta(_fenced(_text(cast("Json", part["codeExecutionResult"]).get("output")) or "", ""))
        case _:
            return Notice("unknown_part", f"a part with {_names(part)}")


def _fenced(text: str, language: str) -> str:
    """A code block that ``text`` can not end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"\n{fence}{language}\n{text.removesuffix('\n')}\n{fence}\n"


def _mended(data: bytes, events: list[Event]) -> Any:
    """What orjson refuses (NaN, lone surrogates, a byte order mark, broken UTF-8), said so."""
    try:
        value = jsonio.loads(data)
    except ValueError:
        events.append(Notice("not_json", f"{len(data)} bytes that are no JSON"))
        return None
    events.append(Notice("json_repaired", "a chunk that is JSON only to a lenient reader"))
    return value


def _kept_key(part: Json) -> str | None:
    if _KEPT.keys().isdisjoint(part.keys()):
        return None
    return next((key for key in _KEPT if isinstance(part.get(key), dict)), None)


def _camel(part: Json) -> Json:
    if part.keys().isdisjoint(_SNAKE):
        return part
    return {_SNAKE.get(key, key): value for key, value in part.items()}


def _arguments(source: bytes | None) -> str:
    """Source text of the arguments on one line; a missing or null value is an empty object."""
    if source is None or source == b"null":
        return "{}"
    return _one_line(source)


def _one_line(source: bytes) -> str:
    return _INDENTED.sub(b" ", source).decode("utf-8", "replace")


def _usage(counts: Json) -> Usage:
    def count(name: str) -> int:
        value = counts.get(name)
        return value if isinstance(value, int) and value > 0 else 0

    prompt, candidates = count("promptTokenCount"), count("candidatesTokenCount")
    thoughts, tool_use = count("thoughtsTokenCount"), count("toolUsePromptTokenCount")
    cached = min(count("cachedContentTokenCount"), prompt)
    total = count("totalTokenCount") or prompt + candidates + thoughts + tool_use
    return Usage(prompt, cached, candidates, thoughts, tool_use, total)


def _names(part: Json) -> str:
    return ", ".join(sorted(part))[:200] or "nothing"


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


# -- errors ------------------------------------------------------------------------------------------------------

QUOTA_DELAY_S = 600.0  # a longer delay is a used-up quota, not a rate limit
_QUOTA_REASONS = {"QUOTA_EXHAUSTED", "INSUFFICIENT_G1_CREDITS_BALANCE"}
_HTTP_OF_RPC = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499, "UNKNOWN": 500, "INTERNAL": 500, "DATA_LOSS": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
_TOO_LONG = re.compile(r"token count.*exceed|maximum number of tokens|prompt is too long", re.IGNORECASE | re.DOTALL)
_DELAY_IN_MESSAGE = re.compile(r"(?:reset after|retry in) (\S+?)\.?(?:\s|$)")
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A non-200 answer of Google → Fault. Tolerates arrays, HTML and nothing at all."""
    try:
        value = jsonio.loads(body)
    except ValueError:
        value = None
    if isinstance(value, list) and value:
        value = cast("list[Any]", value)[0]
    error = _error_object(cast("Json", value).get("error")) if isinstance(value, dict) else {}
    header = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    told = float(header) if header.isascii() and header.isdigit() and len(header) < 10 else None
    return _fault_of(status, error, told)


def garbage(message: str) -> Fault:
    """The answer can not be read."""
    return upstream(502, "upstream_garbage", message, Termination.UPSTREAM_GARBAGE)


def retry_after(error: Mapping[str, Any]) -> float | None:
    """Seconds to wait: RetryInfo, else quotaResetDelay, else the message's "reset after …" or "retry in …"."""
    quota: float | None = None
    for detail in _details(error):
        kind = str(detail.get("@type", ""))
        if kind.endswith("RetryInfo") and (delay := parse_duration(str(detail.get("retryDelay", "")))) is not None:
            return delay
        if kind.endswith("ErrorInfo"):
            quota = parse_duration(str(_metadata(detail).get("quotaResetDelay", "")))
    if quota is not None:
        return quota
    found = _DELAY_IN_MESSAGE.search(str(error.get("message", "")))
    return parse_duration(found.group(1)) if found else None


def parse_duration(text: str) -> float | None:
    """``22s``, ``0.479s``, ``479.4ms``, ``1h2m3.5s`` → seconds; None when it is no duration."""
    found = list(_DURATION.finditer(text))
    if not found or "".join(match.group() for match in found) != text:
        return None
    return sum(float(match.group(1)) * _UNITS[match.group(2)] for match in found)


def _fault_of(status: int, error: Json, told: float | None = None) -> Fault:
    """The table of error statuses; ``status`` 0: the error came inside a 200 stream. ``told``: Retry-After."""
    rpc = _text(error.get("status"))
    status = status or _status_inside(error, rpc)
    message = _text(error.get("message")) or f"Google answered {status} without a message"
    delay = retry_after(error)
    if delay is None:
        delay = told
    more: Json = {"rpc_status": rpc, "details": tuple(_details(error))}
    match status:
        case 401 | 403:
            # Our side's credentials, never the client's key (wire-gemini 7, errors).
            text = f"Google refused the language server's login ({status}): {message} {_way_in(error)}"
            return upstream(502, "upstream_auth", text, heals=False, **more)
        case 429:
            exhausted = delay > QUOTA_DELAY_S if delay is not None else not _QUOTA_REASONS.isdisjoint(_reasons(error))
            name = "insufficient_quota" if exhausted else "rate_limit_exceeded"
            return upstream(429, name, message, retry_after=delay, heals=not exhausted, **more)
        case 400:
            name = "context_length_exceeded" if _TOO_LONG.search(message) else "invalid_argument"
            return upstream(400, name, message, heals=False, **more)
        case 404:
            return upstream(404, "model_not_found", message, heals=False, **more)
        case 413:
            return upstream(413, "request_too_large", message, heals=False, **more)
        case _ if 400 <= status < 499:
            return upstream(status, "upstream_error", message, heals=status in (408, 409), **more)
        case _:
            status = status if 500 <= status < 600 else 502
            return upstream(status, "upstream_error", message, retry_after=delay, **more)


def _status_inside(error: Json, rpc: str | None) -> int:
    code = error.get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return _HTTP_OF_RPC.get(rpc or "", 500)


def _error_object(error: object) -> Json:
    if isinstance(error, dict):
        return cast("Json", error)
    return {"message": error} if isinstance(error, str) else {}


def _way_in(error: Json) -> str:
    """What the person in front of the machine can do."""
    for detail in _details(error):
        for value in _metadata(detail).values():
            if isinstance(value, str) and re.fullmatch(r"https://[\x21-\x7e]{1,500}", value):
                return f"Open {value} with that account."
    return "Log in again in the editor."


def _reasons(error: Mapping[str, Any]) -> set[str]:
    return {str(detail.get("reason")) for detail in _details(error)}


def _metadata(detail: Json) -> Json:
    metadata = detail.get("metadata")
    return cast("Json", metadata) if isinstance(metadata, dict) else {}


def _details(error: Mapping[str, Any]) -> list[Json]:
    return [cast("Json", item) for item in _list(error.get("details")) if isinstance(item, dict)]

"""Google's answer: one SSE payload → events; error bodies → Fault. Both the v1internal envelope and the public form.

Knows nothing of HTTP or of turns. Never raises on what Google sends: the unknown becomes a Notice.
Facts: language-server-and-google C.4, C.5, E; wire-gemini-and-mapping 1.4, 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from zerogravity.core.events import (
    CallClosed,
    Event,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.errors import Fault, Termination, upstream
from zerogravity.wire import jsonio

Json = dict[str, Any]
QUOTA_DELAY_S = 600.0  # a longer delay is a used-up quota, not a rate limit
_SNAKE = {
    "thought_signature": "thoughtSignature", "function_call": "functionCall", "inline_data": "inlineData",
    "executable_code": "executableCode", "code_execution_result": "codeExecutionResult",
    "function_response": "functionResponse", "mime_type": "mimeType",
}  # fmt: skip


class GoogleDecoder:
    """One upstream answer. ``call_id(n)`` names the n-th function call of this answer.

    ``fault``   set when the answer itself said that something is wrong (error event, error body).
    """

    def __init__(self, call_id: Callable[[int], str]) -> None:
        self._call_id = call_id
        self._calls = 0
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._message: str | None = None
        self.fault: Fault | None = None
        self.model: str | None = None
        self.enveloped = True  # the form of the newest chunk

    def decode(self, data: bytes) -> tuple[Event, ...]:
        """The events of one payload: a chunk, an error object, or a JSON array of either."""
        try:
            value = jsonio.loads(data)
        except (ValueError, RecursionError):
            return (Notice("not_json", f"{len(data)} bytes that are no JSON"),)
        if isinstance(value, list):
            items = cast("list[Any]", value)
            sources = [jsonio.at(data, (index,)) or b"{}" for index in range(len(items))]
        else:
            items, sources = [value], [data]
        events: list[Event] = []
        for item, source in zip(items, sources, strict=True):
            if isinstance(item, dict):
                events += self._chunk(cast("Json", item), source)
            else:
                events.append(Notice("not_an_object", "a chunk that is no JSON object"))
        return tuple(events)

    def close(self) -> CallClosed:
        """The end of the body."""
        return CallClosed(self._finish, self._message)

    def _chunk(self, chunk: Json, source: bytes) -> Iterator[Event]:
        if isinstance(error := chunk.get("error"), dict):
            self.fault = _fault_of(0, cast("Json", error))
            return
        enveloped = isinstance(chunk.get("response"), dict)
        inner: Json = chunk["response"] if enveloped else chunk
        self.enveloped = enveloped
        if isinstance(version := inner.get("modelVersion"), str):
            self.model = version
        if isinstance(candidates := inner.get("candidates"), list) and candidates:
            path: tuple[str | int, ...] = ("response", "candidates", 0) if enveloped else ("candidates", 0)
            first = cast("list[Any]", candidates)[0]
            if isinstance(first, dict) and not cast("Json", first).get("index"):
                yield from self._candidate(cast("Json", first), source, path)
        if isinstance(feedback := inner.get("promptFeedback"), dict):
            reason = cast("Json", feedback).get("blockReason")
            if isinstance(reason, str):
                self._finish = f"BLOCKED:{reason}"
                self._message = _text(cast("Json", feedback).get("blockReasonMessage"))
        usage = inner.get("usageMetadata") or chunk.get("usageMetadata")
        if isinstance(usage, dict):
            counted = _usage(cast("Json", usage))
            if counted != self._usage:
                self._usage = counted
                yield counted

    def _candidate(self, candidate: Json, source: bytes, path: tuple[str | int, ...]) -> Iterator[Event]:
        content = candidate.get("content")
        parts = cast("Json", content).get("parts") if isinstance(content, dict) else None
        if isinstance(parts, list):
            for index, part in enumerate(cast("list[Any]", parts)):
                if isinstance(part, dict):
                    yield from self._part(cast("Json", part), source, (*path, "content", "parts", index))
        grounding = candidate.get("groundingMetadata")
        if isinstance(grounding, dict) and grounding:
            yield Grounding(cast("Json", grounding))
        if isinstance(finish := candidate.get("finishReason"), str) and finish != "FINISH_REASON_UNSPECIFIED":
            self._finish = finish
            self._message = _text(candidate.get("finishMessage"))

    def _part(self, part: Json, source: bytes, path: tuple[str | int, ...]) -> Iterator[Event]:
        call_key = "functionCall"
        if "function_call" in part:
            call_key = "function_call"
        if not part.keys().isdisjoint(_SNAKE):
            part = {_SNAKE.get(key, key): value for key, value in part.items()}
        signature = _text(part.get("thoughtSignature"))
        match part:
            case {"functionCall": dict()}:
                call = cast("Json", part["functionCall"])
                arguments = jsonio.at(source, (*path, call_key, "args"))
                yield FunctionCall(
                    self._call_id(self._calls),
                    _text(call.get("name")) or "",
                    _arguments(arguments),
                    signature,
                    _text(call.get("id")) or None,
                )
                self._calls += 1
                return
            case {"text": str() as text, "thought": True}:
                if text:
                    yield ThinkingDelta(text)
                if signature:
                    yield Signature(signature, "thought")
                return
            case {"text": str() as text}:
                if text:
                    yield TextDelta(text)
            case {"inlineData": dict()}:
                blob = cast("Json", part["inlineData"])
                mime = _text(blob.get("mimeType")) or _text(blob.get("mime_type"))
                yield InlineData(mime or "application/octet-stream", _text(blob.get("data")) or "")
            case {"executableCode": dict()}:
                code = cast("Json", part["executableCode"])
                language = (_text(code.get("language")) or "").lower()
                yield TextDelta(f"\n```{language}\n{_text(code.get('code')) or ''}\n```\n")
            case {"codeExecutionResult": dict()}:
                output = _text(cast("Json", part["codeExecutionResult"]).get("output")) or ""
                yield TextDelta(f"\n```\n{output}\n```\n")
            case {"toolCall": dict()} | {"toolResponse": dict()}:
                yield Notice("server_tool", "a server-side tool of Google's ran")
            case _ if signature:
                yield Signature(signature, "alone")
                return
            case _:
                if part:
                    yield Notice("unknown_part", f"a part with {', '.join(sorted(part))}")
        if signature:
            yield Signature(signature, "text")


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A non-200 answer of Google → Fault. Tolerates arrays, HTML and nothing at all."""
    try:
        value = jsonio.loads(body) if body else None
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, list) and value:
        value = cast("list[Any]", value)[0]
    error = cast("Json", value).get("error") if isinstance(value, dict) else None
    found = _fault_of(status, cast("Json", error) if isinstance(error, dict) else {})
    if found.retry_after is None and (header := headers.get("retry-after", headers.get("Retry-After", ""))).isdigit():
        return upstream(
            found.status, found.code, found.message, retry_after=float(header), rpc_status=found.rpc_status,
            details=found.details, heals=found.heals,
        )  # fmt: skip
    return found


def retry_after(error: Mapping[str, Any]) -> float | None:
    """Seconds to wait: RetryInfo, else quotaResetDelay, else the message's "reset after …"."""
    quota: float | None = None
    for detail in _details(error):
        kind = str(detail.get("@type", ""))
        if kind.endswith("RetryInfo") and (delay := parse_duration(str(detail.get("retryDelay", "")))) is not None:
            return delay
        metadata = detail.get("metadata")
        if kind.endswith("ErrorInfo") and isinstance(metadata, dict):
            quota = parse_duration(str(cast("Json", metadata).get("quotaResetDelay", "")))
    if quota is not None:
        return quota
    found = re.search(r"reset after (\S+?)\.?(?:\s|$)", str(error.get("message", "")))
    return parse_duration(found.group(1)) if found else None


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def parse_duration(text: str) -> float | None:
    """``22s``, ``0.479s``, ``479.4ms``, ``1h2m3.5s`` → seconds; None when it is no duration."""
    found = list(_DURATION.finditer(text))
    if not found or "".join(match.group() for match in found) != text:
        return None
    return sum(float(match.group(1)) * _UNITS[match.group(2)] for match in found)


def _fault_of(status: int, error: Json) -> Fault:
    """The table of error statuses; ``status`` 0: the error came inside a 200 stream."""
    code = error.get("code")
    status = status or (code if isinstance(code, int) and 400 <= code <= 599 else 500)
    rpc = _text(error.get("status"))
    message = _text(error.get("message")) or f"Google answered {status} without a message"
    delay = retry_after(error)
    details = tuple(_details(error))
    more: Json = {"rpc_status": rpc, "details": details}
    match status:
        case 401 | 403:
            # Our side's credentials, never the client's key (wire-openai 11).
            text = f"Google refused the language server's login ({status}): {message} Log in again in the editor."
            return upstream(502, "upstream_auth", text, heals=False, **more)
        case 429:
            exhausted = (delay or 0) > QUOTA_DELAY_S or "QUOTA_EXHAUSTED" in str(details)
            name = "insufficient_quota" if exhausted else "rate_limit_exceeded"
            return upstream(429, name, message, retry_after=delay, heals=not exhausted, **more)
        case 400:
            long = "token count" in message and "exceed" in message
            name = "context_length_exceeded" if long else "invalid_argument"
            return upstream(400, name, message, heals=False, **more)
        case 404:
            return upstream(404, "model_not_found", message, heals=False, **more)
        case 413:
            return upstream(413, "request_too_large", message, heals=False, **more)
        case 500 | 503 | 504:
            return upstream(status, "upstream_error", message, retry_after=delay, **more)
        case _ if 400 <= status < 500:
            return upstream(status, "upstream_error", message, heals=status in (408, 409), **more)
        case _:
            return upstream(502, "upstream_error", message, retry_after=delay, **more)


def garbage(message: str) -> Fault:
    """The answer can not be read."""
    return upstream(502, "upstream_garbage", message, Termination.UPSTREAM_GARBAGE)


def _details(error: Mapping[str, Any]) -> list[Json]:
    details = error.get("details")
    if not isinstance(details, list):
        return []
    return [cast("Json", item) for item in cast("list[Any]", details) if isinstance(item, dict)]


def _usage(data: Json) -> Usage:
    def count(name: str) -> int:
        value = data.get(name)
        return max(value, 0) if isinstance(value, int) else 0

    prompt, candidates = count("promptTokenCount"), count("candidatesTokenCount")
    thoughts, tool_use = count("thoughtsTokenCount"), count("toolUsePromptTokenCount")
    cached = min(count("cachedContentTokenCount"), prompt)
    total = count("totalTokenCount") or prompt + candidates + thoughts + tool_use
    return Usage(prompt, cached, candidates, thoughts, tool_use, total)


def _arguments(source: bytes | None) -> str:
    """Source text of the arguments on one line; a missing or null value is an empty object."""
    if source is None or source == b"null":
        return "{}"
    return source.decode("utf-8", "replace").replace("\r", " ").replace("\n", " ")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

"""Google's answer: one SSE payload → events. Both the v1internal envelope and the public form.

Knows nothing of HTTP or of turns. Never raises on what Google sends: the unknown becomes a Notice.
Facts: language-server-and-google C.4, E; wire-gemini-and-mapping 4, 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
from zerogravity.errors import Fault
from zerogravity.wire import google_errors, jsonio
from zerogravity.wire.halves import Halves

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
    ``source``     the newest payload, with no half of a character in it.
    ``begun``      a chunk that says anything has come; ``garbled``: something that can not be read.
    """

    def __init__(self, call_id: Callable[[int], str]) -> None:
        self.fault: Fault | None = None
        self.model: str | None = None
        self.finish: str | None = None
        self.enveloped = True
        self.has_text = False
        self.begun = False
        self.garbled = False
        self.source = b""
        self._halves = Halves()
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
        if self._halves.pending is not None:
            data = self._halves.mend(data)
        self.source = data
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = self._mended(data, events)
            data = self.source
        if isinstance(value, dict):
            self._chunk(cast("Json", value), data, events)
        elif isinstance(value, list):
            for item, source in zip(cast("list[Any]", value), jsonio.elements(data), strict=False):
                if isinstance(item, dict):
                    self._chunk(cast("Json", item), source, events)
                else:
                    self._odd(events)
        elif not events:
            self._odd(events)
        return tuple(events)

    def close(self) -> tuple[Event, ...]:
        """The end of the body."""
        return (*self._halves.end(), CallClosed(self.finish, self._message))

    def _mended(self, data: bytes, events: list[Event]) -> Any:
        """What orjson refuses (NaN, lone surrogates, a byte order mark, broken UTF-8), said so."""
        if data.strip() in (b"", b"[DONE]"):
            events.append(Notice("no_chunk", "an event that holds nothing"))
            return None
        try:
            self.source = self._halves.mend(data)
            value = jsonio.loads(self.source)
        except ValueError:
            self.garbled = True
            events.append(Notice("not_json", f"{len(data)} bytes that are no JSON"))
            return None
        events.append(Notice("json_repaired", "a chunk that is JSON only to a lenient reader"))
        return value

    def _odd(self, events: list[Event]) -> None:
        self.garbled = True
        events.append(Notice("not_an_object", "a chunk that is no JSON object"))

    def _chunk(self, chunk: Json, source: bytes, events: list[Event]) -> None:
        inner = chunk.get("response")
        if isinstance(inner, dict):
            inner = cast("Json", inner)
            self.enveloped = True
        else:
            inner = chunk
            self.enveloped = "error" in chunk and self.enveloped
        self.begun = self.begun or bool(inner)
        if error := inner.get("error") or chunk.get("error"):
            self.fault = self.fault or google_errors.inside(error)
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
                    sources = jsonio.elements(source, (*path, "content", "parts"))
                own = sources[index] if index < len(sources) else b""
                if _KEPT[key]:
                    self._call(_camel(part), jsonio.at(own, (key, "args")), events)
                elif own:
                    events.append(ServerTool(_one_line(own)))
            else:
                self._part(_camel(part), events)
        if isinstance(grounding := candidate.get("groundingMetadata"), dict) and grounding:
            exact = jsonio.loads(jsonio.at(source, (*path, "groundingMetadata")) or b"{}")
            events.append(Grounding(cast("Json", exact)))
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
    if b"\n" in source or b"\r" in source:  # looked for first: that is many times as fast
        source = _INDENTED.sub(b" ", source)
    return source.decode("utf-8", "replace")


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

"""Google's answer: one SSE payload → events. Both the v1internal envelope and the public form.

Knows nothing of HTTP or of turns. Never raises on what Google sends: the unknown becomes a Notice.
Facts: language-server-and-google C.4, E; wire-gemini-and-mapping 4, 5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import orjson

from zerogravity.core.events import (
    AttemptClosed,
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
from zerogravity.wire import enums, google_errors, jsonio, narrow
from zerogravity.wire.calls import Calls, Whole, says_something
from zerogravity.wire.narrow import ARRAY, OBJECT, Json, is_a
from zerogravity.wire.reasons import Api
from zerogravity.wire.surrogates import Halves

_SNAKE = {
    "thought_signature": "thoughtSignature", "function_call": "functionCall", "inline_data": "inlineData",
    "executable_code": "executableCode", "code_execution_result": "codeExecutionResult",
}  # fmt: skip
_KEPT = {  # parts of which we keep the source text → whether they are calls
    "functionCall": True, "function_call": True,
    "toolCall": False, "tool_call": False, "toolResponse": False, "tool_response": False,
}  # fmt: skip
_ENVELOPE = ("response",)

_Path = tuple[str | int, ...]


class GoogleDecoder:
    """One upstream answer. ``call_id(n)`` names the n-th function call of this answer; ``declared``: the functions that
    the model was told of; ``api``: which of Google's APIs answers, for the remedy of a refusal.

    ``fault``      set when the answer itself said that something is wrong (error event, error body).
    ``finish``     the finishReason so far, ``BLOCKED:<blockReason>`` for a refused prompt.
    ``enveloped``  the form of the newest chunk.
    ``has_text``   a text part that is neither empty nor thinking has come.
    ``source``     the newest payload, with no half of a character in it.
    ``only_text``  it is one chunk of one candidate, and each part of that is plain text: there is no call in it.
    ``begun``      a chunk that says anything has come; ``garbled``: something that cannot be read.
    ``broken``     why a call cannot be run; of what comes behind it, only the end and the usage are read.
    """

    def __init__(self, call_id: Callable[[int], str], declared: Collection[str] = (), api: Api = Api.EDITOR) -> None:
        self.fault: Fault | None = None
        self.model: str | None = None
        self.finish: str | None = None
        self.enveloped = True
        self.has_text = False
        self.begun = False
        self.garbled = False
        self.source = b""
        self.only_text = False
        self._halves = Halves()
        self._call_id = call_id
        self._api = api
        self._calls = Calls(declared)
        self._called = 0
        self._blocked = False  # the prompt was refused: no finishReason says more
        self._after_call = False  # no text, thinking or media since the last piece of a call
        self._counts: Json | None = None  # usageMetadata as it came last
        self._usage: Usage | None = None
        self._message: str | None = None
        self._has_blob = False
        self._draft: tuple[Event, ...] = ()  # a picture of the thinking, until another one comes

    @property
    def broken(self) -> str | None:
        return self._calls.broken

    def decode(self, data: bytes) -> tuple[Event, ...]:
        """The events of one payload: a chunk, an error object, or a JSON array of either."""
        events: list[Event] = []
        self.only_text = False
        if self._halves.pending is not None:
            data = self._halves.mend(data)
        self.source = data
        try:
            value: object = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = self._mended(data, events)
            data = self.source
        if is_a(value, OBJECT):
            self._chunk(value, data, events)
        elif is_a(value, ARRAY):
            for item, source in zip(value, jsonio.elements(data), strict=False):
                if is_a(item, OBJECT):
                    self._chunk(item, source, events)
                else:
                    self._odd(events)
            self.only_text = False
        elif not events:
            self._odd(events)
        return tuple(events)

    def close(self) -> tuple[Event, ...]:
        """The end of the body, with what can only be known there: a call that might have gone on, the picture of an
        answer that has it in its thinking alone."""
        events: list[Event] = [*self._halves.end()]
        was = self.broken
        self._take(self._calls.end(self.finish), was, events)
        if self.finish in ("STOP", "MAX_TOKENS") and self.broken is None:
            events += self._draft
        return (*events, AttemptClosed(self.finish, self._message, self.broken))

    def _mended(self, data: bytes, events: list[Event]) -> object:
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
        inner, root = chunk.get("response"), _ENVELOPE
        if is_a(inner, OBJECT):
            self.enveloped = True
        else:
            inner, root = chunk, ()
            self.enveloped = "error" in chunk and self.enveloped
        if inner:
            self.begun = True
        if error := inner.get("error") or chunk.get("error"):
            self.fault = self.fault or google_errors.inside(error, self._api)
        if isinstance(version := inner.get("modelVersion"), str):
            self.model = version
        if is_a(candidates := inner.get("candidates"), ARRAY):
            position = 0  # counted by hand here and below: ``enumerate`` costs 0.1 us for a list of one
            for candidate in candidates:
                if is_a(candidate, OBJECT) and not candidate.get("index"):  # there is one answer per turn
                    plain = self._candidate(candidate, source, root, position, events)
                    self.only_text = plain and len(candidates) == 1 and "response" not in inner
                    break
                position += 1  # noqa: SIM113
        if is_a(feedback := inner.get("promptFeedback"), OBJECT):
            self._refused(feedback)
        counts = inner.get("usageMetadata") or chunk.get("usageMetadata")
        if counts and counts != self._counts and is_a(counts, OBJECT):
            self._counts = counts
            usage = _usage(counts)
            if usage != self._usage:
                self._usage = usage
                events.append(usage)

    def _refused(self, feedback: Json) -> None:
        if reason := enums.block_reason(feedback.get("blockReason"), enveloped=self.enveloped):
            self._blocked = True
            self.finish = "BLOCKED:" + reason
            self._message = narrow.a_string(feedback.get("blockReasonMessage"))

    def _candidate(self, candidate: Json, source: bytes, root: _Path, position: int, events: list[Event]) -> bool:
        """``root``, ``position``: where it stands in ``source``. Whether it has plain text alone."""
        plain = True
        content = candidate.get("content")
        if is_a(content, OBJECT) and is_a(parts := content.get("parts"), ARRAY):
            index, sources = 0, None
            for part in parts:
                if self._calls.broken is not None:
                    break  # what comes behind it is for nobody
                if is_a(part, OBJECT) and len(part) == 1 and isinstance(text := part.get("text"), str):
                    if text and not (self._after_call and self._flush(events)):  # the common case
                        self.has_text, self._after_call = True, False
                        events.append(TextDelta(text))
                    index += 1
                    continue
                plain = False
                if not is_a(part, OBJECT):
                    events.append(Notice("unknown_part", "a part that is no object"))
                elif (key := _kept_key(part)) is not None:
                    if sources is None:
                        sources = jsonio.elements(source, (*root, "candidates", position, "content", "parts"))
                    self._kept(part, key, sources[index] if index < len(sources) else b"", events)
                elif not (self._after_call and says_something(part) and self._flush(events)):
                    self._part(_camel(part), events)
                index += 1
        if is_a(grounding := candidate.get("groundingMetadata"), OBJECT) and grounding:
            text = jsonio.at(source, (*root, "candidates", position, "groundingMetadata"))
            events.append(Grounding(narrow.members(jsonio.loads(text or b"{}"))))
        if "finishReason" in candidate and not self._blocked:
            finish = enums.finish_reason(candidate["finishReason"], enveloped=self.enveloped)
            if finish is not None:
                self.finish = finish
                self._message = narrow.a_string(candidate.get("finishMessage"))
        return plain and self._calls.broken is None

    def _kept(self, part: Json, key: str, source: bytes, events: list[Event]) -> None:
        """A part of which we keep the source text."""
        if _KEPT[key]:
            was, self._after_call = self.broken, True
            self._take(self._calls.take(part, source), was, events)
        elif source and not self._flush(events):
            events.append(ServerTool(jsonio.one_line(source).decode("utf-8", "replace")))

    def _flush(self, events: list[Event]) -> bool:
        """Something else than a call follows. True: the call before it cannot be run."""
        if self._calls.waits_at is not None:
            was = self.broken
            self._take(self._calls.flush(), was, events)
        return self.broken is not None

    def _take(self, calls: list[Whole], was: str | None, events: list[Event]) -> None:
        """Calls that are complete now. ``was``: what was broken before."""
        for call in calls:
            if call.mended:
                events.append(Notice("call_mended", f"a call of {call.name[:64]} was put together"))
            call_id = self._call_id(self._called)
            events.append(FunctionCall(call_id, call.name, call.args, call.signature, call.upstream_id))
            self._called += 1
        if self.broken is not None and was is None:
            events.append(Notice("broken_call", self.broken))

    def _part(self, part: Json, events: list[Event]) -> None:
        """Everything but plain text and calls."""
        signature, thought = narrow.a_string(part.get("thoughtSignature")), part.get("thought") is True
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
            if isinstance(event := _content(part), InlineData) and event.data and not self._has_blob:
                signed = (Signature(signature, "text"),) if signature else ()
                self._draft = (InlineData(event.mime, event.data, draft=True), *signed)
            events.append(Notice("thought_part", f"thinking that is no text: {_names(part)}"))
        elif (event := _content(part)) is not None:
            events.append(event)
            if not isinstance(event, Notice):
                self._after_call = False
                if isinstance(event, InlineData):
                    self._has_blob, self._draft = True, ()
                if signature:
                    events.append(Signature(signature, "text"))


def _content(part: Json) -> Event | None:
    """A part that holds neither text nor a call."""
    match part:
        case {"inlineData": dict()}:
            blob = narrow.members(part["inlineData"])
            mime = narrow.text(blob.get("mimeType")) or narrow.text(blob.get("mime_type"))
            return InlineData(mime or "application/octet-stream", narrow.text(blob.get("data")))
        case {"executableCode": dict()}:
            code = narrow.members(part["executableCode"])
            language = narrow.text(enums.named("language", code.get("language"), enveloped=True))
            language = "" if language == "LANGUAGE_UNSPECIFIED" else language.lower()
            return TextDelta(_fenced(narrow.text(code.get("code")), language))
        case {"codeExecutionResult": dict()}:
            return TextDelta(_fenced(narrow.text(narrow.lookup(part, "codeExecutionResult", "output")), ""))
        case _:
            return Notice("unknown_part", f"a part with {_names(part)}")


def _fenced(text: str, language: str) -> str:
    """A code block that ``text`` cannot end."""
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


def _usage(counts: Json) -> Usage:
    """Each chunk has them, with few of the members: what is absent is not asked for (0.9 us → 0.5)."""
    prompt, candidates = _count(counts.get("promptTokenCount")), _count(counts.get("candidatesTokenCount"))
    thoughts = tool_use = cached = images = audio = 0
    if "thoughtsTokenCount" in counts:
        thoughts = _count(counts["thoughtsTokenCount"])
    if "toolUsePromptTokenCount" in counts:
        tool_use = _count(counts["toolUsePromptTokenCount"])
    if "cachedContentTokenCount" in counts:
        cached = min(_count(counts["cachedContentTokenCount"]), prompt)
    if "candidatesTokensDetails" in counts:
        images = min(_of("IMAGE", counts["candidatesTokensDetails"]), candidates)
    if "promptTokensDetails" in counts:
        audio = min(_of("AUDIO", counts["promptTokensDetails"]), prompt)
    total = _count(counts.get("totalTokenCount")) or prompt + candidates + thoughts + tool_use
    return Usage(prompt, cached, candidates, thoughts, tool_use, total, "captured", images, audio)


def _of(modality: str, details: object) -> int:
    """The tokens of one kind: pictures and sound have prices of their own."""
    words = (modality, enums.ENUMS["modality"].index(modality))
    return sum(_count(one.get("tokenCount")) for one in narrow.objects(details) if one.get("modality") in words)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _names(part: Json) -> str:
    return ", ".join(sorted(part))[:200] or "nothing"

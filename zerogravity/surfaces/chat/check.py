"""The grammar of a Chat Completions stream.

* Events are ``data: {json}`` and a blank line; between them comments may stand; nothing else. The last is terminated.
* Each chunk: one id, object, created, model, fingerprint and tier for all; one choice with index 0, ``delta``,
  ``logprobs`` and ``finish_reason``. Where another model answers than was asked first, all but the role's name it.
* The role comes first, once. Tool calls: consecutive indices; id, type and name once, with the first delta; arguments
  of the newest call only; in the end they are a JSON object.
* ``finish_reason`` exactly once, with an empty delta, and it agrees with the calls. Nothing but usage follows.
* ``usage`` is in no chunk, or null in all but a last one, whose ``choices`` are empty: that is left out where there are
  no figures.
* A good stream ends with ``[DONE]``; a failed one with an error object, without ``finish_reason`` and ``[DONE]``.

Facts: wire-openai 10, 13.
"""

from __future__ import annotations

from zerogravity.surfaces.grammar import (
    Json,
    Source,
    blocks,
    expect_count,
    expect_object,
    expect_objects,
    expect_string,
    json_object,
    need,
    one_of,
    parsed,
    whole,
)

REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
CONSTANT = ("id", "created", "model", "system_fingerprint", "service_tier")
TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


def check_chat(source: Source) -> list[Json]:
    """The objects of the stream, in order. Raises GrammarError."""
    stream = _Stream()
    found: list[Json] = []
    for number, data in enumerate(events(whole(source))):
        place = f"event {number}"
        need(not stream.over, place, "comes after the end")
        if data == b"[DONE]":
            stream.done(place)
            continue
        value = parsed(data, place)
        stream.take(value, place)
        found.append(value)
    need(stream.over, "stream", "ends without [DONE] and without an error")
    return found


def events(data: bytes) -> list[bytes]:
    """The data of each event."""
    found: list[bytes] = []
    for place, block in blocks(data):
        need(block.startswith(b"data: "), place, "is not a data event")
        need(b"\n" not in block, place, "has more than one line")
        found.append(block[6:])
    return found


class _Stream:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.over = False
        self._first: Json | None = None
        self._role = self._only_role = False
        self._finish: str | None = None
        self._usage = False
        self._ids: list[str] = []
        self._arguments: list[str] = []
        self._kinds: list[str] = []
        self._legacy: list[str] = []
        self._blobs = {"images": 0, "files": 0}

    def done(self, place: str) -> None:
        need(self._finish is not None, place, "[DONE] without a finish_reason")
        self.over = True

    def take(self, value: Json, place: str) -> None:
        if "error" in value:
            need(self._finish is None, place, "an error after the finish_reason")
            check_error(value, place)
            self.over = True
            return
        self._head(value, place)
        choices = expect_objects(value.get("choices"), f"{place}.choices")
        if not choices:
            self._last(value, place)
            return
        need(self._finish is None, place, "a choice after the finish_reason")
        need(value.get("usage") is None, place, "usage next to a choice")
        need(len(choices) == 1 and choices[0].get("index") == 0, place, "must have one choice with index 0")
        self._choice(choices[0], f"{place}.choices[0]")

    def _head(self, value: Json, place: str) -> None:
        need(value.get("object") == "chat.completion.chunk", place, "object is not chat.completion.chunk")
        if self._first is None:
            expect_string(value.get("id"), f"{place}.id")
            expect_string(value.get("model"), f"{place}.model")
            expect_count(value.get("created"), f"{place}.created")
            need(str(value["id"]).startswith("chatcmpl-"), f"{place}.id", "does not begin with chatcmpl-")
            self._first = value
        elif self._only_role and value.get("model") != self._first.get("model"):
            moved = {name: value.get(name) for name in ("model", "system_fingerprint")}
            self._first = {**self._first, **moved}
        self._only_role = self._first is value
        for name in CONSTANT:
            need(value.get(name) == self._first.get(name), f"{place}.{name}", "differs from the first chunk's")
        need(("usage" in value) == ("usage" in self._first), f"{place}.usage", "is in some chunks only")

    def _last(self, value: Json, place: str) -> None:
        need(self._finish is not None, place, "empty choices before the finish_reason")
        need(not self._usage, place, "a second usage chunk")
        usage = expect_object(value.get("usage"), f"{place}.usage")
        sent, received, total = (
            expect_count(usage.get(name), f"{place}.usage.{name}")
            for name in ("prompt_tokens", "completion_tokens", "total_tokens")
        )
        need(total == sent + received, f"{place}.usage", "total_tokens is not the sum")
        self._usage = True

    def _choice(self, choice: Json, place: str) -> None:
        for name in ("delta", "logprobs", "finish_reason"):
            need(name in choice, place, f"has no {name}")
        delta = expect_object(choice["delta"], f"{place}.delta")
        if not self._role:
            need(delta.get("role") == "assistant", f"{place}.delta", "the first one has no role assistant")
            self._role = True
        else:
            need("role" not in delta, f"{place}.delta", "repeats the role")
        self._delta(delta, f"{place}.delta")
        if (reason := choice["finish_reason"]) is not None:
            one_of(reason, REASONS, f"{place}.finish_reason")
            need(not delta, f"{place}.delta", "is not empty next to the finish_reason")
            self._finished(reason, place)

    def _delta(self, delta: Json, place: str) -> None:
        for name in TEXTS:
            if delta.get(name) is not None:
                expect_string(delta[name], f"{place}.{name}")
        for index, call in enumerate(expect_objects(delta.get("tool_calls", []), f"{place}.tool_calls")):
            self._call(call, f"{place}.tool_calls[{index}]")
        if "function_call" in delta:
            self._legacy_call(expect_object(delta["function_call"], f"{place}.function_call"), f"{place}.function_call")
        for name in self._blobs:
            for index, entry in enumerate(expect_objects(delta.get(name, []), f"{place}.{name}")):
                self._blob(name, entry, f"{place}.{name}[{index}]")
        for index, entry in enumerate(expect_objects(delta.get("annotations", []), f"{place}.annotations")):
            check_annotation(entry, f"{place}.annotations[{index}]")

    def _blob(self, name: str, entry: Json, place: str) -> None:
        index = expect_count(entry.get("index"), f"{place}.index")
        if index < self._blobs[name]:
            need(entry.keys() <= {"index", "extra_content"}, place, "repeats its data")
            return
        need(index == self._blobs[name], f"{place}.index", "is not the next one")
        kind = "image_url" if name == "images" else "file"
        need(entry.get("type") == kind, f"{place}.type", f"is not {kind}")
        inner = expect_object(entry.get(kind), f"{place}.{kind}")
        need(
            expect_string(inner.get("url" if name == "images" else "file_data"), place).startswith("data:"),
            place,
            "no data",
        )
        self._blobs[name] += 1

    def _call(self, call: Json, place: str) -> None:
        index = expect_count(call.get("index"), f"{place}.index")
        need(index <= len(self._ids), f"{place}.index", "leaves a gap")
        if index == len(self._ids):
            kind = expect_string(call.get("type"), f"{place}.type")
            need(kind in ("function", "custom"), f"{place}.type", "is neither function nor custom")
            call_id = expect_string(call.get("id"), f"{place}.id")
            need(bool(call_id) and call_id not in self._ids, f"{place}.id", "is empty or was used before")
            self._ids.append(call_id)
            self._kinds.append(kind)
            self._arguments.append("")
            inner = expect_object(call.get(kind), f"{place}.{kind}")
            expect_string(inner.get("name"), f"{place}.{kind}.name")
        else:
            kind = self._kinds[index]
            inner = expect_object(call.get(kind), f"{place}.{kind}")
            need("id" not in call and "type" not in call and "name" not in inner, place, "repeats id, type or name")
        text = expect_string(inner.get("input" if kind == "custom" else "arguments"), f"{place}.{kind}")
        need(not text or index == len(self._ids) - 1, place, "arguments of a call that is over")
        self._arguments[index] += text

    def _legacy_call(self, call: Json, place: str) -> None:
        if not self._legacy:
            expect_string(call.get("name"), f"{place}.name")
        else:
            need("name" not in call, place, "repeats the name")
        self._legacy.append(expect_string(call.get("arguments"), f"{place}.arguments"))

    def _finished(self, reason: str, place: str) -> None:
        self._finish = reason
        need(not (self._ids and self._legacy), place, "both tool_calls and function_call")
        need(reason != "tool_calls" or bool(self._ids), place, "tool_calls without a call")
        need(reason != "function_call" or bool(self._legacy), place, "function_call without a call")
        need(reason != "stop" or not (self._ids or self._legacy), place, "stop although there are calls")
        for index, kind in enumerate(self._kinds):
            if kind == "function":
                json_object(self._arguments[index], f"arguments of call {index}")
        if self._legacy:
            json_object("".join(self._legacy), "arguments of function_call")


def check_error(value: Json, place: str) -> None:
    """``{"error": {message, type, param, code}}``, all four there."""
    error = expect_object(value["error"], f"{place}.error")
    expect_string(error.get("message"), f"{place}.error.message")
    expect_string(error.get("type"), f"{place}.error.type")
    for name in ("param", "code"):
        need(name in error, f"{place}.error", f"has no {name}")
        need(error[name] is None or isinstance(error[name], str), f"{place}.error.{name}", "is not a string")


def check_annotation(entry: Json, place: str) -> None:
    need(entry.get("type") == "url_citation", f"{place}.type", "is not url_citation")
    citation = expect_object(entry.get("url_citation"), f"{place}.url_citation")
    expect_string(citation.get("url"), f"{place}.url_citation.url")
    expect_string(citation.get("title"), f"{place}.url_citation.title")
    start = expect_count(citation.get("start_index"), f"{place}.url_citation.start_index")
    end = expect_count(citation.get("end_index"), f"{place}.url_citation.end_index")
    need(start < end, f"{place}.url_citation", "is empty or backwards")

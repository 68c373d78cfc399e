"""The grammar of a Messages stream, and the shape of a whole Message.

* Events are ``event: TYPE``, ``data: {json}`` and a blank line; the JSON has the same type. Comments and ``ping`` may
  stand anywhere; no other kind of event than those here, no ``[DONE]``.
* ``message_start`` with a Message that has no content and no end; blocks; one ``message_delta``; ``message_stop``. Or
  ``error`` in place of all that is still to come. Nothing behind either.
* Blocks one after the other, ``index`` 0, 1, 2 …: start in the empty form, deltas of the block's own kind, stop. In the
  end a text is not empty. A thinking block has one signature, last. Arguments come in deltas that add up to an object.
* Every ``server_tool_use`` has its result behind it, every ``tool_use`` an id of its own that clients do not rewrite.
* The stop reason agrees with the blocks: ``tool_use`` where there is a call, ``end_turn`` where there is none. Only
  ``stop_sequence`` names a sequence, only ``refusal`` has details.
* Usage in ``message_start`` and ``message_delta``, thinking within the output, searches as many as were shown.

Facts: wire-anthropic 2.3, 3, 4.
"""

from __future__ import annotations

import re
from typing import cast

from zerogravity.surfaces.grammar import (
    Json,
    Source,
    expect_count,
    expect_object,
    expect_objects,
    expect_string,
    fail,
    json_object,
    named_events,
    need,
    one_of,
)

REASONS = ("end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal")
ERRORS = ("invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
          "request_too_large", "rate_limit_error", "api_error", "timeout_error", "overloaded_error")  # fmt: skip
COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# type of a block → (its members, those that are empty when it starts, the deltas that it takes)
BLOCKS: dict[str, tuple[tuple[str, ...], Json, tuple[str, ...]]] = {
    "text": (("text",), {"text": ""}, ("text_delta", "citations_delta")),
    "thinking": (
        ("thinking", "signature"),
        {"thinking": "", "signature": ""},
        ("thinking_delta", "signature_delta"),
    ),
    "redacted_thinking": (("data",), {}, ()),
    "tool_use": (("id", "name", "input"), {"input": {}}, ("input_json_delta",)),
    "server_tool_use": (("id", "name", "input"), {"input": {}}, ("input_json_delta",)),
    "web_search_tool_result": (("tool_use_id", "content"), {}, ()),
}
# type of a delta → its member
DELTAS = {
    "text_delta": "text",
    "citations_delta": "citation",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


def check_messages(source: Source) -> list[Json]:
    """The objects of the stream, in order. Raises GrammarError."""
    stream = _Stream()
    found: list[Json] = []
    for name, value, place in named_events(source):
        stream.take(name, value, place)
        found.append(value)
    need(stream.over, "stream", "ends without message_stop and without an error")
    return found


def check_message(value: object, place: str = "message") -> Json:
    """A whole Message. Raises GrammarError."""
    message = expect_object(value, place)
    _head(message, place)
    answer = _Answer()
    for index, block in enumerate(expect_objects(message.get("content"), f"{place}.content")):
        answer.block(block, f"{place}.content[{index}]")
    answer.end(message, expect_object(message.get("usage"), f"{place}.usage"), place)
    return message


class _Answer:
    """The blocks that are complete, as far as later ones and the end depend on them."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._calls = 0
        self._searches = 0
        self._waiting: set[str] = set()  # searches without a result

    def block(self, block: Json, place: str) -> None:
        """A complete block."""
        kind = check_block(block, place)
        if kind == "text":
            need(block["text"] != "", f"{place}.text", "is empty")
        elif kind == "thinking":
            need(block["signature"] != "", f"{place}.signature", "is empty")
        elif kind in ("tool_use", "server_tool_use"):
            self._use(block, place)
        elif kind == "web_search_tool_result":
            need(block["tool_use_id"] in self._waiting, f"{place}.tool_use_id", "is of no search that waits for it")
            self._waiting.remove(block["tool_use_id"])

    def _use(self, block: Json, place: str) -> None:
        need(block["id"] not in self._ids, f"{place}.id", "was used before")
        self._ids.add(block["id"])
        if block["type"] == "tool_use":
            self._calls += 1
        else:
            self._searches += 1
            self._waiting.add(block["id"])

    def end(self, end: Json, usage: Json, place: str) -> None:
        """How it ended, of a Message or of ``message_delta``."""
        need(not self._waiting, place, "a search has no result")
        reason = end.get("stop_reason")
        one_of(reason, REASONS, f"{place}.stop_reason")
        need(reason != "tool_use" or self._calls > 0, f"{place}.stop_reason", "is tool_use without a call")
        need(reason != "end_turn" or self._calls == 0, f"{place}.stop_reason", "is end_turn although there is a call")
        need("stop_sequence" in end, place, "has no stop_sequence")
        named = isinstance(end["stop_sequence"], str)
        need(named or end["stop_sequence"] is None, f"{place}.stop_sequence", "must be a string or null")
        need(named == (reason == "stop_sequence"), f"{place}.stop_sequence", "does not agree with the reason")
        _details(end, reason == "refusal", place)
        _last_usage(usage, self._searches, f"{place}.usage")


class _Stream:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.over = False
        self._begun = False
        self._ended = False
        self._answer = _Answer()
        self._count = 0
        self._open: Json | None = None  # the block so far; its input as text
        self._signed = False

    def take(self, name: str, value: Json, place: str) -> None:
        need(not self.over, place, "comes after the end")
        if name == "ping":
            need(value.keys() == {"type"}, place, "has other members than its type")
        elif name == "error":
            need(not self._ended, place, "an error after message_delta")
            check_error(value, place)
            self.over = True
        elif name == "message_start":
            self._start(value, place)
        else:
            need(self._begun, place, "comes before message_start")
            need(not self._ended or name == "message_stop", place, "comes after message_delta")
            self._inside(name, value, place)

    def _start(self, value: Json, place: str) -> None:
        need(not self._begun, place, "a second message_start")
        self._begun = True
        place = f"{place}.message"
        message = expect_object(value.get("message"), place)
        _head(message, place)
        need(message.get("content") == [], f"{place}.content", "is not empty")
        for name in ("stop_reason", "stop_sequence", "stop_details"):
            need(name in message and message[name] is None, f"{place}.{name}", "is not null")
        _counts(expect_object(message.get("usage"), f"{place}.usage"), f"{place}.usage")

    def _inside(self, name: str, value: Json, place: str) -> None:
        match name:
            case "content_block_start":
                self._start_block(value, place)
            case "content_block_delta":
                self._delta(value, place)
            case "content_block_stop":
                self._stop_block(value, place)
            case "message_delta":
                need(self._open is None, place, "a block is still open")
                delta = expect_object(value.get("delta"), f"{place}.delta")
                self._answer.end(delta, expect_object(value.get("usage"), f"{place}.usage"), place)
                self._ended = True
            case "message_stop":
                need(self._ended, place, "comes before message_delta")
                self.over = True
            case _:
                fail(place, "is no event of this API")

    def _start_block(self, value: Json, place: str) -> None:
        need(self._open is None, place, "the block before is still open")
        need(expect_count(value.get("index"), f"{place}.index") == self._count, f"{place}.index", "is not the next one")
        place = f"{place}.content_block"
        block = expect_object(value.get("content_block"), place)
        kind = check_block(block, place)
        for member, empty in BLOCKS[kind][1].items():
            need(block[member] == empty, f"{place}.{member}", "is not empty at the start")
        need(not block.get("citations"), f"{place}.citations", "is not empty at the start")
        self._open = {**block, "input": ""} if "input" in block else dict(block)
        self._signed = False

    def _opened(self, value: Json, place: str) -> Json:
        """The block that the event is about."""
        if self._open is None:
            fail(place, "no block is open")
        index = expect_count(value.get("index"), f"{place}.index")
        need(index == self._count, f"{place}.index", "is not that of the open block")
        return self._open

    def _delta(self, value: Json, place: str) -> None:
        block = self._opened(value, place)
        place = f"{place}.delta"
        delta = expect_object(value.get("delta"), place)
        kind = delta.get("type")
        one_of(kind, BLOCKS[block["type"]][2], f"{place}.type")
        need(not self._signed, place, "comes after the signature")
        member = DELTAS[cast("str", kind)]
        if kind == "citations_delta":
            citation = expect_object(delta.get(member), f"{place}.{member}")
            block["citations"] = [*block.get("citations", ()), citation]
            return
        text = expect_string(delta.get(member), f"{place}.{member}")
        self._signed = kind == "signature_delta"
        into = "input" if kind == "input_json_delta" else member
        block[into] += text

    def _stop_block(self, value: Json, place: str) -> None:
        block = self._opened(value, place)
        if "input" in block:
            block["input"] = json_object(block["input"], f"{place}.input")
        self._answer.block(block, f"{place}.content_block")
        self._open = None
        self._count += 1


# -- shapes --------------------------------------------------------------------------------------------------------


def check_block(block: Json, place: str) -> str:
    """A block, complete or in its empty form; returns its type."""
    kind = expect_string(block.get("type"), f"{place}.type")
    one_of(kind, BLOCKS, f"{place}.type")
    for member in BLOCKS[kind][0]:
        if member == "input":
            expect_object(block.get(member), f"{place}.{member}")
        elif member == "content":
            _results(expect_objects(block.get(member), f"{place}.{member}"), f"{place}.{member}")
        else:
            expect_string(block.get(member), f"{place}.{member}")
    if kind in ("tool_use", "server_tool_use"):
        need(ID.fullmatch(block["id"]) is not None, f"{place}.id", "is not of 1 to 64 letters, digits, _ and -")
        need(block["name"] != "", f"{place}.name", "is empty")
        need(kind == "tool_use" or block["name"] == "web_search", f"{place}.name", "is no tool of the server")
    for index, citation in enumerate(expect_objects(block.get("citations") or [], f"{place}.citations")):
        _citation(citation, f"{place}.citations[{index}]")
    return kind


def check_error(value: Json, place: str) -> None:
    """``{"type": "error", "error": {type, message}}``, perhaps with a ``request_id``."""
    error = expect_object(value.get("error"), f"{place}.error")
    one_of(error.get("type"), ERRORS, f"{place}.error.type")
    need(expect_string(error.get("message"), f"{place}.error.message") != "", f"{place}.error.message", "is empty")


def _head(message: Json, place: str) -> None:
    """The members that do not depend on the answer."""
    need(expect_string(message.get("id"), f"{place}.id").startswith("msg_"), f"{place}.id", "does not begin with msg_")
    need(message.get("type") == "message", f"{place}.type", "is not message")
    need(message.get("role") == "assistant", f"{place}.role", "is not assistant")
    need(expect_string(message.get("model"), f"{place}.model") != "", f"{place}.model", "is empty")
    need("container" in message and message["container"] is None, f"{place}.container", "is not null")


def _results(results: list[Json], place: str) -> None:
    for index, result in enumerate(results):
        here = f"{place}[{index}]"
        need(result.get("type") == "web_search_result", f"{here}.type", "is not web_search_result")
        for name in ("url", "title", "encrypted_content"):
            expect_string(result.get(name), f"{here}.{name}")
        need("page_age" in result, here, "has no page_age")


def _citation(citation: Json, place: str) -> None:
    kind = citation.get("type")
    need(kind == "web_search_result_location", f"{place}.type", "is not web_search_result_location")
    for name in ("url", "title", "cited_text", "encrypted_index"):
        expect_string(citation.get(name), f"{place}.{name}")
    need(0 < len(citation["cited_text"]) <= 150, f"{place}.cited_text", "is not of 1 to 150 characters")


def _details(end: Json, refused: bool, place: str) -> None:
    need("stop_details" in end, place, "has no stop_details")
    if not refused:
        need(end["stop_details"] is None, f"{place}.stop_details", "is not of a refusal")
        return
    place = f"{place}.stop_details"
    details = expect_object(end["stop_details"], place)
    need(details.get("type") == "refusal", f"{place}.type", "is not refusal")
    need("category" in details, place, "has no category")
    expect_string(details.get("explanation"), f"{place}.explanation")


def _counts(usage: Json, place: str) -> None:
    for name in COUNTS:
        expect_count(usage.get(name), f"{place}.{name}")


def _last_usage(usage: Json, searches: int, place: str) -> None:
    _counts(usage, place)
    details = expect_object(usage.get("output_tokens_details"), f"{place}.output_tokens_details")
    thinking = expect_count(details.get("thinking_tokens"), f"{place}.output_tokens_details.thinking_tokens")
    need(thinking <= usage["output_tokens"], f"{place}.output_tokens", "is less than the thinking in it")
    need("server_tool_use" in usage, place, "has no server_tool_use")
    tools = expect_object(usage["server_tool_use"] or {}, f"{place}.server_tool_use")
    shown = expect_count(tools.get("web_search_requests", 0), f"{place}.server_tool_use.web_search_requests")
    need(shown == searches, f"{place}.server_tool_use", "does not count the searches")

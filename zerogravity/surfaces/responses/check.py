"""The grammar of a Responses stream.

* Events are ``event: TYPE``, ``data: {json}`` and a blank line; comments may stand between them; no ``[DONE]``. The
  JSON has the same type, and ``sequence_number`` from 0, +1 each.
* ``response.created``, ``response.queued`` if it is queued, ``response.in_progress``; then items; then exactly one of
  ``response.completed``, ``.incomplete``, ``.failed``, and nothing behind it.
* Items one after the other, ``output_index`` 0, 1, 2 …: added in its empty form, its own events, done. Parts of an item
  likewise. Each event names item, output and part by id and index.
* What the deltas add up to = the ``.done`` text = the part = the item = the item in the final Response. Ids, names and
  call ids do not change, nor does any member of the Response that the answer has no part in: only where another model
  answers than was asked first, the final one says so, and what it was sent.
* An ``error`` event (code, message, param, flat) may come, but only ``response.failed`` follows it. Events of our own
  would be named ``slug:name``.

Shapes of Response and items: ``check_object``. Facts: wire-openai 7, 13, 14.
"""

from __future__ import annotations

from typing import ClassVar

from zerogravity.surfaces.grammar import (
    Json,
    Source,
    expect_count,
    expect_object,
    expect_string,
    fail,
    named_events,
    need,
    one_of,
)
from zerogravity.surfaces.responses.check_object import check_annotation, check_item, check_part, check_response

# each → what may have come before it
BEGINNINGS = {
    "response.created": ("",),
    "response.queued": ("response.created",),
    "response.in_progress": ("response.created", "response.queued"),
}
ENDS = {
    "response.completed": ("completed",),
    "response.incomplete": ("incomplete",),
    "response.failed": ("failed", "cancelled"),
}
VARYING = ("status", "completed_at", "error", "incomplete_details", "output", "usage")
SENT = ("model", "temperature", "top_p", "presence_penalty", "frequency_penalty", "max_output_tokens")
CONSTANT = ("type", "id", "role", "call_id", "name", "namespace")


def check_responses(source: Source) -> list[Json]:
    """The objects of the stream, in order. Raises GrammarError."""
    stream = _Stream()
    found: list[Json] = []
    for name, value, place in named_events(source):
        number = expect_count(value.get("sequence_number"), f"{place}.sequence_number")
        need(number == len(found), place, "is out of sequence")
        stream.take(name, value, place)
        found.append(value)
    need(stream.over, "stream", "ends without a terminal event")
    return found


class _Stream:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.over = False
        self._first: Json | None = None
        self._last = ""  # the lifecycle event that came last
        self._failing = False
        self._open: _Item | None = None
        self._done: list[Json] = []

    def take(self, name: str, value: Json, place: str) -> None:
        need(not self.over, place, "comes after the end")
        if name == "error":
            self._error(value, place)
        elif name in BEGINNINGS:
            self._begin(name, expect_object(value.get("response"), f"{place}.response"), place)
        elif name in ENDS:
            self._end(name, expect_object(value.get("response"), f"{place}.response"), place)
        elif ":" not in name:
            need(not self._failing, place, "comes after an error")
            need(self._last == "response.in_progress", place, "comes before response.in_progress")
            self._about_item(name, value, place)

    def _error(self, value: Json, place: str) -> None:
        need(not self._failing, place, "a second error")
        expect_string(value.get("message"), f"{place}.message")
        for name in ("code", "param"):
            need(name in value, place, f"has no {name}")
            need(value[name] is None or isinstance(value[name], str), f"{place}.{name}", "must be a string or null")
        self._failing = True

    def _begin(self, name: str, response: Json, place: str) -> None:
        need(self._last in BEGINNINGS[name], place, f"must not come after {self._last or 'nothing'}")
        self._response(response, place)
        if name == "response.queued":
            need(self._first is not None and self._first["status"] == "queued", place, "comes though it was not queued")
        words = ("queued", "in_progress") if name == "response.created" else (name.removeprefix("response."),)
        need(response["status"] in words, f"{place}.response.status", f"must be {' or '.join(words)}")
        self._last = name

    def _end(self, name: str, response: Json, place: str) -> None:
        need(self._last == "response.in_progress", place, "comes before response.in_progress")
        need(not self._failing or name == "response.failed", place, "comes after an error")
        need(self._open is None, place, "an item is still open")
        self._response(response, place)
        need(response["status"] in ENDS[name], f"{place}.response.status", f"must be {' or '.join(ENDS[name])}")
        output = response["output"]
        need(len(output) == len(self._done), f"{place}.response.output", "has not as many items as were done")
        for index, (final, done) in enumerate(zip(output, self._done, strict=True)):
            need(final == done, f"{place}.response.output[{index}]", "differs from the item that was done")
        self.over = True

    def _response(self, response: Json, place: str) -> None:
        check_response(response, f"{place}.response")
        if self._first is None:
            self._first = response
        varying = VARYING if response["model"] == self._first["model"] else (*VARYING, *SENT)
        for name in sorted(response.keys() | self._first.keys()):
            if name not in varying:
                same = name in response and name in self._first and response[name] == self._first[name]
                need(same, f"{place}.response.{name}", "differs from the first response's")

    def _about_item(self, name: str, value: Json, place: str) -> None:
        index = expect_count(value.get("output_index"), f"{place}.output_index")
        need(index == len(self._done), f"{place}.output_index", "is not that of the open or next item")
        if name == "response.output_item.added":
            need(self._open is None, place, "another item is still open")
            self._open = _opened(expect_object(value.get("item"), f"{place}.item"), f"{place}.item")
            return
        opened = self._open
        if opened is None:
            fail(place, "no item is open")
        if name == "response.output_item.done":
            item = expect_object(value.get("item"), f"{place}.item")
            for member in CONSTANT:
                same = item.get(member) == opened.added.get(member)
                need(same, f"{place}.item.{member}", "is another than when it was added")
            check_item(item, f"{place}.item")
            opened.finish(item, f"{place}.item")
            self._done.append(item)
            self._open = None
            return
        if opened.named:
            need(value.get("item_id") == opened.added["id"], f"{place}.item_id", "is not the open item's")
        opened.take(name, value, place)


def _opened(item: Json, place: str) -> _Item:
    """The checker of an item that was just added, which has to be empty."""
    kind = expect_string(item.get("type"), f"{place}.type")
    one_of(kind, _ITEMS, f"{place}.type")
    expect_string(item.get("id"), f"{place}.id")
    made = _ITEMS[kind](item)
    for member, empty in made.empty.items():
        need(member in item and item[member] == empty, f"{place}.{member}", f"must be {empty!r} when it is added")
    expect_string(item.get("encrypted_content", ""), f"{place}.encrypted_content")
    if kind not in ("reasoning", "compaction"):
        need(item.get("status") == "in_progress", f"{place}.status", "must be in_progress when it is added")
    return made


class _Item:
    """An item that has been added and is not done. ``empty``: its members that are empty when it is added. ``named``:
    its own events have its id."""

    empty: ClassVar[Json] = {}
    named: ClassVar[bool] = True

    def __init__(self, added: Json) -> None:
        self.added = added

    def take(self, name: str, value: Json, place: str) -> None:
        fail(place, f"does not belong to an item of type {self.added['type']}")

    def finish(self, item: Json, place: str) -> None:
        """Compare the finished item with its events."""


class _Parted(_Item):
    """An item of parts. ``index``: the member that counts them; ``kinds``: type of part → (its events, its text)."""

    index = "content_index"
    content = "content"
    part_events = "response.content_part"
    kinds: ClassVar[dict[str, tuple[str, str]]] = {
        "output_text": ("response.output_text", "text"),
        "refusal": ("response.refusal", "refusal"),
    }
    empty: ClassVar[Json] = {"content": []}

    def __init__(self, added: Json) -> None:
        super().__init__(added)
        self._parts: list[Json] = []
        self._part: Json | None = None  # the open one
        self._texts: list[str] = []
        self._annotations: list[Json] = []
        self._text: str | None = None  # of its done event

    def take(self, name: str, value: Json, place: str) -> None:
        index = expect_count(value.get(self.index), f"{place}.{self.index}")
        need(index == len(self._parts), f"{place}.{self.index}", "is not that of the open or next part")
        if name == f"{self.part_events}.added":
            self._open(expect_object(value.get("part"), f"{place}.part"), place)
            return
        if self._part is None:
            fail(place, "no part is open")
        events, member = self.kinds[self._part["type"]]
        if name == f"{self.part_events}.done":
            self._close(expect_object(value.get("part"), f"{place}.part"), member, place)
            return
        need(self._text is None, place, "comes after the text was done")
        if name == f"{events}.delta":
            need(not self._annotations, place, "comes after an annotation")
            self._texts.append(expect_string(value.get("delta"), f"{place}.delta"))
        elif name == f"{events}.done":
            self._text = expect_string(value.get(member), f"{place}.{member}")
            need(self._text == "".join(self._texts), f"{place}.{member}", "is not what the deltas add up to")
        elif name == "response.output_text.annotation.added" and events == "response.output_text":
            self._annotate(value, place)
            return
        else:
            super().take(name, value, place)
        if events == "response.output_text":
            need(isinstance(value.get("logprobs"), list), f"{place}.logprobs", "must be an array")

    def _open(self, part: Json, place: str) -> None:
        need(self._part is None, place, "another part is still open")
        check_part(part, tuple(self.kinds), f"{place}.part")
        need(part[self.kinds[part["type"]][1]] == "", f"{place}.part", "is not empty when it is added")
        need(not part.get("annotations"), f"{place}.part.annotations", "is not empty when it is added")
        self._part, self._texts, self._annotations, self._text = part, [], [], None

    def _annotate(self, value: Json, place: str) -> None:
        index = expect_count(value.get("annotation_index"), f"{place}.annotation_index")
        need(index == len(self._annotations), f"{place}.annotation_index", "is not the next one")
        annotation = expect_object(value.get("annotation"), f"{place}.annotation")
        check_annotation(annotation, sum(map(len, self._texts)), f"{place}.annotation")
        self._annotations.append(annotation)

    def _close(self, part: Json, member: str, place: str) -> None:
        assert self._part is not None
        need(self._text is not None, place, "comes before the text was done")
        need(part.get("type") == self._part["type"], f"{place}.part.type", "is another than when it was added")
        check_part(part, tuple(self.kinds), f"{place}.part")
        need(part[member] == self._text, f"{place}.part.{member}", "is not the text that was done")
        annotations = part.get("annotations", [])
        need(annotations == self._annotations, f"{place}.part.annotations", "are not those of the events")
        self._parts.append(part)
        self._part = None

    def finish(self, item: Json, place: str) -> None:
        need(self._part is None, place, "a part is still open")
        need(item[self.content] == self._parts, f"{place}.{self.content}", "is not what the parts were")


class _Reasoning(_Parted):
    index = "summary_index"
    content = "summary"
    part_events = "response.reasoning_summary_part"
    kinds: ClassVar[dict[str, tuple[str, str]]] = {"summary_text": ("response.reasoning_summary_text", "text")}
    empty: ClassVar[Json] = {"summary": []}


class _Call(_Item):
    """A call: deltas, then done, once."""

    events, content = "response.function_call_arguments", "arguments"
    empty: ClassVar[Json] = {"arguments": ""}

    def __init__(self, added: Json) -> None:
        super().__init__(added)
        for name in ("name", "call_id"):
            expect_string(added.get(name), f"item.{name}")
        self._texts: list[str] = []
        self._done: str | None = None

    def take(self, name: str, value: Json, place: str) -> None:
        if name not in (f"{self.events}.delta", f"{self.events}.done"):
            super().take(name, value, place)
        need(self._done is None, place, f"comes after the {self.content} were done")
        if name.endswith(".delta"):
            self._texts.append(expect_string(value.get("delta"), f"{place}.delta"))
            return
        self._done = expect_string(value.get(self.content), f"{place}.{self.content}")
        need(self._done == "".join(self._texts), f"{place}.{self.content}", "is not what the deltas add up to")
        if self.content == "arguments":
            need(value.get("name") == self.added["name"], f"{place}.name", "is not the item's")

    def finish(self, item: Json, place: str) -> None:
        need(self._done is not None, place, f"is done before its {self.content}")
        need(item[self.content] == self._done, f"{place}.{self.content}", "is not what was done")


class _CustomCall(_Call):
    events, content = "response.custom_tool_call_input", "input"
    empty: ClassVar[Json] = {"input": ""}


class _Search(_Item):
    """An item that goes through phases, each once, in order."""

    phases = ("in_progress", "searching", "completed")

    def __init__(self, added: Json) -> None:
        super().__init__(added)
        self._passed = 0

    def take(self, name: str, value: Json, place: str) -> None:
        expected = [f"response.{self.added['type']}.{phase}" for phase in self.phases]
        if name not in expected:
            super().take(name, value, place)
        need(self._passed < len(expected) and name == expected[self._passed], place, "is not the next phase")
        self._passed += 1

    def finish(self, item: Json, place: str) -> None:
        need(self._passed == len(self.phases), place, "is done before its last phase")


class _Shell(_Item):
    """Commands, one after the other: added, deltas, done."""

    empty: ClassVar[Json] = {"action": {"commands": [], "timeout_ms": None, "max_output_length": None}}
    named = False

    def __init__(self, added: Json) -> None:
        super().__init__(added)
        self._commands: list[str] = []
        self._open: str | None = None

    def take(self, name: str, value: Json, place: str) -> None:
        index = expect_count(value.get("command_index"), f"{place}.command_index")
        need(index == len(self._commands), f"{place}.command_index", "is not that of the open or next command")
        match name.removeprefix("response.shell_call_command."):
            case "added":
                need(self._open is None, place, "another command is still open")
                self._open = expect_string(value.get("command"), f"{place}.command")
            case "delta":
                need(self._open is not None, place, "no command is open")
                self._open = f"{self._open}{expect_string(value.get('delta'), f'{place}.delta')}"
            case "done":
                need(self._open == value.get("command"), f"{place}.command", "is not what its deltas add up to")
                self._commands.append(expect_string(value.get("command"), f"{place}.command"))
                self._open = None
            case _:
                super().take(name, value, place)

    def finish(self, item: Json, place: str) -> None:
        need(self._open is None, place, "a command is still open")
        need(item["action"]["commands"] == self._commands, f"{place}.action.commands", "are not those of the events")


class _Picture(_Search):
    phases = ("in_progress", "generating", "completed")
    empty: ClassVar[Json] = {"result": None}


class _Compaction(_Item):
    empty: ClassVar[Json] = {"encrypted_content": ""}


_ITEMS: dict[str, type[_Item]] = {
    "message": _Parted,
    "reasoning": _Reasoning,
    "function_call": _Call,
    "custom_tool_call": _CustomCall,
    "web_search_call": _Search,
    "image_generation_call": _Picture,
    "local_shell_call": _Item,
    "shell_call": _Shell,
    "apply_patch_call": _Item,
    "tool_search_call": _Item,
    "compaction": _Compaction,
}

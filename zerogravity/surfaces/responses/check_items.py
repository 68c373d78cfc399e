"""The grammar of a Responses stream, item by item: which events belong to one of each type, and what they add up to."""

from __future__ import annotations

from typing import ClassVar

from zerogravity.surfaces.grammar import Json, expect_count, expect_object, expect_string, fail, need, one_of
from zerogravity.surfaces.responses.check_object import check_annotation, check_part


def opened(item: Json, place: str) -> Item:
    """The checker of an item that was just added, which has to be empty."""
    kind = expect_string(item.get("type"), f"{place}.type")
    one_of(kind, _ITEMS, f"{place}.type")
    expect_string(item.get("id"), f"{place}.id")
    made = _ITEMS[kind](item)
    for member, empty in made.empty.items():
        need(member in item and item[member] == empty, f"{place}.{member}", f"must be {empty!r} when it is added")
    expect_string(item.get("encrypted_content", ""), f"{place}.encrypted_content")
    if kind not in ("reasoning", "compaction", "mcp_list_tools", "mcp_approval_request"):
        need(item.get("status") == "in_progress", f"{place}.status", "must be in_progress when it is added")
    return made


class Item:
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


class _Parted(Item):
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


class _Call(Item):
    """A call: deltas, then done, once."""

    events, content = "response.function_call_arguments", "arguments"
    empty: ClassVar[Json] = {"arguments": ""}
    called_by_id = True

    def __init__(self, added: Json) -> None:
        super().__init__(added)
        for name in ("name", "call_id") if self.called_by_id else ("name",):
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
        if self.events == "response.function_call_arguments":
            need(value.get("name") == self.added["name"], f"{place}.name", "is not the item's")

    def finish(self, item: Json, place: str) -> None:
        need(self._done is not None, place, f"is done before its {self.content}")
        need(item[self.content] == self._done, f"{place}.{self.content}", "is not what was done")


class ServerCall(_Call):
    """A call that the server runs: in progress, its arguments, then its result, if the turn does not end before."""

    events = "response.mcp_call_arguments"
    empty: ClassVar[Json] = {"arguments": "", "output": None, "error": None}
    called_by_id = False

    def __init__(self, added: Json) -> None:
        super().__init__(added)
        self._phases: list[str] = []

    @property
    def runs(self) -> bool:
        return self._done is not None

    def take(self, name: str, value: Json, place: str) -> None:
        phase = name.removeprefix("response.mcp_call.")
        if phase == name:
            need(self._phases == ["in_progress"], place, "comes before the call is in progress")
            super().take(name, value, place)
            return
        if not self._phases:
            need(phase == "in_progress", place, "is not the next phase")
        else:
            need(phase in ("completed", "failed") and len(self._phases) == 1, place, "is not the next phase")
            need(self.runs, place, "comes before the arguments are done")
        self._phases.append(phase)

    def finish(self, item: Json, place: str) -> None:
        super().finish(item, place)
        ended = self._phases[1:] or ["incomplete"]
        need([item["status"]] == ended, f"{place}.status", f"must be {ended[0]}")


class _CustomCall(_Call):
    events, content = "response.custom_tool_call_input", "input"
    empty: ClassVar[Json] = {"input": ""}


class _Search(Item):
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


class _Shell(Item):
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


class _Compaction(Item):
    empty: ClassVar[Json] = {"encrypted_content": ""}


class _List(Item):
    """The tools of a server: in progress, then completed or failed."""

    empty: ClassVar[Json] = {"tools": []}

    def __init__(self, added: Json) -> None:
        super().__init__(added)
        self._phases: list[str] = []

    def take(self, name: str, value: Json, place: str) -> None:
        phase = name.removeprefix("response.mcp_list_tools.")
        if phase not in ("in_progress",) if not self._phases else phase not in ("completed", "failed"):
            super().take(name, value, place)
        self._phases.append(phase)

    def finish(self, item: Json, place: str) -> None:
        end = "failed" if "error" in item else "completed"
        need(self._phases == ["in_progress", end], place, f"is not {end} in its events")


_ITEMS: dict[str, type[Item]] = {
    "message": _Parted,
    "reasoning": _Reasoning,
    "function_call": _Call,
    "custom_tool_call": _CustomCall,
    "web_search_call": _Search,
    "image_generation_call": _Picture,
    "local_shell_call": Item,
    "shell_call": _Shell,
    "apply_patch_call": Item,
    "tool_search_call": Item,
    "compaction": _Compaction,
    "mcp_list_tools": _List,
    "mcp_call": ServerCall,
    "mcp_approval_request": Item,
}

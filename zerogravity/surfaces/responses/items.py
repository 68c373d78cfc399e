"""Input items → Google's contents, through ``History``; ``Items.read`` says what becomes of each type.

Thoughts without a signature made here are dropped: they are never text of the answer. Items of hosted tools and unknown
items are skipped and noted, except an unknown item with a call_id: a call without its result would be refused.
Facts: wire-openai 3, 6; wire-gemini-and-mapping 4, 6; real-clients, Codex and Others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from zerogravity.core.turn import Target
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.history import History
from zerogravity.surfaces.common.sealed_state import TEXT, Carried, unseal, unseal_text
from zerogravity.surfaces.openai import content
from zerogravity.surfaces.openai.content import Content
from zerogravity.surfaces.responses import client_tools, loose_ends, server_calls
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.compaction import TRIGGER
from zerogravity.surfaces.responses.ids import PREFIXES
from zerogravity.surfaces.responses.server_input import ITEMS as SERVER_ITEMS
from zerogravity.surfaces.responses.server_input import ServerInput
from zerogravity.surfaces.responses.tools import Tools
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

Part = dict[str, Any]
ROLES = ("user", "assistant", "system", "developer")
SKIPPED = (
    "web_search_call", "file_search_call", "code_interpreter_call", "computer_call", "computer_call_output",
    "program", "program_output",
)  # fmt: skip

CLIENT_CALLS = {tool.call for tool in CLIENT_TOOLS.values()}
CLIENT_ITEMS = CLIENT_CALLS | {tool.result for tool in CLIENT_TOOLS.values()}
SUMMARY = "This dialogue was shortened. What happened so far, in the words of your own summary:\n\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One input item, references resolved, and its path in the request."""

    path: str
    item: Json

    @property
    def kind(self) -> str:
        return str(self.item.get("type") or "message")


def resolve(body: Json, context: Context) -> tuple[list[Entry], tuple[str, ...]]:
    """``input`` as items: a string is one user message, references are followed. Raises FaultError 400."""
    given = body.get("input")
    if given is None:
        return [], ()
    if isinstance(given, str):
        return [Entry("input", {"type": "message", "role": "user", "content": given})], ()
    if not isinstance(given, list):
        raise fields.invalid_type("input", "a string or an array of items", given)
    entries: list[Entry] = []
    notes: list[str] = []
    for item, path in fields.each_object(narrow.items(body["input"]), "input"):
        if fields.string(item, "type", path=path) == "item_reference":
            fields.required_string(item, "id", path=path)
        if (wanted := reference(item)) is None:
            entries.append(Entry(path, item))
        elif (found := context.item(wanted)) is not None:
            entries.append(Entry(path, found))
        else:
            notes.append(f"{path}: item {wanted} is not stored here, skipped")
    return entries, tuple(notes)


def reference(item: Json) -> str | None:
    """The id that an item_reference names; its type may be left out."""
    wanted = item.get("id")
    if item.get("type") == "item_reference" or (item.get("type") is None and "role" not in item):
        return wanted if isinstance(wanted, str) else None
    return None


class Items:
    """Reads one request's items into a ``History``. ``system``: texts of its system and developer items.
    ``notes``: what was skipped. ``servers``: what they say of MCP servers."""

    def __init__(self, history: History, context: Context, target: Target, tools: Tools) -> None:
        self.system: list[str] = []
        self.notes: list[str] = []
        self.servers = ServerInput(history, tools.servers, self._model_call, self.notes, context.created)
        self._history = history
        self._context = context
        self._target = target
        self._tools = tools
        self._carried: dict[str, Carried] = {}  # by call id, from reasoning items
        self._thoughts: list[Part] = []  # signed ones, which go before the next text or call
        self._own_ids: dict[str, str] = {}  # id of a call's item → its call id
        self._joins = False  # the item before is a call with its result: the next call may be of the same step

    def read(self, entries: Sequence[Entry]) -> None:
        """Raises FaultError 400 naming the entry."""
        for number, entry in enumerate(entries):
            item, path = entry.item, entry.path
            match entry.kind:
                case "message":
                    self._message(item, path, entries[number + 1 : number + 2])
                case "function_call":
                    self._call(item, path, fields.string(item, "arguments", path=path) or "")
                case "custom_tool_call":
                    text = fields.required_string(item, "input", path=path)
                    self._call(item, path, jsonio.text({"input": text}))
                case "function_call_output" | "custom_tool_call_output":
                    self._output(fields.required_string(item, "call_id", path=path), item, path)
                case kind if kind in CLIENT_ITEMS:
                    self._client_tool(kind, item, path)
                case kind if kind in SERVER_ITEMS:
                    self._of_server(kind, item, path)
                case "reasoning":
                    self._reasoning(item, path)
                case "compaction" | "compaction_summary":
                    self._compaction(item, path)
                case "image_generation_call":
                    self._picture(item, path)
                case "additional_tools":
                    pass
                case kind if kind == TRIGGER:
                    self.notes.append(f"{path}: {kind} skipped: it only counts as the last item")
                case kind if kind in SKIPPED or item.get("call_id") is None:
                    self.notes.append(f"{path}: {kind} skipped: it cannot be passed on to the model")
                case kind:  # half of a call: the other half would mean something else without it
                    raise fields.invalid_value(f"{path}.type", kind, (*PREFIXES, "item_reference", *SKIPPED))
            self._joins = entry.kind == server_calls.CALL

    def remember_calls(self, items: Iterable[Json]) -> None:
        """Calls whose results may name them by the ids of their items."""
        for item in items:
            own, call_id = item.get("id"), item.get("call_id")
            if isinstance(own, str) and isinstance(call_id, str) and item.get("type") in CLIENT_CALLS:
                self._own_ids[own] = call_id

    # -- messages --------------------------------------------------------------------------------------------

    def _message(self, item: Json, path: str, behind: Sequence[Entry]) -> None:
        role = fields.required_string(item, "role", path=path)
        if role not in ROLES:
            raise fields.invalid_value(f"{path}.role", role, ROLES)
        if role == "assistant":
            parts = ASSISTANT.read(item, "content", path)
            if parts and (signature := self._signature(item, behind)):
                parts[-1]["thoughtSignature"] = signature
            self._model(parts)
            return
        parts = INPUT.read(item, "content", path)
        self._thoughts.clear()
        if role == "user":
            self._history.user(parts)
            return
        texts = [str(part["text"]) for part in parts if "text" in part]
        for text in texts:
            self._history.system(text)
        self.system += texts
        self._history.user([part for part in parts if "text" not in part])

    def _signature(self, item: Json, behind: Sequence[Entry]) -> str | None:
        """The signature of a text of the model: in its own item, if that was stored, or in the next reasoning item."""
        for each in (item, *(entry.item for entry in behind if entry.kind == "reasoning")):
            text = each.get("encrypted_content")
            for carried in (unseal(self._context.secret, text) if isinstance(text, str) else None) or ():
                if carried.call_id == TEXT and carried.family == self._target.family:
                    return carried.signature
        return None

    def _model(self, parts: Sequence[Part]) -> None:
        """Parts of the model, after the signed thoughts that led to them."""
        if not parts:
            return
        for part in [*self._thoughts, *parts]:
            self._history.model_part(part)
        self._thoughts.clear()

    def _picture(self, item: Json, path: str) -> None:
        fields.string(item, "output_format", path=path)
        if not fields.string(item, "result", path=path):
            self.notes.append(f"{path}: image without data, skipped")
            return
        part = loose_ends.picture(item, f"{path}.result")
        for carried in self._unsealed(item, path):
            part["thoughtSignature"] = carried.signature
        self._model([part])

    # -- calls -----------------------------------------------------------------------------------------------

    def _call(self, item: Json, path: str, arguments: str) -> None:
        name, namespace = fields.required_string(item, "name", path=path), fields.string(item, "namespace", path=path)
        key = self._tools.key(name, namespace) if name.strip() else ""  # the history drops it
        call_id = fields.required_string(item, "call_id", path=path)
        for carried in self._unsealed(item, path):  # a stored call, found by reference
            self._carried[call_id] = carried
        self._model_call(call_id, key, arguments)

    def _model_call(self, call_id: str, key: str, arguments: str) -> None:
        for part in self._thoughts:
            self._history.model_part(part)
        self._thoughts.clear()
        self._history.model_call(call_id, key, arguments, carried=self._carried.get(call_id), joins=self._joins)

    def _output(self, call_id: str, item: Json, path: str) -> None:
        self._history.result(call_id, INPUT.read(item, "output", path))

    def _client_tool(self, kind: str, item: Json, path: str) -> None:
        """Calls and results of the tools that have item types of their own."""
        if kind.startswith("tool_search") and (item.get("execution") == "server" or item.get("call_id") is None):
            self.notes.append(f"{path}: {kind} of the server skipped: its tools are declared")
        elif (tool := client_tools.tool_of_call(kind)) is not None:
            call_id = fields.required_string(item, "call_id", path=path)
            self.remember_calls([item])
            given = jsonio.text(CLIENT_TOOLS[tool].arguments(item, path))
            self._model_call(call_id, self._tools.key(tool, kind=tool), given)
        elif (tool := client_tools.tool_of_result(kind)) is not None:
            # a local shell's result may name its call by the id of the call's item
            own = fields.string(item, "call_id", path=path) or fields.required_string(item, "id", path=path)
            self._history.result(self._own_ids.get(own, own), CLIENT_TOOLS[tool].output(item, path))

    def _of_server(self, kind: str, item: Json, path: str) -> None:
        """What belongs to MCP servers; their calls may be stored ones, found by reference."""
        if kind in (server_calls.CALL, server_calls.REQUEST):
            own = server_calls.call_id(kind, fields.required_string(item, "id", path=path))
            self._carried.update((own, carried) for carried in self._unsealed(item, path))
        self.servers.read(kind, item, path)

    # -- sealed state -------------------------------------------------------------------------------------------

    def _reasoning(self, item: Json, path: str) -> None:
        parts = fields.each_object(fields.array(item, "summary", path=path), f"{path}.summary")
        text = "".join(str(part.get("text", "")) for part, _ in parts)
        for carried in self._unsealed(item, path):
            if carried.call_id is not None:
                self._carried[carried.call_id] = carried
            elif whole := "".join(carried.before) or text:
                self._thoughts.append({"text": whole, "thought": True, "thoughtSignature": carried.signature})

    def _unsealed(self, item: Json, path: str) -> list[Carried]:
        """Signatures sealed here, if the family that will answer made them."""
        text = fields.string(item, "encrypted_content", path=path)
        carried = unseal(self._context.secret, text) if text else None
        if text and carried is None:
            self.notes.append(f"{path}.encrypted_content ignored: it was not made here")
        return [each for each in carried or () if each.family == self._target.family]

    def _compaction(self, item: Json, path: str) -> None:
        summary = unseal_text(self._context.secret, fields.required_string(item, "encrypted_content", path=path))
        if summary is None:
            text = "The encrypted content of this compaction was not made here, so it cannot be read."
            raise bad_request(text, param=f"{path}.encrypted_content", code="invalid_encrypted_content")
        self._thoughts.clear()
        self._history.user([{"text": SUMMARY + summary}])


def _picture(part: Json, path: str) -> Part:
    content.refuse_file_id(part, path, "image_url")
    return content.picture(part, path)


INPUT = Content(  # of a message, and a tool's output
    {
        "input_text": content.text, "input_image": _picture, "input_file": partial(content.file, urls=True),
        "input_audio": content.audio,
    },
    also={"output_text": content.text, "text": content.text, "refusal": content.refusal},  # answers sent back as input
)  # fmt: skip
ASSISTANT = Content(
    {"output_text": content.text, "refusal": content.refusal},
    also={"input_text": content.text, "text": content.text},
    required=False,
)

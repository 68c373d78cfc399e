"""What may be called → ``tools`` and ``toolConfig`` of Google's request.

A word, a tool by name and ``allowed_tools`` are read here for both APIs; which other tools may be named is each one's.
Facts: wire-gemini-and-mapping 2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from zerogravity.core.family import rules
from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.tools import NameMap, Tools, declare

Json = Mapping[str, Any]
WORDS = ("none", "auto", "required")

Mode = Literal["auto", "none", "required", "allowed"]
MODES: Mapping[Mode, str] = {
    "none": "NONE",
    "auto": "AUTO",  # with allowedFunctionNames Google refuses it
    "required": "ANY",
    "allowed": "VALIDATED",  # text, or calls that obey their schema
}


@dataclass(frozen=True, slots=True)
class Choice:
    """``mode``: None if the client did not say. ``search``: the model may search the web. ``keys``: the functions that
    it names. ``functions``: False if it names only other tools."""

    mode: Mode | None
    search: bool
    keys: tuple[str, ...] = ()
    functions: bool = True


def request_members(
    tools: Tools, choose: Callable[[], Choice], names: NameMap, family: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``tools`` and ``toolConfig`` of Google's request, and notes. ``choose`` is called once the tools are valid."""
    declarations, notes = declare(tools.declared, names)
    choice = choose()
    mode = choice.mode
    if tools.strict and mode in (None, "auto"):
        mode = "allowed"
    config = tool_config(mode, [names.to_google(key) for key in choice.keys]) if mode is not None else None
    declared = declarations if choice.functions else []
    both = rules(family).search_with_functions
    members, more = tool_members(declared, search=choice.search, both=both, config=config)
    return members, (*tools.notes, *notes, *more)


def of_word(value: str, tools: Tools, *, offered: bool, param: str, words: Sequence[str] = WORDS) -> Choice:
    """The choice that is one of ``words``. ``offered``: there is some tool. Raises FaultError 400."""
    if value not in words:
        raise fields.invalid_value(param, value, words)
    if value == "required" and not offered:
        raise bad_request(f"'{param}' is only allowed when 'tools' are specified.", param=param)
    return Choice(cast("Mode", value), tools.search)


@dataclass(frozen=True, slots=True)
class Allowed:
    """``allowed_tools``, a hard limit: no other tool can be used. ``path``: of the object that holds ``tools``."""

    mode: Mode
    tools: Sequence[object]
    path: str

    def entries(self) -> Iterator[tuple[Json, str]]:
        """Each tool that it names, and its path."""
        for index, value in enumerate(self.tools):
            place = f"{self.path}.tools[{index}]"
            yield fields.as_object(value, place), place

    def empty(self, what: str) -> FaultError:
        text = f"Invalid '{self.path}.tools': it must name at least one {what}."
        return bad_request(text, param=f"{self.path}.tools", code="empty_array")


def allowed_tools(choice: Json) -> Allowed:
    """In either API's nesting. Raises FaultError 400."""
    inner = fields.obj(choice, "allowed_tools", path="tool_choice")
    path = "tool_choice" if inner is None else "tool_choice.allowed_tools"
    inner = choice if inner is None else inner
    mode = fields.choice(inner, "mode", ("auto", "required"), path=path)
    if mode is None:
        raise fields.missing(f"{path}.mode")
    tools = fields.array(inner, "tools", path=path) or []
    return Allowed("required" if mode == "required" else "allowed", tools, path)


def not_runnable(kind: str, param: str) -> FaultError:
    """The refusal of a choice that forces a tool of this kind."""
    text = f"Invalid '{param}': the tool '{kind}' cannot be run here, so it cannot be forced."
    return bad_request(text, param=param, code="invalid_value")


def undeclared(name: str, param: str) -> FaultError:
    return bad_request(f"Invalid '{param}': the tool '{name}' is not among the declared tools.", param=param)


def tool_config(mode: Mode, names: Sequence[str] = ()) -> dict[str, Any]:
    """toolConfig for a tool choice; ``names`` are Google's."""
    config: dict[str, Any] = {"mode": MODES[mode]}
    if names and mode in ("required", "allowed"):
        config["allowedFunctionNames"] = list(names)
    return {"functionCallingConfig": config}


def tool_members(
    declarations: Sequence[Mapping[str, Any]], *, search: bool, both: bool, config: Mapping[str, Any] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``tools`` and ``toolConfig`` of a request, and notes. ``both``: the family takes googleSearch and functions in
    one request (with a flag); otherwise the search is left out and noted, never the functions."""
    out: dict[str, Any] = {}
    notes: list[str] = []
    tools: list[dict[str, Any]] = []
    if declarations:
        tools.append({"functionDeclarations": [dict(declaration) for declaration in declarations]})
    if search and config == tool_config("none"):
        notes.append("web search left out: tool_choice is none")
        search = False
    if search and declarations and not both:
        notes.append("web search left out: this model cannot combine it with functions")
        search = False
    if search and tools:
        tools[0]["googleSearch"] = {}
    elif search:
        tools.append({"googleSearch": {}})
    if tools:
        out["tools"] = tools
    if config is not None and declarations:
        out["toolConfig"] = dict(config)
    if search and declarations:
        out["toolConfig"] = {**out.get("toolConfig", {}), "includeServerSideToolInvocations": True}
    return out, tuple(notes)

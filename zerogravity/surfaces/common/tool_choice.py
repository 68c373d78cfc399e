"""What may be called → ``tools`` and ``toolConfig`` of Google's request.

How a client says so is each API's own. Facts: wire-gemini-and-mapping 2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from zerogravity.core.family import rules
from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.common.declarations import NameMap, Tools, declare

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
    if mode == "none":
        tools.servers.clear()  # nothing of them can be called
    if tools.strict and mode in (None, "auto"):
        mode = "allowed"
    config = tool_config(mode, [names.to_google(key) for key in choice.keys]) if mode is not None else None
    declared = declarations if choice.functions else []
    both = rules(family).search_with_functions
    servers = bool(tools.servers) and choice.functions
    members, more = tool_members(declared, search=choice.search, both=both, config=config, servers=servers)
    return members, (*tools.notes, *notes, *more)


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
    declarations: Sequence[Mapping[str, Any]],
    *,
    search: bool,
    both: bool,
    config: Mapping[str, Any] | None,
    servers: bool = False,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``tools`` and ``toolConfig`` of a request, and notes. ``both``: the family takes googleSearch and functions in
    one request (with a flag); otherwise the search is left out and noted, never the functions. ``servers``: those of
    MCP servers are declared later."""
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
    if config is not None and (declarations or servers):
        out["toolConfig"] = dict(config)
    if search and declarations:
        out["toolConfig"] = {**out.get("toolConfig", {}), "includeServerSideToolInvocations": True}
    return out, tuple(notes)

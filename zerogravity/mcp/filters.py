"""Which of a server's tools a filter names: ``allowed_tools`` and ``require_approval`` of the Responses API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def names_of(wanted: Any, tool: Json) -> bool:
    """Whether the filter names the tool, as MCP lists it: a list of names, or {tool_names, read_only}, both of which
    must hold. A server that does not say whether a tool only reads is taken to say no."""
    if not isinstance(wanted, Mapping):
        return tool.get("name") in wanted
    given = cast("Json", wanted)
    names, read_only = given.get("tool_names"), given.get("read_only")
    if names is not None and tool.get("name") not in names:
        return False
    return read_only is None or (narrow.lookup(tool, "annotations", "readOnlyHint") is True) is bool(read_only)

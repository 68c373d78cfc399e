"""A turn's request → the conversation as the client sees it, and its tools before and after translation. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.core.turn import Turn
from zerogravity.observe.summary import contents, parts
from zerogravity.wire import jsonio

Json = dict[str, Any]
BLOBS = ("inlineData", "fileData")
TEXT = 200_000  # characters of one text that are shown
NESTED = ("parameters", "parametersJsonSchema")


def conversation(turn: Turn) -> list[Json]:
    """One row per part. A tool's result stands in the row of its call."""
    rows = [{"role": "system", **_text(part)} for part in parts(turn.google_request.get("systemInstruction"))]
    open_calls: list[Json] = []
    for content in contents(turn):
        role = str(content.get("role") or "user")
        for part in parts(content):
            if isinstance(call := part.get("functionCall"), dict):
                row = {"role": role, **_call(turn, call)}
                open_calls.append(row)
            elif isinstance(result := part.get("functionResponse"), dict):
                text = _pretty(result.get("response"))
                if (asked := _call_of(result, open_calls)) is not None:
                    asked["result"] = text
                    continue
                row = {"role": role, "kind": "result", "name": _name(turn, result), "text": text}
            else:
                row = {"role": role, **_text(part)}
            rows.append(row)
    return rows


def _call(turn: Turn, call: Mapping[str, Any]) -> Json:
    return {
        "kind": "call", "name": _name(turn, call), "call_id": call.get("id"), "arguments": _pretty(call.get("args")),
        "upstream": call.get("name"),
    }  # fmt: skip


def _text(part: Mapping[str, Any]) -> Json:
    if isinstance(text := part.get("text"), str):
        kind = "thinking" if part.get("thought") else "text"
        return {"kind": kind, "text": text[:TEXT], "cut": max(0, len(text) - TEXT)}
    for name in BLOBS:
        if isinstance(blob := part.get(name), dict):
            data = blob.get("data")
            size = len(data) * 3 // 4 if isinstance(data, str) else 0
            return {"kind": "media", "mime": str(blob.get("mimeType", "")), "size": size, "uri": blob.get("fileUri")}
    return {"kind": "other", "text": _pretty(part)}


def _call_of(result: Mapping[str, Any], open_calls: list[Json]) -> Json | None:
    """The open call that ``result`` belongs to: by its id; without one by its name, the oldest first."""
    for call in open_calls:
        same = call["call_id"] == result.get("id") if result.get("id") else call["upstream"] == result.get("name")
        if same:
            open_calls.remove(call)
            return call
    return None


def _name(turn: Turn, member: Mapping[str, Any]) -> str:
    return turn.client_name(str(member.get("name", "")))


def _pretty(value: Any) -> str:
    return value[:TEXT] if isinstance(value, str) else jsonio.dumps(value)[:TEXT].decode("utf-8", "replace")


# -- tools ---------------------------------------------------------------------------------------------------------


def tools(turn: Turn, client_request: Any) -> list[Json]:
    """Every tool: its schema as the client gave it (``before``) and as Google gets it (``after``)."""
    before = {name: tool for tool in _client_tools(client_request) for name in _names(tool)}
    rows: list[Json] = []
    for tool in _dicts(turn.google_request.get("tools")):
        declared = tool.get("functionDeclarations")
        for function in _dicts(declared):
            name = _name(turn, function)
            schema = next((function[key] for key in NESTED if key in function), None)
            rows.append({"name": name, "description": str(function.get("description", ""))[:TEXT],
                         "before": _schema(before.get(name)), "after": schema})  # fmt: skip
        rows += [{"name": key, "description": "served by Google", "before": None, "after": value}
                 for key, value in tool.items() if key != "functionDeclarations"]  # fmt: skip
    return rows


def _client_tools(request: Any) -> Iterator[Json]:
    """The tools of a request of any of the three APIs, flat."""
    for tool in _dicts(request.get("tools") if isinstance(request, dict) else None):
        yield from _dicts(tool.get("functionDeclarations") or tool.get("function_declarations"))
        yield from _dicts([tool.get("function"), tool])


def _names(tool: Mapping[str, Any]) -> list[str]:
    return [tool["name"]] if isinstance(tool.get("name"), str) else []


def _schema(tool: Mapping[str, Any] | None) -> Any:
    keys = (*NESTED, "parameters_json_schema", "format")
    return None if tool is None else next((tool[key] for key in keys if key in tool), None)


def _dicts(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list | tuple) else []

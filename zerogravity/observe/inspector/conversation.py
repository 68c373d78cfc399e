"""A turn's request → the conversation as the client sees it, and its tools before and after translation. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from zerogravity.core.turn import Turn
from zerogravity.observe.summary import contents, parts
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_object, objects, text

Json = dict[str, object]
BLOBS = ("inlineData", "fileData")
TEXT = 200_000  # characters of one text that are shown
NESTED = ("parameters", "parametersJsonSchema")


def conversation(turn: Turn) -> list[Json]:
    """One row per part. A tool's result stands in the row of its call."""
    rows: list[Json] = [
        {"role": "system", **_text(part)} for part in parts(turn.google_request.get("systemInstruction"))
    ]
    open_calls: list[Json] = []
    for content in contents(turn):
        role = str(content.get("role") or "user")
        for part in parts(content):
            if (call := an_object(part.get("functionCall"))) is not None:
                row: Json = {"role": role, **_call(turn, call)}
                open_calls.append(row)
            elif (result := an_object(part.get("functionResponse"))) is not None:
                output = _pretty(result.get("response"))
                if (owner := _call_of(result, open_calls)) is not None:
                    owner["result"] = output
                    continue
                row = {"role": role, "kind": "result", "name": _name(turn, result), "text": output}
            else:
                row = {"role": role, **_text(part)}
            rows.append(row)
    return rows


def _call(turn: Turn, call: Mapping[str, object]) -> Json:
    return {
        "kind": "call", "name": _name(turn, call), "call_id": call.get("id"), "arguments": _pretty(call.get("args")),
        "upstream": call.get("name"),
    }  # fmt: skip


def _text(part: Mapping[str, object]) -> Json:
    if isinstance(words := part.get("text"), str):
        kind = "thinking" if part.get("thought") else "text"
        return {"kind": kind, "text": words[:TEXT], "cut": max(0, len(words) - TEXT)}
    for name in BLOBS:
        if (blob := an_object(part.get(name))) is not None:
            size = len(text(blob.get("data"))) * 3 // 4
            return {"kind": "media", "mime": text(blob.get("mimeType")), "size": size, "uri": blob.get("fileUri")}
    return {"kind": "other", "text": _pretty(part)}


def _call_of(result: Mapping[str, object], open_calls: list[Json]) -> Json | None:
    """The open call that ``result`` belongs to: by its id; without one by its name, the oldest first."""
    for call in open_calls:
        same = call["call_id"] == result.get("id") if result.get("id") else call["upstream"] == result.get("name")
        if same:
            open_calls.remove(call)
            return call
    return None


def _name(turn: Turn, member: Mapping[str, object]) -> str:
    return turn.client_name(text(member.get("name")))


def _pretty(value: object) -> str:
    return value[:TEXT] if isinstance(value, str) else jsonio.dumps(value)[:TEXT].decode("utf-8", "replace")


# -- tools ---------------------------------------------------------------------------------------------------------


def tools(turn: Turn, declared: Mapping[str, object]) -> list[Json]:
    """Every tool: its schema as the client gave it (``before``: of ``declared``) and as Google gets it (``after``)."""
    rows: list[Json] = []
    for tool in objects(turn.google_request.get("tools")):
        for function in objects(tool.get("functionDeclarations")):
            name = _name(turn, function)
            schema = next((function[key] for key in NESTED if key in function), None)
            rows.append({"name": name, "description": text(function.get("description"))[:TEXT],
                         "before": declared.get(name), "after": schema})  # fmt: skip
        rows += [{"name": key, "description": "served by Google", "before": None, "after": value}
                 for key, value in tool.items() if key != "functionDeclarations"]  # fmt: skip
    return rows

"""A turn's request → the conversation as the client sees it, and its tools before and after translation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zerogravity import redact
from zerogravity.core.turn import Turn
from zerogravity.observe import tool_results
from zerogravity.observe.inspector import blocks
from zerogravity.observe.inspector.blocks import TEXT
from zerogravity.observe.summary import contents, parts
from zerogravity.wire.narrow import an_object, objects, text

Json = dict[str, object]
BLOBS = ("inlineData", "fileData")
NESTED = ("parameters", "parametersJsonSchema")


@dataclass(slots=True)
class Part:
    """A part of the request, not drawn yet. ``content``: the number of its message; -1: of the system prompt."""

    role: str
    content: int
    part: dict[str, object]
    result: dict[str, object] | None = None


def conversation(turn: Turn) -> list[Part]:
    """All parts in order. A tool's result stands with its call."""
    made = [Part("system", -1, part) for part in parts(turn.google_request.get("systemInstruction"))]
    open_calls: list[Part] = []
    for number, content in enumerate(contents(turn)):
        role = str(content.get("role") or "user")
        for part in parts(content):
            if "functionCall" in part:
                open_calls.append(Part(role, number, part))
                made.append(open_calls[-1])
            elif (result := an_object(part.get("functionResponse"))) is None:
                made.append(Part(role, number, part))
            elif (owner := _call_of(result, open_calls)) is not None:
                owner.result = result
                owner.content = number
            else:
                made.append(Part(role, number, part))
    return made


def earlier(made: Sequence[Part], fresh: int) -> int:
    """How many of the parts are no news: those of the first ``fresh`` messages, which the turn before had already;
    where that is not known, all but the last round."""
    if not fresh:
        said = [part.content for part in made if part.role == "model"]
        fresh = min((part.content for part in made if part.content >= said[-1]), default=0) if said else 0
    return next((place for place, part in enumerate(made) if part.content >= fresh), len(made)) if fresh > 0 else 0


def rows(turn: Turn, made: Sequence[Part]) -> list[Json]:
    """The parts as the page draws them: redacted first, then cut into blocks."""
    return [{"role": part.role, **_row(turn, part)} for part in made]


def _row(turn: Turn, given: Part) -> Json:
    part = redact.json_value(given.part)
    if (call := an_object(part.get("functionCall"))) is not None:
        row: Json = {"kind": "call", "name": _name(turn, call), "call_id": call.get("id"),
                     "blocks": blocks.arguments(call.get("args", {}))}  # fmt: skip
        return row if given.result is None else {**row, "result": _result(redact.json_value(given.result))}
    if (result := an_object(part.get("functionResponse"))) is not None:
        return {"kind": "result", "name": _name(turn, result), "blocks": [], "result": _result(result)}
    if isinstance(words := part.get("text"), str):
        cut = max(0, len(words) - TEXT)
        kind = "thinking" if part.get("thought") else "text"
        return {"kind": kind, "size": len(words), "blocks": blocks.prose(words), **({"cut": cut} if cut else {})}
    for name in BLOBS:
        if (blob := an_object(part.get(name))) is not None:
            return {"kind": "media", "blocks": [blocks.media(blob)]}
    return {"kind": "other", "blocks": blocks.plain(part)}


def _result(result: Mapping[str, object]) -> Json:
    return blocks.result(tool_results.of_part(result))


def _call_of(result: Mapping[str, object], open_calls: list[Part]) -> Part | None:
    """The open call that ``result`` belongs to: by its id; without one by its name, the oldest first."""
    for owner in open_calls:
        call = an_object(owner.part.get("functionCall")) or {}
        if call.get("id") == result.get("id") if result.get("id") else call.get("name") == result.get("name"):
            open_calls.remove(owner)
            return owner
    return None


def _name(turn: Turn, member: Mapping[str, object]) -> str:
    return turn.client_name(text(member.get("name")))


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

"""(The LS's Google request, the turn) → the request that is sent, with notes. Pure.

| member                                             | what happens                                         |
|----------------------------------------------------|------------------------------------------------------|
| contents, systemInstruction, tools, toolConfig, safetySettings | the turn's; removed when the turn has none |
| generationConfig                                   | merged, the turn wins member by member               |
| generationConfig.thinkingConfig                    | the turn's as a whole: never level and budget at once |
| generationConfig.responseSchema/responseJsonSchema | the turn's one removes the other                     |
| cachedContent and further members of the turn      | taken over                                           |
| model                                              | kept, unless the turn names another wire model       |
| project, requestId, sessionId, labels, userAgent … | kept                                                 |

The public form has no envelope and its model in the path, which is not touched here. Facts:
language-server-and-google D.6, E, F6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from zerogravity.core.turn import Turn
from zerogravity.wire import jsonio

Json = Mapping[str, Any]
REPLACED = ("contents", "systemInstruction", "tools", "toolConfig", "safetySettings")
EXCLUSIVE = (("responseSchema", "responseJsonSchema"), ("responseJsonSchema", "responseSchema"))


@dataclass(frozen=True, slots=True)
class Rewritten:
    """``body``: what goes to Google. ``notes``: what was changed, for the trace."""

    body: bytes
    notes: tuple[str, ...]


def rewrite(body: Json, turn: Turn) -> Rewritten:
    """Put ``turn`` into the LS's own request, with or without envelope."""
    notes: list[str] = []
    request, wire_model = body.get("request"), turn.target.wire_model
    if not isinstance(request, dict):
        if wire_model is not None:
            notes.append(f"model in the path kept, not {wire_model}")
        return Rewritten(jsonio.dumps(_inner(body, turn.generate, notes)), tuple(notes))
    out = {**body, "request": _inner(cast("Json", request), turn.generate, notes)}
    if wire_model is not None and out.get("model") != wire_model:
        notes.append(f"model {out.get('model')} -> {wire_model}")
        out["model"] = wire_model
    return Rewritten(jsonio.dumps(out), tuple(notes))


def _inner(request: Json, generate: Json, notes: list[str]) -> dict[str, Any]:
    out = {name: value for name, value in request.items() if name not in REPLACED}
    notes += [f"{name} removed" for name in REPLACED if name in request and name not in generate]
    for name, value in generate.items():
        if name != "generationConfig":
            out[name] = value
            notes.append(f"{name} replaced" if name in request else f"{name} added")
    if wanted := generate.get("generationConfig"):
        own = out.get("generationConfig")
        out["generationConfig"] = _config(cast("Json", own) if isinstance(own, dict) else {}, wanted)
        notes.append(f"generationConfig: {', '.join(wanted)}")
    return out


def _config(own: Json, wanted: Json) -> dict[str, Any]:
    config = {**own, **wanted}
    for given, other in EXCLUSIVE:
        if given in wanted and other not in wanted:
            config.pop(other, None)
    return config

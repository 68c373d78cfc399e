"""(The LS's Google request, the turn) → the request that is sent, with notes. Pure.

| member                                            | what happens                                         |
|---------------------------------------------------|------------------------------------------------------|
| contents, systemInstruction, tools, toolConfig, safetySettings | the turn's; removed when the turn has none |
| generationConfig                                  | merged, the turn wins member by member               |
| generationConfig.thinkingConfig                   | the turn's as a whole: never level and budget at once |
| generationConfig.responseSchema/responseJsonSchema | the turn's one removes the other                    |
| cachedContent and further members of the turn     | taken over                                           |
| model                                             | kept, unless the turn names another wire model       |
| project, requestId, sessionId, labels, userAgent … | kept                                                |

Facts: language-server-and-google D.6, F6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zerogravity.core.turn import Turn
from zerogravity.wire import jsonio

REPLACED = ("contents", "systemInstruction", "tools", "toolConfig", "safetySettings")
EXCLUSIVE = (("responseSchema", "responseJsonSchema"), ("responseJsonSchema", "responseSchema"))


@dataclass(frozen=True, slots=True)
class Rewritten:
    """``body``: what goes to Google. ``notes``: what was changed, for the trace."""

    body: bytes
    notes: tuple[str, ...]


def rewrite(body: Mapping[str, Any], turn: Turn) -> Rewritten:
    """Put ``turn`` into the LS's own request, with or without envelope."""
    notes: list[str] = []
    enveloped = isinstance(body.get("request"), dict)
    request = _inner(body["request"] if enveloped else body, turn, notes)
    if not enveloped:
        return Rewritten(jsonio.dumps(request), tuple(notes))
    out = {**body, "request": request}
    if turn.target.wire_model is not None and out.get("model") != turn.target.wire_model:
        notes.append(f"model {out.get('model')} -> {turn.target.wire_model}")
        out["model"] = turn.target.wire_model
    return Rewritten(jsonio.dumps(out), tuple(notes))


def _inner(request: Mapping[str, Any], turn: Turn, notes: list[str]) -> dict[str, Any]:
    out = dict(request)
    for name in REPLACED:
        if name in out and name not in turn.generate:
            del out[name]
            notes.append(f"{name} removed")
    for name, value in turn.generate.items():
        if name == "generationConfig":
            continue
        out[name] = value
        notes.append(f"{name} replaced")
    own = out.get("generationConfig")
    config = _config(own if isinstance(own, dict) else {}, turn.generate.get("generationConfig") or {})
    if config:
        out["generationConfig"] = config
    return out


def _config(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    config = {**own, **wanted}
    for given, other in EXCLUSIVE:
        if given in wanted and other not in wanted:
            config.pop(other, None)
    return config

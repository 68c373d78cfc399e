"""(The LS's Google request, the turn) → the request that is sent, with notes. Pure.

| member                                             | what happens                                         |
|----------------------------------------------------|------------------------------------------------------|
| contents, systemInstruction, tools, toolConfig, safetySettings | the turn's; removed when the turn has none |
| generationConfig                                   | the turn's, member by member; see below              |
| cachedContent and further members of the turn      | taken over                                           |
| model                                              | kept, unless the turn names another wire model       |
| project, requestId, sessionId, labels, userAgent … | kept                                                 |

| of generationConfig, where the turn says nothing | what is sent                                           |
|--------------------------------------------------|--------------------------------------------------------|
| maxOutputTokens                                  | the LS's: Google needs a limit for some models         |
| thinkingConfig                                   | the LS's: how the model thinks. The turn's stands alone |
| stopSequences                                    | none: an answer that holds one of the LS's would be cut |
| temperature, topP, topK                          | none: the model's own                                  |
| candidateCount, seed, penalties, logprobs        | none                                                   |
| responseMimeType, responseSchema, responseJsonSchema, responseModalities, imageConfig, speechConfig | none |
| mediaResolution and any other                    | none                                                   |

What stays of the LS's and what the turn sets must fit together and fit the model: ``fit.py``.

The public form has no envelope and its model in the path, which is not touched here. Facts:
language-server-and-google D.6, E, F6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from zerogravity.capture.generation_config import fitted, thoughtless
from zerogravity.core.turn import Turn
from zerogravity.wire import jsonio

Json = Mapping[str, Any]
REPLACED = ("contents", "systemInstruction", "tools", "toolConfig", "safetySettings")
TAKEN_OVER = ("maxOutputTokens", "thinkingConfig")  # of generationConfig, the LS's where the turn says nothing


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
        return Rewritten(jsonio.dumps(_inner(body, turn, notes)), tuple(notes))
    out = {**body, "request": _inner(cast("Json", request), turn, notes)}
    if wire_model is not None and out.get("model") != wire_model:
        notes.append(f"model {out.get('model')} -> {wire_model}")
        out["model"] = wire_model
    return Rewritten(jsonio.dumps(out), tuple(notes))


def _inner(request: Json, turn: Turn, notes: list[str]) -> dict[str, Any]:
    generate = turn.google_request
    out = {name: value for name, value in request.items() if name not in REPLACED}
    notes += [f"{name} removed" for name in REPLACED if name in request and name not in generate]
    for name, value in generate.items():
        if name != "generationConfig":
            out[name] = value
            notes.append(f"{name} replaced" if name in request else f"{name} added")
    own, wanted = out.pop("generationConfig", None), cast("Json", generate.get("generationConfig") or {})
    config = _config(cast("Json", own) if isinstance(own, dict) else {}, wanted, turn.target.family, notes)
    if config:
        out["generationConfig"] = config
    if "contents" in generate:
        out["contents"] = thoughtless(generate["contents"], config, turn.target.family)
    return out


def _config(own: Json, wanted: Json, family: str, notes: list[str]) -> dict[str, Any]:
    if wanted:
        notes.append(f"generationConfig: {', '.join(wanted)}")
    if gone := [name for name in own if name not in TAKEN_OVER and name not in wanted]:
        notes.append(f"generationConfig of the language server's removed: {', '.join(gone)}")
    return fitted({name: own[name] for name in TAKEN_OVER if name in own}, wanted, family, notes)

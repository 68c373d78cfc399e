"""(The LS's Google request, the turn) → the request that is sent, with notes. Pure.

Members of the turn go in (``REPLACED`` ones are removed where it has none), all others of the LS's stay: project,
requestId, sessionId, labels, userAgent. The public form has no envelope and its model in the path, which is not touched
here. Facts: language-server-and-google D.6, E, F6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zerogravity.capture.generation_config import (
    merge_generation_config,
    public_config,
    with_level,
    without_thoughts,
)
from zerogravity.core.turn import Turn
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

REPLACED = ("contents", "systemInstruction", "tools", "toolConfig", "safetySettings")
TAKEN_OVER = (  # of generationConfig, the LS's where the turn has none; the model's own defaults for all else
    "maxOutputTokens",  # Google needs a limit for some models
    "thinkingConfig",  # how the model thinks
)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """``body``: what goes to Google. ``notes``: what was changed, for the trace."""

    body: bytes
    notes: tuple[str, ...]


def rewrite(body: Json, turn: Turn) -> Rewritten:
    """Put ``turn`` into the LS's own request, with or without envelope."""
    notes: list[str] = []
    request, wire_model = narrow.an_object(body.get("request")), turn.target.wire_model
    if request is None:
        if wire_model is not None:
            notes.append(f"model in the path kept, not {wire_model}")
        return Rewritten(jsonio.kept(_inner(body, turn, notes, public=True)), tuple(notes))
    out = {**body, "request": _inner(request, turn, notes, public=False)}
    if wire_model is not None and out.get("model") != wire_model:
        notes.append(f"model {out.get('model')} -> {wire_model}")
        out["model"] = wire_model
    return Rewritten(jsonio.kept(out), tuple(notes))


def _inner(request: Json, turn: Turn, notes: list[str], *, public: bool) -> dict[str, Any]:
    wanted = turn.google_request
    out: dict[str, Any] = {name: value for name, value in request.items() if name not in REPLACED}
    notes += [f"{name} removed" for name in REPLACED if name in request and name not in wanted]
    for name, value in wanted.items():
        if name != "generationConfig":
            out[name] = value
            notes.append(f"{name} replaced" if name in request else f"{name} added")
    ls_config = narrow.members(out.pop("generationConfig", None))
    if public:
        ls_config = public_config(ls_config, turn.target.family, notes)
    own = with_level(ls_config, wanted.get("generationConfig") or {}, turn.target.level)
    config = _config(ls_config, own, turn.target.family, notes)
    if config:
        out["generationConfig"] = config
    if "contents" in wanted:
        out["contents"] = without_thoughts(wanted["contents"], config, turn.target.family)
    return out


def _config(ls: Json, wanted: Json, family: str, notes: list[str]) -> dict[str, Any]:
    if wanted:
        notes.append(f"generationConfig: {', '.join(wanted)}")
    if gone := [name for name in ls if name not in TAKEN_OVER and name not in wanted]:
        notes.append(f"generationConfig of the language server's removed: {', '.join(gone)}")
    kept = {name: ls[name] for name in TAKEN_OVER if name in ls}
    return merge_generation_config(kept, wanted, family, notes)

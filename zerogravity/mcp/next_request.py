"""What is asked next once calls of MCP tools have been run: the same request with the model's answer and the results.

A call that had to be made has been made, so after that the model is free to answer. Where no more calls are run, the
model may only use the client's own tools.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from zerogravity.core.events import CallReturned
from zerogravity.core.fold import Item
from zerogravity.core.google import as_request
from zerogravity.core.turn import Turn
from zerogravity.surfaces.common import answer_contents
from zerogravity.surfaces.common.answer_contents import answer
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.functions import calling_mode
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def answered(turn: Turn, items: Sequence[Item]) -> Turn:
    """The turn behind a round that brought ``items``, all of whose calls have returned."""
    contents = [*turn.google_request.get("contents", ()), *answer(items, turn.target)]
    request: Json = {**turn.google_request, "contents": contents}
    if calling_mode(request) == "ANY":
        request = _with_mode(request, "VALIDATED")
    return _suited(turn, request)


def filled(turn: Turn, results: Mapping[str, CallReturned]) -> Turn:
    """The turn whose contents hold what approved calls have come to, by call id."""
    contents = cast("Sequence[Json]", turn.google_request.get("contents", ()))
    made = answer_contents.filled(contents, results, turn.target.family)
    return _suited(turn, {**turn.google_request, "contents": made})


def _suited(turn: Turn, request: Json) -> Turn:
    """The turn with that request, as its model takes it."""
    suited, _ = for_model(request, turn.target, lambda _: None)
    return replace(turn, google_request=suited)


def withdrawn(turn: Turn, names: Collection[str]) -> Turn:
    """The turn whose model may not call the functions of these names. They stay declared: the history has calls of
    them, which some models only take beside their declarations."""
    config = narrow.members(narrow.lookup(turn.google_request, "toolConfig", "functionCallingConfig"))
    allowed = narrow.texts(config.get("allowedFunctionNames")) or [
        narrow.text(declaration.get("name"))
        for tool in narrow.objects(turn.google_request.get("tools"))
        for declaration in narrow.objects(tool.get("functionDeclarations"))
    ]
    left = [name for name in allowed if name not in names]
    mode = "VALIDATED" if left and config.get("mode") != "NONE" else "NONE"
    return replace(turn, google_request=as_request(_with_mode(cast("Json", turn.google_request), mode, left)))


def _with_mode(request: Json, mode: str, names: Sequence[str] | None = None) -> dict[str, Any]:
    """``names``: the only functions that may be called; None: as before."""
    config = narrow.members(request.get("toolConfig"))
    calling = {**narrow.members(config.get("functionCallingConfig")), "mode": mode}
    if names is not None:
        calling.pop("allowedFunctionNames", None)
        if names and mode != "NONE":
            calling["allowedFunctionNames"] = list(names)
    return {**request, "toolConfig": {**config, "functionCallingConfig": calling}}

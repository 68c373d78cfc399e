"""A turn's answer, of all its rounds, behind the contents that it answers: what a later turn goes on from."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import pairwise
from typing import Any

from zerogravity.core.events import CallReturned
from zerogravity.core.family import rules
from zerogravity.core.fold import Call, Item, TurnState
from zerogravity.core.turn import Target, pending
from zerogravity.surfaces.common.answer_parts import answer_parts
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.history import FILES, History, response_object
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

GONE = "this call was not run: the tool is not offered any more"
NOT_RUN = CallReturned("", "this call was not run", {"type": "mcp_protocol_error"})


def with_answer(
    contents: Sequence[Json],
    state: TurnState,
    target: Target,
    *,
    one_call: bool = False,
    known: Container[str] = (),
    refusal: str | None = None,
) -> list[Json]:
    """The contents with each round's answer and the results of the calls that the gateway has run. Calls at the end
    that wait for the client stay open, beside those that have a result (``zgResult``). ``known``: ids of calls that the
    contents hold already. ``refusal``: the text that stands for the last answer, of which nothing is left."""
    made = list(contents)
    for begin, end in pairwise((*state.begins, len(state.items))):
        items = [item for item in state.items[begin:end] if not (isinstance(item, Call) and item.call_id in known)]
        if refusal is not None and not any(isinstance(item, Call) for item in items):
            continue
        made += answer(items, target, one_call=one_call)
    return made if refusal is None else [*made, {"role": "model", "parts": [{"text": refusal}]}]


def answer(items: Sequence[Item], target: Target, *, one_call: bool = False) -> list[dict[str, Any]]:
    """One round's answer, and the results of its calls; nothing where nothing of it is kept."""
    if not (parts := answer_parts(items, target.family, one_call=one_call)):
        return []
    results = {
        call.call_id: call.returned or NOT_RUN
        for call in items
        if isinstance(call, Call) and call.server and (call.returned or not call.asks)
    }
    said = {"role": "model", "parts": parts}
    called = [part for part in parts if "zgCallId" in part]
    if not called:
        return [said]
    if any(part["zgCallId"] not in results for part in called):
        for part in called:
            if (returned := results.get(part["zgCallId"])) is not None:
                part["zgResult"] = response(returned)
        return [said]
    history = History(lambda _: None, NameMap(), target)
    history.extend([said])
    for call_id, returned in results.items():
        output = [{"text": returned.output}, *returned.media] if returned.media else returned.output
        history.result(call_id, output, error=returned.error is not None)
    history.build()
    return history.dialogue


def filled(contents: Sequence[Json], results: Mapping[str, CallReturned], family: str) -> list[Json]:
    """The contents with what approved calls have come to, by call id, in the places kept for that."""
    made: list[Json] = []
    for content in contents:
        parts, media = list[Any](), list[Any]()
        for part in narrow.objects(content.get("parts")):
            if (returned := _result_of(part, results)) is not None:
                whole: dict[str, Any] = {**narrow.members(part["functionResponse"]), "response": response(returned)}
                if returned.media and rules(family).media_in_results:
                    whole["parts"] = list(returned.media)
                else:
                    media += returned.media
                part = {**part, "functionResponse": whole}
            parts.append(part)
        made.append({**content, "parts": parts})
        if media:
            made.append({"role": "user", "parts": [{"text": FILES}, *media]})
    return made


def response(returned: CallReturned) -> dict[str, Any]:
    """What the model is told of it."""
    return {"error": returned.output} if returned.error is not None else response_object(returned.output)


def _result_of(part: Json, results: Mapping[str, CallReturned]) -> CallReturned | None:
    given = narrow.lookup(part, "functionResponse", "response")
    if not isinstance(given, dict):
        return None
    return next((result for call_id, result in results.items() if given == pending(call_id)), None)

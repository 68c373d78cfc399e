"""What is left of a conversation's items → what the model can get of it.

A result needs its call before it and a call its result behind it, both before the next turn's answer: without them
there would be none. Where a client has deleted one half, the other is left out. An answer in Google's form stands for
all of its items, so it is emptied when one of them goes: then it only tells that a turn has ended there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from zerogravity.errors import FaultError
from zerogravity.surfaces.common import media
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.server_calls import REQUEST, RESPONSE
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

CALLS = {"function_call", "custom_tool_call", *(tool.call for tool in CLIENT_TOOLS.values())}
RESULTS = {"function_call_output", "custom_tool_call_output", *(tool.result for tool in CLIENT_TOOLS.values())}
NO_CALL, NO_RESULT = "its call is not there", "its output is not there"
NO_REQUEST = "no approval request waits for it"


def without_loose_ends(items: Sequence[Json]) -> tuple[tuple[Json, ...], tuple[str, ...]]:
    """The items that make sense together, and notes on the others. Total."""
    loose = dict(_halves(items))
    left = without(items, loose)
    loose |= (pictures := dict(_unreadable(left)))
    notes = tuple(
        f"conversation: {item['type']} {item['id']} left out: {loose[item['id']]}"
        for item in items
        if item.get("id") in loose
    )
    return without(left, pictures), notes


def without(items: Sequence[Json], unwanted: Collection[str]) -> tuple[Json, ...]:
    """Without the items of these ids. The answers that they are part of are emptied."""
    return tuple(
        {**item, "contents": [], "shown_as": []}
        if any(shown in unwanted for shown in item.get("shown_as", ()))
        else item
        for item in items
        if item.get("id") not in unwanted
    )


def _halves(items: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """(id, why it is loose)"""
    calls: dict[str, list[str]] = {}  # call id → ids of the items that wait for a result
    own: dict[str, str] = {}  # id of a call's item → its call id
    requests: set[str] = set()
    for item in items:
        kind, identity = narrow.text(item.get("type")), narrow.text(item.get("id"))
        called = narrow.text(item.get("call_id")) or identity
        if not identity:  # the end of a turn
            yield from ((waiting, NO_RESULT) for group in calls.values() for waiting in group)
            calls, requests = {}, set()
        elif kind.startswith("tool_search") and (item.get("execution") == "server" or called == identity):
            continue
        elif kind in CALLS:
            own[identity] = called
            calls.setdefault(called, []).append(identity)
        elif kind in RESULTS:
            if waiting := calls.get(own.get(called, called)):
                waiting.pop(0)
            else:
                yield identity, NO_CALL
        elif kind == REQUEST:
            requests.add(identity)
        elif kind == RESPONSE:
            if (asked := item["approval_request_id"]) not in requests:
                yield identity, NO_REQUEST
            requests.discard(asked)


def _unreadable(items: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Pictures that can only go back in an answer that is whole: (id, why)."""
    whole = {shown for item in items for shown in item.get("shown_as", ())}
    for item in items:
        if item.get("type") != "image_generation_call" or item["id"] in whole or not item.get("result"):
            continue
        try:
            picture(item, "its data")
        except FaultError as error:
            yield item["id"], error.fault.message


def picture(item: Json, param: str) -> dict[str, object]:
    """The part of an image that the model has made; its format counts where the data do not tell. Raises FaultError
    400."""
    form = narrow.a_string(item.get("output_format"))
    return media.blob(narrow.text(item.get("result")), f"image/{form}" if form else None, None, param=param)

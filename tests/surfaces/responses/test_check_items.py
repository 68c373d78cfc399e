"""The grammar of the events of one item: calls that the server runs and lists of tools (others: test_check.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.strategies import LISTINGS
from tests.surfaces.responses.support import stream
from zerogravity.core.events import CallReturned, Finished, FunctionCall, TextDelta
from zerogravity.surfaces.grammar import GrammarError
from zerogravity.testing.check import check_responses
from zerogravity.wire import jsonio

CALL_ID = "call_" + "a" * 24
CALL = FunctionCall(CALL_ID, "docs.find", "{}")
Events = list[dict[str, Any]]


def legal() -> Events:
    return stream([LISTINGS[0], CALL, TextDelta("Hm."), CallReturned(CALL_ID, "found")], Finished("stop"))


def sent(events: Events) -> bytes:
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), jsonio.dumps(each)) for each in numbered)


def without(kind: str) -> Callable[[Events], Events]:
    return lambda events: [event for event in events if event["type"] != f"response.{kind}"]


def changed(kind: str, **members: Any) -> Callable[[Events], Events]:
    return lambda events: [{**event, **members} if event["type"] == f"response.{kind}" else event for event in events]


def of_item(kind: str, **members: Any) -> Callable[[Events], Events]:
    """Each item of that type changed, wherever it is."""

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(each) for each in value]
        if not isinstance(value, dict):
            return value
        new = {name: change(each) for name, each in value.items()}
        return {**new, **members} if value.get("type") == kind and "id" in value else new

    return lambda events: [change(event) for event in events]


def test_a_call_that_runs_stays_open_while_other_items_come() -> None:
    check_responses(sent(legal()))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without("mcp_list_tools.in_progress"), "does not belong"),
        (without("mcp_list_tools.completed"), "is not completed in its events"),
        (changed("mcp_list_tools.completed", type="response.mcp_list_tools.failed"), "is not completed in its events"),
        (without("mcp_call.in_progress"), "before the call is in progress"),
        (without("mcp_call_arguments.done"), "not that of the open or next item"),
        (changed("mcp_call_arguments.done", arguments='{"a":1}'), "is not what the deltas add up to"),
        (without("mcp_call.completed"), "must be incomplete"),
        (changed("mcp_call.completed", type="response.mcp_call.failed"), "must be failed"),
        (changed("mcp_call.completed", item_id="mcp_1"), "is not the open item's"),
        (of_item("mcp_call", output=None), "does not fit completed"),
        (of_item("mcp_call", server_label=""), "is empty"),
        (of_item("mcp_call", call_id="call_1"), "is none that a client can answer"),
        (of_item("mcp_list_tools", tools=[{"name": "f"}]), "must be"),
    ],
)
def test_broken_streams(change: Callable[[Events], Events], why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        check_responses(sent(change(legal())))


def test_a_call_must_be_over_at_the_end() -> None:
    events = [
        event
        for event in legal()
        if event["type"] != "response.mcp_call.completed" and event.get("item", {}).get("status") != "completed"
    ]
    with pytest.raises(GrammarError, match="an item is still open"):
        check_responses(sent(events))

"""The shape of a Response object and of its items: good ones pass, and each rule is broken once."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.surfaces.responses.support import rendered
from tests.surfaces.responses.test_check import (
    CTC,
    CUT,
    EVENTS,
    FAILED,
    FC,
    GOOD,
    IG,
    LSH,
    MSG,
    QUEUED,
    REFUSED,
    RS,
    TSC,
    TURN,
    WS,
)
from zerogravity.core.events import Finished
from zerogravity.testing.check import GrammarError, check_response

RUNNING, WHOLE, REFUSAL, FAILURE, SHORT = (
    GOOD[0]["response"], GOOD[-1]["response"], REFUSED[-1]["response"], FAILED[-1]["response"], CUT[-1]["response"],
)  # fmt: skip


def changed(response: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one member set, or deleted with ``...``."""
    made = copy.deepcopy(response)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = made
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


@pytest.mark.parametrize(
    "response",
    [RUNNING, WHOLE, REFUSAL, FAILURE, SHORT, QUEUED[0]["response"], rendered(EVENTS, Finished("tool"), TURN)],
)
def test_good_ones_pass(response: dict[str, Any]) -> None:
    check_response(response)


@pytest.mark.parametrize(
    ("response", "path", "value", "reason"),
    [
        (WHOLE, "user", ..., "has no user"),
        (WHOLE, "object", "list", "is not response"),
        (WHOLE, "id", "chatcmpl_1", "does not begin with resp_"),
        (WHOLE, "model", "", "model: is empty"),
        (WHOLE, "store", None, "store: must be true or false"),
        (WHOLE, "temperature", "1", "temperature: must be a number"),
        (WHOLE, "user", 7, "user: must be a string"),
        (WHOLE, "tools", None, "tools: must be an array"),
        (WHOLE, "tool_choice", None, "tool_choice: must be"),
        (WHOLE, "text", {}, "text.format: must be an object"),
        (WHOLE, "truncation", None, "truncation: is neither"),
        (WHOLE, "status", "done", "is not a known value"),
        (WHOLE, "usage", None, "usage: must be an object"),
        (WHOLE, "usage.total_tokens", 9, "not the sum"),
        (WHOLE, "usage.input_tokens_details", {}, "cached_tokens: must be"),
        (WHOLE, "usage.output_tokens_details.reasoning_tokens", -1, "reasoning_tokens: must be"),
        (WHOLE, "completed_at", None, "completed_at: must be"),
        (WHOLE, "completed_at", 0, "lies before created_at"),
        (WHOLE, "error", {"code": "server_error", "message": "m"}, "error: is set although completed"),
        (WHOLE, "incomplete_details", {"reason": "content_filter"}, "incomplete_details: is set"),
        (RUNNING, "output", [{}], "output: is not empty while in_progress"),
        (RUNNING, "usage", {}, "usage: is set while in_progress"),
        (FAILURE, "error", None, "error: must be an object"),
        (FAILURE, "error.code", "upstream_error", "not in the closed list"),
        (FAILURE, "error.code", 503, "not in the closed list"),
        (FAILURE, "error.message", ..., "message: must be a string"),
        (FAILURE, "status", "cancelled", "error: is set although cancelled"),
        (SHORT, "incomplete_details", None, "incomplete_details: must be an object"),
        (SHORT, "incomplete_details.reason", "MAX_TOKENS", "reason: 'MAX_TOKENS' is not a known value"),
        (SHORT, "completed_at", 1, "completed_at: is set although incomplete"),
        # items
        (WHOLE, f"output.{FC}.status", "incomplete", "status: must be completed"),
        (WHOLE, f"output.{MSG}.status", "incomplete", "is incomplete in a completed response"),
        (WHOLE, f"output.{MSG}.role", "user", "role: is not assistant"),
        (WHOLE, f"output.{MSG}.content", [], "is empty"),
        (WHOLE, f"output.{CTC}.call_id", "call_1", "uses an id twice"),
        (WHOLE, f"output.{FC}.call_id", "fc_1", "does not begin with call_"),
        (WHOLE, f"output.{FC}.name", "", "name: is empty"),
        (WHOLE, f"output.{FC}.arguments", "{", "is not JSON"),
        (WHOLE, f"output.{FC}.arguments", "[1]", "is not a JSON object"),
        (WHOLE, f"output.{FC}.arguments", "", "is not JSON"),
        (WHOLE, f"output.{TSC}.id", "x_1", "does not begin with tsc_"),
        (WHOLE, f"output.{TSC}.execution", "server", "execution: is not client"),
        (WHOLE, f"output.{LSH}.action.command", "ls", "command: must be an array"),
        (WHOLE, f"output.{WS}.action", {"type": "search"}, "action.query: must be a string"),
        (WHOLE, f"output.{IG}.result", None, "result: must be a string"),
        (WHOLE, f"output.{RS}.encrypted_content", 7, "encrypted_content: must be a string"),
        (WHOLE, f"output.{IG}.type", "file_search_call", "is not a known value"),
        # parts
        (WHOLE, f"output.{MSG}.content.0.annotations", ..., "annotations: must be an array"),
        (WHOLE, f"output.{MSG}.content.0.logprobs", ..., "logprobs: must be an array"),
        (WHOLE, f"output.{MSG}.content.0.type", "text", "type: must be output_text or refusal"),
        (WHOLE, f"output.{MSG}.content.0.annotations.0.end_index", 9, "lies outside of its text"),
        (WHOLE, f"output.{MSG}.content.0.annotations.0.start_index", ..., "start_index: must be"),
        (WHOLE, f"output.{MSG}.content.0.annotations.0.title", None, "title: must be a string"),
        (WHOLE, f"output.{MSG}.content.0.annotations.0.type", "file_citation", "is not url_citation"),
    ],
)  # fmt: skip
def test_each_rule_is_enforced(response: dict[str, Any], path: str, value: Any, reason: str) -> None:
    with pytest.raises(GrammarError) as caught:
        check_response(changed(response, path, value))
    assert reason in str(caught.value)

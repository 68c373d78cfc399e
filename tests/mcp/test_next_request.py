"""What is asked behind a round of MCP calls, judged by the stand-in's rules for contents."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.events import CallReturned
from zerogravity.core.fold import Call, Item, Message
from zerogravity.core.google import as_request
from zerogravity.core.turn import Target, Turn, pending
from zerogravity.mcp.failures import gone
from zerogravity.mcp.next_request import answered, filled, withdrawn
from zerogravity.mcp.results import failed

USER = {"role": "user", "parts": [{"text": "hi"}]}
TOOLS = {"tools": [{"functionDeclarations": [{"name": "mine"}, {"name": "s.f"}, {"name": "s.g"}]}]}


def turn(family: str = "gemini-3-flash", **request: Any) -> Turn:
    return Turn("t", "responses", "m", Target("m", "m", family=family), as_request({"contents": [USER], **request}))


def call(call_id: str, returned: CallReturned, name: str = "s.f") -> Call:
    return Call(0, call_id, name, "{}", "sig", server="s", tool="f", returned=returned)


def contents(of: Turn) -> list[Any]:
    return list(of.google_request.get("contents", ()))


# -- results -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "response"),
    [
        (CallReturned("c", "said"), {"output": "said"}),
        (CallReturned("c", '{"a": 1}'), {"a": 1}),
        (CallReturned("c", ""), {"output": ""}),
        (failed("c", gone("away")), {"error": "away"}),
    ],
)
def test_a_result_is_behind_its_call(returned: CallReturned, response: dict[str, Any]) -> None:
    made = answered(turn(), [Message(0, ["I look"]), call("c", returned)])
    [_, model, user] = contents(made)
    assert [set(part) for part in model["parts"]] == [{"text"}, {"functionCall", "thoughtSignature"}]
    assert user["parts"] == [{"functionResponse": {"name": "s.f", "response": response, "id": "c"}}]
    again = answered(made, [call("d", CallReturned("d", "more"))])
    assert contents(again)[:3] == contents(made)
    assert len(contents(again)) == 5


def test_what_an_approved_call_came_to_is_in_its_place() -> None:
    part = {"functionResponse": {"name": "s.f", "response": pending("c")}}
    made = filled(turn(contents=[USER, {"role": "user", "parts": [part]}]), {"c": CallReturned("c", "said")})
    assert contents(made)[1]["parts"][0]["functionResponse"]["response"] == {"output": "said"}


@pytest.mark.parametrize("said", ["", " \n"])
def test_what_an_approved_call_came_to_is_said_as_the_model_takes_it(said: str) -> None:
    """Claude takes no blank text."""
    part = {"functionResponse": {"name": "s.f", "response": pending("c"), "id": "c"}}
    whose = {"role": "model", "parts": [{"functionCall": {"name": "s.f", "args": {}, "id": "c"}}]}
    before = turn("claude", contents=[USER, whose, {"role": "user", "parts": [part]}])
    made = filled(before, {"c": CallReturned("c", said)})
    assert contents(made)[2]["parts"][0]["functionResponse"]["response"] == {"output": "(no output)"}


# -- what may be called ------------------------------------------------------------------------------------------


def calling(mode: str, *names: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode, **({"allowedFunctionNames": list(names)} if names else {})}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (calling("AUTO"), calling("AUTO")),
        (calling("ANY"), calling("VALIDATED")),
        (calling("ANY", "s.f"), calling("VALIDATED", "s.f")),
        ({**calling("ANY"), "includeServerSideToolInvocations": True},
         {**calling("VALIDATED"), "includeServerSideToolInvocations": True}),
    ],
)  # fmt: skip
def test_what_had_to_be_called_has_been(before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    items: list[Item] = [call("c", CallReturned("c", "x"))]
    request = {"toolConfig": before} if before else {}
    assert answered(turn(**TOOLS, **request), items).google_request.get("toolConfig") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, calling("VALIDATED", "mine")),
        (calling("AUTO"), calling("VALIDATED", "mine")),
        (calling("VALIDATED", "mine", "s.f"), calling("VALIDATED", "mine")),
        (calling("VALIDATED", "s.f"), calling("NONE")),
        (calling("NONE"), calling("NONE")),
    ],
)
def test_what_may_no_longer_be_called_stays_declared(before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    request = {"toolConfig": before} if before else {}
    made = withdrawn(turn(**TOOLS, **request), {"s.f", "s.g"}).google_request
    assert (made.get("toolConfig"), made.get("tools")) == (after, TOOLS["tools"])


def test_a_model_without_tools_of_the_client_s_may_call_none() -> None:
    made = withdrawn(turn(tools=[{"functionDeclarations": [{"name": "s.f"}]}]), {"s.f"})
    assert made.google_request.get("toolConfig") == calling("NONE")

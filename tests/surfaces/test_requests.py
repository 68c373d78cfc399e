"""Rules that the requests of every surface share: unknown models and limits; and the golden files'
requests spoilt in one or two places, which are refused by name or served, never an accident."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.cases import FILES, load, parsed, sent
from tests.judging import complaint
from tests.surfaces.playing import ALL, SURFACES, parse, refused
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("chat", {"type": "invalid_request_error", "code": "model_not_found", "param": "model"}),
        ("responses", {"type": "invalid_request_error", "code": "model_not_found", "param": "model"}),
        ("gemini", {"code": 404, "status": "NOT_FOUND"}),
    ],
)
def test_an_unknown_model_is_a_404_in_the_surfaces_own_form(name: str, error: dict[str, Any]) -> None:
    with pytest.raises(FaultError) as caught:
        parse(name, model="gpt-2")
    answer = SURFACES[name].error(caught.value.fault)
    assert (answer.status, answer.headers["x-should-retry"]) == (404, "false")
    assert {**answer.body["error"], **error} == answer.body["error"]


LIMITS = [("chat", "max_tokens"), ("chat", "max_completion_tokens"), ("responses", "max_output_tokens"),
          ("gemini", "maxOutputTokens"), ("messages", "max_tokens")]  # fmt: skip


@pytest.mark.parametrize(("name", "member"), LIMITS)
@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [("gemini-3-flash", 65_536, 65_536), ("gemini-3-flash", 65_537, 65_536), ("gemini-3-flash", 2**31 - 1, 65_536),
     ("claude-sonnet-4-6", 99_999, 64_000)],
)  # fmt: skip
def test_a_limit_above_the_models_is_lowered_and_noted(
    name: str, member: str, model: str, asked: int, sent: int
) -> None:
    config = {member: asked}
    turn = parse(name, model=model, **({"generationConfig": config} if name == "gemini" else config))
    assert turn.google_request["generationConfig"]["maxOutputTokens"] == sent
    assert turn.notes == (() if asked == sent else (f"maxOutputTokens lowered to {sent}: this model gives no more",))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("apart", [1, 9])
def test_at_most_512_functions_can_be_declared(name: str, apart: int) -> None:
    functions = [{"name": f"f{number}"} for number in range(513)]
    if name == "gemini":
        tools: list[Any] = [{"functionDeclarations": functions[begin::apart]} for begin in range(apart)]
    elif name == "messages":
        tools = [{**function, "input_schema": {"type": "object"}} for function in functions]
    else:
        tools = [{"type": "function", **function} for function in functions]
    assert "512" in refused(name, tools=tools).message
    (tools[0]["functionDeclarations"] if name == "gemini" else tools).pop()
    declared = parse(name, tools=tools).google_request["tools"]
    assert sum(len(tool["functionDeclarations"]) for tool in declared) == 512


# -- any request -------------------------------------------------------------------------------------------------

CASES = {
    name: [case for path in FILES if path.parent.name == name for case in load(path)]
    for name in ("chat", "responses", "messages", "gemini")
}
# What Google alone can judge: signatures, and media types that a client names.
GOOGLES_TO_JUDGE = ("Corrupted thought signature", "Unsupported MIME type")
values = st.sampled_from(
    [None, True, False, 0, 1, -1, 2.5, 10**30, "", "x", "\x00", "é\u2028", "auto", "none", [], [None], [[]], ["x"],
     [{}], {}, {"type": "x"}, {"type": "text", "text": ""}, {"": ""}, {"type": "function"}, {"type": "tool_result"},
     "data:image/png;base64,", "c1"]
).map(copy.deepcopy)  # fmt: skip


def spoil(node: Any, data: st.DataObject) -> Any:
    """One change somewhere below ``node``."""
    if isinstance(node, dict | list) and node and data.draw(st.integers(0, 4)):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        match data.draw(st.integers(0, 9)):
            case 0:
                del node[key]
            case 1 if isinstance(node, dict):
                node["extra"] = data.draw(values)
            case 2 if isinstance(node, list):
                node.append(copy.deepcopy(node[key]))
            case _:
                node[key] = spoil(node[key], data)
        return node
    return data.draw(values)


def tried(name: str, data: st.DataObject) -> Turn | None:
    case = copy.deepcopy(data.draw(st.sampled_from(CASES[name])))
    for _ in range(data.draw(st.integers(1, 2))):
        case["body"] = spoil(case["body"], data)
        if not isinstance(case["body"], dict):
            return None
    try:
        return parsed(name, case)
    except FaultError as error:
        fault = error.fault
        assert 400 <= fault.status < 500
        assert fault.message
        assert fault.param is not None or fault.code or fault.message.startswith("Conversation with id ")  # as OpenAI's
        return None


@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
@settings(max_examples=120)
@given(st.data())
def test_a_request_that_is_taken_is_one_that_google_accepts(name: str, data: st.DataObject) -> None:
    turn = tried(name, data)
    if turn is None:
        return
    said = complaint(sent(turn))
    assert said is None or said.startswith(GOOGLES_TO_JUDGE), said
    assert json.dumps(turn.details.as_json())


@settings(max_examples=120)
@given(st.data())
def test_the_gemini_surface_parses_or_refuses_any_body(data: st.DataObject) -> None:
    turn = tried("gemini", data)
    if turn is not None:
        assert sent(turn)["request"]["contents"] == turn.google_request["contents"]

"""OpenAI Agents SDK with its Responses model, over HTTP and over WebSocket, and its Chat model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.run import script
from tests.clients.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("agents",)

ALL = pytest.mark.parametrize("kind", ["responses", "websocket", "chat"])
ROUND = ["reasoning_item", "tool_call_item", "tool_call_output_item", "reasoning_item", "message_output_item"]


def google(echoed: dict[str, Any]) -> list[dict[str, Any]]:
    """The contents that reached Google, of an answer that is the request."""
    return json.loads(echoed["text"])["request"]["contents"]


def check_usage(said: dict[str, Any], requests: int) -> None:
    assert said["usage"][0] == requests
    assert said["usage"][3] == said["usage"][1] + said["usage"][2]
    assert min(said["usage"]) > 0
    assert 0 < said["reasoning"] < said["usage"][2]


@ALL
async def test_parallel_tools(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("agents", f"{kind}-tools", wire.url, tmp_path)
    assert sorted(said["called"]) == ["Oslo", "Rome"]
    assert "18 degrees in Rome" in said["text"]
    assert "18 degrees in Oslo" in said["text"]
    assert said["items"].count("tool_call_output_item") == 2
    check_usage(said, requests=2)


@ALL
async def test_history_goes_back_whole(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("agents", f"{kind}-turns", wire.url, tmp_path)
    assert said["first"]["items"] == ROUND
    check_usage(said["first"], requests=2)
    contents = google(said["second"])
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    (call,) = contents[1]["parts"]
    assert call["functionCall"]["args"] == {"city": "Rome"}
    assert call["thoughtSignature"] != "skip_thought_signature_validator"
    assert contents[3]["parts"][0]["text"] == said["first"]["text"]


@ALL
async def test_hand_off(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("agents", f"{kind}-handoff", wire.url, tmp_path)
    assert said["agent"] == "weather_expert"
    assert said["items"] == ["reasoning_item", "handoff_call_item", "handoff_output_item", "message_output_item"]
    assert said["text"].startswith("Here is an answer")


@ALL
async def test_streaming(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("agents", f"{kind}-streamed", wire.url, tmp_path)
    assert said["items"] == ROUND
    assert len(said["texts"]) > 1
    assert "".join(said["texts"]) == said["text"] == "Done. get_weather answered: 18 degrees in Rome That is all."
    assert {"response.reasoning_summary_text.delta", "response.function_call_arguments.delta"} <= {*said["raw"]}
    check_usage(said, requests=2)


async def test_mcp_tools_that_the_gateway_runs(wire: Wire, tmp_path: Path) -> None:
    said = await script("agents", "responses-mcp", wire.url, tmp_path)
    assert [kind for kind in said["items"] if kind != "reasoning_item"] == [
        "mcp_list_tools_item", "tool_call_item", "message_output_item",
    ]  # fmt: skip
    assert {"response.mcp_list_tools.completed", "response.mcp_call.completed"} <= {*said["raw"]}
    contents = google(said["second"])
    (call,) = [part for part in contents[1]["parts"] if "functionCall" in part]
    assert call["functionCall"]["name"] == "real.add"
    assert call["thoughtSignature"] != "skip_thought_signature_validator"
    assert contents[2]["parts"][0]["functionResponse"]["response"]["output"].isdigit()


async def test_mcp_tools_that_ask(wire: Wire, tmp_path: Path) -> None:
    said = await script("agents", "responses-approvals", wire.url, tmp_path)
    assert said["second"]["called"] == [["add", "real"], ["add", "real"]]
    for answer in ("first", "second"):
        kinds = said[answer]["items"]
        assert "mcp_approval_request_item" in kinds
        assert kinds[-1] == "message_output_item"
    assert "tool_call_item" in said["first"]["items"]
    assert "tool_call_item" not in said["second"]["items"]


@ALL
async def test_typed_output(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("agents", f"{kind}-typed", wire.url, tmp_path)
    assert said["text"]["city"] == "Rome"
    assert isinstance(said["text"]["degrees"], int)
    assert said["items"] == ["reasoning_item", "message_output_item"]


@ALL
async def test_forced_tool(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("agents", f"{kind}-forced", wire.url, tmp_path)
    assert said["called"] == ["Rome"]
    assert said["text"] == "18 degrees in Rome"
    (asked,) = wire.asked("/completions" if kind == "chat" else "/responses")
    named = {"type": "function", "name": "get_weather"}
    nested = {"type": "function", "function": {"name": "get_weather"}}
    assert asked["tool_choice"] == (nested if kind == "chat" else named)


@pytest.mark.parametrize("kind", ["responses", "websocket"])
async def test_previous_response_id(wire: Wire, tmp_path: Path, kind: str) -> None:
    """Both rounds and the second prompt send only what is new; Google sees everything, signatures included."""
    said = await script("agents", f"{kind}-previous", wire.url, tmp_path)
    assert said["first"]["called"] == ["Lima"]
    asked = wire.asked("/v1/responses")
    kinds = [[item.get("type", "message") for item in one["input"]] for one in asked[1:]]
    assert kinds == [["function_call_output"], ["message"]]
    contents = google(said["second"])
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"output": "18 degrees in Lima"}
    assert contents[3]["parts"][0]["thoughtSignature"]


@pytest.mark.parametrize("kind", ["responses", "websocket"])
async def test_conversation_id(wire: Wire, tmp_path: Path, kind: str) -> None:
    """Both rounds and the second prompt send only what is new; Google sees everything, signatures included."""
    said = await script("agents", f"{kind}-conversation", wire.url, tmp_path)
    assert said["first"]["called"] == ["Lima"]
    asked = wire.asked("/v1/responses")
    assert len({one["conversation"] for one in asked}) == 1
    kinds = [[item.get("type", "message") for item in one["input"]] for one in asked[1:]]
    assert kinds == [["function_call_output"], ["message"]]
    contents = google(said["second"])
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"output": "18 degrees in Lima"}
    assert contents[1]["parts"][-1]["thoughtSignature"] != "skip_thought_signature_validator"
    round_ = ["message", "reasoning", "function_call", "function_call_output", "reasoning", "message"]
    assert said["items"] == [*round_, "message", "message"]


@pytest.mark.parametrize("kind", ["responses", "websocket"])
async def test_a_session_in_a_conversation(wire: Wire, tmp_path: Path, kind: str) -> None:
    """Not with its Chat model, which does not take what such a session holds (0.24)."""
    said = await script("agents", f"{kind}-session", wire.url, tmp_path)
    assert [one for one in said["stored"] if one != "reasoning"] == [
        "message", "function_call", "function_call_output", "message",
    ]  # fmt: skip
    contents = google(said["second"])
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    assert contents[3]["parts"][0]["text"] == said["first"]["text"]
    assert said["popped"]["role"] == "assistant"
    assert said["last"][0]["role"] == "user"
    assert said["added"] == len(said["items"]) + 23
    assert said["gone"] is True


@pytest.mark.parametrize("kind", ["responses", "websocket"])
@pytest.mark.parametrize("tool", ["shell", "patch"])
async def test_tools_that_the_client_runs(wire: Wire, tmp_path: Path, kind: str, tool: str) -> None:
    """They have item types of their own, streamed and not, there and back."""
    said = await script("agents", f"{kind}-{tool}", wire.url, tmp_path)
    assert "tool_call_output_item" in said["first"]["items"]
    assert said["first"]["called"]
    contents = google(said["second"])
    name = {"shell": "shell", "patch": "apply_patch"}[tool]
    assert [part["functionCall"]["name"] for part in contents[1]["parts"]] == [name]
    (result,) = contents[2]["parts"]
    assert {"shell": "three files", "patch": "changed"}[tool] in json.dumps(result)

"""SDKs for Node: Vercel AI SDK with five kinds of models, openai-node, @google/genai."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.run import script
from tests.clients.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("aisdk", "openai-node", "genai-node")

# stateless: Responses with store false, whose thoughts go back encrypted; compatible: openai-compatible, Chat
ALL = pytest.mark.parametrize("kind", ["responses", "stateless", "chat", "compatible", "google", "anthropic"])
PLACE = {"city": "Rome", "country": "country", "tags": ["tags", "tags"]}
SEPARATORS = ("\u2028", "\u2029", "\u0085", "\x0b", "\ufeff", "\r\n", "\\u2028")


def contents(echoed: dict[str, Any]) -> list[dict[str, Any]]:
    """What reached Google, of an answer that is the request."""
    return json.loads(echoed["text"])["request"]["contents"]


@ALL
async def test_ai_sdk_streams_a_tool_loop(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("aisdk", f"{kind}-tools", wire.url, tmp_path)
    assert said["called"] == ["Rome", "Oslo"]
    assert said["errors"] == []
    assert said["finish"] == ["tool-calls", "stop"]
    assert said["text"].startswith("Done. get_weather answered: ")
    assert len(re.findall(r'"degrees": ?18', said["text"])) == 2
    # Chat has no place for thoughts; on Responses it asks for none of a model that it does not know
    silent = kind in ("chat", "responses")
    thoughts = ["", ""] if silent else ["I need a tool for this.", "The results are here."]
    assert all(thought in text for thought, text in zip(thoughts, said["reasoning"], strict=True))
    assert {"tool-input-delta", "tool-call", "tool-result", "text-delta"} <= {*said["parts"]}
    assert said["usage"][2] == said["usage"][0] + said["usage"][1]
    assert min(said["usage"]) > 0


@ALL
async def test_ai_sdk_sends_its_history_back(wire: Wire, tmp_path: Path, kind: str) -> None:
    """With ``responses`` it refers to stored items, of which Google sees everything."""
    said = await script("aisdk", f"{kind}-history", wire.url, tmp_path)
    sent = contents(said)
    assert [content["role"] for content in sent] == ["user", "model", "user", "model", "user"]
    call = sent[1]["parts"][-1]
    assert call["functionCall"]["args"] == {"city": "Lima"}
    assert len(call["thoughtSignature"]) > 50
    assert sent[3]["parts"][-1]["text"] == said["first"]
    if kind == "responses":
        references = [item for item in wire.asked("/v1/responses")[-1]["input"] if item.get("type") == "item_reference"]
        assert references


@ALL
async def test_ai_sdk_generates_an_object(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("aisdk", f"{kind}-object", wire.url, tmp_path)
    assert said["object"] == PLACE
    assert said["finishReason"] == "stop"


@ALL
async def test_ai_sdk_forces_a_tool(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("aisdk", f"{kind}-forced", wire.url, tmp_path)
    assert said == [{"toolName": "get_weather", "input": {"city": "Rome"}}]


@ALL
async def test_ai_sdk_is_told_when_a_stream_fails(wire: Wire, tmp_path: Path, kind: str) -> None:
    """In our words, once. Where an API has no event for that, the body breaks off too, which this SDK throws."""
    said = await script("aisdk", f"{kind}-error", wire.url, tmp_path)
    assert said["text"].startswith("Here is an answer")
    (error,) = said["errors"]
    assert "The model is overloaded. Please try again later." in error
    breaks_off = kind in ("chat", "compatible", "google")
    assert said["ended"] == ("TypeError: terminated" if breaks_off else "")
    assert ("Failed to process" in said["finish"]) if breaks_off else (said["finish"] == "error")


@ALL
async def test_ai_sdk_keeps_line_separators(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("aisdk", f"{kind}-unicode", wire.url, tmp_path)
    assert said["text"] == "".join(said["texts"])
    assert all(mark in said["text"] for mark in SEPARATORS)


@pytest.mark.parametrize("case", ["runTools", "runToolsStream"])
async def test_openai_node_runs_tools(wire: Wire, tmp_path: Path, case: str) -> None:
    said = await script("openai-node", f"chat-{case}", wire.url, tmp_path)
    assert said["called"] == ["Rome", "Oslo"]
    assert said["roles"] == ["user", "assistant", "tool", "tool", "assistant"]
    assert "18 degrees in Rome" in said["text"]
    assert "".join(said.get("deltas", [said["text"]])) == said["text"]
    assert said["usage"]["total_tokens"] == said["usage"]["prompt_tokens"] + said["usage"]["completion_tokens"]
    assert said["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_openai_node_chat_stream_parses(wire: Wire, tmp_path: Path) -> None:
    said = await script("openai-node", "chat-stream", wire.url, tmp_path)
    assert said == {"parsed": PLACE, "finish_reason": "stop", "seen": ["content.delta", "content.done"]}


@pytest.mark.parametrize("case", ["chat-parse", "responses-parse"])
async def test_openai_node_parses(wire: Wire, tmp_path: Path, case: str) -> None:
    assert await script("openai-node", case, wire.url, tmp_path) == PLACE


async def test_openai_node_streams_responses(wire: Wire, tmp_path: Path) -> None:
    said = await script("openai-node", "responses-stream", wire.url, tmp_path)
    assert (said["first"], said["last"]) == ("response.created", "response.completed")
    assert said["output"] == ["reasoning", "function_call", "function_call"]
    assert said["args"] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert said["deltas"] == "".join(json.dumps(args) for args in said["args"])
    assert said["text"].count("18 degrees") == 2


async def test_openai_node_resumes_a_stream(wire: Wire, tmp_path: Path) -> None:
    said = await script("openai-node", "responses-resumed", wire.url, tmp_path)
    assert said["numbers"] == list(range(4, 4 + len(said["numbers"])))
    assert len(said["numbers"]) > 5
    assert said["status"] == "completed"
    assert said["text"].startswith("You wrote: “Tell me”.")


async def test_openai_node_stored_responses(wire: Wire, tmp_path: Path) -> None:
    said = await script("openai-node", "responses-stored", wire.url, tmp_path)
    assert said == {"same": True, "items": ["message"], "gone": ["NotFoundError", 404]}


async def test_openai_node_errors(wire: Wire, tmp_path: Path) -> None:
    said = await script("openai-node", "responses-error", wire.url, tmp_path)
    assert said.pop("requestID").startswith("req_")
    assert said == {"name": "RateLimitError", "status": 429, "code": "rate_limit_exceeded"}
    wire.exchanges.clear()  # it was meant to fail


async def test_genai_streams(wire: Wire, tmp_path: Path) -> None:
    said = await script("genai-node", "stream", wire.url, tmp_path)
    assert len(said["texts"]) > 3
    assert "".join(said["texts"]).startswith("You wrote: “Why is the sky blue?”.")
    assert said["thoughts"].startswith("**Considering**")
    assert said["finish"] == "STOP"
    usage = said["usage"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage[name] for name in parts)
    assert wire.exchanges[0].path.startswith("/v1/models/")  # its default version


@pytest.mark.parametrize(("case", "cities"), [("tools", ["Rome", "Oslo"]), ("automatic", ["Rome"])])
async def test_genai_tool_loop(wire: Wire, tmp_path: Path, case: str, cities: list[str]) -> None:
    said = await script("genai-node", case, wire.url, tmp_path)
    assert said["called"] == cities
    assert all(f"18 degrees in {city}" in said["text"] for city in cities)


async def test_genai_chat(wire: Wire, tmp_path: Path) -> None:
    said = await script("genai-node", "chat", wire.url, tmp_path)
    sent = contents(said)
    assert [content["role"] for content in sent] == ["user", "model", "user"]
    assert sent[0]["parts"][0]["text"] == "Remember the word kumquat."
    assert sent[1]["parts"][-1]["thoughtSignature"]


async def test_genai_json_and_models(wire: Wire, tmp_path: Path) -> None:
    assert await script("genai-node", "json", wire.url, tmp_path) == {"city": "Rome"}
    said = await script("genai-node", "models", wire.url, tmp_path)
    assert said["one"] == "models/gemini-3-flash"
    assert said["one"] in said["names"]
    assert said["totalTokens"] > 0


async def test_genai_errors(wire: Wire, tmp_path: Path) -> None:
    said = await script("genai-node", "error", wire.url, tmp_path)
    assert (said["name"], said["status"]) == ("ApiError", 429)
    assert said["message"]["error"]["status"] == "RESOURCE_EXHAUSTED"
    wire.exchanges.clear()  # it was meant to fail

"""LangChain: langchain-openai with Chat and Responses, langchain-google-genai, langchain-anthropic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.run import script
from tests.clients.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("langchain",)

ALL = pytest.mark.parametrize("kind", ["responses", "chat", "google", "anthropic"])
THOUGHTS = {"chat": []}  # its Chat class knows of none


def check_usage(usage: dict[str, Any]) -> None:
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert 0 < usage["output_token_details"]["reasoning"] < usage["output_tokens"]


@ALL
async def test_text(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("langchain", f"{kind}-text", wire.url, tmp_path)
    assert said["text"].startswith("You wrote: “Why is the sky blue?”.")
    assert said["kinds"] == [*THOUGHTS.get(kind, ["reasoning"]), "text"]
    check_usage(said["usage"])


@ALL
async def test_line_separators_survive_a_stream(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("langchain", f"{kind}-stream", wire.url, tmp_path)
    assert said["text"] == "".join(said["texts"])
    assert all(
        mark in said["text"] for mark in ("\u2028", "\u2029", "\u0085", "\x0b", "👩‍👩‍👧", "\ufeff", "\r\n", "\\u2028")
    )
    assert len([text for text in said["texts"] if text]) > 3


@ALL
async def test_agent(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("langchain", f"{kind}-agent", wire.url, tmp_path)
    assert said["types"] == ["human", "ai", "tool", "tool", "ai"]
    assert sorted(said["called"]) == ["Oslo", "Rome"]
    assert "18 degrees in Rome" in said["text"]
    assert "18 degrees in Oslo" in said["text"]
    check_usage(said["usage"])


@ALL
async def test_streamed_parallel_calls(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("langchain", f"{kind}-streamed_calls", wire.url, tmp_path)
    assert said["calls"] == [{"name": "get_weather", "args": {"city": city}} for city in ("Rome", "Oslo", "Rome")]
    check_usage(said["usage"])


@ALL
async def test_forced_tool(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("langchain", f"{kind}-forced", wire.url, tmp_path)
    assert said["calls"] == [{"name": "get_weather", "args": {"city": "Rome"}}]


@ALL
async def test_history(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("langchain", f"{kind}-history", wire.url, tmp_path)
    contents = json.loads(said["text"])["request"]["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user", "user"]
    call = contents[1]["parts"][-1]
    assert call["functionCall"]["args"] == {"city": "Lima"}
    assert len(call["thoughtSignature"]) > 50
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"output": "18 degrees"}


@ALL
@pytest.mark.parametrize("case", ["schema", "schema_by_tool"])
async def test_structured_output(wire: Wire, tmp_path: Path, kind: str, case: str) -> None:
    said = await script("langchain", f"{kind}-{case}", wire.url, tmp_path)
    assert said == {"city": "Rome", "country": "country", "tags": ["tags", "tags"]}


@ALL
async def test_picture(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("langchain", f"{kind}-picture", wire.url, tmp_path)
    (content,) = json.loads(said["text"])["request"]["contents"]
    assert content["parts"][1]["inlineData"]["mimeType"] == "image/png"
    assert content["parts"][1]["inlineData"]["data"].startswith("iVBORw0KGgo")


async def test_previous_response_id(wire: Wire, tmp_path: Path) -> None:
    said = await script("langchain", "responses-previous", wire.url, tmp_path)
    contents = json.loads(said["text"])["request"]["contents"]
    assert contents[0]["parts"][0]["text"] == "Remember the word kumquat."
    assert contents[1]["role"] == "model"

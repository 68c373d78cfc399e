"""Pydantic AI with its OpenAI Responses, Chat, Google and Anthropic models; Instructor in its modes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.run import script
from tests.clients.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("pydantic", "instructor")

ALL = pytest.mark.parametrize("kind", ["responses", "chat", "google", "anthropic"])
ROUND = [["user-prompt"], ["thinking", "tool-call"], ["tool-return"], ["thinking", "text"]]
PLACE = {"city": "Rome", "country": "country", "tags": ["tags", "tags"]}


@ALL
async def test_parallel_tools(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("pydantic_ai", f"{kind}-tools", wire.url, tmp_path, "pydantic")
    assert sorted(said["called"]) == ["Oslo", "Rome"]
    assert "18 degrees in Rome" in said["output"]
    assert "18 degrees in Oslo" in said["output"]
    assert said["parts"][1:] == [["thinking", "tool-call", "tool-call"], ["tool-return"] * 2, ["thinking", "text"]]
    assert said["usage"][0] == 2
    assert min(said["usage"]) > 0


@ALL
async def test_a_tool_that_wants_another_try(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("pydantic_ai", f"{kind}-retry", wire.url, tmp_path, "pydantic")
    assert said["called"] == ["Rome", "Rome"]
    assert said["output"].startswith("Here is an answer")


@ALL
async def test_history(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("pydantic_ai", f"{kind}-history", wire.url, tmp_path, "pydantic")
    contents = json.loads(said["output"])["request"]["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    call = contents[1]["parts"][-1]
    assert call["functionCall"]["args"] == {"city": "Lima"}
    assert len(call["thoughtSignature"]) > 50


async def test_history_of_encrypted_thoughts(wire: Wire, tmp_path: Path) -> None:
    """What it does with OpenAI's reasoning models when nothing is stored."""
    said = await script("pydantic_ai", "responses-stateless", wire.url, tmp_path, "pydantic")
    contents = json.loads(said["output"])["request"]["contents"]
    (call,) = contents[1]["parts"]
    assert len(call["thoughtSignature"]) > 50
    last = wire.asked("/v1/responses")[-1]
    assert last["store"] is False
    carried = [item["encrypted_content"] for item in last["input"] if item.get("type") == "reasoning"]
    assert len(carried) == len({*carried}) >= 2
    assert "<think>" not in said["output"]


@ALL
async def test_streamed_text(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("pydantic_ai", f"{kind}-stream", wire.url, tmp_path, "pydantic")
    assert said["called"] == ["Rome"]
    assert len(said["texts"]) > 1
    assert "".join(said["texts"]) == said["output"] == "Done. get_weather answered: 18 degrees in Rome That is all."


@ALL
async def test_streamed_events(wire: Wire, tmp_path: Path, kind: str) -> None:
    said = await script("pydantic_ai", f"{kind}-events", wire.url, tmp_path, "pydantic")
    assert said["seen"] == ["thinking", "tool-call", "thinking", "text"]
    assert said["parts"] == ROUND
    assert "".join(said["texts"]) == said["output"]


@ALL
@pytest.mark.parametrize("case", ["native", "by_tool"])
async def test_typed_output(wire: Wire, tmp_path: Path, kind: str, case: str) -> None:
    said = await script("pydantic_ai", f"{kind}-{case}", wire.url, tmp_path, "pydantic")
    assert said["output"] == PLACE


MODES = ["TOOLS", "TOOLS_STRICT", "JSON", "JSON_SCHEMA", "RESPONSES_TOOLS"]
PERSONS = [{"name": "name", "age": 1}] * 2


@pytest.mark.parametrize("mode", MODES)
async def test_instructor(wire: Wire, tmp_path: Path, mode: str) -> None:
    said = await script("instructor", f"{mode}-whole", wire.url, tmp_path)
    note = said["value"].pop("note")
    assert note in (None, "note")
    assert said["value"] == {"city": "Rome", "kind": "formal", "persons": PERSONS}
    assert said["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("mode", MODES)
async def test_instructor_partial_objects(wire: Wire, tmp_path: Path, mode: str) -> None:
    said = await script("instructor", f"{mode}-partial", wire.url, tmp_path)
    assert said["count"] > 1
    assert said["value"]["persons"] == PERSONS


@pytest.mark.parametrize("mode", ["TOOLS", "JSON_SCHEMA"])
async def test_instructor_several_objects(wire: Wire, tmp_path: Path, mode: str) -> None:
    said = await script("instructor", f"{mode}-iterable", wire.url, tmp_path)
    assert said["value"] == PERSONS

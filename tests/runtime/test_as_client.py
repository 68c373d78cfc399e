"""Google's runtime as a client of ours: its agents on the Gemini surface and on Chat, through the whole path."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.support import at_rest, quick
from tests.runtime.driving import Agents, agents
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
STAND_IN = "skip_thought_signature_validator"  # Google's own word for a signature that is gone


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stack]:
    async with Stack(StackOptions(ls=quick())) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(running: Stack, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Agents]:
    async with agents(environment, tmp_path_factory.mktemp("home"), GOOGLE_GEMINI_BASE_URL=running.url) as started:
        yield started


@pytest.fixture
def stack(running: Stack) -> Stack:
    running.google.requests.clear()
    running.output.clear()
    return running


@dataclass
class Case:
    """``texts``: in the answers, in their order. ``called``: the tools of all answers. ``asked``: calls to Google that
    were answered. ``error``: in the last answer, by surface; ``only``: on which surface, where it is no matter of the
    other."""

    does: dict[str, Any]
    texts: list[str] = field(default_factory=list[str])
    called: list[str] = field(default_factory=list[str])
    structured: Any = None
    thoughts: str = ""
    error: dict[str, str] = field(default_factory=dict[str, str])
    only: str = ""


PIECES, SUNNY = "Here is an answer in several pieces", "sunny in Rome"
ASKS = {"tools": ["get_weather", "get_time"]}
CASES = {
    "text": Case({"say": ["sim:text hello"]}, [PIECES]),
    "the SDK's own tools": Case({"say": ["sim:think hello"], "builtin": True}, [PIECES]),
    "thinking that is asked for": Case(
        {
            "say": ["sim:think hello"],
            "options": {"thinking_level": "high", "service_tier": "flex", "max_output_tokens": 999},
        },
        [PIECES], thoughts="I know what to do.", only="gemini",
    ),
    "several turns": Case(
        {"say": ["sim:think one", "sim:text two", "sim:unicode three"]}, [PIECES, PIECES, "é <script>"]
    ),
    "a tool": Case({"say": ["sim:tool get_weather"], **ASKS}, [SUNNY], ["get_weather"]),
    "a tool without arguments": Case({"say": ["sim:tool-noargs get_weather"], **ASKS}, ["get_weather answered"]),
    "tools in several turns": Case(
        {"say": ["sim:tool get_weather", "sim:parallel 2 get_time", "sim:think and?"], **ASKS},
        [SUNNY, "noon in Oslo", PIECES], ["get_weather", "get_time", "get_time"],
    ),
    "parallel tools": Case({"say": ["sim:parallel-split 3 get_weather"], **ASKS}, [SUNNY], ["get_weather"] * 3),
    "the signature apart": Case({"say": ["sim:sig-after get_weather"], **ASKS}, [SUNNY], ["get_weather"]),
    "Claude": Case(
        {"say": ["sim:tool get_weather", "sim:parallel 2 get_weather"], "model": "claude-sonnet-4-6", **ASKS},
        [SUNNY, SUNNY], ["get_weather"] * 3,
    ),
    "an unknown tool": Case({"say": ["sim:tool-unknown", "sim:think then"], **ASKS}, ["unknown tool name", PIECES]),
    "structured": Case(
        {
            "say": ["sim:tool finish"],
            "schema": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
        },
        called=["finish"], structured={"answer": "answer"},
    ),
    "an image": Case({"say": [["look at this", {"png": PNG}], "sim:echo again"]}, ["look at this", "image/png"]),
    "an image back": Case({"say": ["sim:image draw", "sim:text more"]}, ["Here is your picture.", PIECES]),
    "safety": Case({"say": ["sim:safety sim:text no"]}, ["Here is an answer"]),
    "the limit": Case({"say": ["sim:max-tokens sim:text no"]}, ["Here is an answer"]),
    "thoughts alone, once": Case({"say": ["sim:thinking-once plum"]}, ["plum"]),
    "tries again": Case({"say": ["sim:flaky 2 a pear"], "retry_ms": 20}, ["a pear"], only="gemini"),
    "429": Case(
        {"say": ["sim:429-bare no"], "retry_ms": 20},
        error={"gemini": "Error 429, Message: Resource has been exhausted", "chat": "failed with status 429: {"},
    ),
    "400": Case({"say": ["sim:400 no"]}, error={"gemini": "Error 400, Message", "chat": "failed with status 400: {"}),
    # not the text so far as if it were the answer: an error event in the stream would be overlooked
    "cut off": Case({"say": ["sim:drop no"], "retry_ms": 20}, ["unexpected EOF"], only="gemini"),
    "an error in the stream": Case({"say": ["sim:503-mid no"], "retry_ms": 20}, ["unexpected EOF"], only="gemini"),
    "cut off in Chat": Case({"say": ["sim:drop no"]}, error={"chat": "unexpected EOF"}, only="chat"),
}  # fmt: skip
ROWS = [
    pytest.param(surface, case, id=f"{surface}-{name}")
    for name, case in CASES.items()
    for surface in ("gemini", "chat")
    if case.only in ("", surface)
]


@pytest.mark.parametrize(("surface", "case"), ROWS)
async def test_an_agent(clients: Agents, stack: Stack, surface: str, case: Case) -> None:
    given = case.does | ({"chat": f"{stack.url}/v1"} if surface == "chat" else {})
    answers = await clients.run(given)
    wanted = case.error.get(surface, "")
    assert wanted in (answers[-1]["error"] or "")
    assert bool(answers[-1]["error"]) == bool(wanted), answers[-1]
    for answer, text in zip(answers, case.texts, strict=False):
        assert text in answer["text"]
    assert [name for answer in answers for name, _ in answer["calls"]][: len(case.called)] == case.called
    assert answers[-1].get("structured") == case.structured
    if surface == "gemini":
        assert case.thoughts in answers[-1]["thoughts"]
    if not wanted:
        assert answers[-1]["usage"]["prompt_token_count"] > 0

    refused = [one.message for one in stack.google.agent_requests if one.scenario == "refused"]
    assert refused == []
    assert STAND_IN not in json.dumps([one.body for one in stack.google.agent_requests])
    await at_rest(stack)


async def test_what_it_sends_reaches_google(clients: Agents, stack: Stack) -> None:
    """Results of tools as a content of the model's, in the runtime's own words; the signature on the call; its options.
    The session is the language server's own."""
    options = {"thinking_level": "low", "service_tier": "priority", "max_output_tokens": 777}
    given = {"say": ["sim:tool get_weather"], "options": options, **ASKS}
    await clients.run(given)
    first, second = [one.request for one in stack.google.agent_requests]
    call, result = second["contents"][-2:]
    (asked,) = [part for part in call["parts"] if "functionCall" in part]
    assert asked["thoughtSignature"]
    (told,) = result["parts"]
    assert result["role"] == "model"
    assert told["functionResponse"]["id"] == asked["functionCall"]["id"]
    assert '```json\n{"weather": "sunny in Rome"}\n```' in told["functionResponse"]["response"]["output"]
    for one in (first, second):
        assert one["generationConfig"]["maxOutputTokens"] == 777
        assert one["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "low"}
        assert one["serviceTier"] == "priority"
        assert [declared["name"] for declared in one["tools"][0]["functionDeclarations"]][-2:] == ASKS["tools"]
        assert "<ADDITIONAL_METADATA>" in one["contents"][0]["parts"][0]["text"]
    await at_rest(stack)

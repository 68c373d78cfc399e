"""Anthropic's own SDKs, for Python and for TypeScript: the same cases in both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.run import script
from tests.clients.wire import Wire
from tests.e2e.support import quick
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("anthropic", "anthropic-node")

BOTH = pytest.mark.parametrize("sdk", CLIENTS)
PLACE = {"city": "Rome", "country": "country", "tags": ["tags", "tags"]}
SEPARATORS = ("\u2028", "\u2029", "\u0085", "\x0b", "👩‍👩‍👧", "\ufeff", "\r\n", "\\u2028")
STAND_IN = "skip_thought_signature_validator"


def contents(echoed: dict[str, Any]) -> list[dict[str, Any]]:
    """What reached Google, of an answer that is the request."""
    return json.loads(echoed["text"])["request"]["contents"]


def check_usage(usage: dict[str, Any], *, thinking: bool = False) -> None:
    assert usage["input_tokens"] > 0
    assert usage["output_tokens"] > usage["output_tokens_details"]["thinking_tokens"] >= thinking


def check_seen(said: dict[str, Any]) -> None:
    """The pieces make the whole."""
    assert "".join(said["seen"]["text"]) == said["text"]
    assert "".join(said["seen"]["thinking"]) == "".join(said["thinking"])


@BOTH
async def test_create(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "create", wire.url, tmp_path)
    assert said["kinds"] == ["thinking", "text"]
    assert said["text"].startswith("You wrote: “Why is the sky blue?”.")
    assert said["thinking"][0].startswith("**Considering**")
    assert said["stop"] == ["end_turn", None]
    assert said["model"] == "gemini-3-flash"
    assert said["id"].startswith("msg_")
    assert said["request"].startswith("req_")
    check_usage(said["usage"], thinking=True)


@BOTH
async def test_stream(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "stream", wire.url, tmp_path)
    assert said["kinds"][:2] == ["thinking", "text"]
    assert said["text"].startswith("Here is an answer")
    assert min(len(said["seen"]["text"]), len(said["seen"]["thinking"])) > 1
    assert said["stop"] == ["end_turn", None]
    check_seen(said)
    check_usage(said["usage"], thinking=True)


@BOTH
async def test_line_separators_survive_a_stream(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "unicode", wire.url, tmp_path)
    check_seen(said)
    assert all(mark in said["text"] for mark in SEPARATORS)


@BOTH
async def test_parallel_calls(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "parallel", wire.url, tmp_path)
    assert said["calls"] == [["get_weather", {"city": city}] for city in ("Rome", "Oslo", "Rome")]
    assert said["stop"] == ["tool_use", None]
    assert said["signed"][-1]  # of the first call, directly before it
    check_usage(said["usage"], thinking=True)


@BOTH
async def test_a_call_without_arguments(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "no_arguments", wire.url, tmp_path)
    assert said["calls"] == [["now", {}]]


@BOTH
@pytest.mark.parametrize("case", ["history", "history_of_thoughts", "history_of_omitted_thoughts"])
async def test_history(wire: Wire, tmp_path: Path, sdk: str, case: str) -> None:
    """Google gets its signature back, however little of the thoughts the client was shown."""
    said = await script(sdk, case, wire.url, tmp_path)
    assert [bool(text) for text in said["first"]["thinking"]][:1] == [case == "history_of_thoughts"]
    sent = contents(said)
    assert [content["role"] for content in sent] == ["user", "model", "user", "user"]
    call = sent[1]["parts"][-1]
    assert call["functionCall"]["args"] == {"city": "Lima"}
    assert call["thoughtSignature"] != STAND_IN
    assert len(call["thoughtSignature"]) > 50
    (result,) = [part["functionResponse"] for part in sent[2]["parts"]]
    assert result["name"] == "get_weather"
    assert result["response"] == {"output": "18 degrees"}


@BOTH
async def test_history_of_claude(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "history_of_claude", wire.url, tmp_path)
    assert said["first"]["kinds"] == ["thinking", "tool_use"]
    thought, call = contents(said)[1]["parts"]
    assert thought["thought"]
    assert len(thought["thoughtSignature"]) > 50
    assert "functionCall" in call


@BOTH
@pytest.mark.parametrize("case", ["runner", "runner_streamed"])
async def test_tool_runner(wire: Wire, tmp_path: Path, sdk: str, case: str) -> None:
    """It would rather have the server keep the conversation, and is told to send it."""
    said = await script(sdk, case, wire.url, tmp_path)
    refused = wire.exchanges.pop(0)
    assert (refused.asked["thread"], refused.status) == ({"type": "create"}, 400)
    assert sorted(said["called"]) == ["Oslo", "Rome"]
    assert "18 degrees in Rome" in said["text"]
    assert "18 degrees in Oslo" in said["text"]
    first, last = said["kinds"]
    assert first.count("tool_use") == 2
    assert last == ["thinking", "text"]


@BOTH
@pytest.mark.parametrize("case", ["parse", "parse_streamed"])
async def test_parse(wire: Wire, tmp_path: Path, sdk: str, case: str) -> None:
    assert await script(sdk, case, wire.url, tmp_path) == {"parsed": PLACE, "stop": "end_turn"}


@BOTH
async def test_tool_choice(wire: Wire, tmp_path: Path, sdk: str) -> None:
    forced = await script(sdk, "forced", wire.url, tmp_path)
    assert forced["calls"] == [["get_weather", {"city": "Rome"}]]
    one = await script(sdk, "one_call", wire.url, tmp_path)
    assert one["calls"] == [["get_weather", {"city": "Rome"}]]


@BOTH
async def test_stops(wire: Wire, tmp_path: Path, sdk: str) -> None:
    cut = await script(sdk, "stop_sequence", wire.url, tmp_path)
    assert cut["text"] == "".join(cut["seen"]["text"]) == "Here is an answer in "
    assert cut["stop"] == ["stop_sequence", "several "]
    assert (await script(sdk, "max_tokens", wire.url, tmp_path))["stop"] == ["max_tokens", None]
    refused = await script(sdk, "refusal", wire.url, tmp_path)
    assert refused["stop"] == ["refusal", None]
    assert refused["text"]


@BOTH
async def test_nothing_to_generate(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "warm_up", wire.url, tmp_path)
    assert (said["kinds"], said["stop"]) == ([], ["max_tokens", None])


@BOTH
async def test_a_tool_whose_schema_is_known(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "client_tools", wire.url, tmp_path)
    ((name, given),) = said["calls"]
    assert name == "bash"
    assert given["command"]


@BOTH
async def test_web_search(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "search", wire.url, tmp_path)
    assert said["kinds"][:2] == ["server_tool_use", "web_search_tool_result"]
    assert {*said["kinds"][2:]} == {"text"}
    assert len(said["found"]) == 2
    assert {url for url, _ in said["cited"]} == {*said["found"]}
    assert "".join(said["texts"]) == "Zürich is the largest city of Switzerland. Its café culture is old."
    assert said["usage"]["server_tool_use"]["web_search_requests"] > 0
    sent = json.dumps(contents(said), ensure_ascii=False)
    assert "largest city of switzerland" in sent
    assert all(url in sent for url in said["found"])


@BOTH
async def test_a_picture_and_a_paper(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "media", wire.url, tmp_path)
    parts = [part for content in contents(said) for part in content["parts"]]
    assert [part["inlineData"]["mimeType"] for part in parts if "inlineData" in part] == [
        "image/png",
        "application/pdf",
    ]


@BOTH
async def test_count_tokens(wire: Wire, tmp_path: Path, sdk: str) -> None:
    plain, *more = await script(sdk, "count", wire.url, tmp_path)
    assert len({*more}) == 1
    assert 0 < plain < plain + 100 < more[0]


@BOTH
async def test_models(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "models", wire.url, tmp_path)
    assert len(said["names"]) == len({*said["names"]}) > 3
    assert {"gemini-3-flash", "claude-sonnet-4-6"} < {*said["names"]}
    assert said["one"] == ["gemini-3-flash", "model", "Gemini 3 Flash"]
    assert said["unknown"]["name"] == "NotFoundError"
    assert said["unknown"]["type"] == "not_found_error"


@BOTH
async def test_batches_are_refused_at_once(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "batches", wire.url, tmp_path)
    assert (said["name"], said["status"], said["type"]) == ("NotFoundError", 404, "not_found_error")
    assert said["request"].startswith("req_")
    assert "/v1/messages/batches" in said["message"]
    assert len(wire.exchanges) == 1


@BOTH
@pytest.mark.parametrize(
    ("how", "name", "status", "kind", "tries"),
    [
        ("400", "BadRequestError", 400, "invalid_request_error", 1),
        ("429-quota", "RateLimitError", 429, "rate_limit_error", 1),  # hours to wait
        ("429-bare", "RateLimitError", 429, "rate_limit_error", 3),
        ("500", "InternalServerError", 500, "api_error", 3),
    ],
)
async def test_errors(
    wire: Wire, tmp_path: Path, sdk: str, how: str, name: str, status: int, kind: str, tries: int
) -> None:
    said = await script(sdk, f"sim:{how}", wire.url, tmp_path)
    assert said["message"]
    assert said["request"].startswith("req_")
    assert (said["name"], said["status"], said["type"]) == (name, status, kind)
    assert len(wire.exchanges) == tries
    wire.exchanges.clear()  # it was meant to fail


@BOTH
async def test_a_wrong_key(tmp_path: Path, sdk: str) -> None:
    async with Stack(StackOptions(ls=quick(), env={"ZEROGRAVITY_KEY": "sk-ours"})) as locked, Wire(locked.url) as wire:
        said = await script(sdk, "sim:text", wire.url, tmp_path)
    assert (said["name"], said["type"]) == ("AuthenticationError", "authentication_error")
    assert len(wire.exchanges) == 1


@BOTH
async def test_a_stream_that_fails_says_so(wire: Wire, tmp_path: Path, sdk: str) -> None:
    said = await script(sdk, "failing", wire.url, tmp_path)
    assert "".join(said["texts"]).startswith("Here is an answer")
    assert "The model is overloaded. Please try again later." in said["message"]

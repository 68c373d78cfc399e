"""Models without room, through real mitmdump: asked once more, then others; and left alone while Google says so."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.e2e.support import (
    CHECK,
    MODEL,
    NO_COOLDOWN,
    SURFACES,
    Said,
    ask,
    at_rest,
    both_response_paths,
    quick,
    request,
)
from zerogravity.testing.simulator.google.default_answers import claude_thoughts
from zerogravity.testing.simulator.google.scenarios import (
    Scenario,
    call,
    error,
    event,
    failure,
    retry_info,
    think,
)
from zerogravity.testing.simulator.google.server import Received
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
response_path = both_response_paths
OTHER, THIRD = "gemini-3.1-pro", "claude-sonnet-4-6"
LIMITS = {"ZEROGRAVITY_LIMITS_RETRY_SECONDS": "0.02", "ZEROGRAVITY_LIMITS_TURNS": "32"}
whole_or_not = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
everywhere = pytest.mark.parametrize("surface", SURFACES)


def options() -> StackOptions:
    return StackOptions(ls=quick(), env={**LIMITS, **NO_COOLDOWN, "ZEROGRAVITY_FALLBACKS": f"{OTHER}={MODEL}"})


def busy(status: int = 503, *details: Any) -> Scenario:
    return failure(status, "UNAVAILABLE" if status == 503 else "RESOURCE_EXHAUSTED", "no room", details)


def of(received: Received) -> bool:
    """Whether the call is for the module's own model."""
    return "flash" in received.model


def models(stack: Stack) -> list[str]:
    """Google's names of those that it was asked for."""
    return [received.model for received in stack.google.agent_requests]


def said_by(said: Said) -> set[str]:
    """The models that an answer names; Gemini's are Google's own words."""
    found = set[str]()
    for value in said.events or [said.body]:
        inner = value.get("response") or value.get("message") or value
        found |= {inner[name] for name in ("model", "modelVersion") if name in inner}
    return found


@everywhere
@whole_or_not
@pytest.mark.parametrize("prompt", ["sim:flaky", "sim:drop-once"])
async def test_a_model_is_asked_once_more(stack, http, surface, stream, prompt) -> None:
    said = await ask(stack, http, surface, f"{prompt} {surface} {stream}", stream=stream)
    assert (said.status, said.error, bool(said.text)) == (200, None, True)
    assert len(set(models(stack))) == 1
    assert len(models(stack)) == 2
    assert said.headers["x-zerogravity-model"] == MODEL
    assert "is asked" not in said.headers.get("x-zerogravity-notes", "")


@everywhere
@whole_or_not
async def test_then_another_one_that_the_request_names(stack, http, surface, stream) -> None:
    """In its own way: its request, its signature, its name."""
    prompt = f"sim:flaky 2 {surface} {stream}"
    said = await ask(stack, http, surface, prompt, stream=stream, models=[OTHER, THIRD])
    assert (said.status, said.error, bool(said.text)) == (200, None, True)
    first, again, other = models(stack)
    assert (first, again, "pro" in other) == (first, first, True)
    assert said.headers["x-zerogravity-model"] == OTHER
    note = "model: gemini-3-flash failed (503 UNAVAILABLE), gemini-3.1-pro is asked"
    assert note in said.headers["x-zerogravity-notes"]
    assert all("pro" in name for name in said_by(said))
    assert "models" not in stack.google.agent_requests[-1].request


@everywhere
@whole_or_not
async def test_a_429_moves_on_at_once_along_the_list(stack, http, surface, stream) -> None:
    stack.google.script(busy(429), times=2)
    said = await ask(stack, http, surface, "hello", stream=stream, models=[OTHER, THIRD])
    assert (said.status, said.headers["x-zerogravity-model"], len(models(stack))) == (200, THIRD, 3)
    assert "claude" in models(stack)[-1]
    assert said.text


@everywhere
@whole_or_not
async def test_the_last_one_s_failure_is_told(stack, http, surface, stream) -> None:
    stack.google.script(busy(429, retry_info("7s")))
    stack.google.script(busy(429, retry_info("33s")))
    said = await ask(stack, http, surface, "hello", stream=stream, models=[OTHER])
    assert (said.status, said.headers["retry-after"], len(models(stack))) == (429, "33", 2)
    assert said.headers["x-zerogravity-model"] == OTHER


@everywhere
async def test_the_configuration_s_list_counts_where_the_request_has_none(stack, http, surface) -> None:
    path, body = request(surface, f"sim:429-once {surface}", stream=False)
    path, body = path.replace(MODEL, OTHER), {**body, **({"model": OTHER} if "model" in body else {})}
    async with http.post(stack.url + path, json=body) as answer:
        assert (answer.status, answer.headers["x-zerogravity-model"]) == (200, MODEL)
    assert len(models(stack)) == 2


@everywhere
@whole_or_not
@pytest.mark.parametrize("prompt", ["sim:400", "sim:401", "sim:403", "sim:404", "sim:500", "sim:safety", "sim:blocked"])
async def test_other_failures_stay_with_their_model(stack, http, surface, stream, prompt) -> None:
    await ask(stack, http, surface, prompt, stream=stream, models=[OTHER])
    assert len(models(stack)) == 1


@everywhere
@whole_or_not
@pytest.mark.parametrize("prompt", ["sim:503-mid", "sim:429-mid", "sim:drop"])
async def test_after_text_nothing_is_tried(stack, http, surface, stream, prompt) -> None:
    said = await ask(stack, http, surface, prompt, stream=stream, models=[OTHER])
    assert (bool(said.error), len(models(stack))) == (True, 1)


@everywhere
@whole_or_not
async def test_thinking_counts_where_it_is_shown(stack, http, surface, stream) -> None:
    """Chat's clients see it; here the others did not ask for it."""
    broken = Scenario([*think("Let me see."), (0.0, error(503, "UNAVAILABLE", "no room"))])
    stack.google.script(broken, match=of)
    hidden: dict[str, Any] = {
        "responses": {"reasoning": {"effort": "low"}}, "messages": {"thinking": {"type": "disabled"}},
    }.get(surface, {})  # fmt: skip
    said = await ask(stack, http, surface, "hello", stream=stream, models=[OTHER], **hidden)
    if surface == "chat":
        assert (bool(said.error), len(models(stack))) == (True, 1)
    else:
        assert (said.error, bool(said.text), len(models(stack))) == (None, True, 2)
        assert "Let me see." not in said.raw.decode()


@everywhere
async def test_calls_of_the_one_that_answers_come_with_its_own_signatures(stack, http, surface) -> None:
    """The next request goes to it, and Google takes them."""
    stack.google.script(busy(429), match=of)
    called = event(call("get_weather", {"city": "Rome"}, None), finish="STOP")
    stack.google.script(lambda given: Scenario([*claude_thoughts(given, ["Let me see."]), (0.0, called)]))
    wanted = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}} if surface == "gemini" else {}
    said = await ask(stack, http, surface, "Weather?", stream=False, tools=True, models=[THIRD], **wanted)
    assert (said.status, said.headers["x-zerogravity-model"]) == (200, THIRD)
    path, body = request(surface, "Weather?", stream=False, tools=True)
    match surface:
        case "responses":
            (made,) = (item for item in said.body["output"] if item["type"] == "function_call")
            result = {"type": "function_call_output", "call_id": made["call_id"], "output": "sunny"}
            body["input"] = [{"role": "user", "content": body["input"]}, *said.body["output"], result]
        case "chat":
            message = said.body["choices"][0]["message"]
            result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sunny"}
            body["messages"] += [message, result]
        case "messages":
            (made,) = (block for block in said.body["content"] if block["type"] == "tool_use")
            result = {"type": "tool_result", "tool_use_id": made["id"], "content": "sunny"}
            turn = {"role": "assistant", "content": said.body["content"]}
            body["messages"] += [turn, {"role": "user", "content": [result]}]
        case _:
            content = said.body["candidates"][0]["content"]
            (made,) = (part["functionCall"] for part in content["parts"] if "functionCall" in part)
            known = {name: made[name] for name in ("id", "name") if name in made}
            named = {**known, "response": {"output": "sunny"}}
            body["contents"] += [content, {"role": "user", "parts": [{"functionResponse": named}]}]
    path, body = path.replace(MODEL, THIRD), {**body, **wanted}
    if "model" in body:
        body["model"] = THIRD
    async with http.post(stack.url + path, json=body) as answer:
        told = await answer.text()
        assert answer.status == 200, told
        assert "switched off" not in answer.headers.get("x-zerogravity-notes", "")


@pytest.fixture(scope="module")
def slow() -> dict[str, str]:
    """The head of a stream goes out while the gateway still waits to ask again."""
    return {**LIMITS, "ZEROGRAVITY_LIMITS_RETRY_SECONDS": "0.4", "ZEROGRAVITY_LIMITS_GRACE_SECONDS": "0.05",
            "ZEROGRAVITY_LIMITS_HEARTBEAT_SECONDS": "0.1"}  # fmt: skip


async def test_a_stream_whose_head_is_out_may_still_move(slow: dict[str, str]) -> None:
    async with Stack(StackOptions(ls=quick(), env=slow)) as stack, aiohttp.ClientSession() as http:
        for surface in SURFACES:
            said = await ask(stack, http, surface, f"sim:flaky 2 {surface}", models=[OTHER])
            assert (said.status, said.error, bool(said.text)) == (200, None, True)
            assert "x-zerogravity-model" not in said.headers  # it was not known yet
            assert any("pro" in name for name in said_by(said)) or surface == "messages"
            assert "pro" in models(stack)[-1]
            failed = await ask(stack, http, surface, f"sim:flaky 9 {surface} failing", models=[OTHER])
            assert (failed.status, bool(failed.error)) == (200, True)
        await at_rest(stack)


async def test_a_client_that_leaves_in_the_pause_ends_it(slow: dict[str, str]) -> None:
    async with Stack(StackOptions(ls=quick(), env=slow)) as stack, aiohttp.ClientSession() as http:
        path, body = request("chat", "sim:flaky", stream=True)
        async with http.post(stack.url + path, json={**body, "models": [OTHER]}) as answer:
            await answer.content.readany()
            answer.close()
        await at_rest(stack)
        assert len(models(stack)) == 1


async def test_a_background_response_moves_as_well(stack, http) -> None:
    stack.google.script(busy(429), match=of)
    body = {"model": MODEL, "input": "hello", "background": True, "stream": True, "models": [OTHER]}
    async with http.post(f"{stack.url}/v1/responses", json=body) as answer:
        raw = await answer.read()
        assert "x-zerogravity-model" not in answer.headers
    last = CHECK["responses"](raw)[-1]["response"]
    assert (last["status"], last["model"]) == ("completed", OTHER)
    async with http.get(f"{stack.url}/v1/responses/{last['id']}?stream=true") as answer:
        again = await answer.read()
    assert CHECK["responses"](again)[-1]["response"] == last


async def test_over_a_websocket_too(stack, http) -> None:
    stack.google.script(busy(429), match=of)
    async with http.ws_connect(f"{stack.url}/v1/responses") as socket:
        await socket.send_json({"type": "response.create", "model": MODEL, "input": "hello", "models": [OTHER]})
        while (told := json.loads(await socket.receive_str(timeout=10)))["type"] != "response.completed":
            pass
    assert told["response"]["model"] == OTHER


# -- cooldowns -----------------------------------------------------------------------------------------------------


@everywhere
async def test_while_google_says_so_a_model_is_left_alone(surface) -> None:
    async with Stack(StackOptions(ls=quick(), env=LIMITS)) as stack, aiohttp.ClientSession() as http:
        for stream in (True, False):
            for prompt in ("sim:quota-once", "hello"):
                said = await ask(stack, http, surface, prompt, stream=stream, models=[OTHER])
                assert (said.status, said.error, said.headers["x-zerogravity-model"]) == (200, None, OTHER)
        assert "gemini-3-flash is in cooldown for 5 d 23 h" in said.headers["x-zerogravity-notes"]
        asked = models(stack)
        assert [name for name in asked if "flash" in name] == asked[:1]
        for stream in (True, False):
            said = await ask(stack, http, surface, "hello", stream=stream)
            assert (said.status, int(said.headers["retry-after"]) > 500_000) == (429, True)
            assert "x-zerogravity-model" not in said.headers  # none was asked
            assert "`fallbacks`" in said.error["message"]
            if surface == "gemini":
                delays = [one["retryDelay"] for one in said.error["details"] if "retryDelay" in one]
                assert [float(delay[:-1]) > 500_000 for delay in delays] == [True]
        assert models(stack) == asked
        async with http.get(f"{stack.url}/health") as answer:
            (cooldown,) = (await answer.json())["cooldowns"]
        assert (cooldown["model"], cooldown["reason"]) == (MODEL, "quota")
        async with http.get(f"{stack.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        assert {
            "zg_cooldowns 1.0", 'zg_fallbacks_total{reason="quota"} 1.0', 'zg_fallbacks_total{reason="cooldown"} 3.0',
            'zg_cooldown_refusals_total{reason="cooldown"} 2.0',
        } <= {*lines}  # fmt: skip
        await at_rest(stack)


async def test_the_trace_shows_every_attempt_and_who_answered(tmp_path) -> None:
    env = {**LIMITS, "ZEROGRAVITY_TRACE": "true", "ZEROGRAVITY_TRACE_DIR": str(tmp_path)}
    async with Stack(StackOptions(ls=quick(), env=env)) as stack, aiohttp.ClientSession() as http:
        said = await ask(stack, http, "responses", "sim:flaky 2", models=[OTHER])
        assert said.error is None
    (folder,) = (file.parent for file in tmp_path.rglob("turn.json"))
    info = json.loads((folder / "turn.json").read_text())
    assert (info["model"], info["served_by"], info["target"]["name"]) == (MODEL, OTHER, OTHER)
    assert (info["counts"]["upstream_calls"], len(info["upstream"])) == (3, 3)
    assert any("gemini-3.1-pro is asked" in note for note in info["notes"])
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    opened = [one["model"] for record in records for one in record["events"] if one["type"] == "RoundOpened"]
    assert opened == [MODEL, OTHER]
    assert len([*folder.glob("upstream_request*.json")]) == 6

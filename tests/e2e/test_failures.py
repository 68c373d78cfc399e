"""What goes wrong on the way, through real mitmdump: each failure is told once, in the surface's own form, in time.

Names with h01 … h39 are rows of the fault table: tests/test_fault_table.py.
"""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.support import (
    ASKED_ONCE,
    CHECK,
    NO_COOLDOWN,
    SURFACES,
    Said,
    ask,
    at_rest,
    both_response_paths,
    on,
    quick,
    request,
)
from tests.ports import free_port
from tests.reading import to_the_end
from tests.waiting import until
from zerogravity import ADDON
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
response_path = both_response_paths


def options() -> StackOptions:
    """What is tried again, and who is left alone, is in test_failover."""
    limits = {"ZEROGRAVITY_LIMITS_TURNS": "32", "ZEROGRAVITY_LIMITS_GRACE_SECONDS": "10"}
    return StackOptions(ls=quick(), env={**limits, **NO_COOLDOWN, **ASKED_ONCE})


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("prompt", ["sim:drop", "sim:reset", "sim:half-close", "sim:cut", "sim:gzip-cut"])
async def test_h03_h36_a_drop_after_text_is_text_then_a_failure(stack, http, surface, prompt) -> None:
    streamed = await ask(stack, http, surface, prompt)
    assert streamed.status == 200
    assert streamed.text
    assert streamed.error
    whole = await ask(stack, http, surface, prompt, stream=False)
    assert whole.status == 502
    assert "upstream" in json.dumps(whole.body) or "connection" in json.dumps(whole.body)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("prompt", ["sim:drop-before", "sim:reset-before"])
async def test_h04_a_reset_before_the_headers_is_a_plain_502(stack, http, surface, prompt) -> None:
    for stream in (True, False):
        said = await ask(stack, http, surface, prompt, stream=stream)
        assert said.status == 502
        assert said.headers["content-type"].startswith("application/json")


STATUSES = {
    "sim:400": 400, "sim:401": 502, "sim:403": 502, "sim:404": 404, "sim:429": 429, "sim:500": 500, "sim:503": 503,
    "sim:504": 504,
}  # fmt: skip


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(("prompt", "status"), STATUSES.items())
async def test_h06_googles_refusals_are_mapped_and_not_repeated(stack, http, surface, prompt, status) -> None:
    """The LS gets a clean stop, and makes no further real call for this turn."""
    if surface == "messages" and prompt in ("sim:401", "sim:403"):
        status = 403  # a refused account is a permission_error there
    for number, stream in enumerate((False, True), 1):
        said = await ask(stack, http, surface, f"{prompt} {surface}", stream=stream)
        assert said.status == status
        assert len(stack.google.agent_requests) == number
    if prompt == "sim:429":
        assert int(said.headers["retry-after"]) >= 1
    if prompt in ("sim:401", "sim:403"):
        assert said.headers["x-should-retry"] == "false"
    if surface == "gemini":
        assert said.error["code"] == status


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("prompt", ["sim:503-mid", "sim:429-mid", "sim:raw-mid"])
async def test_h07_an_error_inside_the_stream_ends_it_as_a_failure(stack, http, surface, prompt) -> None:
    said = await ask(stack, http, surface, prompt)
    assert said.text
    assert said.error
    if surface == "chat":
        assert not any(choice["finish_reason"] for event in said.events for choice in event.get("choices", []))


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("prompt", ["sim:empty", "sim:empty-body", "sim:malformed", "sim:no-finish", "sim:nonsense"])
async def test_h08_h09_an_answer_without_content_is_a_failure(stack, http, surface, prompt) -> None:
    """At most one retry, which the LS makes. A Gemini client handles Google's own word for it by itself."""
    said = await ask(stack, http, surface, f"{prompt} {surface}", stream=False)
    if (surface, prompt) == ("gemini", "sim:malformed"):
        assert said.body["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    else:
        assert said.status == 502, said.body
    assert len(stack.google.agent_requests) <= 2


@pytest.mark.parametrize("surface", SURFACES)
async def test_h10_thinking_alone_goes_on_in_the_next_call(stack, http, surface) -> None:
    """One turn, one log, the usage of both calls."""
    said = await ask(stack, http, surface, f"sim:thinking-once {surface}")
    assert said.text
    assert said.error is None
    assert len(stack.google.agent_requests) == 2


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("prompt", ["sim:long 2000", "sim:stall-before 60"], ids=["begun", "before the headers"])
async def test_h16_a_client_that_leaves_stops_the_cascade_and_googles_stream(stack, http, surface, prompt) -> None:
    path, body = request(surface, f"{prompt} {surface}", stream=True)
    asking = asyncio.create_task(http.post(stack.url + path, json=body))
    received = await stack.google.wait_for(1)
    if prompt.startswith("sim:long"):
        response = await asking
        await response.content.readany()
        response.close()
    else:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(5):
        await received.done.wait()
    assert received.ended == "client_gone"
    cascade = list(stack.ls.cascades.values())[-1]
    await until(lambda: not cascade.running)
    assert cascade.status == "IDLE"


async def test_h38_a_hidden_call_leaves_the_lss_connection_usable(stack, http) -> None:
    """The LS sees text and a clean stop instead of the client's call, and its next request works."""
    for prompt in ("sim:tool", "sim:tool-late-text", "sim:parallel-split", "sim:tool-text"):
        said = await ask(stack, http, "chat", f"Weather? {prompt}", tools=True)
        assert said.error is None
        assert any(choice["finish_reason"] == "tool_calls" for event in said.events for choice in event["choices"])
        cascade = list(stack.ls.cascades.values())[-1]
        await until(lambda cascade=cascade: not cascade.running)
        planners = [step.render()["plannerResponse"] for step in cascade.steps if step.kind == "PLANNER_RESPONSE"]
        assert planners[-1]["response"]
        assert not any("toolCalls" in planner for planner in planners)
        agent = [call for call in stack.ls.calls if call.cascade_id == cascade.id and call.kind == "agent"]
        assert [call.outcome for call in agent] == ["end"], agent


@pytest.mark.parametrize("checkpoint", ["before", "during", "after"])
async def test_h24_the_title_call_never_reaches_google_nor_the_turn(stack, http, checkpoint) -> None:
    stack.ls.options.checkpoint = checkpoint
    said = await ask(stack, http, "responses", "Tell me about kumquats")
    assert "kumquats" in said.text
    (cascade,) = stack.ls.cascades.values()
    await until(lambda: not cascade.running)
    assert [one.kind for one in stack.ls.calls].count("checkpoint") == 1
    assert len(stack.google.agent_requests) == 1
    assert not [one for one in stack.google.requests if one.kind == "checkpoint"]


@pytest.mark.parametrize(
    "habits",
    [
        {"quote_history": True},
        {"history_lines": (".<cid:00000000-0000-4000-8000-000000000000>",)},
        {"layout": "parts"},
        {"request_id": "uuid"},
        {"wrap": False, "step_ids": False},
        {"request_types": False},
        {"blocking": "always"},
        {"delay_s": 0.2},
        {"summary_call": True},
        {"late_s": 0.0},
    ],
    ids=lambda habits: ",".join(habits),
)
async def test_habits_of_other_builds(stack, http, habits) -> None:
    for name, value in habits.items():
        setattr(stack.ls.options, name, value)
    for word in ("kumquat", "quince"):
        said = await ask(stack, http, "chat", f"sim:echo {word}")
        assert word in said.text
        assert said.error is None
    assert "kumquat" not in said.text


async def test_h22_an_ls_that_never_calls_google_is_named_in_time(impatient, http) -> None:
    impatient.ls.options.calls_google = False
    said = await ask(impatient, http, "responses", "hello")
    assert said.status == 504
    assert said.error["code"] == "match_timeout"
    assert "doctor" in said.error["message"]
    async with http.get(f"{impatient.url}/ready") as ready:
        assert ready.status == 503
        assert "proxy" in await ready.text()


async def test_a_disagreeing_witness_leaves_the_call_alone(impatient, http) -> None:
    impatient.ls.options.request_id = "other"
    said = await ask(impatient, http, "chat", "hello")
    assert said.status == 504
    assert impatient.google.agent_requests[0].request["contents"][0]["parts"][0]["text"].count("<cid:") == 1


@pytest.mark.parametrize(
    ("method", "refusal", "status", "word"),
    [
        ("SendUserCascadeMessage", (500, "internal", "boom"), 502, "boom"),
        ("StartCascade", (403, "permission_denied", "no"), 502, "token"),
        ("StartCascade", (503, "unavailable", "later"), 503, "later"),
    ],
    ids=["send refused", "start refused", "unavailable"],
)
async def test_h21_an_ls_that_refuses_is_named_at_once(stack, http, method, refusal, status, word) -> None:
    stack.ls.options.refusals = {method: refusal}
    said = await ask(stack, http, "responses", "hello")
    assert (said.status, word in said.error["message"]) == (status, True), said.body


async def test_a_lost_login_is_a_401_that_says_what_to_do_and_heals(stack, http) -> None:
    stack.ls.options.logged_in = False
    for surface in SURFACES:
        said = await ask(stack, http, surface, "hello")
        refused = 403 if surface == "messages" else 401
        assert (said.status, "log in" in said.error["message"]) == (refused, True), said.body
    async with http.get(f"{stack.url}/ready") as ready:
        assert ready.status == 503
    stack.ls.options.logged_in = True
    assert (await ask(stack, http, "chat", "hello")).error is None


PATCHES = {
    "parser": "from zerogravity.wire import sse; sse.SseParser.feed = broken",
    "decoder": "from zerogravity.wire import google; google.GoogleDecoder.decode = broken",
    "log": "from zerogravity.core.channel import ChannelWriter as C; C._add = flaky(C._add)",
    "rewriter": "from zerogravity.capture import rewrite; rewrite.rewrite = broken",
    "matcher": "from zerogravity.capture import match; match.match = broken",
}
SCRIPT = """
import sys
sys.path.insert(0, {root!r})
count = 0
def broken(*_, **__):
    raise RuntimeError("forced")
def flaky(real):
    def append(self, *given):
        global count
        count += 1
        if count == 3:
            raise RuntimeError("forced")
        return real(self, *given)
    return append
{patch}
from zerogravity.capture.addon import Capture
addons = [Capture()]
"""


@pytest.mark.parametrize("place", PATCHES)
async def test_h25_an_own_fault_ends_the_turn_and_nothing_else(tmp_path: Path, place: str, response_path) -> None:
    """The bytes go on to the LS; the turn fails, typed."""
    script = tmp_path / "broken.py"
    script.write_text(SCRIPT.format(root=str(ADDON.parents[1]), patch=PATCHES[place]))
    limits = {"ZEROGRAVITY_LIMITS_MATCH_SECONDS": "1"}
    async with (
        Stack(on(response_path, StackOptions(ls=quick(), addon=script, env=limits))) as stack,
        aiohttp.ClientSession() as http,
    ):
        said = await ask(stack, http, "responses", "hello")
        assert said.status in ((504,) if place == "matcher" else (500,)) or said.error, said
        cascade = list(stack.ls.cascades.values())[-1]
        await until(lambda: not cascade.running)
        agent = [call for call in stack.ls.calls if call.kind == "agent"]
        assert agent[0].outcome == "end"
        if place == "log":
            assert (await ask(stack, http, "responses", "hello again")).error is None


async def test_h26_sigterm_ends_open_streams_properly(response_path) -> None:
    async with Stack(on(response_path, StackOptions(ls=quick()))) as stack, aiohttp.ClientSession() as http:
        responses = []
        for surface in SURFACES:
            path, body = request(surface, "sim:long 5000", stream=True)
            response = await http.post(stack.url + path, json=body)
            responses.append((surface, response, await response.content.readany()))
        stack.process.send_signal(signal.SIGTERM)
        rests = await asyncio.gather(*(to_the_end(response) for _, response, _ in responses))
        for (surface, _, begun), (rest, _) in zip(responses, rests, strict=True):
            CHECK[surface](begun + rest)
        async with asyncio.timeout(10):
            assert await stack.process.wait() == 0


@pytest.mark.parametrize("begun", [True, False], ids=["after some text", "before the headers"])
async def test_h05_silence_is_filled_with_heartbeats_and_ends_as_idle(begun: bool, response_path) -> None:
    """None on the Gemini surface, whose clients take nothing but data."""
    limits = {"IDLE_SECONDS": "1", "FIRST_BYTE_SECONDS": "1", "HEARTBEAT_SECONDS": "0.2", "GRACE_SECONDS": "0.1"}
    env = {f"ZEROGRAVITY_LIMITS_{name}": value for name, value in limits.items()}
    async with Stack(on(response_path, StackOptions(ls=quick(), env=env))) as stack, aiohttp.ClientSession() as http:
        for surface in SURFACES:
            said = await ask(stack, http, surface, "sim:stall 30" if begun else "sim:stall-before 30")
            assert said.status == 200
            assert bool(said.text) is begun
            assert "Google sent nothing for 1 s; send the request again" in said.error["message"]
            heartbeats = said.raw.count(b"\n\nevent: ping\n" if surface == "messages" else b": keep-alive\n\n")
            assert (heartbeats > 0) is (surface != "gemini")
        await at_rest(stack)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("prompt", ["sim:parallel", "sim:parallel-split"], ids=["one chunk", "several chunks"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_h12_parallel_calls_are_items_of_their_own(stack, http, surface, prompt, stream) -> None:
    """Each with its arguments as Google wrote them, in their order."""
    said = await ask(stack, http, surface, prompt, stream=stream, tools=True)
    calls = calls_of(said)
    assert len({call_id for call_id, _ in calls}) == 3
    assert [json.loads(arguments)["city"] for _, arguments in calls] == ["Rome", "Oslo", "Rome"]


def calls_of(said: Said) -> list[tuple[str, str]]:
    """(id, arguments as text) of every call of an answer."""
    match said.surface:
        case "responses":
            output = said.body["output"] if said.body else said.events[-1]["response"]["output"]
            return [(one["call_id"], one["arguments"]) for one in output if one["type"] == "function_call"]
        case "chat" if said.body:
            made = said.body["choices"][0]["message"]["tool_calls"]
            return [(one["id"], one["function"]["arguments"]) for one in made]
        case "chat":
            choices = [choice for event in said.events for choice in event["choices"]]
            deltas = [one for choice in choices for one in choice["delta"].get("tool_calls", [])]
            ids = {one["index"]: one["id"] for one in deltas if one.get("id")}
            return [
                (found, "".join(one["function"].get("arguments", "") for one in deltas if one["index"] == index))
                for index, found in ids.items()
            ]
        case "messages" if said.body:
            uses = [block for block in said.body["content"] if block["type"] == "tool_use"]
            return [(use["id"], json.dumps(use["input"])) for use in uses]
        case "messages":
            begun = {event["index"]: event["content_block"] for event in said.events if "content_block" in event}
            texts = dict.fromkeys(begun, "")
            for event in said.events:
                if event["type"] == "content_block_delta":
                    texts[event["index"]] += event["delta"].get("partial_json", "")
            return [(use["id"], texts[index]) for index, use in begun.items() if use["type"] == "tool_use"]
        case _:
            candidates = [one for chunk in said.events or [said.body] for one in chunk.get("candidates", [])]
            parts = [part for one in candidates for part in one["content"].get("parts", [])]
            calls = [part["functionCall"] for part in parts if "functionCall" in part]
            return [(call["id"], json.dumps(call["args"])) for call in calls]


async def test_an_unreachable_google_is_reported_at_once(response_path) -> None:
    options = StackOptions(upstream=f"http://127.0.0.1:{free_port()}", api="v1internal", ls=quick())
    async with Stack(on(response_path, options)) as stack, aiohttp.ClientSession() as http:
        said = await ask(stack, http, "responses", "hello")
        assert (said.status, said.error["code"]) == (502, "upstream_drop")
        assert "Connect call failed" in said.error["message"] or "refused" in said.error["message"].lower()

"""The routes of stored responses: read, delete, cancel, page, count, compact, run in the background (H13, H20, H35)."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.server.support import Serve, Served, forever, hello, say
from tests.waiting import until
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptOpened, Failed, Finished, FunctionCall, TextDelta, ThinkingDelta, Usage
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Termination, language_server, upstream
from zerogravity.store.responses import open_store
from zerogravity.testing.check import check_response, check_responses

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"model": "gemini-3-flash", "input": "hi"}
BEHIND = {**HELLO, "background": True}
UNKNOWN = "resp_" + "0" * 32
BY_ID = (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items"), ("GET", "?stream=true"))


async def rich(running: RunningTurn) -> None:
    """Thinking, text, a call, usage."""
    say(running, AttemptOpened())
    say(running, ThinkingDelta("Let me "))
    say(running, ThinkingDelta("see."))
    say(running, TextDelta("Hel"))
    say(running, TextDelta("lo"), Usage(prompt=3, candidates=2, thoughts=1, total=6))
    say(running, FunctionCall(f"call_{running.id[-8:]}", "look", '{"at": 1}'))
    running.close(Finished("tool"))


def events(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in data.splitlines() if line.startswith(b"data: ")]


def text_of(response: dict[str, Any]) -> str:
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


async def streamed(served: Served, body: dict[str, Any], **options: Any) -> bytes:
    async with served.http.post(served.url + PATH, json={**body, "stream": True}, **options) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


def not_found(found: tuple[int, Any, Any], identity: str) -> None:
    status, _, body = found
    assert status == 404
    assert body == {
        "error": {
            "message": f"Response with id '{identity}' not found.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }


# -- stored --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_h13_what_was_answered_is_what_is_stored(serve: Serve, stream: bool) -> None:
    served = await serve()
    served.engine.script = rich
    asked = {**HELLO, "reasoning": {"summary": "auto"}}
    if stream:
        data = await streamed(served, asked)
        check_responses(data)
        answered = events(data)[-1]["response"]
    else:
        _, _, answered = await served.post(PATH, asked)
    check_response(answered)
    assert [item["type"] for item in answered["output"]] == ["reasoning", "message", "function_call"]
    status, _, stored = await served.get(f"{PATH}/{answered['id']}")
    assert (status, stored) == (200, answered)
    status, _, again = await served.get(f"{PATH}/{answered['id']}?include[]=reasoning.encrypted_content&stream=false")
    assert (status, again) == (200, answered)


async def test_delete(serve: Serve) -> None:
    served = await serve()
    _, _, answered = await served.post(PATH, HELLO)
    identity = answered["id"]
    for expected in (200, 404):
        async with served.http.delete(f"{served.url}{PATH}/{identity}") as answer:
            body = await answer.json()
            assert answer.status == expected
            if expected == 200:
                assert body == {"id": identity, "object": "response", "deleted": True}
    not_found(await served.get(f"{PATH}/{identity}"), identity)
    not_found(await served.get(f"{PATH}/{identity}/input_items"), identity)
    status, _, body = await served.post(PATH, {**HELLO, "previous_response_id": identity})
    assert (status, body["error"]["code"]) == (400, "previous_response_not_found")


async def test_store_false_leaves_nothing(serve: Serve) -> None:
    served = await serve()
    _, _, answered = await served.post(PATH, {**HELLO, "store": False})
    assert answered["store"] is False
    not_found(await served.get(f"{PATH}/{answered['id']}"), answered["id"])
    served.engine.script = forever
    request = asyncio.create_task(served.post(PATH, {**HELLO, "store": False}))
    channel = await served.engine.begun()
    while channel is served.engine.channels[0]:
        channel = await served.engine.begun()
    running = "resp_" + channel.id.removeprefix("turn_")
    not_found(await served.get(f"{PATH}/{running}"), running)
    served.engine.cancel(channel)
    await request


@pytest.mark.parametrize("identity", [UNKNOWN, "resp_1", "turn_" + "0" * 32, "chatcmpl_" + "0" * 32,
                                      "resp_" + "x" * 300, "resp_..", "%2e%2e"])  # fmt: skip
async def test_h20_h35_unknown_ids(serve: Serve, identity: str) -> None:
    served = await serve()
    shown = {"%2e%2e": ".."}.get(identity, identity)[:80]
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/input_items"),
        ("GET", "?stream=true"),
    ):
        status, headers, body = await served.ask(method, f"{PATH}/{identity}{path}")
        not_found((status, headers, json.loads(body)), shown)
        assert headers["x-should-retry"] == "false"


async def test_h20_expired_responses_are_unknown(serve: Serve) -> None:
    now = [1_770_000_000.0]
    store = await open_store("memory", limit=10, max_age_s=100, now=lambda: now[0])
    served = await serve(services={"responses": store, "wall": lambda: now[0]})
    _, _, plain = await served.post(PATH, HELLO)
    _, _, behind = await served.post(PATH, BEHIND)
    await until(lambda: served.writer.waiting == 0)
    now[0] += 99
    for identity in (plain["id"], behind["id"]):
        assert (await served.get(f"{PATH}/{identity}"))[0] == 200
    now[0] += 2
    for identity in (plain["id"], behind["id"]):
        not_found(await served.get(f"{PATH}/{identity}"), identity)
        not_found(await served.get(f"{PATH}/{identity}?stream=true"), identity)
        status, _, body = await served.post(PATH, {**HELLO, "previous_response_id": identity})
        assert (status, body["error"]["code"]) == (400, "previous_response_not_found")


async def test_chat_turns_are_no_responses(serve: Serve) -> None:
    served = await serve()
    chat = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}], "store": True}
    await served.post("/v1/chat/completions", chat)
    identity = "resp_" + served.engine.channels[0].id.removeprefix("turn_")
    not_found(await served.get(f"{PATH}/{identity}"), identity)


async def test_h20_responses_belong_to_the_key_that_made_them(serve: Serve) -> None:
    served = await serve(keys=("zg-key-one", "zg-key-two"))
    one, two = ({"x-api-key": f"zg-key-{name}"} for name in ("one", "two"))
    served.engine.script = rich
    _, _, mine = await served.post(PATH, HELLO, headers=one)
    served.engine.script = forever
    _, _, running = await served.post(PATH, BEHIND, headers=one)
    for identity in (mine["id"], running["id"]):
        for method, path in BY_ID:
            status, headers, body = await served.ask(method, f"{PATH}/{identity}{path}", two)
            not_found((status, headers, json.loads(body)), identity)
        status, _, body = await served.post(PATH, {**HELLO, "previous_response_id": identity}, headers=two)
        assert (status, body["error"]["code"]) == (400, "previous_response_not_found")
        assert (await served.get(f"{PATH}/{identity}", headers=one))[0] == 200
    message = next(item for item in mine["output"] if item["type"] == "message")
    reference = {"type": "item_reference", "id": message["id"]}
    served.engine.script = rich
    await served.post(PATH, {**HELLO, "input": [reference, {"role": "user", "content": "go on"}]}, headers=two)
    assert "Hello" not in json.dumps(dict(served.engine.channels[-1].turn.google_request))
    await served.post(PATH, {**HELLO, "input": [reference, {"role": "user", "content": "go on"}]}, headers=one)
    assert "Hello" in json.dumps(dict(served.engine.channels[-1].turn.google_request))


async def test_a_turn_continues_the_one_before_at_once(serve: Serve) -> None:
    served = await serve()
    served.engine.script = rich
    _, _, first = await served.post(PATH, HELLO)
    output = {"type": "function_call_output", "call_id": first["output"][-1]["call_id"], "output": "found"}
    served.engine.script = hello
    status, _, second = await served.post(PATH, {**HELLO, "input": [output], "previous_response_id": first["id"]})
    assert status == 200, second
    assert second["previous_response_id"] == first["id"]
    contents = served.engine.channels[-1].turn.google_request["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert contents[0]["parts"][0]["text"] == "hi"
    assert contents[1]["parts"][0]["text"] == "Hello"
    assert contents[1]["parts"][1]["functionCall"]["args"] == {"at": 1}
    assert contents[2]["parts"][0]["functionResponse"]["name"] == "look"
    for _ in range(2):  # branches from one parent
        status, _, _ = await served.post(PATH, {**HELLO, "input": "other", "previous_response_id": second["id"]})
        assert status == 200


async def test_failed_turns_are_stored_as_such(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    async with served.http.post(served.url + PATH, json={**HELLO, "stream": True}) as answer:
        fault = upstream(502, "upstream_drop", "the connection broke", Termination.UPSTREAM_DROP)
        served.engine.turns[0].close(Failed(fault))
        data = await answer.read()
    check_responses(data)
    last = events(data)[-1]
    assert last["type"] == "response.failed"
    _, _, stored = await served.get(f"{PATH}/{last['response']['id']}")
    assert stored == last["response"]
    assert (stored["status"], stored["error"]["code"]) == ("failed", "server_error")


async def test_what_is_stored_in_a_file_survives(serve: Serve, tmp_path: Path) -> None:
    file = str(tmp_path / "responses.db")
    first = await serve(services={"responses": await open_store(file, limit=10)})
    first.engine.script = rich
    data = await streamed(first, BEHIND)
    identity = events(data)[-1]["response"]["id"]
    await first.engine.close()
    await first.running.stop()
    second = await serve(services={"responses": await open_store(file, limit=10)})
    _, _, stored = await second.get(f"{PATH}/{identity}")
    assert stored == events(data)[-1]["response"]
    async with second.http.get(f"{second.url}{PATH}/{identity}?stream=true&starting_after=3") as answer:
        again = await answer.read()
    assert data.endswith(again)
    assert events(again)[0]["sequence_number"] == 4


# -- input items ---------------------------------------------------------------------------------------------------

MANY = {**HELLO, "input": [{"role": "user", "content": f"number {n}"} for n in range(25)]}


async def test_input_items_in_pages(serve: Serve) -> None:
    served = await serve()
    _, _, answered = await served.post(PATH, MANY)
    path = f"{PATH}/{answered['id']}/input_items"
    status, _, listed = await served.get(path)
    assert (status, listed["object"], listed["has_more"], len(listed["data"])) == (200, "list", True, 20)
    texts = [item["content"][0]["text"] for item in listed["data"]]
    assert texts == [f"number {n}" for n in range(24, 4, -1)], "newest first"
    assert (listed["first_id"], listed["last_id"]) == (listed["data"][0]["id"], listed["data"][-1]["id"])
    for order in ("asc", "desc"):
        found: list[str] = []
        query = f"?limit=10&order={order}"
        while True:
            _, _, listed = await served.get(path + query)
            found += [item["content"][0]["text"] for item in listed["data"]]
            if not listed["has_more"]:
                break
            query = f"?limit=10&order={order}&after={listed['last_id']}"
        expected = [f"number {n}" for n in range(25)]
        assert found == (expected if order == "asc" else expected[::-1])
    assert (await served.get(f"{path}?limit=25"))[2]["has_more"] is False
    assert (await served.get(f"{path}?limit=24"))[2]["has_more"] is True
    _, _, listed = await served.get(f"{path}?limit=1&after={listed['last_id']}")
    assert listed == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("/input_items?limit=0", "limit"),
        ("/input_items?limit=101", "limit"),
        ("/input_items?limit=x", "limit"),
        ("/input_items?limit=-1", "limit"),
        ("/input_items?limit=%D9%A3", "limit"),
        ("/input_items?order=up", "order"),
        ("/input_items?after=msg_nothing", "after"),
        ("/input_items?include[]=everything", "include"),
        ("?stream=maybe", "stream"),
        ("?stream=true", "stream"),
        ("?stream=true&starting_after=0", "stream"),
        ("?starting_after=1", "starting_after"),
        ("?stream=true&starting_after=-1", "starting_after"),
        ("?stream=true&starting_after=1.5", "starting_after"),
        ("?stream=true&starting_after=", "starting_after"),
        ("?include=everything", "include"),
        ("?include_obfuscation=perhaps", "include_obfuscation"),
    ],
)
async def test_queries_that_are_refused(serve: Serve, query: str, param: str) -> None:
    served = await serve()
    _, _, answered = await served.post(PATH, HELLO)
    status, _, body = await served.get(f"{PATH}/{answered['id']}{query}")
    assert (status, body["error"]["param"]) == (400, param)


# -- in the background ---------------------------------------------------------------------------------------------


async def test_background_is_answered_at_once_and_polled(serve: Serve) -> None:
    served = await serve()
    served.engine.script = forever
    status, _, queued = await served.post(PATH, BEHIND)
    assert (status, queued["status"], queued["output"], queued["usage"]) == (200, "queued", [], None)
    check_response(queued)
    channel = served.engine.channels[0]
    running = served.engine.inside(channel)
    path = f"{PATH}/{queued['id']}"
    assert (await served.get(path))[2] == queued
    say(running, AttemptOpened(), TextDelta("Hel"))
    _, _, seen = await served.get(path)
    assert seen == {**queued, "status": "in_progress"}
    _, _, listed = await served.get(path + "/input_items")
    assert listed["data"][0]["content"][0]["text"] == "hi"
    say(running, TextDelta("lo"))
    running.close(Finished("stop"))
    _, _, done = await served.get(path)
    assert (done["status"], text_of(done)) == ("completed", "Hello")
    check_response(done)
    assert (await served.get(path + "/input_items"))[2] == listed


async def test_a_background_response_is_created_as_queued_however_far_its_turn_is_by_then(serve: Serve) -> None:
    served = await serve()
    _, _, created = await served.post(PATH, BEHIND)
    assert (created["status"], created["output"], created["completed_at"]) == ("queued", [], None)
    _, _, done = await served.get(f"{PATH}/{created['id']}")
    assert (done["status"], text_of(done)) == ("completed", "Hello")


async def test_background_goes_on_when_everybody_has_left(serve: Serve) -> None:
    served = await serve()
    served.engine.script = forever
    answer = await served.http.post(served.url + PATH, json={**BEHIND, "stream": True})
    channel = served.engine.channels[0]
    running = served.engine.inside(channel)
    first = await answer.content.readuntil(b"\n\n")
    assert b"event: response.created\n" in first
    answer.close()
    identity = "resp_" + channel.id.removeprefix("turn_")
    reader = await served.http.get(f"{served.url}{PATH}/{identity}?stream=true")
    assert await reader.content.readuntil(b"\n\n") == first, "the same stream from its beginning"
    reader.close()
    while channel.readers:
        await served.get("/health")
    assert not channel.closed
    say(running, AttemptOpened(), TextDelta("Hello"))
    running.close(Finished("stop"))
    assert text_of((await served.get(f"{PATH}/{identity}"))[2]) == "Hello"


async def test_background_refused_at_once_is_a_plain_answer(serve: Serve) -> None:
    served = await serve()
    run = served.engine.run
    full = language_server(503, "queue_full", "4 turns run and 50 wait", Termination.QUEUE_FULL, retry_after=10)

    def refuse(turn: Any) -> CascadeChannel:
        channel = run(turn)
        served.engine.inside(channel).close(Failed(full))
        return channel

    served.engine.run = refuse  # type: ignore[method-assign]
    for stream in (False, True):
        status, headers, body = await served.post(PATH, {**BEHIND, "stream": stream})
        assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "queue_full", "10")


async def test_background_failure_is_polled(serve: Serve) -> None:
    served = await serve()

    async def fail(running: RunningTurn) -> None:
        running.close(Failed(upstream(429, "rate_limit_exceeded", "slow down", retry_after=3)))

    served.engine.script = fail
    _, _, queued = await served.post(PATH, BEHIND)
    while (told := (await served.get(f"{PATH}/{queued['id']}"))[2])["status"] in ("queued", "in_progress"):
        pass
    assert (told["status"], told["error"]["code"]) == ("failed", "rate_limit_exceeded")
    check_response(told)


async def test_cancel(serve: Serve) -> None:
    served = await serve()
    served.engine.script = forever
    _, _, queued = await served.post(PATH, BEHIND)
    channel = served.engine.channels[0]
    running = served.engine.inside(channel)
    say(running, AttemptOpened(), TextDelta("Hel"))
    path = f"{PATH}/{queued['id']}"
    reader = await served.http.get(f"{served.url}{path}?stream=true")
    status, _, cancelled = await served.post(path + "/cancel", None)
    assert (status, cancelled["status"]) == (200, "cancelled")
    check_response(cancelled)
    assert channel.termination is Termination.CANCELLED
    data = await reader.read()
    check_responses(data)
    assert events(data)[-1]["response"] == cancelled, "who reads its stream is told, too"
    for _ in range(2):
        assert (await served.post(path + "/cancel", None))[2] == cancelled, "a second time is harmless"
    assert (await served.get(path))[2] == cancelled
    async with served.http.get(f"{served.url}{path}?stream=true") as answer:
        assert await answer.read() == data


async def test_cancel_changes_nothing_that_is_over(serve: Serve) -> None:
    served = await serve()
    _, _, queued = await served.post(PATH, BEHIND)
    await served.engine.channels[0].wait_closed()
    status, _, body = await served.post(f"{PATH}/{queued['id']}/cancel", None)
    assert (status, body["status"], text_of(body)) == (200, "completed", "Hello")


async def test_only_background_responses_can_be_cancelled(serve: Serve) -> None:
    served = await serve()
    _, _, answered = await served.post(PATH, HELLO)
    served.engine.script = forever
    request = asyncio.create_task(served.post(PATH, HELLO))
    while len(served.engine.channels) < 2:
        await served.engine.begun()
    running = served.engine.channels[1]
    for identity in (answered["id"], "resp_" + running.id.removeprefix("turn_")):
        status, _, body = await served.post(f"{PATH}/{identity}/cancel", None)
        assert (status, body["error"]["message"]) == (400, "Cannot cancel a synchronous response.")
    assert not running.closed
    served.engine.cancel(running)
    await request


async def test_delete_cancels_what_runs(serve: Serve) -> None:
    served = await serve()
    served.engine.script = forever
    _, _, queued = await served.post(PATH, BEHIND)
    async with served.http.delete(f"{served.url}{PATH}/{queued['id']}") as answer:
        assert answer.status == 200
    assert served.engine.channels[0].termination is Termination.CANCELLED
    not_found(await served.get(f"{PATH}/{queued['id']}"), queued["id"])


# -- counting, compaction ------------------------------------------------------------------------------------------


async def test_input_tokens(serve: Serve) -> None:
    served = await serve()
    status, headers, body = await served.post(PATH + "/input_tokens", {"model": "gpt-5", "input": "x" * 400})
    assert (status, headers["x-zerogravity-tokens"]) == (200, "estimate")
    assert body == {"object": "response.input_tokens", "input_tokens": 104}
    status, _, body = await served.post(PATH + "/input_tokens", {"input": "x" * 400, "instructions": "y" * 400})
    assert (status, body["input_tokens"]) == (200, 208), "the model may be left out"
    status, _, body = await served.post(PATH + "/input_tokens", {"model": "gpt-5", "input": 7})
    assert (status, body["error"]["param"]) == (400, "input")
    assert not served.engine.channels

    async def count(turn: Any) -> int:
        return len(turn.google_request["contents"])

    served = await serve(services={"count_tokens": count})
    status, headers, body = await served.post(PATH + "/input_tokens", HELLO)
    assert (status, body["input_tokens"]) == (200, 1)
    assert "x-zerogravity-tokens" not in headers


async def test_compact(serve: Serve) -> None:
    served = await serve()
    _, _, first = await served.post(PATH, {**HELLO, "input": "remember the number 7"})
    body = {"model": "gemini-3-flash", "previous_response_id": first["id"], "input": "and the colour red"}
    status, headers, compacted = await served.post(PATH + "/compact", body)
    assert status == 200, compacted
    assert compacted["object"] == "response.compaction"
    assert [item["type"] for item in compacted["output"]] == ["message", "message", "compaction"]
    assert "number 7" in str(compacted["output"][0])
    assert "Server-Timing" in headers
    assert "remember the number 7" in json.dumps(served.engine.channels[-1].turn.google_request["contents"])
    not_found(await served.get(f"{PATH}/{compacted['id']}"), compacted["id"])
    more = [*compacted["output"], {"role": "user", "content": "go on"}]
    status, _, answered = await served.post(PATH, {**HELLO, "input": more})
    assert status == 200, answered
    assert "Hello" in json.dumps(served.engine.channels[-1].turn.google_request), "the summary is read again"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("before", [False, True])
async def test_a_trailing_compaction_trigger(serve: Serve, stream: bool, before: bool) -> None:
    served = await serve()
    body: dict[str, Any] = {**HELLO, "input": [{"role": "user", "content": "two"}, {"type": "compaction_trigger"}]}
    if before:
        body["previous_response_id"] = (await served.post(PATH, HELLO))[2]["id"]
    if stream:
        data = await streamed(served, body)
        check_responses(data)
        response = events(data)[-1]["response"]
    else:
        response = (await served.post(PATH, body))[2]
    check_response(response)
    assert [item["type"] for item in response["output"]] == ["compaction"]
    assert (await served.get(f"{PATH}/{response['id']}"))[2] == response
    await served.post(PATH, {**HELLO, "input": "three", "previous_response_id": response["id"]})
    (content,) = served.engine.channels[-1].turn.google_request["contents"]
    told = [part["text"].rpartition("\n")[2] for part in content["parts"]]
    assert told == [*(["hi"] if before else []), "two", "Hello", "three"]


async def test_compact_refused_and_failed(serve: Serve) -> None:
    served = await serve()
    status, _, body = await served.post(PATH + "/compact", {"model": "gemini-3-flash"})
    assert (status, body["error"]["param"]) == (400, "input")

    async def fail(running: RunningTurn) -> None:
        running.close(Failed(upstream(503, "overloaded", "try later", retry_after=2)))

    served.engine.script = fail
    status, headers, _ = await served.post(PATH + "/compact", HELLO)
    assert (status, headers["Retry-After"]) == (503, "2")


async def test_compact_left_by_its_client_is_cancelled(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = await serve()
    served.engine.script = forever
    request = asyncio.create_task(served.post(PATH + "/compact", HELLO))
    channel = await served.engine.begun()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await channel.wait_closed()
    assert channel.termination is Termination.CLIENT_GONE

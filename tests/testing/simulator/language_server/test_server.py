"""The language-server stand-in's socket and methods: TLS, token, Connect JSON, streams, and the methods' answers."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from tests.testing.simulator.ls_support import SERVICE, MakeLs, marker
from tests.testing.simulator.support import Http2Client
from zerogravity.testing.simulator.google import Scenario, say

# -- socket ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "wrong", "é"])
async def test_a_wrong_token_is_refused_in_plain_text(make_ls: MakeLs, token: str) -> None:
    ls = await make_ls()
    for path in (f"{SERVICE}Heartbeat", f"{SERVICE}NoSuchMethod", "/"):
        assert await ls.post(path, X_Codeium_Csrf_Token=token) == (403, "Invalid CSRF token\n")


async def test_some_builds_refuse_by_connects_rules(make_ls: MakeLs) -> None:
    ls = await make_ls(csrf_status=401)
    status, text = await ls.post(f"{SERVICE}Heartbeat", X_Codeium_Csrf_Token="wrong")
    assert (status, json.loads(text)["code"]) == (401, "unauthenticated")


async def test_calls_over_http2(make_ls: MakeLs) -> None:
    ls = await make_ls()
    async with Http2Client(ls.simulator.port, ls.simulator.certificate_pem) as client:
        token = {"x_codeium_csrf_token": ls.simulator.csrf}
        replies = await asyncio.gather(*(client.fetch(f"{SERVICE}StartCascade", {}, **token) for _ in range(5)))
        assert len({reply.json["cascadeId"] for reply in replies}) == 5
        assert (await client.fetch(f"{SERVICE}Heartbeat", {})).status == 403


async def test_it_may_start_again_on_another_port(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade, port = await ls.start(), ls.simulator.port
    await ls.simulator.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await ls.call("Heartbeat")
    await ls.simulator.start()
    assert ls.simulator.port != port
    await ls.send(cascade, "sim:text")
    assert await ls.ended(cascade) == "NO_TOOL_CALL"


@pytest.mark.parametrize(
    ("path", "method", "content_type", "status"),
    [
        (f"{SERVICE}NoSuchMethod", "POST", "application/json", 404),
        ("/exa.other_pb.Service/Heartbeat", "POST", "application/json", 404),
        ("/", "POST", "application/json", 404),
        (f"{SERVICE}Heartbeat", "GET", "application/json", 405),
        (f"{SERVICE}Heartbeat", "POST", "text/plain", 415),
        (f"{SERVICE}Heartbeat", "POST", "application/connect+json", 415),
        (f"{SERVICE}StreamAgentStateUpdates", "POST", "application/json", 415),
        (f"{SERVICE}Heartbeat", "POST", "application/json; charset=utf-8", 200),
    ],
)
async def test_what_is_no_call(make_ls: MakeLs, path: str, method: str, content_type: str, status: int) -> None:
    ls = await make_ls()
    assert (await ls.post(path, method=method, Content_Type=content_type))[0] == status


async def test_a_method_this_build_lacks_is_501_in_json(make_ls: MakeLs) -> None:
    ls = await make_ls(missing=frozenset({"SetUserSettings"}))
    for method in ("SetUserSettings", "RevertToCascadeStep"):
        status, text = await ls.post(SERVICE + method)
        assert (status, json.loads(text)["code"]) == (501, "unimplemented")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b'{"cascadeConfig": 5}', b'{"cascadeId": "C", "items": ["x"]}']
)
async def test_bodies_that_do_not_fit_are_invalid(make_ls: MakeLs, body: bytes) -> None:
    ls = await make_ls()
    body = body.replace(b'"C"', f'"{await ls.start()}"'.encode())
    if b"items" in body:
        body = body[:-1] + b', "cascadeConfig": {"plannerConfig": {"planModel": 1018}}}'
    status, text = await ls.post(f"{SERVICE}SendUserCascadeMessage", body)
    assert (status, json.loads(text)["code"]) == (400, "invalid_argument")


async def test_a_plain_port_beside(make_ls: MakeLs) -> None:
    ls = await make_ls(http_port=0)
    assert (await ls.post(f"{SERVICE}Heartbeat", base=ls.simulator.http_url))[0] == 200
    assert ls.simulator.http_url.startswith("http://")


async def test_stop_ends_turns_and_streams(make_ls: MakeLs) -> None:
    ls = await make_ls()
    ls.google.script(Scenario([*say("x"), (0, asyncio.Event())]))
    cascade = await ls.start()
    await ls.send(cascade, "hello", blocking=False)
    stream = ls.stream("StreamAgentStateUpdates", conversationId=cascade)
    await anext(stream)
    await ls.google.wait_for(1)
    await ls.simulator.stop()
    with pytest.raises((aiohttp.ClientError, AssertionError, StopAsyncIteration)):
        while True:
            await anext(stream)
    assert ls.simulator.cascades[cascade].status == "IDLE"


# -- cascades --------------------------------------------------------------------------------------------------------


# -- models and the user ---------------------------------------------------------------------------------------------


# -- streams of the state --------------------------------------------------------------------------------------------


async def test_a_stream_needs_an_envelope(make_ls: MakeLs) -> None:
    ls = await make_ls()
    status, text = await ls.post(f"{SERVICE}StreamAgentStateUpdates", b"{}", Content_Type="application/connect+json")
    assert status == 200
    assert json.loads(text[5:])["error"]["code"] == "invalid_argument"


# -- the way to Google -----------------------------------------------------------------------------------------------


async def test_many_turns_at_once_keep_apart(make_ls: MakeLs) -> None:
    ls = await make_ls()

    async def one(number: int) -> None:
        cascade = await ls.turn(f"I am number {number}.")
        planner = (await ls.steps(cascade))[3]["plannerResponse"]
        assert f"I am number {number}." in planner["response"]
        assert marker(cascade) in planner["response"]

    await asyncio.gather(*(one(number) for number in range(30)))
    assert len(ls.agent_calls) == 30

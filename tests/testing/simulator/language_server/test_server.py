"""The language-server stand-in's socket and methods: TLS, token, Connect JSON, streams, and the methods' answers."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.testing.simulator.ls_support import SERVICE, Ls, RpcFailed, connect_proxy, kind, marker
from tests.testing.simulator.support import Http2Client
from zerogravity.testing.simulator.google import GoogleSimulator, Scenario, say, stop
from zerogravity.testing.simulator.google.families import MODELS
from zerogravity.testing.simulator.language_server import LsOptions

MakeLs = Callable[..., Awaitable[Ls]]


# -- socket ----------------------------------------------------------------------------------------------------------


async def test_its_own_certificate_is_for_localhost_only(make_ls: MakeLs) -> None:
    ls = await make_ls()
    pinned = ssl.create_default_context(cadata=ls.simulator.certificate_pem.decode())
    port = ls.simulator.port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=pinned, server_hostname="localhost")
    writer.transport.abort()
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        await asyncio.open_connection("127.0.0.1", port, ssl=pinned)


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


async def test_refusals_as_a_test_wants_them(make_ls: MakeLs) -> None:
    ls = await make_ls(refusals={"StartCascade": (503, "unavailable", "starting")})
    with pytest.raises(RpcFailed) as caught:
        await ls.start()
    assert (caught.value.status, json.loads(caught.value.text)) == (503, {"code": "unavailable", "message": "starting"})


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


def test_secrets_are_not_shown() -> None:
    shown = repr(LsOptions(csrf="secret-one", token="secret-two", api_key="secret-three"))
    assert "secret" not in shown


# -- cascades --------------------------------------------------------------------------------------------------------


async def test_the_client_may_choose_the_id(make_ls: MakeLs) -> None:
    ls = await make_ls()
    assert await ls.call("StartCascade", cascadeId="mine", unknownField=1) == {"cascadeId": "mine"}
    with pytest.raises(RpcFailed) as caught:
        await ls.call("StartCascade", cascadeId="mine")
    assert caught.value.code == "already_exists"
    assert await ls.start() != await ls.start()


READERS = ["SendUserCascadeMessage", "CancelCascadeInvocation", "GetCascadeTrajectorySteps", "GetCascadeTrajectory",
           "GetCascadeTrajectoryGeneratorMetadata", "LoadTrajectory", "DeleteCascadeTrajectory",
           "UpdateConversationAnnotations"]  # fmt: skip


@pytest.mark.parametrize("method", READERS)
async def test_unknown_and_missing_cascades(make_ls: MakeLs, method: str) -> None:
    ls = await make_ls()
    for body, status, code in (({"cascadeId": "no"}, 404, "not_found"), ({}, 400, "invalid_argument")):
        with pytest.raises(RpcFailed) as caught:
            await ls.call(method, **body)
        assert (caught.value.status, caught.value.code) == (status, code)


async def test_a_new_cascade_has_no_zero_values(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade = await ls.start()
    assert await ls.call("GetCascadeTrajectorySteps", cascadeId=cascade) == {}
    assert await ls.call("GetCascadeTrajectoryGeneratorMetadata", cascadeId=cascade) == {}
    answer = await ls.call("GetCascadeTrajectory", cascadeId=cascade)
    assert answer["status"] == "CASCADE_RUN_STATUS_IDLE", "idle also before anything ran"
    assert set(answer) == {"trajectory", "status"}
    assert set(answer["trajectory"]) == {"trajectoryId", "cascadeId", "trajectoryType", "source"}


async def test_steps_from_an_offset(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade = await ls.turn("hello")
    whole = await ls.steps(cascade)
    assert await ls.steps(cascade, 3) == whole[3:]
    assert await ls.call("GetCascadeTrajectorySteps", cascadeId=cascade, stepOffset=len(whole)) == {}
    trajectory = await ls.call("GetCascadeTrajectory", cascadeId=cascade)
    assert trajectory["trajectory"]["steps"] == whole
    assert trajectory["numTotalSteps"] == 5


async def test_the_list_shows_what_has_steps_or_annotations(make_ls: MakeLs) -> None:
    ls = await make_ls()
    empty, annotated = await ls.start(), await ls.start()
    used = await ls.turn("hello")
    await ls.call(
        "UpdateConversationAnnotations", cascadeId=annotated, annotations={"title": "t"}, mergeAnnotations=True
    )
    await ls.call(
        "UpdateConversationAnnotations", cascadeId=annotated, annotations={"tags": ["x"]}, mergeAnnotations=True
    )
    listed = (await ls.call("GetAllCascadeTrajectories"))["trajectorySummaries"]
    assert set(listed) == {annotated, used} - {empty}
    assert listed[annotated]["annotations"] == {"title": "t", "tags": ["x"]}
    assert listed[used]["summary"] == "A short title"
    await ls.call("UpdateConversationAnnotations", cascadeId=annotated, annotations={"starred": True})
    listed = (await ls.call("GetAllCascadeTrajectories"))["trajectorySummaries"]
    assert listed[annotated]["annotations"] == {"starred": True}, "replaced unless merging is asked for"


async def test_deleting_ends_what_runs(make_ls: MakeLs) -> None:
    ls = await make_ls()
    ls.google.script(Scenario([*say("x"), (0, asyncio.Event())]))
    cascade = await ls.start()
    await ls.send(cascade, "hello", blocking=False)
    received = await ls.google.wait_for(1)
    assert await ls.call("DeleteCascadeTrajectory", cascadeId=cascade) == {}
    await asyncio.wait_for(received.done.wait(), 10)
    with pytest.raises(RpcFailed):
        await ls.steps(cascade)


async def test_old_cascades_are_forgotten(make_ls: MakeLs) -> None:
    ls = await make_ls(keep=3)
    made = [await ls.start() for _ in range(5)]
    assert list(ls.simulator.cascades) == made[2:]


# -- models and the user ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planner", "wire"),
    [
        ({"requestedModel": {"model": "MODEL_PLACEHOLDER_M132"}}, "gemini-3-flash-agent"),
        ({"requestedModel": None, "planModel": 1026}, "claude-opus-4-6-thinking"),
        ({"requestedModel": None, "planModel": 246}, "gemini-2.5-pro"),
        ({"requestedModel": {"model": "MODEL_PLACEHOLDER_M47"}}, "gemini-3-flash"),
    ],
)
async def test_models_by_name_or_number(make_ls: MakeLs, planner: dict[str, Any], wire: str) -> None:
    ls = await make_ls(checkpoint="none")
    await ls.send(await ls.start(), "hello", config={"plannerConfig": planner})
    assert ls.agent_calls[0].model == wire
    assert ls.agent_calls[0].status == 200


@pytest.mark.parametrize(
    ("planner", "message"),
    [
        ({"requestedModel": None}, "neither PlanModel nor RequestedModel specified"),
        ({"requestedModel": {"model": "MODEL_NO"}}, "model not found: MODEL_NO"),
        ({"requestedModel": {"model": "gemini-3-flash"}}, "model not found: gemini-3-flash"),
        ({"requestedModel": None, "planModel": 7}, "model not found: 7"),
    ],
)
async def test_models_that_are_none(make_ls: MakeLs, planner: dict[str, Any], message: str) -> None:
    ls = await make_ls()
    cascade = await ls.start()
    with pytest.raises(RpcFailed) as caught:
        await ls.send(cascade, "hello", config={"plannerConfig": planner})
    assert (caught.value.status, json.loads(caught.value.text)["message"]) == (500, message)
    assert await ls.steps(cascade) == [], "refused before anything happened"


async def test_every_model_takes_what_is_sent_to_it(make_ls: MakeLs) -> None:
    ls = await make_ls()
    for _, _, enum in MODELS:
        await ls.send(await ls.start(), "hello", config={"plannerConfig": {"requestedModel": {"model": enum}}})
    assert [(one.model, one.status) for one in ls.agent_calls] == [(name, 200) for name, _, _ in MODELS]
    assert {one.status for one in ls.google.requests} == {200}


async def test_a_message_needs_text_and_images_need_base64(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade = await ls.start()
    for text, images in (("", []), ("x", [{"base64Data": "data:,x", "mimeType": "image/png"}])):
        with pytest.raises(RpcFailed) as caught:
            await ls.send(cascade, text, images=images)
        assert caught.value.code == "invalid_argument"


async def test_not_logged_in(make_ls: MakeLs) -> None:
    ls = await make_ls(logged_in=False)
    cascade = await ls.start()
    with pytest.raises(RpcFailed) as caught:
        await ls.call("GetUserStatus")
    assert caught.value.status == 500
    with pytest.raises(RpcFailed) as caught:
        await ls.send(cascade, "hello")
    assert (caught.value.status, "model not found" in caught.value.text) == (500, True)
    assert await ls.call("GetModelStatuses") == await ls.call("GetAllCascadeTrajectories") == {}


async def test_models_quotas_and_the_user(make_ls: MakeLs) -> None:
    ls = await make_ls(quotas={"MODEL_PLACEHOLDER_M18": 0, "MODEL_PLACEHOLDER_M8": 0.5})
    status = (await ls.call("GetUserStatus", metadata={}))["userStatus"]
    configs = {one["modelOrAlias"]["model"]: one for one in status["cascadeModelConfigData"]["clientModelConfigs"]}
    assert len(configs) == len(MODELS)
    assert "remainingFraction" not in configs["MODEL_PLACEHOLDER_M18"]["quotaInfo"], "zero is left out"
    assert configs["MODEL_PLACEHOLDER_M8"]["quotaInfo"]["remainingFraction"] == 0.5
    assert "supportsImages" not in configs["MODEL_OPENAI_GPT_OSS_120B_MEDIUM"]
    for method in ("GetCascadeModelConfigData", "GetCascadeModelConfigs", "GetCommandModelConfigs"):
        answer = await ls.call(method)
        assert len(answer["clientModelConfigs"]) == len(MODELS)
        assert "userStatus" not in answer


async def test_the_small_methods(make_ls: MakeLs) -> None:
    ls = await make_ls()
    assert (await ls.call("Heartbeat"))["lastExtensionHeartbeat"].endswith("Z")
    assert await ls.call("GetUnleashData") == await ls.call("GetModelStatuses") == {}
    settings = {"detectAndUseProxy": "DETECT_AND_USE_PROXY_ENABLED"}
    assert await ls.call("SetUserSettings", userSettings=settings) == {"userSettings": settings}


# -- streams of the state --------------------------------------------------------------------------------------------


async def test_the_reactive_stream_of_newer_builds_is_an_error_at_once(make_ls: MakeLs) -> None:
    ls = await make_ls()
    body = {"protocolVersion": 1, "id": await ls.start(), "subscriberId": "s"}
    frames = [frame async for frame in ls.stream("StreamCascadeReactiveUpdates", **body)]
    assert frames == [(2, {"error": {"code": "unknown", "message": "reactive state is disabled"}})]


def walk(diffs: list[dict[str, Any]], *path: int) -> list[str]:
    """The strings at a path of field numbers."""
    found: list[str] = []
    for diff in diffs:
        if diff["fieldNumber"] != path[0]:
            continue
        one = diff.get("updateSingular", {})
        if len(path) == 1:
            found += [one["stringValue"]] if "stringValue" in one else [one["enumValue"]] if "enumValue" in one else []
            continue
        inner = [one] if "messageValue" in one else diff.get("updateRepeated", {}).get("updateValues", [])
        for message in inner:
            found += walk(message["messageValue"]["fieldDiffs"], *path[1:])
    return found


async def test_the_reactive_stream_of_older_builds(make_ls: MakeLs) -> None:
    ls = await make_ls(reactive=True)
    more = asyncio.Event()
    ls.google.script(Scenario([*say("one "), (0, more), *say("two"), *stop()]))
    cascade = await ls.start()
    texts: list[str] = []
    statuses: list[Any] = []
    frames: list[int] = []
    sent = False
    async for flags, message in ls.stream("StreamCascadeReactiveUpdates", protocolVersion=1, id=cascade):
        frames.append(flags)
        if flags:
            assert message == {}
            break
        diffs = message["diff"]["fieldDiffs"]
        if not sent:
            assert walk(diffs, 1) == [cascade]
            await ls.send(cascade, "hello", blocking=False)
            sent = True
        statuses += walk(diffs, 3)
        texts += walk(diffs, 2, 2, 20, 1)
        if "one " in texts:
            more.set()
    assert texts[0] == "one "
    assert texts[-1] == "one two", "strings are replaced whole"
    assert (statuses[0], statuses[-1]) == (1, 1)
    assert 2 in statuses
    assert set(frames[:-1]) == {0}
    assert frames[-1] == 2, "it ends after the turn"


async def test_the_agent_state_stream_sends_all_then_what_changed(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    cascade = await ls.turn("sim:text")
    stream = ls.stream("StreamAgentStateUpdates", conversationId=cascade, subscriberId="s")
    _, first = await anext(stream)
    update = first["update"]["mainTrajectoryUpdate"]["stepsUpdate"]
    assert update["indices"] == [0, 1, 2, 3], "an index that is 0 is there"
    assert [kind(one) for one in update["steps"]][3] == "PLANNER_RESPONSE"
    await ls.send(cascade, "sim:think")
    merged: dict[int, Any] = {}
    async for _, message in stream:
        steps = message["update"].get("mainTrajectoryUpdate", {}).get("stepsUpdate", {})
        assert all(index > 3 for index in steps.get("indices", [])), "old steps did not change"
        merged |= dict(zip(steps.get("indices", []), steps.get("steps", []), strict=True))
        if message["update"]["status"] == "CASCADE_RUN_STATUS_IDLE" and merged:
            break
    assert [merged[index] for index in sorted(merged)] == (await ls.steps(cascade))[4:]


async def test_streams_that_cannot_be(make_ls: MakeLs) -> None:
    ls = await make_ls(agent_state=False, reactive=True)
    cascade = await ls.start()
    for method, body, code in (
        ("StreamAgentStateUpdates", {"conversationId": cascade}, "unimplemented"),
        ("StreamCascadeReactiveUpdates", {"id": "no"}, "not_found"),
        ("StreamCascadeReactiveUpdates", {}, "invalid_argument"),
    ):
        frames = [frame async for frame in ls.stream(method, **body)]
        assert [(flags, message["error"]["code"]) for flags, message in frames] == [(2, code)]


async def test_a_stream_needs_an_envelope(make_ls: MakeLs) -> None:
    ls = await make_ls()
    status, text = await ls.post(f"{SERVICE}StreamAgentStateUpdates", b"{}", Content_Type="application/connect+json")
    assert status == 200
    assert json.loads(text[5:])["error"]["code"] == "invalid_argument"


# -- the way to Google -----------------------------------------------------------------------------------------------


async def test_through_a_proxy_to_a_host_of_googles(make_ls: MakeLs, google: GoogleSimulator) -> None:
    seen: list[str] = []
    async with connect_proxy(google.port, seen) as port:
        endpoint = "https://daily-cloudcode-pa.googleapis.com"
        ls = await make_ls(endpoint=endpoint, proxy_url=f"http://127.0.0.1:{port}", background=True)
        cascade = await ls.turn("sim:text")
        assert await ls.ended(cascade) == "NO_TOOL_CALL"
        await ls.simulator.google.close()
    assert set(seen) == {"daily-cloudcode-pa.googleapis.com:443"}
    assert {one.headers["host"] for one in google.requests} == {"daily-cloudcode-pa.googleapis.com"}


async def test_it_never_calls_google_by_itself(make_ls: MakeLs) -> None:
    ls = await make_ls(endpoint=LsOptions().endpoint, retries=0, background=True)
    cascade = await ls.turn("hello")
    error = (await ls.steps(cascade))[-1]["errorMessage"]["error"]
    assert error["shortError"] == "stream error: a stand-in talks to the real Google through a proxy only"


async def test_a_loopback_endpoint_is_never_proxied(make_ls: MakeLs) -> None:
    ls = await make_ls(proxy_url="http://127.0.0.1:9")
    assert await ls.ended(await ls.turn("sim:text")) == "NO_TOOL_CALL"


async def test_only_the_given_authority_is_trusted(make_ls: MakeLs) -> None:
    ls = await make_ls(proxy_ca=None, retries=0)
    cascade = await ls.turn("hello")
    assert await ls.ended(cascade) == "ERROR"
    assert "CertificateError" in (await ls.steps(cascade))[-1]["errorMessage"]["error"]["shortError"]
    assert ls.google.requests == []


async def test_the_way_may_change_while_it_runs(make_ls: MakeLs) -> None:
    ls = await make_ls(endpoint="http://127.0.0.1:9", retries=0)
    assert await ls.ended(await ls.turn("hello")) == "ERROR"
    ls.simulator.options.endpoint = ls.google.url
    assert await ls.ended(await ls.turn("hello")) == "NO_TOOL_CALL"


async def test_many_turns_at_once_keep_apart(make_ls: MakeLs) -> None:
    ls = await make_ls()

    async def one(number: int) -> None:
        cascade = await ls.turn(f"I am number {number}.")
        planner = (await ls.steps(cascade))[3]["plannerResponse"]
        assert f"I am number {number}." in planner["response"]
        assert marker(cascade) in planner["response"]

    await asyncio.gather(*(one(number) for number in range(30)))
    assert len(ls.agent_calls) == 30

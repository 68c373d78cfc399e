"""The language server's methods: cascades, models, the user, streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.testing.simulator.ls_support import MakeLs, RpcFailed, state, until_idle
from tests.testing.simulator.support import TEXT
from zerogravity.testing.simulator.google import Scenario, say, stop
from zerogravity.testing.simulator.google.families import MODELS


async def test_refusals_as_a_test_wants_them(make_ls: MakeLs) -> None:
    ls = await make_ls(refusals={"StartCascade": (503, "unavailable", "starting")})
    with pytest.raises(RpcFailed) as caught:
        await ls.start()
    assert (caught.value.status, json.loads(caught.value.text)) == (503, {"code": "unavailable", "message": "starting"})


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


async def test_googles_names_of_models_where_the_build_tells_them(make_ls: MakeLs) -> None:
    for told in (False, True):
        ls = await make_ls(model_ids=told)
        configs = (await ls.call("GetCommandModelConfigs"))["clientModelConfigs"]
        assert [one.get("modelId") for one in configs] == [name if told else None for name, _, _ in MODELS]


async def test_why_nobody_is_logged_in(make_ls: MakeLs) -> None:
    ls = await make_ls()
    assert (await ls.call("GetAuthStatus"))["authResult"]["hasValidAuth"] is True
    ls = await make_ls(logged_in=False, auth={"licenseRequired": {}})
    assert await ls.call("GetAuthStatus") == {"authResult": {"licenseRequired": {}}}


async def test_several_conversations_are_annotated_at_once(make_ls: MakeLs) -> None:
    ls = await make_ls()
    both = [await ls.start(), await ls.start()]
    await ls.call("UpdateConversationAnnotations", cascadeIds=both, annotations={"starred": True})
    assert [ls.simulator.cascades[one].annotations for one in both] == [{"starred": True}] * 2


# -- builds ----------------------------------------------------------------------------------------------------------

NEWER = {"plannerConfig": {"requestedModel": None, "planModel": "MODEL_PLACEHOLDER_M18"}}


@pytest.mark.parametrize(
    ("habits", "status", "message"),
    [
        ({"newer_forms": False}, 500, "neither PlanModel nor RequestedModel specified"),
        ({"newer_forms": False, "strict": True}, 400, 'proto: (line 1:2): unknown field "planModel"'),
        ({}, 200, ""),
        ({"strict": True}, 200, ""),
    ],
)
async def test_a_build_that_knows_no_newer_form(
    make_ls: MakeLs, habits: dict[str, Any], status: int, message: str
) -> None:
    """It refuses what it does not know, or ignores it and misses what that said; nothing has happened then."""
    ls = await make_ls(**habits, checkpoint="none")
    cascade = await ls.start()
    try:
        await ls.send(cascade, "hello", config=json.loads(json.dumps(NEWER)))
    except RpcFailed as error:
        assert (error.status, json.loads(error.text)["message"]) == (status, message)
        assert await ls.steps(cascade) == ls.agent_calls == []
    else:
        assert status == 200
    await ls.send(cascade, "hello")
    assert ls.agent_calls[-1].status == 200


async def test_a_strict_build_refuses_members_that_are_none(make_ls: MakeLs) -> None:
    ls = await make_ls(strict=True)
    cascade = await ls.start()
    for body in ({"workspace": 1}, {"metadata": {"tag34": True}}):
        with pytest.raises(RpcFailed) as caught:
            await ls.call("StartCascade", **body)
        assert (caught.value.status, "unknown field" in caught.value.text) == (400, True)
    body = {"conversationId": cascade, "protocolVersion": 1}
    frames = [message async for _, message in ls.stream("StreamAgentStateUpdates", **body)]
    assert [one["error"]["code"] for one in frames] == ["invalid_argument"]


async def test_the_small_methods(make_ls: MakeLs) -> None:
    ls = await make_ls()
    assert (await ls.call("Heartbeat"))["lastExtensionHeartbeat"].endswith("Z")
    assert await ls.call("GetUnleashData") == await ls.call("GetModelStatuses") == {}
    settings = {"detectAndUseProxy": "DETECT_AND_USE_PROXY_ENABLED"}
    assert await ls.call("SetUserSettings", userSettings=settings) == {"userSettings": settings}


async def test_the_reactive_stream_of_newer_builds_is_an_error_at_once(make_ls: MakeLs) -> None:
    ls = await make_ls()
    body = {"protocolVersion": 1, "id": await ls.start(), "subscriberId": "s"}
    frames = [frame async for frame in ls.stream("StreamCascadeReactiveUpdates", **body)]
    assert frames == [(2, {"error": {"code": "unknown", "message": "reactive state is disabled"}})]


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


@pytest.mark.parametrize(
    ("option", "requested", "waits"),
    [("requested", True, True), ("requested", False, False), ("always", False, True), ("never", True, False)],
)
async def test_sending_blocks_or_not(make_ls: MakeLs, option: str, requested: bool, waits: bool) -> None:
    ls = await make_ls(blocking=option)
    release = asyncio.Event()
    ls.google.script(Scenario([*say("x"), (0, release), *stop()]))
    cascade = await ls.start()
    sending = asyncio.create_task(ls.send(cascade, "hello", blocking=requested))
    received = await ls.google.wait_for(1)
    if not waits:
        assert await sending == {}
    assert (not sending.done()) is waits
    assert received.ended == ""
    release.set()
    assert await sending == {}
    await until_idle(ls, cascade)


async def test_what_waits_does_not_begin_after_a_stop(make_ls: MakeLs) -> None:
    ls = await make_ls(late_s=0.0)
    ls.google.script(Scenario([*say("x"), (0, asyncio.Event())]))
    cascade = await ls.start()
    await ls.send(cascade, "one", blocking=False)
    await ls.send(cascade, "two", blocking=False)
    await ls.google.wait_for(1)
    await ls.simulator.stop()
    assert ls.simulator.cascades[cascade].invocations == 1
    assert len(ls.agent_calls) == 1


async def test_messages_wait_for_the_turn_before_them(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    release = asyncio.Event()
    ls.google.script(Scenario([*say("first"), (0, release), *stop()]))
    cascade = await ls.start()
    await ls.send(cascade, "one", blocking=False)
    assert await ls.send(cascade, "two sim:text") == {}, "it says nothing of waiting"
    release.set()
    await (await ls.google.wait_for(2)).done.wait()
    await until_idle(ls, cascade)
    assert [one["plannerResponse"]["response"] for one in await ls.planners(cascade)] == ["first", TEXT]


async def test_the_steps_may_be_a_snapshot(make_ls: MakeLs) -> None:
    ls = await make_ls(frozen_steps=True, checkpoint="none")
    release = asyncio.Event()
    ls.google.script(Scenario([*say("live"), (0, release), *stop()]))
    cascade = await ls.start()
    await ls.send(cascade, "hello", blocking=False)
    one = ls.simulator.cascades[cascade]
    while len(one.steps) < 4:
        await asyncio.wait_for(one.changed(one.version), 10)
    live = await ls.call("GetCascadeTrajectory", cascadeId=cascade)
    assert live["trajectory"]["steps"][3]["plannerResponse"]["response"] == "live"
    assert await ls.steps(cascade) == []
    await ls.call("LoadTrajectory", cascadeId=cascade)
    assert len(await ls.steps(cascade)) == 4
    release.set()
    await until_idle(ls, cascade)
    assert state((await ls.steps(cascade))[-1]) == "DONE"

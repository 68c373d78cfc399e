"""Turns of the language-server stand-in against the Google stand-in: one test for each habit the real one has."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.testing.simulator.ls_support import MakeLs, kind, marker, state, texts, until, until_idle
from tests.testing.simulator.support import TEXT, THOUGHT
from zerogravity.testing.simulator.google import Scenario, answer, call, calls, event, failure, say, stop
from zerogravity.testing.simulator.google.catalogue import TEXTS
from zerogravity.testing.simulator.language_server.google_requests import TITLE_REQUEST


async def test_a_plain_turn(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade = await ls.turn("sim:think")
    steps = await ls.steps(cascade)
    assert [kind(one) for one in steps] == [
        "USER_INPUT", "CONVERSATION_HISTORY", "EPHEMERAL_MESSAGE", "PLANNER_RESPONSE", "CHECKPOINT",
    ]  # fmt: skip
    assert {state(one) for one in steps} == {"DONE"}
    planner = steps[3]["plannerResponse"]
    assert planner["response"] == planner["modifiedResponse"] == TEXT
    assert planner["thinking"] == THOUGHT
    assert planner["stopReason"] == "STOP_REASON_STOP_PATTERN"
    assert planner["thinkingSignature"]
    assert steps[4]["checkpoint"]["conversationTitle"] == "A short title"
    assert await ls.status(cascade) == "IDLE"
    assert await ls.ended(cascade) == "NO_TOOL_CALL"
    assert ls.kinds == ["agent", "checkpoint"]


# -- several calls in one turn ---------------------------------------------------------------------------------------


async def test_thinking_only_then_the_answer(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    cascade = await ls.turn("sim:thinking-only sim:text")
    first, second = await ls.planners(cascade)
    assert (first["plannerResponse"].get("response"), first["plannerResponse"]["thinking"]) == (None, THOUGHT)
    assert state(first) == "DONE"
    assert second["plannerResponse"]["response"]
    assert len(ls.agent_calls) == 2
    assert all(marker(cascade) in "".join(texts(one)) for one in ls.agent_calls)
    assert await ls.ended(cascade) == "NO_TOOL_CALL"


async def test_an_empty_answer_is_asked_again_but_not_for_ever(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none", forced=2)
    cascade = await ls.turn("sim:empty")
    assert len(ls.agent_calls) == 3
    assert await ls.ended(cascade) == "MAX_FORCED_INVOCATIONS"
    assert [one["plannerResponse"].get("response") for one in await ls.planners(cascade)] == [None] * 3
    seqs = [one.body["requestId"].split("/")[-1] for one in ls.agent_calls]
    assert seqs == ["0", "1", "2"]


async def test_one_empty_answer_then_text(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    ls.google.script(Scenario([(0, event(finish="STOP"))]))
    cascade = await ls.turn("sim:text")
    assert [one["plannerResponse"].get("response") for one in await ls.planners(cascade)] == [None, TEXT]


async def test_calls_are_run_and_answered_in_a_loop(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    ls.google.script(calls(call("view_file", {"AbsolutePath": "/a"}, id="c1"), call("list_dir", {}, None, id="c2")))
    ls.google.script(calls(call("grep_search", {"Query": "x"})))
    ls.google.script(answer("done"))
    cascade = await ls.turn("look")
    assert [kind(one) for one in await ls.steps(cascade)][3:] == [
        "PLANNER_RESPONSE", "VIEW_FILE", "LIST_DIRECTORY", "PLANNER_RESPONSE", "GREP_SEARCH", "PLANNER_RESPONSE",
    ]  # fmt: skip
    planner = (await ls.planners(cascade))[0]["plannerResponse"]
    assert planner["stopReason"] == "STOP_REASON_FUNCTION_CALL"
    assert [json.loads(one["argumentsJson"]) for one in planner["toolCalls"]] == [{"AbsolutePath": "/a"}, {}]
    last = ls.agent_calls[2].request["contents"]
    called, replied = last[-4:-2]
    assert called["role"] == "model"
    assert "thoughtSignature" in called["parts"][0]
    assert "thoughtSignature" not in called["parts"][1]
    assert [part["functionResponse"]["id"] for part in replied["parts"]] == ["c1", "c2"]
    assert "id" not in last[-1]["parts"][0]["functionResponse"], "no id was given"
    assert all(marker(cascade) in "".join(texts(one)) for one in ls.agent_calls)
    assert [one.status for one in ls.agent_calls] == [200, 200, 200], "signatures went back where they came from"


async def test_an_unknown_tool_is_answered_with_an_error(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    ls.google.script(calls(call("get_weather", {"city": "Rome"})))
    ls.google.script(answer("done"))
    cascade = await ls.turn("weather")
    response = ls.agent_calls[1].request["contents"][-1]["parts"][0]["functionResponse"]
    assert response == {"name": "get_weather", "response": {"error": "unknown tool: get_weather"}}
    assert (await ls.planners(cascade))[-1]["plannerResponse"]["response"] == "done"


async def test_the_loop_has_a_bound(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none", invocations=3)
    ls.google.script(lambda ask: calls(call("view_file", {})), times=10)
    cascade = await ls.turn("for ever")
    assert len(ls.agent_calls) == 3
    assert await ls.ended(cascade) == "MAX_INVOCATIONS"


async def test_commands_wait_for_the_user_unless_they_may_run(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    ls.google.script(calls(call("run_command", {"CommandLine": "rm x"})), times=2)
    cascade = await ls.start()
    await ls.send(cascade, "clean up", blocking=False)
    await until(ls, cascade, lambda steps: [state(one) for one in steps if kind(one) == "RUN_COMMAND"] == ["WAITING"])
    assert await ls.status(cascade) == "RUNNING"
    await ls.call("CancelCascadeInvocation", cascadeId=cascade)
    assert [state(one) for one in await ls.steps(cascade) if kind(one) == "RUN_COMMAND"] == ["CANCELED"]
    policy = {"autoCommandConfig": {"autoExecutionPolicy": "CASCADE_COMMANDS_AUTO_EXECUTION_EAGER"}}
    other = await ls.start()
    await ls.send(other, "clean up", config={"plannerConfig": {"toolConfig": {"runCommand": policy}}})
    assert [state(one) for one in await ls.steps(other) if kind(one) == "RUN_COMMAND"] == ["DONE"]


async def test_a_second_call_for_the_thinking_summary(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none", summary_call=True)
    cascade = await ls.turn("sim:think")
    assert len(ls.agent_calls) == 2
    assert len(await ls.planners(cascade)) == 1
    await ls.turn("sim:text")
    assert len(ls.agent_calls) == 3, "nothing was thought"


# -- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_retryable_failures_are_retried_with_the_same_words(make_ls: MakeLs, status: int) -> None:
    ls = await make_ls(checkpoint="none")
    ls.google.script(failure(status, "X", "try again", [{"@type": "t", "retryDelay": "2s"}]), times=2)
    cascade = await ls.turn("sim:text")
    assert [one.status for one in ls.agent_calls] == [status, status, 200]
    assert texts(ls.agent_calls[0]) == texts(ls.agent_calls[1]) == texts(ls.agent_calls[2])
    assert [one.outcome for one in ls.simulator.calls] == [f"refused {status}"] * 2 + ["end"]
    steps = await ls.steps(cascade)
    assert [kind(one) for one in steps][3:] == ["ERROR_MESSAGE", "ERROR_MESSAGE", "PLANNER_RESPONSE"]
    error = steps[3]["errorMessage"]["error"]
    assert error["errorCode"] == status
    assert error["shortError"] == f"X (code {status}): try again"
    assert json.loads(error["rpcErrorDetails"][0])["retryDelay"] == "2s"
    assert await ls.ended(cascade) == "NO_TOOL_CALL"


async def test_retries_end(make_ls: MakeLs) -> None:
    ls = await make_ls(retries=2)
    cascade = await ls.turn("sim:503")
    assert ls.kinds == ["agent"] * 3
    assert kind((await ls.steps(cascade))[-1]) == "ERROR_MESSAGE"
    assert (await ls.status(cascade), await ls.ended(cascade)) == ("IDLE", "ERROR")


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_other_failures_are_final(make_ls: MakeLs, status: int) -> None:
    ls = await make_ls()
    cascade = await ls.turn(f"sim:{status}")
    assert ls.kinds == ["agent"]
    last = (await ls.steps(cascade))[-1]
    assert (kind(last), last["errorMessage"]["error"]["errorCode"]) == ("ERROR_MESSAGE", status)
    assert await ls.ended(cascade) == "ERROR"


@pytest.mark.parametrize(
    "scenario", ["drop", "reset", "cut", "drop-before", "garbage", "503-mid", "gzip-cut", "nonsense"]
)
async def test_broken_streams_are_retried_whole(make_ls: MakeLs, scenario: str) -> None:
    from zerogravity.testing.simulator.google.catalogue import CATALOGUE

    ls = await make_ls(checkpoint="none")
    ls.google.script(lambda ask: CATALOGUE[scenario](ask))
    cascade = await ls.turn("sim:text")
    steps = await ls.steps(cascade)
    assert len(ls.agent_calls) == 2
    failed = [one for one in steps if state(one) == "ERROR"]
    begun = scenario in ("drop", "reset", "cut", "garbage", "503-mid", "gzip-cut")
    assert [one["plannerResponse"]["stopReason"] for one in failed] == ["STOP_REASON_CLIENT_STREAM_ERROR"] * begun
    assert steps[-1]["plannerResponse"]["response"] == TEXT
    assert TEXTS[0] not in "".join(texts(ls.agent_calls[1])), "nothing of the broken answer goes back"


async def test_a_malformed_call_is_asked_for_again_with_feedback(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    ls.google.script(Scenario([(0, event(finish="MALFORMED_FUNCTION_CALL"))]))
    cascade = await ls.turn("sim:text")
    assert len(ls.agent_calls) == 2
    assert "could not be read" in texts(ls.agent_calls[1])[-1]
    assert (await ls.planners(cascade))[0]["plannerResponse"]["stopReason"] == "STOP_REASON_IMPROPER_FORMAT"


# -- the title call, background, late calls --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checkpoint", "kinds"),
    [("before", ["checkpoint", "agent"]), ("after", ["agent", "checkpoint"]), ("none", ["agent"])],
)
async def test_the_title_call_comes_before_or_after(make_ls: MakeLs, checkpoint: str, kinds: list[str]) -> None:
    ls = await make_ls(checkpoint=checkpoint)
    cascade = await ls.turn("sim:text")
    assert ls.kinds == kinds
    for received in ls.google.requests:
        if received.kind == "checkpoint":
            first, *_, last = received.request["contents"]
            assert first == ls.agent_calls[0].request["contents"][0], "the user's entry word for word"
            assert marker(cascade) in first["parts"][0]["text"]
            assert last["parts"][0]["text"] == TITLE_REQUEST
            assert received.body["requestId"].startswith("checkpoint/")
            assert received.request["toolConfig"]["functionCallingConfig"]["mode"] == "NONE"
            assert received.request["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 0


async def test_the_title_call_during_the_agent_call(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="during")
    release = asyncio.Event()
    ls.google.script(Scenario([*say("slow"), (0, release), *stop()]))
    cascade = await ls.start()
    await ls.send(cascade, marker(cascade), blocking=False)
    title = await ls.google.wait_for(1, kind="checkpoint")
    await title.done.wait()
    assert ls.agent_calls[0].ended == "", "the agent call is still running"
    release.set()
    await until_idle(ls, cascade)
    assert {kind(one) for one in await ls.steps(cascade)} >= {"CHECKPOINT", "PLANNER_RESPONSE"}


async def test_background_calls_around_the_first_turn(make_ls: MakeLs) -> None:
    ls = await make_ls(background=True)
    cascade = await ls.turn("hello")
    methods = [one.path.rpartition(":")[2] for one in ls.google.requests]
    assert sorted(methods[:3]) == ["fetchAvailableModels", "listExperiments", "loadCodeAssist"]
    assert methods[3:] == ["streamGenerateContent", "streamGenerateContent", "recordCodeAssistMetrics"]
    await ls.send(cascade, "again")
    assert len(ls.google.requests) == 9, "only the metrics come with every turn"


async def test_a_late_call_after_the_end(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none", late_s=0.0)
    cascade = await ls.turn("sim:text")
    late = await ls.google.wait_for(2)
    await late.done.wait()
    assert marker(cascade) in "".join(texts(late))
    assert late.body["requestId"].split("/")[1] == cascade
    assert len(await ls.planners(cascade)) == 1


async def test_a_late_call_after_a_cancel(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none", late_s=0.0)
    ls.google.script(Scenario([*say("begun"), (0, asyncio.Event())]))
    cascade = await ls.start()
    await ls.send(cascade, f"{marker(cascade)} sim:text", blocking=False)
    await ls.google.wait_for(1)
    await ls.call("CancelCascadeInvocation", cascadeId=cascade)
    await (await ls.google.wait_for(2)).done.wait()
    assert await ls.status(cascade) == "IDLE"


# -- waiting, cancelling ---------------------------------------------------------------------------------------------


async def test_steps_grow_while_the_answer_streams(make_ls: MakeLs) -> None:
    ls = await make_ls()
    more, end = asyncio.Event(), asyncio.Event()
    ls.google.script(Scenario([*say("one "), (0, more), *say("two "), (0, end), *stop()]))
    cascade = await ls.start()
    await ls.send(cascade, "hello", blocking=False)
    first = await until(ls, cascade, lambda steps: kind(steps[-1]) == "PLANNER_RESPONSE")
    assert (state(first[-1]), first[-1]["plannerResponse"]["response"]) == ("GENERATING", "one ")
    more.set()
    await until(ls, cascade, lambda steps: steps[-1]["plannerResponse"]["response"] == "one two ")
    assert await ls.status(cascade) == "RUNNING"
    assert "modelUsage" not in (await ls.steps(cascade))[-1]["metadata"]
    end.set()
    await until_idle(ls, cascade)
    assert "modelUsage" in (await ls.planners(cascade))[0]["metadata"]
    assert ls.simulator.first_step_text_after_s() is not None


async def test_cancelling_ends_the_call_and_the_turn(make_ls: MakeLs) -> None:
    ls = await make_ls()
    ls.google.script(Scenario([*say("begun"), (0, asyncio.Event())]))
    cascade = await ls.start()
    await ls.send(cascade, "hello", blocking=False)
    await until(ls, cascade, lambda steps: kind(steps[-1]) == "PLANNER_RESPONSE")
    assert await ls.call("CancelCascadeInvocation", cascadeId=cascade) == {}
    planner = (await ls.planners(cascade))[0]
    assert (state(planner), planner["plannerResponse"]["stopReason"]) == ("CANCELED", "STOP_REASON_CLIENT_CANCELED")
    assert (await ls.status(cascade), await ls.ended(cascade)) == ("IDLE", "USER_CANCELED")
    assert ls.kinds == ["agent"], "no title"
    await asyncio.wait_for(ls.agent_calls[0].done.wait(), 10)
    assert ls.agent_calls[0].ended == "client_gone"
    assert ls.simulator.calls[0].outcome == "cancelled"
    assert await ls.call("CancelCascadeInvocation", cascadeId=cascade) == {}, "nothing runs: nothing happens"


async def test_a_client_that_goes_does_not_stop_the_turn(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none")
    release = asyncio.Event()
    ls.google.script(Scenario([*say("x"), (0, release), *stop()]))
    cascade = await ls.start()
    sending = asyncio.create_task(ls.send(cascade, "hello", blocking=True))
    received = await ls.google.wait_for(1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    release.set()
    await asyncio.wait_for(received.done.wait(), 10)
    await until_idle(ls, cascade)
    assert (received.ended, await ls.ended(cascade)) == ("end", "NO_TOOL_CALL")


async def test_a_language_server_that_never_calls(make_ls: MakeLs) -> None:
    ls = await make_ls(calls_google=False)
    cascade = await ls.start()
    assert await ls.send(cascade, "hello", blocking=False) == {}
    assert await ls.status(cascade) == "RUNNING"
    await ls.call("CancelCascadeInvocation", cascadeId=cascade)
    assert ls.google.requests == []


async def test_idle_may_come_before_the_text(make_ls: MakeLs) -> None:
    ls = await make_ls(checkpoint="none", idle_early_s=3600.0)
    cascade = await ls.start()
    await ls.send(cascade, "sim:text", blocking=False)
    await (await ls.google.wait_for(1)).done.wait()
    await until_idle(ls, cascade)
    assert await ls.planners(cascade) == []


async def test_the_model_may_need_a_subscriber(make_ls: MakeLs) -> None:
    ls = await make_ls(subscriber=True, checkpoint="none")
    cascade = await ls.start()
    await ls.send(cascade, "sim:text", blocking=False)
    await ls.call("Heartbeat")
    assert ls.simulator.calls == []
    async for _, update in ls.stream("StreamAgentStateUpdates", conversationId=cascade, subscriberId="s"):
        if update["update"]["status"] == "CASCADE_RUN_STATUS_IDLE":
            break
    assert ls.kinds == ["agent"]

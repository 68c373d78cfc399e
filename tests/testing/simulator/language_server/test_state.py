"""Cascades and steps as protobuf-JSON, whole and as what changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.testing.simulator.ls_support import MakeLs, kind
from tests.testing.simulator.support import (
    TEXT,
)
from zerogravity.testing.simulator.google import (
    Scenario,
    say,
    stop,
)


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


@pytest.mark.parametrize("usage", ["both", "generator", "none"])
async def test_where_the_figures_are(make_ls: MakeLs, usage: str) -> None:
    ls = await make_ls(usage=usage)
    cascade = await ls.turn("sim:think")
    planner = (await ls.planners(cascade))[0]["metadata"]
    generators = (await ls.call("GetCascadeTrajectoryGeneratorMetadata", cascadeId=cascade)).get(
        "generatorMetadata", []
    )
    assert ("modelUsage" in planner) is (usage == "both")
    assert bool(generators) is (usage != "none")
    if generators:
        chat = generators[0]["chatModel"]
        figures = chat["usage"]
        assert generators[0]["stepIndices"] == [3]
        assert all(isinstance(figures[name], str) for name in ("inputTokens", "outputTokens", "thinkingOutputTokens"))
        assert int(figures["outputTokens"]) == int(figures["thinkingOutputTokens"]) + int(
            figures["responseOutputTokens"]
        )
        assert chat["responseModel"] == "gemini-3-flash"
        assert chat["timeToFirstToken"].endswith("s")
        rest = await ls.call("GetCascadeTrajectoryGeneratorMetadata", cascadeId=cascade, generatorMetadataOffset=1)
        assert rest == {}


async def test_thoughts_may_be_lost(make_ls: MakeLs) -> None:
    ls = await make_ls(keeps_thinking=False)
    cascade = await ls.turn("sim:think")
    planner = (await ls.planners(cascade))[0]["plannerResponse"]
    assert "thinking" not in planner
    assert planner["response"] == TEXT

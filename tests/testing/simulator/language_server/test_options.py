"""Habits, and what switches them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.testing.simulator.ls_support import MakeLs, texts
from zerogravity.testing.simulator.google import Scenario, failure, stop, think
from zerogravity.testing.simulator.language_server import BUILDS, LsOptions, build

KNOBS: dict[str, Any] = {
    "checkpointConfig": {"enabled": False},
    "executorConfig": {"maxGeneratorInvocations": 2, "maxForcedInvocations": 0},
    "trajectoryConversionConfig": {"useRawUserMessage": True, "disableStepId": True},
    "conversationHistoryConfig": {"enabled": False},
    "plannerConfig": {"ephemeralMessagesConfig": {"enabled": False}, "retryConfig": {"apiRetry": {"maxRetries": 0}}},
}


@pytest.mark.parametrize("honours", [False, True])
async def test_the_knobs_work_only_in_a_build_that_honours_them(make_ls: MakeLs, honours: bool) -> None:
    ls = await make_ls(honours_knobs=honours)
    cascade = await ls.start()
    await ls.send(cascade, "hello", config=json.loads(json.dumps(KNOBS)))
    assert ls.kinds == (["agent"] if honours else ["agent", "checkpoint"])
    assert (texts(ls.agent_calls[0]) == ["hello"]) is honours
    await ls.turn("sim:503", config=json.loads(json.dumps(KNOBS)))
    assert len(ls.agent_calls) == (2 if honours else 5)


ANSWERS = {
    "thinking-only": Scenario([*think("hm"), *stop()]),
    "malformed": Scenario(stop(finish="MALFORMED_FUNCTION_CALL")),
    "503": failure(503, "UNAVAILABLE", "try again"),
}


@pytest.mark.parametrize(
    ("knobs", "scenario", "calls"),
    [
        ({}, "thinking-only", 3),
        ({"executorConfig": {"maxConsecutiveEmptyOutputRetries": 1}}, "thinking-only", 2),
        ({"executorConfig": {"disableEmptyOutputContinuation": True}}, "thinking-only", 1),
        ({"executorConfig": {"disableEmptyOutputContinuation": False}}, "thinking-only", 3),
        ({}, "malformed", 4),
        ({"plannerConfig": {"retryConfig": {"modelOutputRetry": {"maxRetries": 1}}}}, "malformed", 2),
        ({"plannerConfig": {"retryConfig": {"apiRetry": {"maxRetries": 0}}}}, "malformed", 4),
        ({"plannerConfig": {"retryConfig": {"apiRetry": {"maxRetries": 0}}}}, "503", 1),
    ],
)
async def test_how_often_google_is_called(make_ls: MakeLs, knobs: dict[str, Any], scenario: str, calls: int) -> None:
    ls = await make_ls(honours_knobs=True, checkpoint="none")
    ls.google.script(ANSWERS[scenario], times=9)
    await ls.turn("hello", config=json.loads(json.dumps(knobs)))
    assert len(ls.agent_calls) == calls


# -- builds ----------------------------------------------------------------------------------------------------------


def test_builds_have_names() -> None:
    assert set(BUILDS) == {"2026-03", "2026-09", "runtime"}
    for name in BUILDS:
        assert build(name, csrf="c").csrf == "c"
    with pytest.raises(ValueError, match="2025-01: no such build; there are 2026-03, 2026-09, runtime"):
        build("2025-01")


def test_secrets_are_not_shown() -> None:
    shown = repr(LsOptions(csrf="secret-one", token="secret-two", api_key="secret-three"))
    assert "secret" not in shown

"""Habits, and what switches them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.testing.simulator.ls_support import MakeLs, texts
from zerogravity.testing.simulator.language_server import LsOptions

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


def test_secrets_are_not_shown() -> None:
    shown = repr(LsOptions(csrf="secret-one", token="secret-two", api_key="secret-three"))
    assert "secret" not in shown

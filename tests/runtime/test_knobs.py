"""How often Google's own agent, which is the language server's, calls Google when it is told by our knobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conversation import say
from zerogravity.backends.antigravity.forms import RETRIES
from zerogravity.testing.simulator.google import GoogleSimulator, Scenario, failure, stop

MALFORMED = Scenario(stop(finish="MALFORMED_FUNCTION_CALL"))
UNAVAILABLE = failure(503, "UNAVAILABLE", "try again")


@pytest.mark.parametrize(
    ("answer", "retries", "calls"),
    [
        (MALFORMED, {}, 5),
        (MALFORMED, RETRIES, 2),  # the one that the policy waits for
        (UNAVAILABLE, RETRIES, 1),
    ],
    ids=["malformed, untold", "malformed", "503"],
)
async def test_calls_of_one_turn(
    binary: Path, tmp_path: Path, answer: Scenario, retries: dict[str, Any], calls: int
) -> None:
    async with GoogleSimulator(tls=False, strict=False) as google:
        google.script(answer, times=9)
        error = await say(binary, tmp_path, google.url, "hello", retryConfig=dict(retries))
        made = [one for one in google.requests if "GenerateContent" in one.path]
    assert error
    assert len(made) == calls


async def test_no_retry_at_all_would_forbid_tools(binary: Path, tmp_path: Path) -> None:
    """Why one is asked for: the last call that is allowed has the tool mode NONE, also when it is the first."""
    async with GoogleSimulator(tls=False, strict=False) as google:
        google.script(MALFORMED, times=9)
        await say(binary, tmp_path, google.url, "hello", retryConfig={"modelOutputRetry": {"maxRetries": 0}})
        (only,) = [one for one in google.requests if "GenerateContent" in one.path]
    assert only.body["toolConfig"]["functionCallingConfig"]["mode"] == "NONE"

"""The words that scenarios are written with, and the table of their names."""

from __future__ import annotations

import re

from zerogravity.testing.simulator.google import (
    scenarios,
)
from zerogravity.testing.simulator.google.catalogue import CATALOGUE
from zerogravity.testing.simulator.google.server import FIRST


def test_every_scenario_is_in_the_public_table() -> None:
    first_columns = "".join(line.split("|")[1] for line in (scenarios.__doc__ or "").splitlines() if line[:1] == "|")
    named = {word for word in re.split(r"[ ·]+", first_columns) if re.fullmatch(r"[a-z0-9][a-z0-9-]*", word)}
    assert named - {"keyword"} == set(CATALOGUE) | set(FIRST)


def test_steps_and_chunks() -> None:
    assert scenarios.say("a", "b", pace=1.0) == [(1.0, chunk({"text": "a"})), (1.0, chunk({"text": "b"}))]
    assert scenarios.think("t") == [(0.0, chunk({"text": "t", "thought": True}))]
    assert scenarios.stop(None, "OTHER") == [(0.0, chunk({"text": ""}, finishReason="OTHER"))]
    signed = {"functionCall": {"name": "f", "args": {"a": 1}, "id": "i"}, "thoughtSignature": scenarios.SIGN}
    assert scenarios.call("f", {"a": 1}, id="i") == signed
    assert scenarios.call("f", signature=None) == {"functionCall": {"name": "f"}}


def chunk(part: dict[str, object], **candidate: object) -> dict[str, object]:
    return {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0, **candidate}]}


def test_whole_answers() -> None:
    written = scenarios.answer("a", "b", thoughts=["t"], usage="none")
    assert (len(written.steps), written.usage) == (4, "none")
    assert len(scenarios.calls(scenarios.call("f"), scenarios.call("g")).steps) == 1
    refused = scenarios.failure(429, "RESOURCE_EXHAUSTED", "wait", [scenarios.retry_info("1s")])
    assert (refused.status, refused.body) == (429, {"error": {
        "code": 429, "message": "wait", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}],
    }})  # fmt: skip

"""Turns that are recorded in a temporary folder, a Google stand-in, and a home of nobody."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.recording import recording
from tests.running import environment
from tests.testing.simulator.conftest import google
from zerogravity.cli import traces
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.errors import Termination, upstream

__all__ = ["google", "home", "recording"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings and no authority of the person who runs the tests."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("ZEROGRAVITY_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run(recording, make_turn):
    """``run("ls", …)`` → click's result, on three recorded turns: ok, tool, failed (ids aaaa…, bbbb…, cccc…)."""
    made = recording()

    def turn(letter, question, *events, terminal, **fields):
        made.now[0] += 60
        generate = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
        given = make_turn(id=f"turn_{letter * 32}", google_request=generate, created=int(made.now[0]), **fields)
        made.recorder.client_request(given, json.dumps({"input": question}).encode(), {})
        running = made.store.open(given)
        channel = running.channel
        made.clock.advance(0.5)
        running.mark("admitted")
        running.mark("told")
        made.clock.advance(0.5)
        running.mark("matched")
        made.recorder.upstream_request(
            channel.id, 0, b'{"keep": 1, "contents": "LS"}', b'{"keep": 1, "contents": "ours"}', {}
        )
        running.append(0, b"", (AttemptOpened("m"),))
        for event in events:
            made.clock.advance(0.5)
            running.append(0, b"{}", (event,))
        running.append(0, b"", (AttemptClosed("STOP"),))
        running.close(terminal)

    turn("a", "Capital of France?", ThinkingDelta("let me think"), TextDelta("Paris [bold]is[/bold] it\x1b[31m"),
         terminal=Finished("stop"), surface="chat")  # fmt: skip
    turn("b", "List files", FunctionCall("call_1", "f_sh", '{"cmd": "ls -la"}', "sig"), terminal=Finished("tool"),
         tool_names={"f_sh": "shell"}, notes=("dropped: minLength",))  # fmt: skip
    turn("c", "Explode", terminal=Failed(upstream(502, "boom", "it broke", Termination.UPSTREAM_DROP)))
    made.flush()

    def invoke(*arguments, ok=True):
        result = CliRunner().invoke(traces.trace, ["--dir", str(made.root), *arguments])
        if ok:
            assert result.exception is None, result.output
        return result

    invoke.made = made
    return invoke

"""A surface as simple as can be, and turns that are recorded in a temporary folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from zerogravity.core.events import AttemptClosed, AttemptOpened, Failed, Finished, TextDelta, ThinkingDelta
from zerogravity.core.fold import Assembler
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.observe.recorder import Recorder
from zerogravity.surfaces.base import Answer, Surface
from zerogravity.testing.builders import FakeClock

WALL = 1_770_000_000.0  # 2026-02-02 02:40:00 UTC


class PlainEmitter:
    content_type = "text/event-stream"
    heartbeat = b": beat\n\n"

    def __init__(self, channel):
        self._details = channel.turn.details.as_json()
        self._assembler = Assembler()

    def begin(self):
        return [b"data: " + json.dumps({"begin": self._details}).encode() + b"\n\n"]

    def feed(self, record):
        frames = [
            b"data: " + json.dumps({"delta": step.text}).encode() + b"\n\n"
            for step in self._assembler.feed(record)
            if isinstance(step, TextDelta | ThinkingDelta)
        ]
        return [*frames, b"data: [DONE]\n\n"] if record.terminal is not None else frames


def plain_error(fault, request_id=""):
    return Answer(fault.status, {"error": fault.message})


def plain_answer(channel, secret):
    if isinstance(channel.terminal, Failed):
        return plain_error(channel.terminal.fault)
    return Answer(200, {"text": channel.state.text, "details": channel.turn.details.as_json()})


def ask(body, context):
    """The turn of ``{"ask": …}``."""
    contents = [{"role": "user", "parts": [{"text": body["ask"]}]}]
    stream = body.get("stream", False)
    target = context.target("gemini-3-flash")
    return Turn(context.turn_id, "chat", "gemini-3-flash", target, {"contents": contents}, stream=stream)


PLAIN = Surface(
    name="chat",
    title="Plain",
    paths=("/v1/chat/completions", "/v1/responses"),
    root="/v1",
    input="ask",
    parse=ask,
    emitter=lambda channel, secret: PlainEmitter(channel),
    answer=plain_answer,
    has_output=lambda channel: channel.state.emitted,
    error=plain_error,
    sample=lambda model, prompt: {"ask": prompt, "stream": True},
    check=bytes.decode,
)


CHUNK = b'{"candidates":[{"content":{"parts":[{"text":"%s"}]}}]}'


def say(writer, clock, *texts):
    writer.append(0, b"", (AttemptOpened("gemini-3-flash-a"),))
    for text in texts:
        clock.advance(0.25)
        writer.append(0, CHUNK % text.encode(), (TextDelta(text),), (0, 1))
    writer.append(0, b"", (AttemptClosed("STOP"),))
    writer.close(Finished("stop"))


@dataclass
class Recording:
    root: Path
    clock: FakeClock
    store: MitmStore
    recorder: Recorder
    now: list[float] = field(default_factory=lambda: [WALL])

    def flush(self):
        assert self.recorder.flush()

    def folders(self):
        return sorted(path.parent for path in self.root.rglob("turn.json"))


@pytest.fixture
def recording(tmp_path, clock):
    """``recording(limits=…)`` → a store whose turns are recorded below ``tmp_path/traces``."""
    made: list[Recording] = []

    def start(directory=None, **options):
        root = directory or tmp_path / "traces"
        now = [WALL]
        recorder = Recorder(root, wall=lambda: now[0], **{"tick": 3600, **options})
        store = MitmStore(clock)
        recorder.attach(store)
        made.append(Recording(root, clock, store, recorder, now))
        return made[-1]

    yield start
    for recording_ in made:
        recording_.recorder.close()

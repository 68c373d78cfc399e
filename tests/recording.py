"""A surface as simple as can be, and turns that are recorded in a temporary folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import FakeClock
from zerogravity.core.events import Failed
from zerogravity.core.fold import Assembler, Grew
from zerogravity.core.registry import MitmStore
from zerogravity.observe.recorder import Recorder
from zerogravity.surfaces.base import Answer

WALL = 1_770_000_000.0  # 2026-02-02 02:40:00 UTC


class PlainEmitter:
    content_type = "text/event-stream"
    heartbeat = b": beat\n\n"

    def __init__(self, channel):
        self._echo = channel.turn.echo
        self._assembler = Assembler()

    def begin(self):
        return [b"data: " + json.dumps({"begin": dict(self._echo)}).encode() + b"\n\n"]

    def feed(self, record):
        frames = [
            b"data: " + json.dumps({"delta": step.delta}).encode() + b"\n\n"
            for step in self._assembler.feed(record)
            if isinstance(step, Grew)
        ]
        return [*frames, b"data: [DONE]\n\n"] if record.terminal is not None else frames


class PlainSurface:
    name = "chat"

    def emitter(self, channel, secret):
        return PlainEmitter(channel)

    def answer(self, channel, secret):
        if isinstance(channel.terminal, Failed):
            return self.error(channel.terminal.fault)
        return Answer(200, {"text": channel.state.text, "echo": dict(channel.turn.echo)})

    def shows(self, channel):
        return channel.state.emitted

    def error(self, fault):
        return Answer(fault.status, {"error": fault.message})


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
        surfaces = options.pop("surfaces", {"chat": PlainSurface(), "responses": PlainSurface()})
        recorder = Recorder(root, clock=clock, wall=lambda: now[0], tick=3600, surfaces=surfaces, **options)
        store = MitmStore(clock)
        recorder.attach(store)
        made.append(Recording(root, clock, store, recorder, now))
        return made[-1]

    yield start
    for recording_ in made:
        recording_.recorder.close()

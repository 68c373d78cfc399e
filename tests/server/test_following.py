"""Streams of turns that move to another model after their head has been sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.surfaces.playing import ALL, SECRET, SURFACES, ask
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    RoundOpened,
    TextDelta,
    Usage,
)
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Fallback, Turn
from zerogravity.errors import upstream
from zerogravity.server.following import following
from zerogravity.testing.builders import FakeClock

BUSY = upstream(503, "upstream_error", "busy")


def moving(surface: str) -> tuple[RunningTurn, Turn]:
    """A turn whose failures are followed by Claude's; and that."""
    first = ask(surface)
    other = replace(ask(surface, model="claude-sonnet-4-6"), model=first.model, served_by="claude-sonnet-4-6")

    async def prepare(running: RunningTurn) -> Turn:
        raise NotImplementedError

    first = replace(first, fallbacks=(Fallback(other.target, lambda: other),))
    follow = Following(prepare, "it was busy")
    return RunningTurn(
        first, FakeClock(), follow=lambda running, end: follow if isinstance(end, Failed) else None
    ), other


def models(frames: list[bytes]) -> list[str]:
    """Of each frame that names one."""
    lines = [line[6:] for frame in frames for line in frame.splitlines() if line.startswith(b"data: {")]
    found: list[str] = []
    for event in map(json.loads, lines):
        inner: Any = event.get("response") or event.get("message") or event
        found += [inner[name] for name in ("model", "modelVersion") if name in inner]
    return found


@pytest.mark.parametrize("surface", ALL)
@pytest.mark.parametrize("begun", [True, False], ids=["the head is sent", "nothing is sent"])
def test_every_frame_names_who_answers_as_far_as_that_is_known(surface: str, begun: bool) -> None:
    running, other = moving(surface)
    channel = running.channel
    emitter = following(SURFACES[surface], channel, SECRET) if begun else None
    frames = emitter.begin() if emitter else []
    head = len(models(frames))
    running.append(0, b"", (AttemptOpened(status=503), AttemptClosed(None)))
    running.close(Failed(BUSY))
    cursor = 0
    if emitter:
        for record in channel.records:
            frames += emitter.feed(record)
        cursor = channel.count
        assert not SURFACES[surface].has_output(channel)
    second = running.again(other)
    for events in (
        (AttemptOpened(),), (TextDelta("Hel"),), (TextDelta("lo"),),
        (FunctionCall("call_1", "f", "{}", "sig"), Usage(prompt=3, candidates=2)), (AttemptClosed("STOP"),),
    ):  # fmt: skip
        second.append(1, b"", events)
    second.close(Finished("tool"))
    if emitter is None:
        emitter = following(SURFACES[surface], channel, SECRET)
        frames = emitter.begin()
    for record in channel.records[cursor:]:
        frames += emitter.feed(record)
    SURFACES[surface].check(b"".join(frames))
    shown = models(frames)
    first_named = "gemini-3-flash" if begun else "claude-sonnet-4-6"
    assert shown[:head] == [first_named] * head
    assert set(shown[head:]) <= {"claude-sonnet-4-6"}
    assert shown
    # the same as for a client that comes late, but for the head
    late = SURFACES[surface].emitter(channel, SECRET)
    again = [*late.begin(), *(frame for record in channel.records for frame in late.feed(record))]
    assert len(again) == len(frames)
    assert [new for new, old in zip(again, frames, strict=True) if new != old][head:] == []


@pytest.mark.parametrize("surface", ALL)
def test_a_turn_that_cannot_move_has_the_surface_s_own_emitter(surface: str) -> None:
    channel = ChannelWriter(ask(surface), FakeClock()).channel
    assert type(following(SURFACES[surface], channel, SECRET)) is type(SURFACES[surface].emitter(channel, SECRET))


@pytest.mark.parametrize("surface", ALL)
def test_rounds_of_the_same_model_change_nothing(surface: str) -> None:
    """Calls that ran here are part of the answer: it goes on in the same stream."""
    running, _ = moving(surface)
    channel = running.channel
    emitter = following(SURFACES[surface], channel, SECRET)
    frames = emitter.begin()
    running.append(0, b"", (AttemptOpened(), TextDelta("Hel")))
    running.add(RoundOpened("gemini-3-flash"))
    running.append(1, b"", (AttemptOpened(), TextDelta("lo"), AttemptClosed("STOP")))
    running.end(Finished("stop"))
    frames += [frame for record in channel.records for frame in emitter.feed(record)]
    SURFACES[surface].check(b"".join(frames))
    assert channel.state.text == "Hello"
    assert channel.turn.served_by == ""

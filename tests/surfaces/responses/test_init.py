"""The Responses surface: when there is something for the client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.responses.asking import parse, user
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    FunctionCall,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
)
from zerogravity.surfaces.responses import surface
from zerogravity.testing import builders

COMPACTION = {"input": [user("x"), {"type": "compaction_trigger"}]}


@pytest.mark.parametrize(
    ("body", "event", "shown"),
    [
        ({}, TextDelta("a"), True),
        ({}, FunctionCall("c", "f", "{}"), True),
        ({}, ThinkingDelta("hm"), False),
        ({"reasoning": {"summary": "auto"}}, ThinkingDelta("hm"), True),
        (COMPACTION, TextDelta("a"), False),
    ],
)
def test_when_there_is_something_for_the_client(body: dict[str, Any], event: Event, shown: bool) -> None:
    """A summary is only shown at its end, thoughts only to clients that ask for them."""
    assert surface.has_output(builders.channel(parse(**body), event)) is shown


def test_a_sealed_thought_is_shown_once_another_attempt_has_ended_it() -> None:
    turn = parse(include=["reasoning.encrypted_content"])
    for events in ((ThinkingDelta("hm"),), (ThinkingDelta("hm"), AttemptClosed("STOP"), AttemptOpened())):
        channel = builders.channel(turn, *events)
        emitter = surface.emitter(channel, bytes(32))
        frames = [frame for record in channel.records for frame in emitter.feed(record)]
        assert surface.has_output(channel) is bool(frames)
    assert frames


@pytest.mark.parametrize(
    ("events", "shown", "answers"),
    [
        ((), False, False),
        ((ToolsListed("docs"),), True, False),
        ((ToolsListed("docs", error="it is away"),), False, False),
        ((ToolsListed("docs"), TextDelta("It")), True, True),
        ((ToolsListed("docs"), FunctionCall("call_1", "f", "{}")), True, True),
    ],
)
def test_a_list_of_tools_is_shown_and_no_part_of_what_a_model_answers(
    events: tuple[Event, ...], shown: bool, answers: bool
) -> None:
    channel = builders.channel(parse(), *events)
    assert (surface.has_output(channel), surface.answers(channel)) == (shown, answers)

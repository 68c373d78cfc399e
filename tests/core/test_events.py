from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import counts, usage_sources
from zerogravity.core import events
from zerogravity.core.events import (
    AttemptClosed,
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Record,
    RequestLine,
    ServerTool,
    TextDelta,
    ThinkingDelta,
    Usage,
    texts_size,
)
from zerogravity.errors import internal

usages = st.builds(Usage, counts, counts, counts, counts, counts, counts, usage_sources)


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_events_are_values_with_slots(kind):
    """That nothing changes one is for the type checker to see (core.values)."""
    assert is_dataclass(kind)
    assert "__slots__" in vars(kind)
    one, same, other = (kind(*(text for _ in fields(kind))) for text in "xxy")
    assert one == same != other
    assert {one, same, other} == {one, other}


def test_the_union_names_every_event_of_the_module():
    defined = {
        value for value in vars(events).values() if isinstance(value, type) and value.__module__ == events.__name__
    }
    assert defined - {Record, RequestLine} == set(get_args(Event))


@pytest.mark.parametrize(
    ("happened", "terminal"),
    [
        ((), None),
        ((TextDelta("x"),), None),
        ((AttemptClosed("STOP"),), None),
        ((Finished("stop"),), Finished("stop")),
        ((TextDelta("x"), Finished("tool")), Finished("tool")),
        ((Failed(internal("x")),), Failed(internal("x"))),
    ],
)
def test_a_record_knows_its_terminal_event(happened, terminal):
    assert Record(0, 0, 0, b"", happened).terminal == terminal


@given(usages, usages, usages)
def test_usage_adds_up_in_any_grouping(a, b, c):
    left, right = (a + b) + c, a + (b + c)
    assert (left.prompt, left.cached, left.candidates, left.thoughts, left.tool_use, left.total) == (
        right.prompt, right.cached, right.candidates, right.thoughts, right.tool_use, right.total,
    )  # fmt: skip


@given(usages)
def test_adding_usage_to_empty_usage_changes_nothing(usage):
    assert Usage() + usage == usage


@pytest.mark.parametrize(
    ("first", "second", "source"),
    [
        (Usage(1), Usage(2, source="ls"), "ls"),
        (Usage(1, source="estimate"), Usage(2, source="ls"), "estimate"),
        (Usage(1, source="ls"), Usage(), "ls"),
        (Usage(source="estimate"), Usage(2), "captured"),
    ],
)
def test_a_sum_is_as_certain_as_the_least_certain_of_its_figures(first, second, source):
    assert (first + second).source == (second + first).source == source


@given(usages)
def test_all_that_was_sent_and_made_is_the_total_without_what_came_from_the_cache_twice(usage):
    assert usage.sent + usage.made == usage.prompt + usage.tool_use + usage.candidates + usage.thoughts


@pytest.mark.parametrize(
    ("happened", "size"),
    [
        ((), 0),
        ((TextDelta("four"), ThinkingDelta("five!")), 9),
        ((FunctionCall("id", "name", '{"a":1}', None),), 7),
        ((InlineData("image/png", "AAAA"),), 4),
        ((ServerTool("{}"),), 2),
        ((Finished("stop"),), 0),
    ],
)
def test_the_size_of_what_has_no_bytes_of_its_own(happened, size):
    assert texts_size(happened) == size

"""Stop sequences that we watch for ourselves: where the text ends, by which, and what is held until that is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import record_lists
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.stops import StopWatcher

CALL = FunctionCall("call_1", "f", "{}")
SIGNATURE = Signature("c2ln", "text")
GROUNDING = Grounding({"webSearchQueries": ["q"]})


def fed(stops: Sequence[str], *events: Event) -> tuple[list[Event], str | None]:
    """(what is shown of events that come one by one, the sequence that ended them)."""
    watcher = StopWatcher(stops)
    shown = [made for event in events for made in watcher.feed((event,))]
    return [*shown, *watcher.release()], watcher.found


def expected(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    """By trying each end in turn: the definition."""
    for end in range(1, len(text) + 1):
        if found := [stop for stop in stops if text[:end].endswith(stop)]:
            longest = max(found, key=len)
            return text[: end - len(longest)], longest
    return text, None


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("stops", "pieces", "shown", "found"),
    [
        (["END"], ["one END two"], "one ", "END"),
        (["END"], ["END"], "", "END"),
        (["END"], ["one E", "N", "D two"], "one ", "END"),
        (["END"], ["one EN", "d EN", "EEND"], "one EN" + "d ENE", "END"),
        (["END"], ["one EN"], "one EN", None),
        (["END"], ["", "E", "", "ND"], "", "END"),
        (["end"], ["END"], "END", None),
        (["\n\nHuman:"], ["a\n", "\n\nHuman:", " b"], "a\n", "\n\nHuman:"),
        (["bc", "abcd"], ["xabcd"], "xa", "bc"),
        (["abc", "bc", "c"], ["xabc"], "x", "abc"),
        (["c", "bc", "abc"], ["xa", "b", "c"], "x", "abc"),
        (["bd", "abc"], ["abab", "dabc"], "aba", "bd"),
        (["aab"], ["aaaaa", "ab"], "aaaa", "aab"),
        (["ababac"], ["ababab", "abac"], "abab", "ababac"),
        (["a", "b"], ["xb", "a"], "x", "b"),
        (["über"], ["Da", "r", "u\u0308ber ", "ü", "ber"], "Daru\u0308ber ", "über"),
        (["👩‍🚀"], ["👩", "\u200d", "🚀", "!"], "", "👩‍🚀"),
        (["👩‍🚀"], ["👩", "\u200d", "💻"], "👩\u200d💻", None),
        ([" ", "\t"], ["one\ttwo three"], "one", "\t"),
        ([f"stop{number}" for number in range(20)], ["a stop1", "7 b"], "a ", "stop1"),
    ],
)
def test_the_text_ends_before_the_first_complete_sequence(stops, pieces, shown, found):
    events, by = fed(stops, *map(TextDelta, pieces))
    assert (text_of(events), by) == (shown, found)
    assert expected("".join(pieces), stops) == (shown, found)


few = st.text("ab\n", max_size=40)
sequences = st.lists(st.text("ab\n", min_size=1, max_size=5), min_size=1, max_size=4)


@given(few, sequences, st.lists(st.integers(0, 40)))
@example("aabaabaaab", ["aabaaab"], [1, 2, 3, 4, 5, 6, 7, 8])
def test_how_the_text_was_cut_into_events_does_not_matter(text, stops, cuts):
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[one:other] for one, other in itertools.pairwise(places)]
    events, found = fed(stops, *map(TextDelta, pieces))
    assert (text_of(events), found) == expected(text, stops)
    whole = StopWatcher(stops)
    at_once = (*whole.feed(tuple(map(TextDelta, pieces))), *whole.release())
    assert (text_of(at_once), whole.found) == (text_of(events), found)


@given(few, sequences)
def test_no_more_is_held_than_may_be_the_beginning_of_a_sequence(text, stops):
    watcher, shown = StopWatcher(stops), ""
    for number, character in enumerate(text, 1):
        shown += text_of(watcher.feed((TextDelta(character),)))
        if watcher.found is not None:
            break
        held = text[len(shown) : number]
        assert held == max((text[:number][-size:] for size in range(1, 6) if _begins(text[:number], size, stops)),
                           key=len, default="")  # fmt: skip


def _begins(text: str, size: int, stops: Sequence[str]) -> bool:
    return len(text) >= size and any(len(stop) > size and stop.startswith(text[-size:]) for stop in stops)


# -- other kinds of events -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [ThinkingDelta("hm"), CALL, InlineData("image/png", "AA=="), AttemptClosed("STOP"), AttemptOpened()],
    ids=lambda event: type(event).__name__,
)
def test_what_ends_a_run_of_text_comes_behind_what_was_held(other):
    assert fed(["END"], TextDelta("a EN"), other, TextDelta("D")) == (
        [TextDelta("a "), TextDelta("EN"), other, TextDelta("D")], None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "other", [SIGNATURE, GROUNDING, ServerTool("{}"), ThinkingDelta("")], ids=lambda event: type(event).__name__
)
def test_what_belongs_to_a_run_of_text_does_not_end_it_and_keeps_its_place(other):
    assert fed(["END"], TextDelta("a EN"), other, TextDelta("D b")) == ([TextDelta("a "), other], "END")
    assert fed(["END"], TextDelta("a EN"), other, TextDelta("T")) == ([TextDelta("a "), TextDelta("ENT"), other], None)
    assert fed(["END"], TextDelta("a EN"), other) == ([TextDelta("a "), TextDelta("EN"), other], None)
    assert fed(["END"], TextDelta("a "), other, TextDelta("EN")) == ([TextDelta("a "), other, TextDelta("EN")], None)


@pytest.mark.parametrize("other", [Usage(1, candidates=2), Notice("json_repaired", "x")])
def test_figures_and_notices_wait_for_nothing(other):
    watcher = StopWatcher(["END"])
    assert watcher.feed((TextDelta("EN"), other)) == (other,)
    assert watcher.feed((TextDelta("D"), SIGNATURE, other, CALL, AttemptClosed("STOP"))) == (other,)
    assert watcher.feed((TextDelta("b"), other)) == (other,)


def test_thinking_is_not_searched():
    assert fed(["END"], ThinkingDelta("an END"), TextDelta("EN"), ThinkingDelta("D")) == (
        [ThinkingDelta("an END"), TextDelta("EN"), ThinkingDelta("D")], None,
    )  # fmt: skip


@given(record_lists(), sequences)
def test_what_has_been_watched_passes_a_second_time_unchanged(records, stops):
    first, second = StopWatcher(stops), StopWatcher(stops)
    once = [*(event for record in records for event in first.feed(record.events)), *first.release()]
    twice = [*(event for one in once for event in second.feed((one,))), *second.release()]
    assert second.found is None
    assert _joined(twice) == _joined(once)


def _joined(events: Sequence[Event]) -> list[Event]:
    """Without figures and notices, which pass; texts in one."""
    joined: list[Event] = []
    for event in events:
        if isinstance(event, TextDelta) and joined and isinstance(last := joined[-1], TextDelta):
            joined[-1] = TextDelta(last.text + event.text)
        elif not isinstance(event, Usage | Notice):
            joined.append(event)
    return joined


def test_a_long_text_is_read_once():
    """A sequence that nearly comes, again and again, at its worst place."""
    size = 2000
    stop = "a" * size + "b"
    watcher = StopWatcher([stop])
    shown = [made for _ in range(20 * size) for made in watcher.feed((TextDelta("a"),))]
    assert len(text_of(shown)) == 19 * size
    assert text_of(watcher.feed((TextDelta("b!"),))) == ""
    assert watcher.found == stop

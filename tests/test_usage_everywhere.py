"""What a turn used, on every surface and in everything that is kept of it: the same figures, each token once.

Google bills every attempt that it answers, so the prompt of a turn that was asked twice counts twice. An attempt that
was refused or lost is not billed, and counts nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.surfaces.playing import ALL, SECRET, SURFACES, ask, hear
from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptClosed, AttemptOpened, Finished, RoundOpened, TextDelta, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Fallback, Target
from zerogravity.observe import figures, prices, session_summary, summary
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.runs import Runs
from zerogravity.observe.sessions import NOWHERE
from zerogravity.observe.spans import spans
from zerogravity.store.usage import rows_of, summed
from zerogravity.surfaces import REGISTRY
from zerogravity.testing import builders
from zerogravity.testing.builders import captured, chunk, part
from zerogravity.wire.narrow import count, members


class Told(NamedTuple):
    """``made`` includes ``thoughts``, ``sent`` what came from the cache."""

    sent: int
    cached: int
    made: int
    thoughts: int

    @classmethod
    def of(cls, usage: Usage) -> Told:
        return cls(usage.sent, usage.cached, usage.made, usage.thoughts)


# -- who tells it ------------------------------------------------------------------------------------------------------


def chat(usage: Mapping[str, Any]) -> Told:
    told = Told(
        usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"],
        usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"],
    )  # fmt: skip
    assert usage["total_tokens"] == told.sent + told.made
    return told


def responses(usage: Mapping[str, Any]) -> Told:
    told = Told(
        usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"],
        usage["output_tokens"], usage["output_tokens_details"]["reasoning_tokens"],
    )  # fmt: skip
    assert usage["total_tokens"] == told.sent + told.made
    return told


def messages(usage: Mapping[str, Any]) -> Told:
    cached = usage["cache_read_input_tokens"]
    return Told(
        usage["input_tokens"] + cached, cached, usage["output_tokens"],
        usage["output_tokens_details"]["thinking_tokens"],
    )  # fmt: skip


def gemini(usage: Mapping[str, Any]) -> Told:
    prompt, found, cached, thoughts, answer = (
        usage.get(name, 0)
        for name in (
            "promptTokenCount", "toolUsePromptTokenCount", "cachedContentTokenCount", "thoughtsTokenCount",
            "candidatesTokenCount",
        )
    )  # fmt: skip
    told = Told(prompt + found, cached, answer + thoughts, thoughts)
    assert usage.get("totalTokenCount", 0) == told.sent + told.made
    return told


FORMS: dict[str, Callable[[Mapping[str, Any]], Told]] = {
    "chat": chat, "responses": responses, "messages": messages, "gemini": gemini,
}  # fmt: skip
PLACES = {"chat": "usage", "responses": "usage", "messages": "usage", "gemini": "usageMetadata"}


def streamed(name: str, channel: CascadeChannel) -> Told:
    return FORMS[name](hear(name, channel).usage or {})


def whole(name: str, channel: CascadeChannel) -> Told:
    return FORMS[name](SURFACES[name].answer(channel, SECRET).body[PLACES[name]])


def measured(channel: CascadeChannel) -> Told:
    metrics = Metrics(REGISTRY)
    metrics.turn_closed(channel)
    families = text_string_to_metric_families(metrics.render().decode())
    kinds = Counter[str]()
    for sample in (sample for family in families for sample in family.samples if sample.name == "zg_tokens_total"):
        kinds[sample.labels["kind"]] += int(sample.value)
    sent, made = kinds["input"] + kinds["tool_use"], kinds["output"] + kinds["thinking"]
    return Told(sent, kinds["cached"], made, kinds["thinking"])


def traced(channel: CascadeChannel) -> Told:
    (turn, *_) = spans(channel, channel.records, REGISTRY)
    names = ("input_tokens", "cache_read.input_tokens", "output_tokens", "reasoning.output_tokens")
    return Told(*(count(turn.attributes[f"gen_ai.usage.{name}"]) for name in names))


def stored(channel: CascadeChannel) -> Told:
    (row,) = summed(rows_of(channel, 0.0), by=())
    told = Told(row.prompt + row.tool_use, row.cached, row.candidates + row.thoughts, row.thoughts)
    assert row.total == told.sent + told.made
    return told


def drawn(usage: Mapping[str, Any]) -> Told:
    """As terminals and the page count it."""
    tokens = figures.Tokens.of_json(usage)
    return Told(tokens.sent, tokens.cached, tokens.made, count(usage.get("thoughts")))


def listed(channel: CascadeChannel) -> Told:
    return drawn(members(summary.row(channel, 0)["usage"]))


def recorded(channel: CascadeChannel) -> Told:
    return drawn(members(summary.stored_row(summary.summary(channel, NOWHERE, channel.turn))["usage"]))


def by_session(channel: CascadeChannel) -> Told:
    made = session_summary.of([summary.row(channel, 0)])
    prompt, cached, out, thoughts = (count(made[name]) for name in ("prompt", "cached", "out", "thoughts"))
    return Told(prompt, cached, out + thoughts, thoughts)


def inspected(channel: CascadeChannel) -> Told:
    """The rows of the page's table, one for each call to Google, added up."""
    calls = channel.state.usage_by_attempt
    assert codec.usage_out(channel.state.usage) == summary.row(channel, 0)["usage"]
    total = sum(calls.values(), Usage())
    return Told.of(total)


KEPT = (measured, traced, stored, listed, recorded, by_session, inspected)


def everywhere(name: str, channel: CascadeChannel) -> dict[str, Told]:
    return {
        "streamed": streamed(name, channel), "whole": whole(name, channel),
        **{tell.__name__: tell(channel) for tell in KEPT},
    }  # fmt: skip


# -- any figures -------------------------------------------------------------------------------------------------------

some = st.integers(0, 100_000)


@st.composite
def counted(draw: st.DrawFn) -> dict[str, int]:
    """usageMetadata as Google makes it: the total is the sum, a count of 0 is left out."""
    prompt = draw(st.integers(1, 100_000))
    cached = draw(st.integers(0, prompt))
    answer, thoughts, found = draw(some), draw(some), draw(some)
    made = {
        "promptTokenCount": prompt, "cachedContentTokenCount": cached, "candidatesTokenCount": answer,
        "thoughtsTokenCount": thoughts, "toolUsePromptTokenCount": found,
        "totalTokenCount": prompt + answer + thoughts + found,
    }  # fmt: skip
    return {key: value for key, value in made.items() if value}


def asked_again(usage: dict[str, int] | None) -> list[Any]:
    """An answer after which the language server asks once more."""
    return [chunk(finish="MALFORMED_FUNCTION_CALL", usage=usage)]


def answered(*usages: dict[str, int] | None) -> list[Any]:
    """One answer, with growing figures."""
    return [
        chunk(part("hm", thought=True)),
        *(chunk(part("hi"), usage=usage) for usage in usages),
        chunk(finish="STOP"),
    ]


@pytest.mark.parametrize("name", ALL)
@given(first=st.lists(counted(), max_size=1), last=st.lists(counted(), min_size=1, max_size=2))
def test_everybody_tells_google_s_figures_and_each_token_once(name, first, last):
    channel = captured(ask(name), *map(asked_again, first), answered(*last))
    final = [*first, last[-1]]
    expected = Told(*(sum(column) for column in zip(*map(gemini, final), strict=True)))
    assert everywhere(name, channel) == dict.fromkeys(everywhere(name, channel), expected)


# -- attempts → usage, price -------------------------------------------------------------------------------------------

ONE = {
    "promptTokenCount": 100_000, "cachedContentTokenCount": 40_000, "candidatesTokenCount": 1_000,
    "thoughtsTokenCount": 500, "totalTokenCount": 101_500,
}  # fmt: skip
USD = 60_000 * 0.5e-6 + 40_000 * 0.05e-6 + 1_500 * 3e-6
ATTEMPTS = [
    ("one answer", [answered(ONE)], 1, (USD, False)),
    ("figures that grow", [answered({"promptTokenCount": 7, "totalTokenCount": 7}, ONE)], 1, (USD, False)),
    ("asked again by the language server", [asked_again(ONE), answered(ONE)], 2, (2 * USD, False)),
    ("the first attempt told nothing", [asked_again(None), answered(ONE)], 1, (USD, False)),
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("attempts", "times", "price"), [row[1:] for row in ATTEMPTS], ids=[row[0] for row in ATTEMPTS]
)
def test_each_attempt_that_google_answered_counts_once(name, attempts, times, price):
    prices.load()
    channel = captured(ask(name), *attempts)
    told = everywhere(name, channel)
    assert told == dict.fromkeys(told, Told(100_000 * times, 40_000 * times, 1_500 * times, 500 * times))
    (row,) = rows_of(channel, 0.0, price=prices.of)
    assert (row.turns, row.usd is None, row.unpriced > 0) == (1, price[0] is None, price[1])
    usd, partial = price
    found = prices.of_turn(channel)
    assert (found.usd, found.partial) == (usd and pytest.approx(usd), partial)
    assert row.usd == found.usd


FIGURES = Usage(100_000, 40_000, 1_000, 500, 0, 101_500)
OPEN, STOP, REFUSED = AttemptOpened(), AttemptClosed("STOP"), (AttemptOpened(status=503), AttemptClosed(None))
ROUNDS = [
    ("refused, then another model", [REFUSED, "gemini-3-pro", (OPEN, TextDelta("hi"), FIGURES, STOP)],
     {"gemini-3-pro": (1, 100_000)}, 60_000 * 2e-6 + 40_000 * 0.2e-6 + 1_500 * 12e-6),
    ("another model after an answer", [(OPEN, FIGURES, STOP), "gemini-3-pro", (OPEN, TextDelta("hi"), FIGURES, STOP)],
     {"gemini-3-flash": (0, 100_000), "gemini-3-pro": (1, 100_000)},
     USD + 60_000 * 2e-6 + 40_000 * 0.2e-6 + 1_500 * 12e-6),
    ("the same model once more", [(OPEN, FIGURES, STOP), "gemini-3-flash", (OPEN, TextDelta("hi"), FIGURES, STOP)],
     {"gemini-3-flash": (1, 200_000)}, 2 * USD),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "rows", "usd"), [row[1:] for row in ROUNDS], ids=[row[0] for row in ROUNDS])
def test_each_round_counts_for_the_model_that_was_asked_in_it(steps, rows, usd):
    prices.load()
    turn = builders.turn(
        target=Target("gemini-3-flash", ""), fallbacks=(Fallback(Target("gemini-3-pro", ""), builders.turn),)
    )
    writer, number = builders.ChannelWriter(turn, builders.FakeClock()), 0
    for step in steps:
        if isinstance(step, str):
            writer.append(-1, b"", (RoundOpened(step),))
        else:
            writer.append(number, b"", step)
            number += 1
    writer.close(Finished("stop"))
    made = rows_of(writer.channel, 0.0, price=prices.of)
    assert {row.model: (row.turns, row.prompt) for row in made} == rows
    assert prices.of_turn(writer.channel) == prices.Price(pytest.approx(usd))
    assert sum(row.usd or 0 for row in made) == pytest.approx(usd)


def test_a_run_adds_up_what_its_turns_tell(clock, make_turn):
    store, runs = MitmStore(clock), Runs()
    runs.watch(store)
    for _ in range(2):
        running = store.open(make_turn(run="k3f9"))
        running.append(0, b"", (OPEN, FIGURES, STOP))
        running.close(Finished("stop"))
    assert Told.of(runs.totals("k3f9").usage) == Told(200_000, 80_000, 3_000, 1_000)


# -- figures that nobody tells -----------------------------------------------------------------------------------------

CUT = [chunk(part("hm", thought=True)), chunk(part("hi"))]
UNTOLD = [
    ("an answer", [answered(None)], Told(5, 0, 2, 1)),
    ("one of two", [[chunk(part("hm", thought=True)), chunk(finish="STOP")], answered(ONE)],
     Told(100_005, 40_000, 1_501, 501)),
    ("both", [[chunk(part("hm", thought=True)), chunk(finish="STOP")], answered(None)], Told(10, 0, 3, 2)),
]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("attempts", "expected"), [row[1:] for row in UNTOLD], ids=[row[0] for row in UNTOLD])
def test_what_nobody_tells_is_estimated_and_everybody_tells_the_same(name, attempts, expected):
    prices.load()
    channel = captured(ask(name), *attempts)
    told = everywhere(name, channel)
    assert told == dict.fromkeys(told, expected)
    (turn, *_) = spans(channel, channel.records, REGISTRY)
    assert (
        turn.attributes["zerogravity.usage.source"] == members(summary.row(channel, 0)["usage"])["source"] == "estimate"
    )
    assert summary.row(channel, 0)["price_partial"] is True
    (row,) = rows_of(channel, 0.0, price=prices.of)
    estimated = [usage for usage in channel.state.usage_by_attempt.values() if usage.source == "estimate"]
    assert (row.estimated, row.unpriced) == (sum(usage.total for usage in estimated), len(estimated))


@pytest.mark.parametrize("name", ALL)
def test_an_answer_that_broke_off_is_estimated_as_far_as_it_came(name):
    channel = captured(ask(name), CUT, dropped=True)
    assert {tell(channel) for tell in KEPT} == {Told(5, 0, 2, 1)}
    assert hear(name, channel).error


@pytest.mark.parametrize("attempts", [[asked_again(None)], []])
def test_without_an_answer_nothing_is_known(attempts):
    channel = captured(ask("chat"), *attempts)
    assert not channel.state.usage.told
    assert {tell(channel) for tell in KEPT} == {Told(0, 0, 0, 0)}

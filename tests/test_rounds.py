"""Turns of several rounds: one channel and one terminal, whatever comes late for a round that is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.test_engine import Bench, answered, fault_of, finished, matched, settled
from zerogravity.config import Limits
from zerogravity.core.events import Failed, Finished, RoundOpened, Terminal, TextDelta
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError, Termination, bad_request, upstream
from zerogravity.rounds import Rule

BUSY = upstream(503, "server_error", "busy")


class Again(Rule):
    """A turn whose round fails asks another model, once ``go_on`` lets it, ``times`` times at most."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.outcome: Terminal | FaultError | None = None
        self.refused: FaultError | None = None
        self.prepares = False

    def first(self, turn: Turn) -> Turn:
        if self.refused is not None:
            raise self.refused
        return replace(turn, notes=("seen",))

    def before(self, turn: Turn) -> Following | None:
        return Following(self._prepare) if self.prepares else None

    def after(self, running: RunningTurn, terminal: Terminal) -> Following | None:
        if self.times == 0 or not isinstance(terminal, Failed):
            return None
        self.times -= 1
        return Following(self._prepare, "it was busy")

    async def _prepare(self, running: RunningTurn) -> Turn | Terminal:
        await self.go_on.wait()
        if isinstance(self.outcome, FaultError):
            raise self.outcome
        return self.outcome or replace(running.turn, target=replace(running.turn.target, name="gemini-3.1-pro"))


@asynccontextmanager
async def benched(rule: Rule, limits: Limits | None = None) -> AsyncIterator[Bench]:
    made = Bench(rules=[rule], limits=limits)
    yield made
    await made.engine.close(timeout=1)
    assert not made.tasks


async def test_a_round_that_fails_is_followed_by_another() -> None:
    async with benched(Again()) as bench:
        channel, first = await bench.turn()
        matched(first)
        first.close(Failed(BUSY))
        assert not channel.closed
        await settled()
        second = bench.inside(channel)
        assert second is not first
        assert (second.turn.target.name, bench.ls.sent[1]) == ("gemini-3.1-pro", second.turn)
        assert (bench.store.find("cascade-1"), bench.store.find("cascade-2")) == (first, second)
        assert bench.ls.called_with("cancel") == ["cascade-1"]
        assert first.append(0, b"{}", (TextDelta("too late"),)) is None
        assert not first.close(Finished("stop"))
        matched(second)
        answered(second)
        finished(second)
        await settled()
        assert (channel.termination, channel.state.text) == (Termination.OK, "hello")
        assert (channel.state.rounds, channel.state.served_by) == (2, "gemini-3.1-pro")
        assert channel.turn.notes == ("seen",)
        opened = [event for record in channel.records for event in record.events if isinstance(event, RoundOpened)]
        assert opened == [RoundOpened("gemini-3.1-pro", "it was busy", "gemini-3-flash")]
        assert channel.cascade_id == "cascade-2"


async def test_the_last_round_decides() -> None:
    async with benched(Again(times=2)) as bench:
        channel = await bench.running()
        for _ in range(3):
            bench.inside(channel).close(Failed(BUSY))
            await settled()
        assert (fault_of(channel), channel.state.rounds) == (BUSY, 3)


async def test_each_round_has_its_own_deadlines() -> None:
    async with benched(Again(), Limits(match_seconds=20)) as bench:
        channel, first = await bench.turn()
        await bench.time.advance(15)
        matched(first)
        answered(first)
        first.close(Failed(BUSY))
        await settled()
        await bench.time.advance(15)
        assert not channel.closed
        await bench.time.advance(5)
        assert channel.termination is Termination.MATCH_TIMEOUT


@pytest.mark.parametrize("between", [False, True])
async def test_cancelled_at_any_time(between: bool) -> None:
    rule = Again()
    if between:
        rule.go_on.clear()
    async with benched(rule) as bench:
        channel, first = await bench.turn()
        first.close(Failed(BUSY))
        await settled()
        assert (bench.inside(channel) is first) is between
        assert bench.engine.cancel(channel)
        await settled()
        assert channel.termination is Termination.CANCELLED
        assert bench.engine.active == 0


@pytest.mark.parametrize(
    ("outcome", "termination"),
    [
        (Finished("length"), Termination.LENGTH),
        (FaultError(BUSY), Termination.UPSTREAM_STATUS),
    ],
)
@pytest.mark.parametrize("first", [False, True])
async def test_what_is_prepared_can_end_the_turn(
    outcome: Terminal | FaultError, termination: Termination, first: bool
) -> None:
    rule = Again()
    rule.outcome, rule.prepares = outcome, first
    async with benched(rule) as bench:
        channel = await bench.running()
        if not first:
            bench.inside(channel).close(Failed(BUSY))
            await settled()
        assert channel.termination is termination
        assert bench.ls.started == (0 if first else 1)


async def test_a_turn_can_be_prepared_before_anything_is_sent() -> None:
    rule = Again()
    rule.prepares = True
    rule.go_on.clear()
    async with benched(rule) as bench:
        channel = await bench.running()
        assert (bench.ls.calls, list(channel.marks)) == ([], ["received", "queued"])
        rule.go_on.set()
        await settled()
        assert bench.ls.sent[0].target.name == "gemini-3.1-pro"
        assert channel.state.rounds == 1


async def test_preparing_takes_no_longer_than_a_turn_may() -> None:
    rule = Again()
    rule.go_on.clear()
    async with benched(rule, Limits(turn_seconds=100)) as bench:
        channel = await bench.running()
        bench.inside(channel).close(Failed(BUSY))
        await settled()
        await bench.time.advance(100)
        assert channel.termination is Termination.LIMIT_TIME


async def test_a_turn_that_its_client_has_wrong_has_no_channel() -> None:
    rule = Again()
    rule.refused = bad_request("not so")
    async with benched(rule) as bench:
        with pytest.raises(FaultError, match="not so"):
            bench.run()
        assert len(bench.store) == 0


async def test_any_other_refusal_before_the_beginning_is_a_turn_s_end() -> None:
    """It is listed, traced and counted like the others."""
    rule = Again()
    rule.refused = FaultError(BUSY)
    ended = list[str]()
    async with benched(rule) as bench:
        bench.store.on_closed.append(lambda channel: ended.append(channel.id))
        channel = bench.run()
        assert (fault_of(channel), channel.state.attempts, ended) == (BUSY, 0, [channel.id])
        assert (bench.ls.calls, bench.engine.active, bench.tasks) == ([], 0, 0)


async def test_all_cascades_go_with_the_turn() -> None:
    async with benched(Again()) as bench:
        channel = await bench.running()
        for _ in range(2):
            bench.inside(channel).close(Failed(BUSY))
            await settled()
        await bench.time.advance(10_000)
        assert bench.store.sweep() == 1
        assert bench.store.find("cascade-1") is bench.store.find("cascade-2") is None


@pytest.mark.parametrize(("limits", "fields", "termination"), [
    (Limits(turns=1, waiting=0), {}, Termination.QUEUE_FULL), (Limits(), {"at_once": True}, Termination.LENGTH),
])  # fmt: skip
async def test_a_turn_that_nobody_supervises_does_not_go_on(
    limits: Limits, fields: dict[str, bool], termination: Termination
) -> None:
    class Always(Rule):
        def after(self, running: RunningTurn, terminal: Terminal) -> Following | None:
            return Following(lambda running: asyncio.sleep(0, Finished("stop")))

    async with benched(Always(), limits) as bench:
        if not fields:
            await bench.running()
        channel = await bench.running(**fields)
        assert channel.termination is termination

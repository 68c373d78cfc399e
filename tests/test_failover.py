"""What follows a failure: the table, row by row, and turns that are asked again, of another model, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.test_engine import Bench, answered, fault_of, finished, matched, settled
from zerogravity.config import Limits
from zerogravity.cooldowns import Cooldowns
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Failed,
    FunctionCall,
    RequestLine,
    RoundOpened,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Fallback, Target, Turn
from zerogravity.errors import (
    BAD_CERTIFICATE,
    Fault,
    Termination,
    bad_request,
    cancelled,
    internal,
    language_server,
    unreachable,
    upstream,
)
from zerogravity.failover import COOLDOWNS, ROWS, Decision, Failover, Failure, Kind, decide, kind_of, table
from zerogravity.rounds import Rule
from zerogravity.testing.builders import google_request
from zerogravity.wire import google_errors, jsonio

NS = 1_000_000_000
FLASH = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18")
PRO = Target("gemini-3.1-pro", "MODEL_PLACEHOLDER_M37", family="gemini-3.1-pro")
OTHER = Target("gemini-2.5-flash", "MODEL_PLACEHOLDER_M33", family="gemini-2.5")
CLAUDE = Target("claude-sonnet-4-6", "MODEL_PLACEHOLDER_M35", family="claude")


def refused(status: int, *, delay: str = "", reason: str = "", word: str = "") -> Fault:
    details: list[Any] = [{"@type": "x/google.rpc.RetryInfo", "retryDelay": delay}] if delay else []
    details += [{"@type": "x/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    error = {"code": status, "message": "no", "status": word or "UNKNOWN", "details": details}
    return google_errors.decode_error(status, {}, jsonio.dumps({"error": error}))


BUSY = refused(503, word="UNAVAILABLE")
LIMITED = refused(429, delay="30s", word="RESOURCE_EXHAUSTED")
BARE = refused(429, word="RESOURCE_EXHAUSTED")
LOST = unreachable("the connection was reset")


# -- the table -----------------------------------------------------------------------------------------------------

KINDS: list[tuple[Fault, Kind]] = [
    (BUSY, "busy"),
    (refused(529), "busy"),
    (refused(500, reason="MODEL_CAPACITY_EXHAUSTED"), "busy"),
    (refused(429, reason="MODEL_CAPACITY_EXHAUSTED"), "busy"),
    (google_errors.inside({"code": 503, "message": "overloaded"}), "busy"),
    (refused(503, delay="3s"), "limited"),
    (refused(429, reason="MODEL_CAPACITY_EXHAUSTED", delay="3s"), "limited"),
    (LIMITED, "limited"),
    (BARE, "limited"),
    (refused(429, reason="QUOTA_EXHAUSTED"), "limited"),
    (language_server(429, "rate_limit_exceeded", "Google says no", Termination.LS_REFUSED), "limited"),
    (LOST, "lost"),
    (upstream(502, "upstream_drop", "no finish reason", Termination.UPSTREAM_DROP), "lost"),
    (unreachable("certificate verify failed"), "other"),
    (refused(400), "other"),
    (refused(401), "other"),
    (refused(403), "other"),
    (refused(404), "other"),
    (refused(500), "other"),
    (refused(504), "other"),
    (refused(429, reason="VALIDATION_REQUIRED"), "other"),
    (refused(429, reason="BILLING_DISABLED"), "other"),
    (language_server(503, "ls_gone", "gone", Termination.LS_GONE), "other"),
    (upstream(504, "upstream_idle", "silence", Termination.UPSTREAM_IDLE), "other"),
    (upstream(502, "empty_response", "nothing", Termination.EMPTY), "other"),
    (cancelled(), "other"),
    (internal("queue", Termination.QUEUE_FULL, status=503), "other"),
]


@pytest.mark.parametrize(("fault", "kind"), KINDS)
def test_what_kind_of_failure_it_is(fault: Fault, kind: Kind) -> None:
    assert kind_of(fault) == kind


def test_a_bad_certificate_is_none_that_another_model_would_help() -> None:
    assert unreachable("certificate verify failed").remedy == BAD_CERTIFICATE


ENDS: list[tuple[Failure, Decision]] = [
    (Failure("busy"), "again"),
    (Failure("lost"), "again"),
    (Failure("busy", another=True), "again"),
    (Failure("lost", another=True), "again"),
    (Failure("busy", again=False, another=True), "another"),
    (Failure("busy", repeated=True, another=True), "another"),
    (Failure("busy", begun=True, another=True), "another"),
    (Failure("lost", repeated=True, another=True), "another"),
    (Failure("limited", another=True), "another"),
    (Failure("limited", begun=True, another=True), "another"),
    (Failure("limited"), "fail"),
    (Failure("busy", repeated=True), "fail"),
    (Failure("busy", begun=True), "fail"),
    (Failure("busy", again=False), "fail"),
    (Failure("lost", begun=True, another=True), "fail"),
    (Failure("other", another=True), "fail"),
    (Failure("busy", left=9.9, another=True), "fail"),
    (Failure("busy", seen=True), "again"),
    (Failure("lost", seen=True), "again"),
    (Failure("busy", seen=True, begun=True, another=True), "fail"),
    (Failure("lost", seen=True, repeated=True, another=True), "fail"),
    (Failure("limited", seen=True, another=True), "fail"),
    (Failure("other", seen=True, another=True), "fail"),
]


@pytest.mark.parametrize(("failure", "decision"), ENDS)
def test_what_follows_it(failure: Failure, decision: Decision) -> None:
    assert decide(failure) == decision


def test_every_row_decides_something() -> None:
    deciding = [next(row for row in ROWS if row.when(failure)) for failure, _ in ENDS]
    assert [row for row in ROWS if row not in deciding] == []
    assert len(table()) == len(ROWS) + len(COOLDOWNS)


# -- turns ---------------------------------------------------------------------------------------------------------


class World:
    """A bench whose turns are of ``gemini-3-flash`` and may move to the models that are named."""

    def __init__(self, limits: Limits, **bench: Any) -> None:
        self.events: list[tuple[str, str]] = []
        self.slept: list[float] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.refused: set[str] = set()
        self.asked: list[str] = []
        self.unfit: set[str] = set()  # names of models for which no turn can be prepared
        self.hidden = False  # thinking is not shown
        self.cooldowns = Cooldowns(limits.cooldown_seconds, lambda: self.bench.clock.now / NS)
        self.failover = Failover(
            self.cooldowns, clock=lambda: self.bench.clock(), seen=self._seen, pause=limits.retry_seconds,
            turn_seconds=limits.turn_seconds, count=lambda event, why: self.events.append((event, why)),
            sleep=self._sleep,
        )  # fmt: skip
        self.bench = Bench(limits=limits, rules=[self.failover, Prepares(self)], **bench)

    def _seen(self, channel: CascadeChannel) -> bool:
        return channel.state.has_output(thinking=not self.hidden)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.go_on.wait()

    def fallbacks(self, targets: Sequence[Target]) -> tuple[Fallback, ...]:
        turn_id = f"turn_{len(self.bench.channels):032x}"

        def ask(target: Target) -> Turn:
            self.asked.append(target.name)
            if target.name in self.refused:
                raise bad_request(f"{target.name} takes no pictures")
            request = google_request(f"as {target.family} takes it")
            return Turn(turn_id, "responses", FLASH.name, target, request, notes=("own note",), served_by=target.name)

        return tuple(Fallback(target, lambda target=target: ask(target)) for target in targets)

    async def turn(self, *others: Target, **fields: Any) -> tuple[CascadeChannel, RunningTurn]:
        return await self.bench.turn(fallbacks=self.fallbacks(others), **fields)

    async def fail(self, channel: CascadeChannel, fault: Fault) -> RunningTurn:
        """The present round fails without an answer; the one that runs then."""
        running = self.bench.inside(channel)
        matched(running)
        if fault.termination is not Termination.UPSTREAM_DROP:
            number = channel.state.attempts
            running.append(number, b"{}", (AttemptOpened(status=fault.status), AttemptClosed(None)))
        running.close(Failed(fault))
        await settled()
        return self.bench.inside(channel)

    async def answer(self, channel: CascadeChannel) -> None:
        running = self.bench.inside(channel)
        matched(running)
        answered(running)
        finished(running)
        await settled()

    @property
    def sent(self) -> list[str]:
        """The models that Google was asked for."""
        return [turn.target.name for turn in self.bench.ls.sent]


class Prepares(Rule):
    """Has to do something before a model is asked, and finds that some cannot be."""

    def __init__(self, world: World) -> None:
        self._world = world

    def before(self, turn: Turn) -> Following | None:
        return Following(partial(self._prepare, turn)) if self._world.unfit else None

    async def _prepare(self, turn: Turn, _: RunningTurn) -> Turn:
        if turn.target.name in self._world.unfit:
            raise bad_request(f"{turn.target.name} takes no tools with that")
        return turn


@asynccontextmanager
async def world(**limits: Any) -> AsyncIterator[World]:
    made = World(Limits(**limits))
    yield made
    await made.bench.engine.close(timeout=1)
    assert not made.bench.tasks


def rounds(channel: CascadeChannel) -> list[str]:
    return [event.model for record in channel.records for event in record.events if isinstance(event, RoundOpened)]


@pytest.mark.parametrize("fault", [BUSY, LOST], ids=["503", "lost"])
async def test_the_same_model_is_asked_once_more_after_a_pause(fault: Fault) -> None:
    async with world(retry_seconds=2) as made:
        channel, _ = await made.turn()
        await made.fail(channel, fault)
        assert not channel.closed
        await made.answer(channel)
        assert (channel.termination, channel.state.text) == (Termination.OK, "hello")
        assert (made.sent, rounds(channel)) == ([FLASH.name, FLASH.name], [FLASH.name])
        assert 1 <= made.slept[0] <= 3
        assert made.events == [("retry", "trouble" if fault is BUSY else "lost")]
        assert channel.turn.served_by == ""


async def test_once_and_no_more() -> None:
    async with world() as made:
        channel, _ = await made.turn()
        await made.fail(channel, BUSY)
        await made.fail(channel, BUSY)
        assert (fault_of(channel), made.sent) == (BUSY, [FLASH.name] * 2)


async def test_behind_calls_that_ran_here_it_is_asked_once_more_too_but_no_other_model() -> None:
    """Nothing of the round has come, so nothing that a client has seen changes."""
    async with world() as made:
        channel, running = await made.turn(PRO)
        running.add(FunctionCall("call_1", "f", "{}"), CallReturned("call_1", "done"), RoundOpened(FLASH.name))
        await made.fail(channel, BUSY)
        assert (channel.closed, len(channel.state.items)) == (False, 1)
        await made.fail(channel, BUSY)
        assert (fault_of(channel), made.sent, made.asked) == (BUSY, [FLASH.name] * 2, [])


async def test_behind_such_calls_a_cooldown_that_begins_in_the_pause_ends_the_turn() -> None:
    async with world() as made:
        made.go_on.clear()
        channel, running = await made.turn(PRO)
        running.add(FunctionCall("call_1", "f", "{}"), CallReturned("call_1", "done"), RoundOpened(FLASH.name))
        await made.fail(channel, BUSY)
        made.cooldowns.note(FLASH, LIMITED)
        made.go_on.set()
        await settled()
        assert (fault_of(channel), made.sent, made.asked) == (BUSY, [FLASH.name], [])


async def test_not_where_the_language_server_has_called_twice() -> None:
    async with world() as made:
        channel, running = await made.turn()
        matched(running)
        running.append(0, b"", (AttemptOpened(), AttemptClosed("STOP")))
        await made.fail(channel, BUSY)
        assert (fault_of(channel), made.sent) == (BUSY, [FLASH.name])


async def test_not_where_it_is_switched_off() -> None:
    async with world(retry_seconds=0) as made:
        channel, _ = await made.turn()
        await made.fail(channel, BUSY)
        assert (fault_of(channel), made.slept) == (BUSY, [])


async def test_a_turn_that_is_cancelled_in_the_pause_asks_nobody() -> None:
    async with world() as made:
        made.go_on.clear()
        channel, _ = await made.turn(PRO)
        await made.fail(channel, BUSY)
        assert made.bench.engine.cancel(channel)
        await settled()
        assert (channel.termination, made.sent, made.asked) == (Termination.CANCELLED, [FLASH.name], [])


async def test_near_the_end_of_its_time_nothing_is_tried() -> None:
    async with world(turn_seconds=60) as made:
        channel, _ = await made.turn(PRO)
        made.bench.clock.advance(51)
        await made.fail(channel, BUSY)
        assert fault_of(channel) == BUSY


async def test_then_the_next_model_is_asked_and_the_turn_is_its_own() -> None:
    async with world() as made:
        channel, _ = await made.turn(PRO, CLAUDE)
        assert made.asked == []  # the request is read again only now
        await made.fail(channel, BUSY)
        await made.fail(channel, BUSY)
        await made.fail(channel, LIMITED)
        await made.answer(channel)
        assert made.sent == [FLASH.name, FLASH.name, PRO.name, CLAUDE.name]
        assert rounds(channel) == [FLASH.name, PRO.name, CLAUDE.name]
        turn = channel.turn
        assert (turn.target, turn.model, turn.served_by, turn.answering) == (
            CLAUDE, FLASH.name, CLAUDE.name, CLAUDE.name,
        )  # fmt: skip
        assert turn.google_request == google_request("as claude takes it") == made.bench.ls.sent[-1].google_request
        assert turn.notes == (
            "model: gemini-3.1-pro failed (429 RESOURCE_EXHAUSTED), claude-sonnet-4-6 is asked",
            "model: gemini-3-flash failed (503 UNAVAILABLE), gemini-3.1-pro is asked",
            "own note",
        )
        assert made.events == [("retry", "trouble"), ("fallback", "trouble"), ("fallback", "rate")]
        assert made.bench.ls.called_with("start") == ["MODEL_PLACEHOLDER_M18"] * 2 + [PRO.ls_model, CLAUDE.ls_model]


async def test_the_last_one_s_failure_is_the_turn_s() -> None:
    async with world() as made:
        channel, _ = await made.turn(PRO)
        await made.fail(channel, BARE)
        last = refused(429, word="RESOURCE_EXHAUSTED", reason="QUOTA_EXHAUSTED")
        await made.fail(channel, last)
        assert (fault_of(channel), made.sent) == (last, [FLASH.name, PRO.name])


async def test_one_that_cannot_take_the_request_is_passed_over_with_a_note() -> None:
    async with world() as made:
        made.refused.add(PRO.name)
        channel, _ = await made.turn(PRO, CLAUDE)
        await made.fail(channel, BARE)
        await made.answer(channel)
        assert made.sent == [FLASH.name, CLAUDE.name]
        assert channel.turn.notes[0] == "model: gemini-3.1-pro cannot be asked: gemini-3.1-pro takes no pictures"


async def test_where_none_can_take_it_the_failure_stays() -> None:
    async with world() as made:
        made.refused.add(PRO.name)
        channel, _ = await made.turn(PRO)
        await made.fail(channel, BARE)
        assert (fault_of(channel), made.sent, made.asked) == (BARE, [FLASH.name], [PRO.name])
        assert channel.turn.notes == ("model: gemini-3.1-pro cannot be asked: gemini-3.1-pro takes no pictures",)


@pytest.mark.parametrize("failing", [True, False], ids=["after a failure", "at the beginning"])
async def test_why_no_other_model_was_asked_is_noted_for_each(failing: bool) -> None:
    async with world() as made:
        made.refused.add(PRO.name)
        made.unfit.add(CLAUDE.name)
        made.cooldowns.note(OTHER, LIMITED)
        if not failing:
            made.cooldowns.note(FLASH, LIMITED)
        channel = await made.bench.running(fallbacks=made.fallbacks((OTHER, PRO, CLAUDE)))
        if failing:
            await made.fail(channel, LIMITED)
        assert fault_of(channel).status == 429
        assert set(channel.turn.notes) >= {
            "model: gemini-2.5-flash is in cooldown for 30 s",
            "model: gemini-3.1-pro cannot be asked: gemini-3.1-pro takes no pictures",
            "model: claude-sonnet-4-6 cannot be asked: claude-sonnet-4-6 takes no tools with that",
        }


UNFIT = "model: gemini-3.1-pro cannot be asked: gemini-3.1-pro takes no tools with that, claude-sonnet-4-6 is asked"


@pytest.mark.parametrize("when", ["after a failure", "in a cooldown", "in the queue"])
@pytest.mark.parametrize("others", [(PRO,), (PRO, CLAUDE)], ids=["none is left", "another is left"])
async def test_one_for_which_the_turn_cannot_be_prepared_is_passed_over_as_well(
    others: tuple[Target, ...], when: str
) -> None:
    """Whoever has asked for the first model does not get what is wrong with a request for another one."""
    async with world(turns=1) as made:
        made.unfit.add(PRO.name)
        if when == "in a cooldown":
            made.cooldowns.note(FLASH, LIMITED)
        first = await made.bench.running() if when == "in the queue" else None
        channel = await made.bench.running(fallbacks=made.fallbacks(others))
        await made.fail(first or channel, LIMITED) if when != "in a cooldown" else await settled()
        sent = [] if when == "in a cooldown" else [FLASH.name]
        if others[-1] is CLAUDE:
            await made.answer(channel)
            assert made.sent == [*sent, CLAUDE.name]
            assert (channel.turn.served_by, channel.turn.notes[0]) == (CLAUDE.name, UNFIT)
            assert channel.turn.notes[1].startswith("model: gemini-3-flash ")
            assert rounds(channel) == ([CLAUDE.name] if when == "after a failure" else [])
        else:
            fault = fault_of(channel)
            assert (made.sent, fault.status, fault.retry_after) == (sent, 429, 30)
            assert rounds(channel) == []
            assert channel.turn.notes[0] == UNFIT.removesuffix(", claude-sonnet-4-6 is asked")


async def test_what_the_back_end_cannot_serve_of_it_is_passed_over_too() -> None:
    async with world() as made:
        channel, _ = await made.turn(PRO, CLAUDE)
        made.bench.ls.admits = lambda turn: turn.target.name != PRO.name
        await made.fail(channel, BARE)
        await made.answer(channel)
        assert made.sent == [FLASH.name, CLAUDE.name]
        assert channel.turn.notes[0].startswith("model: gemini-3.1-pro cannot be asked: ")


async def test_a_turn_s_own_model_that_cannot_take_it_says_so() -> None:
    async with world() as made:
        made.unfit.add(FLASH.name)
        channel = await made.bench.running(fallbacks=made.fallbacks((PRO,)))
        assert (fault_of(channel).status, made.sent, made.asked) == (400, [], [])


@pytest.mark.parametrize("fault", [refused(400), refused(401), refused(403, reason="VALIDATION_REQUIRED")])
async def test_what_another_model_would_refuse_as_well_is_not_asked_there(fault: Fault) -> None:
    async with world() as made:
        channel, _ = await made.turn(PRO)
        await made.fail(channel, fault)
        assert (fault_of(channel), made.asked) == (fault, [])


@pytest.mark.parametrize("event", [TextDelta("It"), ThinkingDelta("Hm")], ids=["text", "thinking"])
async def test_after_something_that_a_client_can_have_seen_it_is_over(event: TextDelta | ThinkingDelta) -> None:
    async with world() as made:
        channel, running = await made.turn(PRO)
        matched(running)
        running.append(0, b"{}", (AttemptOpened(), event))
        running.close(Failed(LIMITED))
        await settled()
        assert (fault_of(channel), made.asked) == (LIMITED, [])
        assert made.cooldowns.of(FLASH) is not None  # it counts for those that come


async def test_thinking_that_nobody_sees_does_not_count_and_is_no_part_of_the_answer() -> None:
    async with world() as made:
        made.hidden = True
        channel, running = await made.turn(PRO)
        matched(running)
        running.append(0, b"{}", (AttemptOpened(), ThinkingDelta("Hm"), Usage(prompt=10, thoughts=3)))
        await made.fail(channel, BUSY)
        running = made.bench.inside(channel)
        matched(running)
        running.append(1, b"{}", (AttemptOpened(), TextDelta("Yes"), Usage(prompt=12, candidates=1)))
        finished(running)
        await settled()
        state = channel.state
        assert (made.sent, state.text, state.thinking, state.has_thinking) == ([FLASH.name, PRO.name], "Yes", "", False)
        assert (state.usage.prompt, state.usage.thoughts, state.usage.candidates) == (22, 3, 1)


async def test_every_attempt_has_its_line() -> None:
    async with world() as made:
        channel, running = await made.turn(PRO)
        for host in ("one", "two"):
            running.attempt_sent(RequestLine("POST", f"https://{host}.example", "HTTP/2.0"))
            running = await made.fail(channel, BARE)
        assert [line.url for _, line in sorted(channel.lines.items())] == ["https://one.example", "https://two.example"]


@pytest.mark.parametrize("moves", [False, True])
async def test_a_turn_that_is_over_keeps_no_way_to_another_model(moves: bool) -> None:
    """These hold the whole request as it came."""
    async with world() as made:
        channel, first = await made.turn(PRO, CLAUDE)
        assert len(channel.turn.fallbacks) == 2
        if moves:
            await made.fail(channel, BARE)
        await made.answer(channel)
        running = made.bench.inside(channel)
        assert (channel.turn.fallbacks, running.turn.fallbacks, first.turn.fallbacks) == ((), (), ())
        assert made.bench.store.bytes == channel.held


# -- cooldowns -----------------------------------------------------------------------------------------------------


async def test_while_a_model_is_left_alone_the_next_one_is_asked_at_once() -> None:
    async with world() as made:
        first, _ = await made.turn(PRO)
        await made.fail(first, LIMITED)
        await made.answer(first)
        made.bench.clock.advance(9.5)
        second, _ = await made.turn(PRO)
        await made.answer(second)
        assert made.sent == [FLASH.name, PRO.name, PRO.name]
        assert (second.turn.served_by, second.state.rounds) == (PRO.name, 1)
        assert second.turn.notes[0] == "model: gemini-3-flash is in cooldown for 21 s, gemini-3.1-pro is asked"
        assert made.events == [("fallback", "rate"), ("fallback", "cooldown")]
        made.bench.clock.advance(21)
        third, _ = await made.turn(PRO)
        await made.answer(third)
        assert made.sent[-1] == FLASH.name


async def test_without_another_model_the_turn_is_refused_and_google_not_asked() -> None:
    async with world() as made:
        channel, _ = await made.turn()
        await made.fail(channel, LIMITED)
        made.bench.clock.advance(10)
        second = made.bench.run()
        fault = fault_of(second)
        assert (fault.status, fault.retry_after, made.sent) == (429, 20, [FLASH.name])
        assert (fault.upstream_status, second.state.attempts) == (None, 0)
        assert "`fallbacks`" in fault.remedy
        assert made.events == [("refusal", "cooldown")]


async def test_a_turn_that_asks_nothing_is_never_refused() -> None:
    async with world() as made:
        made.cooldowns.note(FLASH, LIMITED)
        channel, _ = await made.turn(at_once=True)
        assert channel.termination is Termination.LENGTH


@pytest.mark.parametrize("others", [(), (PRO,)], ids=["none", "another"])
async def test_a_cooldown_that_begins_while_a_turn_waits_in_the_queue_counts(others: tuple[Target, ...]) -> None:
    async with world(turns=1) as made:
        first, _ = await made.turn()
        second = await made.bench.running(fallbacks=made.fallbacks(others))
        await made.fail(first, LIMITED)
        if others:
            await made.answer(second)
            assert (second.turn.served_by, made.sent) == (PRO.name, [FLASH.name, PRO.name])
        else:
            assert (fault_of(second).status, made.sent) == (429, [FLASH.name])


async def test_a_cooldown_that_begins_in_the_pause_counts() -> None:
    async with world() as made:
        made.go_on.clear()
        channel, _ = await made.turn(PRO)
        await made.fail(channel, BUSY)
        made.cooldowns.note(FLASH, LIMITED)
        made.go_on.set()
        await settled()
        await made.answer(channel)
        assert made.sent == [FLASH.name, PRO.name]


async def test_fallbacks_in_a_cooldown_are_passed_over() -> None:
    async with world() as made:
        made.cooldowns.note(PRO, LIMITED)
        channel, _ = await made.turn(PRO, CLAUDE)
        await made.fail(channel, BARE)
        await made.answer(channel)
        assert (made.sent, made.asked) == ([FLASH.name, CLAUDE.name], [CLAUDE.name])


async def test_a_quota_that_all_share_leaves_nobody_to_ask() -> None:
    violation = {"quotaId": "RequestsPerDayPerProject"}
    shared = replace(LIMITED, details=({"@type": "x/google.rpc.QuotaFailure", "violations": [violation]},))
    async with world() as made:
        channel, _ = await made.turn(PRO, CLAUDE)
        await made.fail(channel, shared)
        assert (fault_of(channel), made.asked) == (shared, [])

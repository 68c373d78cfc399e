"""The engine with a fake language server and a clock turned by hand: every path ends with exactly one terminal record
and nothing left running."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from zerogravity.backends.base import BackendListener, Readiness, Words
from zerogravity.config import Limits
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    RequestLine,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.policy import Await
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Target, Turn
from zerogravity.engine import LINGER_S, NS, STARTS, Engine
from zerogravity.errors import Fault, FaultError, Origin, Termination, bad_request, internal, language_server, upstream
from zerogravity.testing.builders import FakeClock

REFUSED = language_server(502, "ls_refused", "no", Termination.LS_REFUSED)
GONE = language_server(503, "ls_gone", "gone", Termination.LS_GONE)
LOGGED_OUT = language_server(401, "ls_not_logged_in", "log in", Termination.LS_REFUSED, retryable=False)
LINE = RequestLine("POST", "https://x.example", "HTTP/2.0")
EMPTY = upstream(502, "empty_response", "nothing came", Termination.EMPTY)


class FakeTime:
    """``wait_for`` whose timeouts pass when the clock is turned."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.alarms: list[tuple[int, asyncio.Future[None]]] = []

    async def wait(self, awaitable: Awaitable[None], seconds: float) -> None:
        # Begun at once, as wait_for does: what happens in between must wake it.
        loop = asyncio.get_running_loop()
        work = asyncio.Task(_result(awaitable), loop=loop, eager_start=True)
        alarm = asyncio.get_running_loop().create_future()
        entry = (self.clock.now + int(seconds * NS), alarm)
        self.alarms.append(entry)
        try:
            await asyncio.wait((work, alarm), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise TimeoutError
            work.result()
        finally:
            self.alarms.remove(entry)
            alarm.cancel()
            work.cancel()

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for at, alarm in list(self.alarms):
            if at <= self.clock.now and not alarm.done():
                alarm.set_result(None)
        await settled()


async def _result(awaitable: Awaitable[None]) -> None:
    await awaitable


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(60):
        await asyncio.sleep(0)


class FakeLs:
    """Answers at once unless told otherwise. ``hold``: methods that wait for ``let``; ``faults``: what they raise.
    ``reader``: what fills the channel, where nothing is captured."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.hold: set[str] = set()
        self.faults: dict[str, Exception] = {}
        self.on_send: Callable[[str], None] = lambda _: None
        self.admits: Callable[[Turn], bool] = lambda _: True
        self.started = 0
        self.following = 0
        self.follower: weakref.ref[asyncio.Task[Any] | None] | None = None
        self.sent: list[Turn] = []
        self.deletes = False
        self.places = 4
        self.words = Words()
        self.reader: Callable[[RunningTurn], Awaitable[None]] | None = None
        self._held: list[tuple[str, asyncio.Future[None]]] = []

    async def _do(self, method: str, argument: object = None) -> None:
        self.calls.append((method, argument))
        if method in self.hold:
            future = asyncio.get_running_loop().create_future()
            self._held.append((method, future))
            await future
        if method in self.faults:
            raise self.faults[method]

    def let(self, method: str) -> None:
        """Go on with every held call of ``method``."""
        for held, future in self._held:
            if held == method and not future.done():
                future.set_result(None)

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def called_with(self, method: str) -> list[Any]:
        return [argument for name, argument in self.calls if name == method]

    @property
    def captured(self) -> bool:
        return self.reader is None

    def set_callbacks(self, callbacks: BackendListener) -> None:
        raise NotImplementedError  # composition's business, as the next ones

    async def start(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def readiness(self) -> Readiness:
        raise NotImplementedError

    def admit(self, turn: Turn) -> None:
        if "admit" in self.faults:
            raise self.faults["admit"]
        if not self.admits(turn):
            raise bad_request(f"not of {turn.target.name}")

    async def check(self) -> None:
        if "check" in self.faults:
            raise self.faults["check"]

    async def start_cascade(self, model: str) -> str:
        await self._do("start", model)
        self.started += 1
        return f"cascade-{self.started}"

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        self.sent.append(turn)
        self.on_send(cascade_id)
        await self._do("send", cascade_id)

    async def follow(self, running: RunningTurn) -> None:
        if self.reader is not None:
            await self.reader(running)
            return
        if "follow" in self.faults:
            raise self.faults["follow"]
        self.following += 1
        self.follower = weakref.ref(asyncio.current_task())
        try:
            await asyncio.Event().wait()
        finally:
            self.following -= 1

    async def cancel(self, cascade_id: str) -> None:
        await self._do("cancel", cascade_id)

    async def annotate(self, cascade_id: str) -> None:
        await self._do("annotate", cascade_id)

    async def delete(self, cascade_id: str) -> None:
        await self._do("delete", cascade_id)


class Bench:
    """An engine with everything around it that a test turns."""

    def __init__(
        self,
        *,
        delete_cascades: bool = False,
        reader: Callable[[RunningTurn], Awaitable[None]] | None = None,
        limits: Limits | None = None,
        **engine: Any,
    ) -> None:
        self.clock = FakeClock()
        self.time = FakeTime(self.clock)
        self.store = MitmStore(self.clock)
        self.ls = FakeLs()
        self.ls.deletes, self.ls.reader = delete_cascades, reader
        self.engine = Engine(
            self.store, self.ls, limits=limits or Limits(), clock=self.clock, wait=self.time.wait, **engine
        )
        self.channels: list[CascadeChannel] = []

    def run(self, **fields: Any) -> CascadeChannel:
        number = len(self.channels)
        target = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18")
        turn = Turn(f"turn_{number:032x}", "responses", "gemini-3-flash", target, {"contents": []}, **fields)
        channel = self.engine.run(turn)
        self.channels.append(channel)
        return channel

    async def running(self, **fields: Any) -> CascadeChannel:
        channel = self.run(**fields)
        await settled()
        return channel

    async def turn(self, **fields: Any) -> tuple[CascadeChannel, RunningTurn]:
        channel = await self.running(**fields)
        return channel, self.inside(channel)

    def inside(self, channel: CascadeChannel) -> RunningTurn:
        """The turn whose channel it is, running or over."""
        return self.store._turns[channel.id]

    @property
    def tasks(self) -> int:
        return len(self.engine._tasks)


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench(limits=Limits(turns=2, waiting=1))
    yield made
    await made.engine.close(timeout=1)
    assert not made.tasks
    assert made.engine.active == made.engine.waiting == 0


def matched(running: RunningTurn) -> None:
    running.mark("matched")


def answered(running: RunningTurn, text: str = "hello") -> None:
    running.append(0, b"{}", (AttemptOpened(), TextDelta(text)))


def finished(running: RunningTurn) -> None:
    running.append(0, b"{}", (AttemptClosed("STOP"),))
    running.close(Finished("stop"))


def fault_of(channel: CascadeChannel) -> Fault:
    assert isinstance(channel.terminal, Failed)
    return channel.terminal.fault


# -- the good path -----------------------------------------------------------------------------------------------


async def test_a_turn_from_start_to_end(bench: Bench) -> None:
    channel, running = await bench.turn()
    assert channel.phase == "told"
    assert bench.store.find("cascade-1") is bench.inside(channel)
    assert bench.ls.sent == [channel.turn]
    matched(running)
    answered(running)
    finished(running)
    await settled()
    assert bench.ls.names() == ["start", "send", "annotate"]
    assert list(channel.marks) == [
        "received", "queued", "admitted", "told", "matched", "first_byte", "first_text", "done",
    ]  # fmt: skip
    assert bench.tasks == 0


async def test_h23_the_channel_is_claimable_before_the_message_is_sent(bench: Bench) -> None:
    """Google's call comes, and is answered whole, before the LS has answered us (H23)."""
    bench.ls.hold.add("send")
    claimed: list[RunningTurn | None] = []

    def google(cascade_id: str) -> None:
        running = bench.store.find(cascade_id)
        claimed.append(running)
        assert running is not None
        matched(running)
        answered(running)
        finished(running)

    bench.ls.on_send = google
    channel = await bench.running()
    assert claimed == [bench.inside(channel)]
    assert channel.termination is Termination.OK
    bench.ls.let("send")
    await settled()
    assert "cancel" not in bench.ls.names()
    assert bench.tasks == 0


async def test_what_cannot_be_served_is_refused_before_there_is_a_channel() -> None:
    bench = Bench()
    bench.ls.faults["admit"] = bad_request("no tools here", param="tools")
    with pytest.raises(FaultError, match="no tools here"):
        bench.run()
    assert len(bench.store) == 0
    assert bench.ls.calls == []
    assert bench.engine.active == 0


async def test_a_models_name_is_taken_when_the_turn_leaves_the_queue() -> None:
    """A turn may wait for minutes, and another language server be there when it goes on."""
    names = {"gemini-3-flash": "OLD"}

    def placeholder(target: Target) -> str:
        if target.name not in names:
            raise bad_request("it is gone", status=404)
        return names[target.name]

    bench = Bench(limits=Limits(turns=1, waiting=5), placeholder=placeholder)
    first, second, third = await bench.running(), await bench.running(), await bench.running()
    names["gemini-3-flash"] = "NEW"
    bench.engine.cancel(first)
    await settled()
    assert bench.ls.called_with("start") == ["OLD", "NEW"]
    names.clear()
    bench.engine.cancel(second)
    await settled()
    assert fault_of(third).status == 404
    assert bench.ls.called_with("start") == ["OLD", "NEW"]
    await bench.engine.close()
    assert bench.engine.active == 0


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "error", "status", "calls"),
    [
        ("check", FaultError(LOGGED_OUT), 401, []),
        ("start", FaultError(REFUSED), 502, ["start"]),
        ("start", FaultError(GONE), 503, ["start"]),
        ("start", RuntimeError("our bug"), 500, ["start"]),
        ("send", FaultError(REFUSED), 502, ["start", "send", "cancel"]),
        ("send", RuntimeError("our bug"), 500, ["start", "send", "cancel"]),
    ],
)
async def test_what_the_ls_refuses_ends_the_turn_at_once(
    bench: Bench, method: str, error: Exception, status: int, calls: list[str]
) -> None:
    bench.ls.faults[method] = error
    channel = await bench.running()
    assert fault_of(channel).status == status
    if isinstance(error, FaultError):
        assert fault_of(channel) == error.fault
    assert bench.ls.names() == calls
    assert bench.store.open_count == 0
    assert bench.store.running(channel.id) is None
    assert bench.engine.active == bench.tasks == 0


async def test_a_refusal_after_the_match_does_not_spoil_the_answer(bench: Bench) -> None:
    bench.ls.hold.add("send")
    bench.ls.faults["send"] = FaultError(REFUSED)
    channel, running = await bench.turn()
    matched(running)
    bench.ls.let("send")
    await settled()
    assert not channel.closed
    answered(running)
    finished(running)
    await settled()
    assert channel.termination is Termination.OK


async def test_an_error_of_the_ls_after_polled_records_does_not_spoil_the_answer() -> None:
    """Without interception nothing is matched: what has been read of the steps shows that the answer comes."""

    async def reader(running: RunningTurn) -> None:
        running.append(0, b"", (AttemptOpened(), TextDelta("hello")))
        await running.channel.wait_closed()

    bench = Bench(reader=reader)
    bench.ls.hold.add("send")
    bench.ls.faults["send"] = FaultError(REFUSED)
    channel, running = await bench.turn()
    assert "matched" not in channel.marks
    bench.ls.let("send")
    await settled()
    assert not channel.closed
    finished(running)
    await settled()
    assert channel.termination is Termination.OK
    assert channel.state.text == "hello"
    await bench.engine.close()


async def test_a_further_call_that_will_not_come_is_not_waited_for(bench: Bench) -> None:
    bench.ls.hold.add("send")
    bench.ls.faults["send"] = FaultError(REFUSED)
    channel, running = await bench.turn()
    matched(running)
    running.await_attempt(Await(20, EMPTY))
    bench.ls.let("send")
    await settled()
    assert channel.terminal == Failed(EMPTY)
    await bench.engine.close()


async def test_a_refused_annotation_does_no_harm(bench: Bench) -> None:
    bench.ls.faults["annotate"] = FaultError(REFUSED)
    channel, running = await bench.turn()
    finished(running)
    await settled()
    assert "annotate" in bench.ls.names()
    assert channel.terminal == Finished("stop")
    assert bench.tasks == 0


async def test_that_a_turn_was_seen_is_said_after_it(bench: Bench) -> None:
    await bench.turn()
    failed, _ = await bench.turn()
    assert "annotate" not in bench.ls.names()
    bench.engine.cancel(failed)
    await settled()
    assert bench.ls.names()[-2:] == ["cancel", "annotate"]


async def test_a_cascade_without_a_message_is_not_put_into_the_editors_list(bench: Bench) -> None:
    bench.ls.faults["send"] = FaultError(REFUSED)
    channel = await bench.running()
    assert channel.closed
    assert "annotate" not in bench.ls.names()


async def test_a_refused_cancel_does_no_harm(bench: Bench) -> None:
    bench.ls.faults["cancel"] = FaultError(GONE)
    channel = await bench.running()
    bench.engine.cancel(channel)
    await settled()
    assert fault_of(channel).termination is Termination.CANCELLED
    assert bench.tasks == 0


# -- admission ---------------------------------------------------------------------------------------------------


async def test_turns_wait_for_a_place_and_get_it_in_order(bench: Bench) -> None:
    first, second, third = bench.run(), bench.run(), bench.run()
    fourth = bench.run()  # all four in one tick: the limits hold all the same
    assert (bench.engine.active, bench.engine.waiting) == (2, 1)
    assert fault_of(fourth).code == "queue_full"
    assert fault_of(fourth).status == 503
    assert fault_of(fourth).retry_after == 10
    await settled()
    assert [channel.phase for channel in (first, second, third)] == ["told", "told", "queued"]
    bench.engine.cancel(second)
    await settled()
    assert third.phase == "told"
    assert (bench.engine.active, bench.engine.waiting) == (2, 0)


async def test_waiting_ends_with_a_fault_that_says_when_to_come_again() -> None:
    bench = Bench(limits=Limits(turns=2, waiting=1, queue_seconds=15))
    bench.run(), bench.run()
    third = await bench.running()
    await bench.time.advance(14.9)
    assert not third.closed
    await bench.time.advance(0.2)
    assert fault_of(third).code == "queue_timeout"
    assert fault_of(third).status == 503
    assert fault_of(third).retry_after == 30
    assert (bench.engine.active, bench.engine.waiting) == (2, 0)
    await bench.engine.close()


async def test_a_place_that_comes_with_the_last_moment_is_taken() -> None:
    bench = Bench(limits=Limits(queue_seconds=600))

    async def too_late(awaitable: Awaitable[None], seconds: float) -> None:
        await bench.time.wait(awaitable, seconds)
        if seconds == 600:
            raise TimeoutError

    bench.engine._wait = too_late
    channel, running = await bench.turn()
    assert bench.ls.names() == ["start", "send"]
    matched(running), answered(running), finished(running)
    await bench.engine.close()
    assert channel.terminal == Finished("stop")
    assert bench.engine.active == 0


async def test_a_turn_cancelled_while_it_waits_leaves_the_queue(bench: Bench) -> None:
    first = bench.run()
    bench.run()
    third = await bench.running()
    bench.engine.cancel(third)
    await settled()
    assert (bench.engine.active, bench.engine.waiting) == (2, 0)
    assert bench.ls.started == 2
    bench.engine.cancel(first)
    await settled()
    assert bench.engine.active == 1


@pytest.mark.parametrize("before", [0, 2], ids=["places are free", "it would wait"])
async def test_a_turn_that_ends_before_its_first_step_takes_no_place(bench: Bench, before: int) -> None:
    for _ in range(before):
        await bench.running()
    channel = bench.run()
    bench.engine.cancel(channel)
    await settled()
    assert (bench.engine.active, bench.engine.waiting) == (before, 0)
    assert bench.ls.started == before
    assert not [task for task in bench.engine._tasks if channel.id in task.get_name()]


@pytest.mark.parametrize("end", ["finished", "cancelled", "while it waits", "at once", "shutdown"])
async def test_a_failing_listener_at_a_turns_end_affects_no_other(bench: Bench, end: str, caplog: Any) -> None:
    reports: list[CascadeChannel] = []

    def fails(_: CascadeChannel) -> None:
        raise RuntimeError("our bug")

    bench.store.on_open.append(fails)
    bench.store.on_closed.append(fails)
    bench.store.on_closed.append(reports.append)
    before = [bench.run(), bench.run(), bench.run()] if end == "at once" else [bench.run(), bench.run()]
    if end == "finished":
        bench.engine.cancel(before[0])
    channel = bench.run() if end == "at once" else await bench.running()
    running = bench.inside(channel)
    match end:
        case "finished":
            matched(running), answered(running), finished(running)
        case "cancelled" | "while it waits":
            bench.engine.cancel(channel)
        case "shutdown":
            await bench.engine.close()
        case _:
            assert fault_of(channel).code == "queue_full"
    await settled()
    assert channel in reports
    assert channel.closed
    for other in before:
        bench.engine.cancel(other)
    await settled()
    assert bench.engine.active == bench.engine.waiting == bench.tasks == bench.store.open_count == 0
    assert len(reports) == len(bench.channels)
    assert caplog.text.count("our bug") >= 2 * len(bench.channels)


@pytest.mark.parametrize(("count", "most"), [(12, STARTS[0]), (50, STARTS[1])])
async def test_many_turns_at_once_start_one_after_another_in_their_order(count: int, most: int) -> None:
    """Those that wait for their start are no language server's business yet: the time counts as the queue's."""
    bench = Bench(limits=Limits(turns=50))
    bench.ls.hold.add("start")
    channels = [bench.run() for _ in range(count)]
    started = list[int]()
    while len(bench.ls.calls) < count - 2:
        started.append(len(bench.ls.calls))
        await asyncio.sleep(0)
    steps = [after - before for before, after in pairwise(started)]
    assert max(steps) == most
    admitted = [at for at, one in enumerate(channels) if "admitted" in one.marks]
    assert admitted == [*range(len(admitted))]
    assert (bench.engine.active, bench.engine.waiting) == (count, 0)
    await bench.engine.close(timeout=0.05)


async def test_a_turn_that_ends_before_it_is_its_turn_to_start_is_not_started() -> None:
    bench = Bench(limits=Limits(turns=20))
    channels = [bench.run() for _ in range(20)]
    await asyncio.sleep(0)
    assert not channels[-1].closed
    bench.engine.cancel(channels[-1])
    await settled()
    assert bench.ls.started == 19
    assert "admitted" not in channels[-1].marks
    await bench.engine.close()
    assert bench.tasks == bench.engine.active == 0


async def test_a_turn_cancelled_as_it_gets_its_place_hands_it_on(bench: Bench) -> None:
    first = bench.run()
    bench.run()
    third = await bench.running()
    bench.engine.cancel(first)
    await asyncio.sleep(0)
    bench.engine.cancel(third)
    await settled()
    assert bench.engine.active == 1
    assert bench.ls.started == 2


# -- deadlines ---------------------------------------------------------------------------------------------------


async def test_an_ls_that_starts_no_cascade(bench: Bench) -> None:
    bench.ls.hold.add("start")
    channel = await bench.running()
    await bench.time.advance(20)
    assert fault_of(channel).code == "ls_gone"
    assert bench.ls.names() == ["start"]
    assert bench.tasks == 0


async def test_a_cascade_that_starts_after_the_turns_end_gets_no_message(bench: Bench) -> None:
    bench.ls.hold.add("start")
    channel = await bench.running()
    bench.ls.let("start")
    bench.engine.cancel(channel)
    await settled()
    assert bench.ls.sent == []
    assert bench.store.find("cascade-1") is None


@pytest.mark.parametrize("end", ["cancelled", "client gone", "too late", "shutdown"])
@pytest.mark.parametrize(
    ("delete", "outcome", "deleted"),
    [
        (True, "comes", ["cascade-1"]),
        (True, "fails", []),
        (True, "breaks", []),
        (True, "never comes", []),
        (False, "comes", []),
    ],
)
async def test_a_cascade_that_was_being_started_when_its_turn_ended_is_deleted(
    end: str, delete: bool, outcome: str, deleted: list[str]
) -> None:
    bench = Bench(delete_cascades=delete)
    bench.ls.hold.add("start")
    if outcome in ("fails", "breaks"):
        bench.ls.faults["start"] = FaultError(GONE) if outcome == "fails" else RuntimeError("our bug")
    channel = await bench.running()
    closing = None
    match end:
        case "cancelled":
            bench.engine.cancel(channel)
        case "client gone":
            bench.engine.cancel(channel, Termination.CLIENT_GONE)
        case "too late":
            await bench.time.advance(20.1)
        case _:
            closing = asyncio.create_task(bench.engine.close(timeout=0.05 if outcome == "never comes" else 10))
    await settled()
    assert channel.closed
    assert bench.engine.active == 0, "its place is free at once"
    if outcome != "never comes":
        bench.ls.let("start")
    await settled()
    await (closing or bench.engine.close(timeout=0.05))
    assert bench.ls.called_with("delete") == deleted
    assert bench.ls.sent == []
    assert "cancel" not in bench.ls.names(), "it was told nothing"
    assert bench.tasks == 0


async def test_a_start_that_never_ends_is_not_waited_for_for_ever() -> None:
    bench = Bench(delete_cascades=True)
    bench.ls.hold.add("start")
    await bench.running()
    await bench.time.advance(20.1)
    await bench.time.advance(LINGER_S - 1)
    assert bench.tasks
    await bench.time.advance(1.1)
    assert bench.tasks == 0
    assert "delete" not in bench.ls.names()


async def test_a_cascade_that_is_another_turns_is_not_deleted() -> None:
    """An LS that gives one id twice."""
    bench = Bench(delete_cascades=True)
    first = await bench.running()
    bench.ls.started = 0
    second = await bench.running()
    assert fault_of(second).code == "internal"
    assert not first.closed
    assert "delete" not in bench.ls.names()
    await bench.engine.close()


@pytest.mark.parametrize("method", ["cancel", "delete", "annotate", "follow"])
async def test_our_own_bug_in_tidying_up_leaves_nothing_running(method: str, caplog: Any) -> None:
    bench = Bench(delete_cascades=method != "annotate")
    bench.ls.faults[method] = RuntimeError("our bug")
    channel = await bench.running()
    bench.engine.cancel(channel)
    await settled()
    assert bench.tasks == bench.engine.active == 0
    assert bench.ls.names()[-1] == ("annotate" if method == "annotate" else "delete")
    assert "our bug" in caplog.text
    await bench.engine.close()


@pytest.mark.parametrize("blocking", [False, True])
async def test_an_ls_that_never_calls_google(bench: Bench, blocking: bool) -> None:
    if blocking:
        bench.ls.hold.add("send")
    channel = await bench.running()
    await bench.time.advance(19.9)
    assert not channel.closed
    await bench.time.advance(0.2)
    assert fault_of(channel).code == "match_timeout"
    assert fault_of(channel).status == 504
    assert bench.ls.called_with("cancel") == ["cascade-1"]
    assert bench.store.running(channel.id) is None
    assert bench.store.find("cascade-1") is bench.inside(channel)  # a late call is recognised
    assert bench.tasks == 0


@pytest.mark.parametrize(
    ("why", "expected"), [(None, "for this turn. Run: zerogravity doctor"), ("Google is lost", "Google is lost")]
)
async def test_the_known_reason_for_a_missing_call_is_in_the_fault(why: str | None, expected: str) -> None:
    bench = Bench(why_no_call=lambda: why)
    channel = await bench.running()
    await bench.time.advance(20.1)
    assert fault_of(channel).code == "match_timeout"
    assert fault_of(channel).full_message.endswith(expected)
    await bench.engine.close()


async def test_an_answer_that_came_while_we_were_too_busy_to_look_is_not_late() -> None:
    """Our own backlog is not the language server's silence, however long it lasts."""
    ours = [0]
    bench = Bench(late=lambda _: ours[0])
    busy, silent = await bench.turn(), await bench.turn()
    await bench.time.advance(10)
    ours[0] = 60 * NS
    await bench.time.advance(60)
    assert not busy[0].closed
    assert not silent[0].closed
    matched(busy[1]), answered(busy[1]), finished(busy[1])
    await bench.time.advance(9.9)
    assert not silent[0].closed
    await bench.time.advance(0.2)
    assert fault_of(silent[0]).code == "match_timeout", "the time that the language server had is counted"
    assert busy[0].termination is Termination.OK
    await bench.engine.close()


async def test_silence_before_the_first_byte_and_after_it() -> None:
    bench = Bench(limits=Limits(first_byte_seconds=60, idle_seconds=30))
    slow, stuck = await bench.running(), await bench.running()
    matched(bench.inside(slow)), matched(bench.inside(stuck))
    await bench.time.advance(45)
    assert not slow.closed
    answered(bench.inside(slow))
    await bench.time.advance(15.1)
    assert fault_of(stuck).code == "upstream_idle"
    assert not slow.closed
    await bench.time.advance(10)
    answered(bench.inside(slow), "more")
    await bench.time.advance(29.8)
    assert not slow.closed
    await bench.time.advance(0.3)
    assert fault_of(slow).code == "upstream_idle"
    await bench.engine.close()


async def test_a_turn_as_a_whole(bench: Bench) -> None:
    channel, running = await bench.turn()
    matched(running)
    for _ in range(18):
        answered(running)
        await bench.time.advance(100)
    assert fault_of(channel).termination is Termination.LIMIT_TIME
    assert fault_of(channel).status == 504
    assert "(limits.turn_seconds)" in fault_of(channel).message


async def test_the_wait_for_a_place_is_part_of_the_turn() -> None:
    bench = Bench(limits=Limits(turns=1, queue_seconds=90, turn_seconds=100))
    first, second = bench.run(), await bench.running()
    await bench.time.advance(80)
    bench.engine.cancel(first)
    await settled()
    matched(bench.inside(second))
    answered(bench.inside(second))
    await bench.time.advance(19.9)
    assert not second.closed
    await bench.time.advance(0.2)
    assert fault_of(second).termination is Termination.LIMIT_TIME
    await bench.engine.close()


async def test_h11_a_follow_up_call_that_does_not_come(bench: Bench) -> None:
    channel, running = await bench.turn()
    matched(running)
    answered(running)
    running.await_attempt(Await(20, EMPTY))
    await bench.time.advance(19.9)
    assert not channel.closed
    await bench.time.advance(0.2)
    assert fault_of(channel) == EMPTY


async def test_a_follow_up_call_may_take_its_time_again(bench: Bench) -> None:
    channel, running = await bench.turn()
    matched(running)
    answered(running)
    running.await_attempt(Await(20, EMPTY))
    await bench.time.advance(19)
    running.resume()
    await settled()
    await bench.time.advance(119)
    assert not channel.closed
    await bench.time.advance(1.1)
    assert fault_of(channel).code == "upstream_idle"


# -- ends from outside -------------------------------------------------------------------------------------------


async def test_the_last_reader_stops_the_cascade_and_the_upstream_call(bench: Bench) -> None:
    channel, running = await bench.turn()
    cut: list[str] = []
    for name in ("first", "second"):
        running.attempt_sent(LINE, partial(cut.append, name))
    matched(running)
    one, other = channel.cursor(), channel.cursor()
    one.close()
    await settled()
    assert not channel.closed
    other.close()
    await settled()
    assert fault_of(channel).termination is Termination.CLIENT_GONE
    assert cut == ["first", "second"]
    assert bench.ls.called_with("cancel") == ["cascade-1"]
    assert bench.tasks == 0


async def test_the_state_stream_is_drained_until_the_call_is_here(bench: Bench) -> None:
    channel, running = await bench.turn()
    assert bench.ls.following == 1
    running.mark("matched")
    await settled()
    assert bench.ls.following == 0
    assert not channel.closed
    gc.collect()
    assert bench.ls.follower is not None
    assert bench.ls.follower() is None, "a task that has ended is held for the whole turn"


async def test_an_own_fault_on_the_wire_costs_the_ls_nothing(bench: Bench) -> None:
    """Interception fails open, so the answer goes on to the LS, whatever became of the turn."""
    cut: list[str] = []
    _, running = await bench.turn()
    running.mark("matched")
    running.attempt_sent(LINE, lambda: cut.append("cut"))
    running.close(Failed(internal("the answer could not be read")))
    await settled()
    assert (cut, bench.ls.called_with("cancel")) == ([], [])


async def test_one_call_that_cannot_be_cut_does_not_keep_the_others(bench: Bench) -> None:
    channel = await bench.running()
    cut: list[str] = []

    def broken() -> None:
        raise RuntimeError("no transport")

    for abort in (broken, lambda: cut.append("second")):
        bench.inside(channel).attempt_sent(LINE, abort)
    bench.engine.cancel(channel)
    await settled()
    assert cut == ["second"]
    assert bench.ls.called_with("cancel") == ["cascade-1"]


async def test_our_own_fault_does_not_cost_the_ls_its_answer(bench: Bench) -> None:
    """Interception fails open (invariant 5)."""
    _, running = await bench.turn()
    cut: list[str] = []
    running.attempt_sent(LINE, lambda: cut.append("cut"))
    matched(running)
    running.close(Failed(internal()))
    await settled()
    assert cut == []
    assert "cancel" not in bench.ls.names()
    assert bench.tasks == 0


async def test_our_own_bug_ends_this_turn_and_no_other(bench: Bench) -> None:
    other = await bench.running()
    other_turn = bench.inside(other)

    async def broken(awaitable: Awaitable[None], seconds: float) -> None:
        await bench.time.wait(awaitable, seconds)
        raise ZeroDivisionError

    bench.engine._wait = broken
    channel = await bench.running()
    assert fault_of(channel) == internal()
    assert bench.engine.active == 1
    assert not other.closed
    bench.engine._wait = bench.time.wait
    matched(other_turn), answered(other_turn), finished(other_turn)
    await settled()
    assert other.terminal == Finished("stop")


@pytest.mark.parametrize("queued", [False, True])
async def test_a_turn_whose_task_is_cancelled_by_force(bench: Bench, queued: bool) -> None:
    bench.run(), bench.run()
    last = await bench.running()
    channel = last if queued else bench.channels[0]
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == f"turn {channel.id}")
    task.cancel()
    await settled()
    assert fault_of(channel).code == "shutting_down"
    assert sum(record.terminal is not None for record in channel.records) == 1
    assert (bench.engine.active, bench.engine.waiting) == (2, 0)
    assert bench.ls.started == (2 if queued else 3)


async def test_a_background_turn_needs_no_reader(bench: Bench) -> None:
    channel = await bench.running(background=True)
    channel.cursor().close()
    await settled()
    assert not channel.closed


async def test_a_reader_that_leaves_after_the_end_changes_nothing(bench: Bench) -> None:
    channel, running = await bench.turn()
    cursor = channel.cursor()
    answered(running)
    finished(running)
    cursor.close()
    await settled()
    assert channel.termination is Termination.OK
    assert "cancel" not in bench.ls.names()


async def test_cancel_after_the_end_is_refused(bench: Bench) -> None:
    channel, running = await bench.turn()
    finished(running)
    assert bench.engine.cancel(channel) is False


async def test_shutdown_tells_everybody(bench: Bench) -> None:
    bench.ls.hold.add("send")
    running, other, waiting = bench.run(), bench.run(), bench.run()
    await settled()
    answered(bench.inside(running))
    await bench.engine.close()
    for channel in (running, other, waiting):
        assert fault_of(channel).code == "shutting_down"
        assert sum(record.terminal is not None for record in channel.records) == 1
    assert bench.ls.called_with("cancel") == ["cascade-1", "cascade-2"]
    assert fault_of(bench.run()).code == "shutting_down"
    assert bench.tasks == 0


async def test_shutdown_does_not_wait_for_an_ls_that_says_nothing(bench: Bench) -> None:
    bench.ls.hold |= {"send", "cancel"}
    failed, good = await bench.running(), await bench.running()
    bench.engine.cancel(failed)
    finished(bench.inside(good))
    await settled()
    assert bench.tasks
    await bench.engine.close(timeout=0)
    assert bench.tasks == 0


@pytest.mark.parametrize("at_once", [False, True])
async def test_shutdown_does_not_linger(bench: Bench, at_once: bool) -> None:
    """A good turn's LS may still be writing: that is worth waiting for, but not now."""
    bench.ls.hold.add("send")
    _, running = await bench.turn()
    finished(running)
    if not at_once:
        await settled()
    assert bench.tasks
    async with asyncio.timeout(5):
        await bench.engine.close(timeout=60)
    assert bench.ls.names() == ["start", "send"]


# -- after the end -----------------------------------------------------------------------------------------------


async def test_the_ls_may_answer_after_the_turns_end() -> None:
    bench = Bench(delete_cascades=True)
    bench.ls.hold.add("send")
    _, running = await bench.turn()
    finished(running)
    await settled()
    await bench.time.advance(LINGER_S - 1)
    assert bench.ls.names() == ["start", "send"]
    bench.ls.let("send")
    await settled()
    assert bench.ls.names() == ["start", "send", "delete"]
    assert bench.tasks == 0


async def test_but_not_for_ever() -> None:
    bench = Bench(delete_cascades=True)
    bench.ls.hold.add("send")
    _, running = await bench.turn()
    finished(running)
    await settled()
    await bench.time.advance(LINGER_S + 1)
    assert bench.ls.names() == ["start", "send", "delete"]
    assert bench.tasks == 0


async def test_cascades_of_failed_turns_are_cancelled_then_deleted() -> None:
    bench = Bench(delete_cascades=True)
    bench.engine.cancel(await bench.running())
    await settled()
    assert bench.ls.names() == ["start", "send", "cancel", "delete"]


# -- answers by other means --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "fault"), [(FaultError(GONE), GONE), (RuntimeError("our bug"), internal())], ids=["fault", "bug"]
)
async def test_a_reader_that_fails_ends_the_turn(error: Exception, fault: Fault) -> None:
    async def reader(_: RunningTurn) -> None:
        raise error

    bench = Bench(reader=reader)
    assert fault_of(await bench.running()) == fault
    assert bench.ls.called_with("cancel") == ["cascade-1"]
    await bench.engine.close()


async def test_a_reader_is_stopped_with_its_turn() -> None:
    stopped: list[str] = []

    async def reader(running: RunningTurn) -> None:
        assert running.cascade_id == "cascade-1"
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(channel.id)

    bench = Bench(reader=reader, limits=Limits(first_byte_seconds=50))
    channel = await bench.running()
    await bench.time.advance(49)
    assert not channel.closed  # nothing matches here, so there is no limit for it
    await bench.time.advance(1.1)
    assert fault_of(channel).code == "upstream_idle"
    assert stopped == [channel.id]
    assert bench.tasks == 0


# -- any order ---------------------------------------------------------------------------------------------------

FAULTS = {"refuse": FaultError(REFUSED), "bug": RuntimeError("our bug")}
STEPS = st.one_of(
    st.sampled_from(["run", "let start", "let send", "let cancel", "free", "hold start", "hold send", "hold cancel"]),
    st.tuples(st.sampled_from(["match", "answer", "finish", "await", "cancel", "leave"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["refuse", "bug"]), st.sampled_from(["start", "send", "annotate"])),
    st.sampled_from([0.5, 15.0, 25.0, 130.0]),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25), st.booleans())
def test_every_order_of_things_ends_every_turn_once(steps: list[Any], deleting: bool) -> None:
    asyncio.run(play(steps, deleting))


async def play(steps: list[Any], deleting: bool) -> None:  # long: one scene, step by step
    bench = Bench(limits=Limits(turns=2, waiting=1, queue_seconds=40), delete_cascades=deleting)
    for step in steps:
        match step:
            case "run":
                bench.run()
            case "free":
                bench.ls.faults.clear()
                bench.ls.hold.clear()
            case str() if step.startswith("let "):
                bench.ls.let(step[4:])
            case str():
                bench.ls.hold.add(step[5:])
            case float():
                await bench.time.advance(step)
            case ("refuse" | "bug" as kind, str(method)):
                bench.ls.faults[method] = FAULTS[kind]
            case (kind, int(number)) if number < len(bench.channels):
                act(bench, kind, bench.channels[number])
        await asyncio.sleep(0)
    for method in ("start", "send", "cancel"):
        bench.ls.let(method)
    bench.ls.hold.clear()
    await bench.engine.close(timeout=1)
    assert bench.tasks == 0
    assert bench.engine.active == bench.engine.waiting == 0
    for channel in bench.channels:
        assert [record.seq for record in channel.records if record.terminal is not None] == [channel.count - 1]
    stopped = {channel.cascade_id for channel in bench.channels if must_stop(channel)} - {None}
    assert sorted(bench.ls.called_with("cancel")) == sorted(stopped)  # each once, and no other


def must_stop(channel: CascadeChannel) -> bool:
    """Failed turns, but not by our own fault while the LS has its answer coming."""
    own = channel.termination is Termination.INTERNAL and "matched" in channel.marks
    return isinstance(channel.terminal, Failed) and not own


def act(bench: Bench, kind: str, channel: CascadeChannel) -> None:
    match kind:
        case "match":
            matched(bench.inside(channel))
        case "answer":
            answered(bench.inside(channel))
        case "finish":
            bench.inside(channel).close(Finished("stop"))
        case "await":
            bench.inside(channel).await_attempt(Await(20, EMPTY))
        case "cancel":
            bench.engine.cancel(channel)
        case _:
            channel.cursor().close()


def test_the_fault_of_a_client_is_its_own() -> None:
    """What cancel tells: the client's doing, with a status nobody takes for a failure of ours."""
    bench = Bench()
    channel = bench.store.open(Turn("turn_1", "chat", "m", Target("m", "M"), {"contents": []})).channel
    assert bench.engine.cancel(channel, Termination.CLIENT_STALL)
    assert fault_of(channel).origin is Origin.CLIENT
    assert fault_of(channel).status == 499
    assert fault_of(channel).termination is Termination.CLIENT_STALL


@pytest.mark.parametrize("sending", ["answered", "not answered"])
async def test_a_stop_sequence_stops_the_cascade_and_the_upstream_call(bench: Bench, sending: str) -> None:
    """Nothing is wrong, but Google would go on."""
    if sending == "not answered":
        bench.ls.hold.add("send")
    channel, running = await bench.turn(stops=("END",))
    cut: list[str] = []
    matched(running)
    running.attempt_sent(LINE, lambda: cut.append("cut"))
    answered(running, "hello E")
    await settled()
    assert (channel.closed, channel.state.text) == (False, "hello ")
    running.append(0, b"{}", (TextDelta("ND"),))
    await settled()
    assert channel.terminal == Finished("stop_sequence", "END")
    assert cut == ["cut"]
    assert bench.ls.called_with("cancel") == ["cascade-1"]
    assert bench.tasks == bench.engine.active == 0


async def test_a_stop_sequence_in_a_follow_up(bench: Bench) -> None:
    channel, running = await bench.turn(stops=("END",))
    cut: list[str] = []
    matched(running)
    running.attempt_sent(LINE, lambda: cut.append("first"))
    running.append(0, b"{}", (AttemptOpened(), ThinkingDelta("an END"), AttemptClosed("STOP")))
    running.await_attempt(Await(20.0, internal("late")))
    await settled()
    assert not channel.closed
    running.attempt_sent(LINE, lambda: cut.append("second"))
    running.append(1, b"{}", (AttemptOpened(), TextDelta("x END")))
    await settled()
    assert (channel.terminal, channel.state.text) == (Finished("stop_sequence", "END"), "x ")
    assert cut == ["first", "second"]
    assert bench.tasks == 0


async def test_a_stop_sequence_among_polled_steps() -> None:
    async def reader(running: RunningTurn) -> None:
        running.append(0, b"", (AttemptOpened(), TextDelta("x END y"), Usage(3), AttemptClosed("STOP")))

    bench = Bench(reader=reader)
    channel, _ = await bench.turn(stops=("END",))
    assert (channel.terminal, channel.state.text) == (Finished("stop_sequence", "END"), "x ")
    assert channel.state.usage == Usage(3)
    assert bench.ls.called_with("cancel") == ["cascade-1"]
    assert bench.tasks == 0


# -- turns that end at once ----------------------------------------------------------------------------------------


async def test_a_turn_that_ends_at_once_asks_nobody(bench: Bench) -> None:
    """Not even for a place: all are taken, and the queue is full."""
    for _ in range(3):
        bench.run()
    channel = bench.run(at_once=True)
    assert channel.terminal == Finished("length")
    assert channel.termination is Termination.LENGTH
    assert [record.events for record in channel.records] == [(Finished("length"),)]
    await settled()
    assert bench.ls.started == 2


async def test_a_turn_that_ends_at_once_can_be_refused_like_any_other(bench: Bench) -> None:
    bench.ls.faults["admit"] = bad_request("no tools here", param="tools")
    with pytest.raises(FaultError, match="no tools here"):
        bench.run(at_once=True)

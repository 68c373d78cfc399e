"""The fallback: looks at a scripted language server; then whole turns against the stand-ins, on every surface."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.backends.polling.test_step_delta import FIGURES, LS_USAGE, START, failed, planner, tool
from tests.waiting import until
from zerogravity.backends.antigravity.errors import error_of, gone
from zerogravity.backends.polling import polling as module
from zerogravity.backends.polling.polling import Polling, read_steps, run_of
from zerogravity.config import Limits
from zerogravity.core import token_estimate
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Finished, Notice
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Target, Turn
from zerogravity.engine import Engine
from zerogravity.errors import FaultError, Termination
from zerogravity.surfaces import chat, gemini, responses
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini.request import parse_request
from zerogravity.testing.builders import FakeClock
from zerogravity.testing.check import check_chat, check_gemini, check_responses
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

Step = dict[str, Any]
MODEL = "gemini-3-flash"
SURFACES: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "responses": (responses.surface, check_responses),
    "chat": (chat.surface, check_chat),
    "gemini": (gemini.surface, check_gemini),
}


class Script:
    """A language server whose steps are the next of ``stages`` at each look; the last one stays."""

    def __init__(self, *stages: list[Step] | Exception, status: str = "IDLE", live: list[Step] | None = None) -> None:
        self.stages = list(stages)
        self.status = status
        self.live = live
        self.generators: list[Step] = []
        self.offsets: list[int] = []
        self.trajectories = 0
        self.cancelled: list[str] = []
        self.follows: Callable[[], Any] = asyncio.Event().wait
        self.wake: Callable[[], None] = lambda: None
        self.now: list[Step] = []

    async def steps(self, cascade_id: str, offset: int = 0) -> list[Step]:
        self.offsets.append(offset)
        stage = self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]
        if isinstance(stage, Exception):
            raise stage
        self.now = stage
        return stage[offset:]

    async def trajectory(self, cascade_id: str) -> Step:
        self.trajectories += 1
        steps = self.live if self.live is not None else self.now
        return {"status": f"CASCADE_RUN_STATUS_{self.status}", "trajectory": {"steps": steps}}

    async def generator_metadata(self, cascade_id: str) -> list[Step]:
        return self.generators

    async def follow(self, cascade_id: str, on_change: Callable[[], None] | None = None) -> None:
        assert on_change is not None
        self.wake = on_change
        await self.follows()

    async def cancel(self, cascade_id: str) -> None:
        self.cancelled.append(cascade_id)


@pytest.fixture
def running(clock: FakeClock) -> RunningTurn:
    return opened(clock)


@pytest.fixture
def channel(running: RunningTurn) -> CascadeChannel:
    return running.channel


def opened(clock: Callable[[], int], **fields: Any) -> RunningTurn:
    store = MitmStore(clock)
    target = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18")
    defaults = {"google_request": {"contents": []}}
    made = store.open(Turn("turn_" + "1" * 32, "responses", "gemini-3-flash", target, **(defaults | fields)))
    store.bind(made, "cascade-1")
    return made


async def read(running: RunningTurn, script: Script) -> list[float]:
    """Read to the end, without waiting; how long it would have waited each time."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await read_steps(running, script, sleep=sleep, chance=lambda: 0.5)
    return waits


# -- looks -------------------------------------------------------------------------------------------------------


async def test_a_plain_turn(running: RunningTurn, channel: CascadeChannel) -> None:
    done = planner("Paris.", "DONE", thinking="Hm.", metadata={"modelUsage": FIGURES})
    script = Script([*START], [*START, planner("Pa", thinking="Hm.")], [*START, done])
    await read(running, script)
    assert channel.terminal == Finished("stop")
    assert (channel.state.text, channel.state.thinking, channel.state.usage) == ("Paris.", "Hm.", LS_USAGE)
    assert channel.state.attempts == 1
    assert script.trajectories == 0  # no status needed
    assert script.offsets == [0, 0, 2]  # what is before the answer is not fetched again


async def test_each_round_has_its_own_attempts_and_all_figures_count(clock: FakeClock) -> None:
    """A turn that goes on is polled again in another cascade, whose first answer is not its first attempt."""
    store, turn = MitmStore(clock), Turn("turn_" + "1" * 32, "responses", MODEL, Target(MODEL, "M18"), {"contents": []})
    goes_on = Following(_unasked, "503")
    running = store.open(turn, follow=lambda running, terminal: goes_on if running.channel.state.rounds == 1 else None)
    for number in range(2):
        store.bind(running, f"cascade-{number}")
        done = planner(f"Round {number}.", "DONE", metadata={"modelUsage": FIGURES})
        await read(running, Script([*START, done]))
        if number == 0:
            running = store.again(running, turn)
    state = running.channel.state
    assert (state.text, list(state.usage_by_attempt)) == ("Round 1.", [0, 1])
    assert state.usage.prompt == 2 * LS_USAGE.prompt


async def _unasked(running: RunningTurn) -> Turn:
    return running.turn


async def test_a_stop_sequence_ends_the_turn(clock: FakeClock) -> None:
    """Across looks; nothing is looked at any more."""
    running = opened(clock, stops=("END",))
    script = Script([*START, planner("one E", thinking="An END.")], [*START, planner("one END two")], [])
    await read(running, script)
    channel = running.channel
    assert (channel.terminal, channel.state.text) == (Finished("stop_sequence", "END"), "one ")
    assert channel.state.thinking == "An END."
    assert script.stages == [[]], "two looks"


async def test_a_stop_sequence_in_the_last_look_ends_the_turn_as_any_does(clock: FakeClock) -> None:
    running = opened(clock, stops=("END",))
    await read(running, Script([*START, planner("one END two", "DONE", metadata={"modelUsage": FIGURES})]))
    channel = running.channel
    assert (channel.terminal, channel.state.text) == (Finished("stop_sequence", "END"), "one ")


async def test_pauses_are_random_without_a_state_stream(running: RunningTurn) -> None:
    script = Script([], [], [*START, planner("x", "DONE")])

    async def nothing() -> None:
        return None

    script.follows = nothing
    waits = await read(running, script)
    assert waits[-1] == pytest.approx(0.2)


async def test_a_state_stream_wakes_the_reader(running: RunningTurn, channel: CascadeChannel) -> None:
    """The long pause never ends here: only the stream's word makes it look again."""
    script = Script([], [*START, planner("x", "DONE")])
    never = asyncio.Event()

    async def sleep(_: float) -> None:
        await never.wait()

    reading = asyncio.create_task(read_steps(running, script, sleep=sleep))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not channel.closed
    script.wake()
    async with asyncio.timeout(5):
        await reading
    assert channel.terminal == Finished("stop")


@pytest.mark.parametrize("error", [FaultError(gone("broken")), None])
async def test_a_state_stream_that_ends_or_fails_does_no_harm(
    running: RunningTurn, channel: CascadeChannel, error: Exception | None
) -> None:
    script = Script([], [], [*START, planner("x", "DONE")])

    async def ends() -> None:
        if error is not None:
            raise error

    script.follows = ends
    await read(running, script)
    assert channel.terminal == Finished("stop")


async def test_frozen_steps_are_replaced_by_the_live_trajectory(running: RunningTurn, channel: CascadeChannel) -> None:
    live = [*START, planner("li")]
    script = Script([*START], status="RUNNING", live=live)

    async def sleep(_: float) -> None:
        await asyncio.sleep(0)
        if channel.state.text == "li":
            script.live = [*START, planner("live", "DONE")]

    async with asyncio.timeout(10):
        await read_steps(running, script, sleep=sleep)
    assert channel.state.text == "live"
    assert len(script.offsets) == module.UNCHANGED_POLLS + 2  # afterwards only the trajectory is fetched


async def test_an_idle_cascade_that_has_not_begun_is_waited_for(running: RunningTurn, channel: CascadeChannel) -> None:
    script = Script(*[[*START]] * 60, [*START, planner("late", "DONE")])
    await read(running, script)
    assert channel.state.text == "late"


@pytest.mark.parametrize(
    ("stages", "termination", "code"),
    [
        ([[*START, planner("", "DONE", thinking="only")]], Termination.EMPTY, "empty_response"),
        ([[*START, planner("", "DONE")]], Termination.EMPTY, "empty_response"),
        ([[*START, failed(errorCode=429, shortError="quota")]], Termination.UPSTREAM_STATUS, "rate_limit_exceeded"),
        ([[*START, planner("half", "ERROR", error={"errorCode": 500, "shortError": "x"})]],
         Termination.UPSTREAM_STATUS, None),
        ([[*START, planner("", "DONE", toolCalls=[{"name": "run_command"}]), tool("RUN_COMMAND", "WAITING")]],
         Termination.LS_REFUSED, "ls_waits"),
    ],
)  # fmt: skip
async def test_turns_that_end_badly(
    running: RunningTurn, channel: CascadeChannel, stages: list[list[Step]], termination: Termination, code: str | None
) -> None:
    await read(running, Script(*stages))
    assert isinstance(channel.terminal, Failed)
    assert channel.termination is termination
    assert code is None or channel.terminal.fault.code == code


async def test_a_cascade_that_waits_for_approval_is_cancelled(running: RunningTurn, channel: CascadeChannel) -> None:
    calls = [{"name": "run_command"}]
    script = Script([*START, planner("I would run it.", "DONE", toolCalls=calls), tool("RUN_COMMAND", "WAITING")])
    await read(running, script)
    assert channel.terminal == Finished("stop")
    assert script.cancelled == ["cascade-1"]
    assert "ls_waits" in [notice.code for notice in channel.state.notices]


async def test_a_failed_poll_brings_nothing(running: RunningTurn, channel: CascadeChannel) -> None:
    broken = FaultError(gone("broken"))
    script = Script(broken, broken, [*START, planner("x")], broken, broken, [*START, planner("x", "DONE")])
    await read(running, script)
    assert channel.terminal == Finished("stop")


async def test_an_ls_that_is_gone(running: RunningTurn) -> None:
    with pytest.raises(FaultError, match="broken"):
        await read(running, Script(*[FaultError(gone("broken"))] * 4))


async def test_an_ls_that_has_restarted(running: RunningTurn) -> None:
    lost = error_of(404, b'{"code":"not_found","message":"cascade not found"}')
    with pytest.raises(FaultError) as raised:
        await read(running, Script([*START, planner("x")], lost))
    assert (raised.value.fault.status, raised.value.fault.code) == (503, "ls_gone")
    assert "restarted" in raised.value.fault.message


async def test_an_ls_without_the_method(running: RunningTurn) -> None:
    with pytest.raises(FaultError) as raised:
        await read(running, Script(error_of(501, b'{"code":"unimplemented"}')))
    assert raised.value.fault.code == "ls_refused"


async def test_usage_from_the_generator_metadata(running: RunningTurn, channel: CascadeChannel) -> None:
    script = Script([*START, planner("x", "DONE")])
    script.generators = [{"stepIndices": [2], "chatModel": {"usage": FIGURES}}]
    await read(running, script)
    assert channel.state.usage == LS_USAGE


async def test_what_has_no_effect_is_noted_with_the_first_event(clock: FakeClock) -> None:
    running = opened(clock, google_request={"contents": [], "generationConfig": {"temperature": 0}})
    channel = running.channel
    await read(running, Script([*START, planner("x", "DONE")]))
    (notice,) = channel.state.notices
    assert isinstance(notice, Notice) and notice.code == "not_applied"
    assert channel.records[0].events[-1] == notice


async def test_a_turn_that_is_closed_meanwhile(running: RunningTurn, channel: CascadeChannel) -> None:
    script = Script([*START], [*START, planner("x")])

    async def sleep(_: float) -> None:
        running.close(Finished("stop"))
        await asyncio.sleep(0)

    await read_steps(running, script, sleep=sleep)
    assert channel.state.text == ""


@pytest.mark.parametrize(
    ("status", "run"),
    [
        ("CASCADE_RUN_STATUS_IDLE", "idle"), ("CASCADE_RUN_STATUS_RUNNING", "running"),
        ("CASCADE_RUN_STATUS_BUSY", "running"), ("CASCADE_RUN_STATUS_UNSPECIFIED", "unknown"), (None, "unknown"),
    ],
)  # fmt: skip
def test_run_statuses(status: object, run: str) -> None:
    assert run_of(status) == run


# -- whole turns against the stand-ins ---------------------------------------------------------------------------


def parsed(surface: str, text: str, turn_id: str = "turn_" + "9" * 32, **more: Any) -> Turn:
    """A client's request, parsed as the server would."""
    context = Context(turn_id, 1_770_000_000, Catalogue().resolve)
    match surface:
        case "responses":
            return responses.surface.parse({"model": MODEL, "input": text, "stream": True, **more}, context)
        case "chat":
            messages = [{"role": "user", "content": text}]
            return chat.surface.parse({"model": MODEL, "messages": messages, "stream": True, **more}, context)
        case _:
            body = {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}
            return parse_request(body, context, model=MODEL, stream=True)


class Quick(Polling):
    """The same order of things, in less time."""

    async def follow(self, channel: CascadeChannel) -> None:
        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds / 20)

        await read_steps(channel, self.ls, sleep=sleep)


class Plant:
    """Stand-ins of Google and the LS, and an engine that polls."""

    def __init__(self, google: GoogleSimulator, ls: LanguageServerSimulator, backend: Polling) -> None:
        self.google, self.ls = google, ls
        self.store = MitmStore(time.monotonic_ns)
        self.engine = Engine(
            self.store,
            backend,
            clock=time.monotonic_ns,
            limits=Limits(first_byte_seconds=20, idle_seconds=20),
        )
        self.made = 0

    async def turn(self, text: str, surface: str = "responses") -> CascadeChannel:
        self.made += 1
        channel = self.engine.run(parsed(surface, text, f"turn_{self.made:032x}"))
        async with asyncio.timeout(20):
            await channel.wait_closed()
        kind, check = SURFACES[surface]
        emitter = kind.emitter(channel, bytes(32))
        frames = [*emitter.begin(), *(frame for record in channel.records for frame in emitter.feed(record))]
        check(b"".join(frames))
        return channel


@pytest_asyncio.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    google = GoogleSimulator(http2=False, pace=0.001)
    await google.start()
    authority = tmp_path / "google.pem"
    authority.write_bytes(google.ca_pem)
    ls = LanguageServerSimulator(LsOptions(endpoint=google.url, proxy_ca=authority, retry_s=0.01))
    await ls.start()
    certificate = tmp_path / "ls.pem"
    certificate.write_bytes(ls.certificate_pem)
    backend = Quick(url=ls.url, csrf=ls.csrf, cert=certificate)
    made = Plant(google, ls, backend)
    yield made
    await made.engine.close()
    await backend.close()
    await ls.stop()
    await google.stop()


HABITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "nobody needs to follow": {"agent_state": False},
    "reactive": {"agent_state": False, "reactive": True},
    "somebody has to follow": {"subscriber": True},
    "frozen steps": {"frozen_steps": True},
    "idle before the text": {"idle_early_s": 0.05},
    "blocking": {"blocking": "always"},
    "usage of generators": {"usage": "generator"},
    "title first": {"checkpoint": "before"},
}


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
async def test_a_turn_with_every_habit(plant: Plant, habits: dict[str, Any]) -> None:
    for name, value in habits.items():
        setattr(plant.ls.options, name, value)
    channel = await plant.turn("sim:think")
    assert channel.terminal == Finished("stop")
    assert channel.state.text == "Here is an answer in several pieces, as the real one would come."
    assert channel.state.thinking.startswith("**Reading the request**")
    assert channel.state.usage.source == "ls"
    assert channel.state.usage.total > 0


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(
    ("scenario", "termination"),
    [
        ("text", Termination.OK),
        ("unicode", Termination.OK),
        ("max-tokens", Termination.LENGTH),
        ("safety", Termination.FILTERED),
        ("drop", Termination.UPSTREAM_DROP),
        ("503-mid", Termination.UPSTREAM_STATUS),
        ("429", Termination.UPSTREAM_STATUS),
        ("thinking-only", Termination.EMPTY),
        ("malformed", Termination.UPSTREAM_GARBAGE),
    ],
)
async def test_scenarios_on_every_surface(plant: Plant, surface: str, scenario: str, termination: Termination) -> None:
    plant.ls.options.forced = 0
    channel = await plant.turn(f"sim:{scenario}", surface)
    assert channel.termination is termination
    assert not [notice for notice in channel.state.notices if notice.code == "ls_waits"]


async def test_an_early_failure_can_still_be_an_http_status(plant: Plant) -> None:
    """Nothing but the end is in the channel: no answer has begun."""
    channel = await plant.turn("sim:429")
    assert channel.count == 1
    assert isinstance(channel.terminal, Failed)
    fault = channel.terminal.fault
    assert (fault.status, fault.code, fault.rpc_status) == (429, "rate_limit_exceeded", "RESOURCE_EXHAUSTED")
    assert fault.retry_after == pytest.approx(0.479, abs=0.001)


async def test_googles_refusal_of_the_login_is_not_the_clients_key(plant: Plant) -> None:
    channel = await plant.turn("sim:401")
    assert isinstance(channel.terminal, Failed)
    fault = channel.terminal.fault
    assert (fault.status, fault.code, fault.retryable) == (502, "upstream_auth", False)
    for kind, _ in SURFACES.values():
        answer = kind.error(fault)
        assert answer.status == 502
        assert answer.headers["x-should-retry"] == "false"


async def test_no_figures_at_all(plant: Plant) -> None:
    plant.ls.options.usage = "none"
    channel = await plant.turn("sim:text")
    assert channel.state.usage == token_estimate.usage_of(channel.turn.google_request, channel.state.items)


async def test_the_ls_own_tools_never_reach_the_client(plant: Plant) -> None:
    channel = await plant.turn("sim:tool")
    assert channel.closed
    assert not channel.state.has_calls


async def test_tools_of_the_client_are_refused(plant: Plant) -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    with pytest.raises(FaultError, match="get_weather"):
        plant.engine.run(parsed("chat", "Hello", tools=tools))
    assert not plant.ls.cascades


async def test_an_ls_that_restarts_in_the_middle(plant: Plant) -> None:
    plant.ls.options.delay_s = 30
    channel = plant.engine.run(parsed("chat", "Hello"))
    await until(lambda: any(cascade.running for cascade in plant.ls.cascades.values()))
    (cascade,) = plant.ls.cascades.values()
    assert cascade.task is not None
    cascade.task.cancel()
    plant.ls.cascades.clear()
    async with asyncio.timeout(10):
        await channel.wait_closed()
    assert channel.termination is Termination.LS_GONE

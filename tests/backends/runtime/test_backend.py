"""The runtime as a ``Backend``, with the stand-in: each call, and what each leaves when it fails or is cancelled."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.backends.runtime.conftest import KEY, Program, alive, folders
from tests.ports import free_port
from tests.waiting import until
from zerogravity.backends.base import BackendListener, Route
from zerogravity.backends.runtime import backend as module
from zerogravity.backends.runtime import conversation, models
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.backends.runtime.settings import Settings, Vertex
from zerogravity.core import marker
from zerogravity.errors import Fault, FaultError
from zerogravity.testing import builders

MODEL = "gemini-3-flash-preview"
IDLE = {"trajectoryStateUpdate": {"state": "STATE_FULLY_IDLE"}}
Make = Callable[..., Runtime]


@pytest_asyncio.fixture
async def make(program: Program) -> AsyncIterator[Make]:
    """Runtimes of the stand-in; Google cannot be reached. All are closed at the end."""
    made: list[Runtime] = []
    nowhere = Route(f"http://127.0.0.1:{free_port()}")

    def runtime(settings: Settings | None = None, route: Route = nowhere, **options: Any) -> Runtime:
        made.append(Runtime(settings or program.settings, route, **options))
        return made[-1]

    yield runtime
    for one in made:
        await one.close()
        assert (one.conversations, one.pid) == (0, None)


def configurations(program: Program) -> list[Any]:
    return [one["config"] for one in program.heard if "config" in one]


# -- lifecycle ---------------------------------------------------------------------------------------------------


async def test_it_reports_its_models_and_that_it_is_up(make: Make) -> None:
    reported, up = list[Any](), list[bool]()
    runtime = make()
    runtime.set_callbacks(BackendListener(reported.append, up.append))
    readiness = await runtime.readiness()
    assert readiness.fault is not None
    await runtime.start()
    assert (await runtime.readiness()).fault is None
    await runtime.check()
    assert up == [True]
    assert reported == [models.TABLE, models.TABLE]


@pytest.mark.parametrize(
    ("settings", "route", "code"),
    [
        ({}, Route(), "ls_refused"),
        ({"binary": None}, Route("http://127.0.0.1:9"), "ls_absent"),
        ({"key": ""}, Route("http://127.0.0.1:9"), "ls_not_logged_in"),
        ({"binary": Path("/no/where")}, Route("http://127.0.0.1:9"), "ls_absent"),
    ],
)
async def test_a_start_that_is_refused(
    settings: dict[str, Any], route: Route, code: str, make: Make, program: Program
) -> None:
    runtime = make(replace(program.settings, **settings), route)
    with pytest.raises(FaultError) as raised:
        await runtime.start()
    assert raised.value.fault.code == code
    assert raised.value.fault.remedy
    assert folders() == []


async def test_a_key_that_google_refuses_is_known_before_a_turn(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = make()
    await runtime.start()
    fault = module.refused("API key not valid")

    async def refuses() -> None:
        runtime._listing.fault = fault  # pyright: ignore[reportPrivateUsage]
        raise FaultError(fault)

    monkeypatch.setattr(runtime._listing, "models", refuses)  # pyright: ignore[reportPrivateUsage]
    assert (await runtime.readiness()).fault is fault
    with pytest.raises(FaultError, match="API key not valid"):
        await runtime.check()


# -- a turn ------------------------------------------------------------------------------------------------------


async def test_a_turn(make: Make, program: Program) -> None:
    runtime = make()
    await runtime.start()
    turn = builders.turn()
    runtime.admit(turn)
    cascade_id = await runtime.start_cascade(MODEL)
    (folder,) = folders()
    assert list((folder / "app" / "brain").glob("*")) == [folder / "app" / "brain" / cascade_id]
    await runtime.send(cascade_id, turn, MODEL)
    await runtime.annotate(cascade_id)
    await runtime.delete(cascade_id)
    await runtime.delete(cascade_id)
    assert list((folder / "app" / "brain").glob("*")) == []
    (configured,) = configurations(program)
    assert (configured["cascadeId"], configured["models"][0]["name"]) == (cascade_id, MODEL)
    said = [one["userInput"]["parts"][0]["text"] for one in program.heard if "userInput" in one]
    assert said == [marker.marker_for(cascade_id)]
    await until(lambda: "goodbye" in program.heard)


@pytest.mark.parametrize(
    ("settings", "route", "endpoint"),
    [
        (Settings(key=KEY), Route("http://h:1"), {"geminiApiEndpoint": {"baseUrl": "http://h:1", "apiKey": KEY}}),
        (Settings(key=KEY), Route(proxy="http://h:1"), {"geminiApiEndpoint": {"apiKey": KEY}}),
        (Settings(key=KEY, vertex=Vertex()), Route("http://h:1"),
         {"vertexEndpoint": {"baseUrl": "http://h:1", "apiKey": KEY}}),
        *((Settings(vertex=Vertex("p", "l")), route, {"vertexEndpoint": {"project": "p", "location": "l"}})
          for route in (Route(proxy="http://h:1"), Route("http://h:1"))),
    ],
)  # fmt: skip
async def test_where_it_is_told_to_call(
    settings: Settings, route: Route, endpoint: dict[str, Any], make: Make, program: Program
) -> None:
    runtime = make(replace(settings, binary=program.path), route)
    await runtime.start()
    await runtime.start_cascade(MODEL)
    (configured,) = configurations(program)
    given = {name: value for name, value in configured["models"][0].items() if name not in ("name", "types")}
    assert given == endpoint


@pytest.mark.parametrize(
    ("turn", "code", "words"),
    [
        (["hangup"], "ls_gone", "hung up"),
        (["crash"], "ls_gone", "hung up"),
        ([{"trajectoryStateUpdate": {"state": "STATE_FULLY_IDLE", "error": "model output error " * 100}}], "ls_refused",
         "gave up: model output error"),
        ([{"trajectoryStateUpdate": {"state": "STATE_FULLY_IDLE", "stopReason": "MAX_MODEL_CALLS"}}], "ls_refused",
         "gave up: MAX_MODEL_CALLS"),
    ],
)  # fmt: skip
async def test_a_turn_that_fails(turn: list[Any], code: str, words: str, make: Make, program: Program) -> None:
    program.behave(turn=turn)
    runtime = make()
    await runtime.start()
    cascade_id = await runtime.start_cascade(MODEL)
    with pytest.raises(FaultError) as raised:
        await runtime.send(cascade_id, builders.turn(), MODEL)
    fault = raised.value.fault
    assert (fault.code, len(fault.message) < 600) == (code, True)
    assert words in fault.message
    await runtime.cancel(cascade_id)
    await runtime.delete(cascade_id)
    assert runtime.conversations == 0


async def test_a_refused_configuration_tells_its_last_words(make: Make, program: Program) -> None:
    program.behave(config="refuse")
    runtime = make()
    await runtime.start()
    for _ in range(2):  # its words come by another way than its end
        with pytest.raises(FaultError, match="began no conversation") as raised:
            await runtime.start_cascade(MODEL)
    await until(lambda: _words(runtime))
    with pytest.raises(FaultError, match="must be at least 32 characters"):
        await runtime.start_cascade(MODEL)
    assert raised.value.fault.code == "ls_refused"
    assert runtime.conversations == 0


def _words(runtime: Runtime) -> str:
    current = runtime._keeper._current  # pyright: ignore[reportPrivateUsage]
    return "" if current is None else current.last_words


async def test_a_cancelled_turn_is_halted_and_gone(make: Make, program: Program) -> None:
    program.behave(turn=["hang"])
    runtime = make()
    await runtime.start()
    cascade_id = await runtime.start_cascade(MODEL)
    sending = asyncio.create_task(runtime.send(cascade_id, builders.turn(), MODEL))
    await until(lambda: any("userInput" in one for one in program.heard))
    await runtime.cancel(cascade_id)
    await sending
    await until(lambda: {"haltRequest": True} in program.heard and program.heard[-1] == "goodbye")
    assert runtime.conversations == 0
    with pytest.raises(FaultError, match="has no conversation"):
        await runtime.send(cascade_id, builders.turn(), MODEL)


# -- a process that ends or hangs --------------------------------------------------------------------------------


async def test_a_turn_that_meets_a_dying_process_gets_the_next_one(make: Make, program: Program) -> None:
    now = [0.0]
    runtime = make(clock=lambda: now[0])
    await runtime.start()
    for number in range(3):
        assert runtime.pid is not None
        os.kill(runtime.pid, signal.SIGKILL)
        runtime._keeper._began = -100.0  # pyright: ignore[reportPrivateUsage]
        cascade_id = await runtime.start_cascade(MODEL)
        await runtime.send(cascade_id, builders.turn(), MODEL)
        await runtime.delete(cascade_id)
        assert len(program.starts) == number + 2


async def test_while_it_cannot_be_started_again_turns_and_readiness_say_why(make: Make, program: Program) -> None:
    runtime = make()
    await runtime.start()
    kept = await runtime.start_cascade(MODEL)
    program.behave(start="crash", said="no memory")
    assert runtime.pid is not None
    os.kill(runtime.pid, signal.SIGKILL)
    await until(lambda: runtime.pid is None)

    def fault() -> Fault | None:
        return runtime._keeper.fault  # pyright: ignore[reportPrivateUsage]

    await until(lambda: (found := fault()) and "no memory" in found.message)
    assert (await runtime.readiness()).fault is fault()
    with pytest.raises(FaultError, match="no memory"):
        await runtime.start_cascade(MODEL)
    await runtime.cancel(kept)
    assert runtime.conversations == 0


async def test_one_that_answers_nobody_gets_no_more_conversations(
    make: Make, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turns that have waited for it in vain get another one, and so do those that come meanwhile."""
    monkeypatch.setattr(conversation, "OPEN_S", 2.0)
    monkeypatch.setattr(conversation, "CLOSE_S", 0.05)
    monkeypatch.setattr(module, "ENDING_S", 0.05)
    runtime = make()
    await runtime.start()
    old = runtime.pid
    assert old is not None
    os.kill(old, signal.SIGSTOP)
    await asyncio.gather(*(runtime.start_cascade(MODEL) for _ in range(3)))
    assert runtime.pid != old
    assert len(configurations(program)) == 3
    await until(lambda: not alive([old]))


async def test_how_long_it_may_take_is_measured_by_the_clock_it_is_given(make: Make) -> None:
    """One that leaves out the time in which we were too busy to look (``Lateness.limit``)."""
    asked = list[float]()

    def limit(seconds: float) -> AbstractAsyncContextManager[object]:
        asked.append(seconds)
        return nullcontext()

    runtime = make(limit=limit)
    await runtime.start()
    await runtime.start_cascade(MODEL)
    assert asked == [conversation.OPEN_S]


async def test_one_that_answers_nobody_and_whose_replacement_does_not_start(
    make: Make, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a third one; when it answers again it serves turns."""
    runtime = make()
    await runtime.start()
    program.behave(start="crash")
    old = runtime.pid
    assert old is not None
    os.kill(old, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(conversation, "OPEN_S", 0.5)
        patch.setattr(module, "ENDING_S", 0.05)
        for _ in range(2):
            with pytest.raises(FaultError, match="does not answer"):
                await runtime.start_cascade(MODEL)
    os.kill(old, signal.SIGCONT)
    await runtime.start_cascade(MODEL)
    assert runtime.pid == old


# -- cancelled ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [*range(0, 30, 3), 60])
async def test_an_opening_that_is_cancelled_holds_nothing(steps: int, make: Make, program: Program) -> None:
    runtime = make()
    await runtime.start()
    starting = asyncio.create_task(runtime.start_cascade(MODEL))
    for _ in range(steps):
        await asyncio.sleep(0.0003)
    starting.cancel()
    (found,) = await asyncio.gather(starting, return_exceptions=True)
    if isinstance(found, str):
        await runtime.delete(found)
    current = runtime._keeper._current  # pyright: ignore[reportPrivateUsage]
    assert current is not None
    assert (current.open, runtime.conversations) == (0, 0)


@pytest.mark.parametrize("call", ["delete", "cancel"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 10])
async def test_a_delete_that_is_cancelled_holds_nothing(call: str, steps: int, make: Make, program: Program) -> None:
    runtime = make()
    await runtime.start()
    cascade_id = await runtime.start_cascade(MODEL)
    deleting = asyncio.create_task(getattr(runtime, call)(cascade_id))
    for _ in range(steps):
        await asyncio.sleep(0)
    deleting.cancel()
    await asyncio.gather(deleting, return_exceptions=True)
    await runtime.delete(cascade_id)
    current = runtime._keeper._current  # pyright: ignore[reportPrivateUsage]
    assert current is not None
    assert (current.open, runtime.conversations) == (0, 0)
    (folder,) = folders()
    await until(lambda: not list((folder / "app" / "brain").glob("*")))


@pytest.mark.parametrize("steps", [None, 0, 1, 2, 3, 5, 10, 30])
async def test_close_with_open_conversations_leaves_nothing(
    steps: int | None, make: Make, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "CLOSE_S", 0.05)
    program.behave(turn=["hang"])
    runtime = make()
    await runtime.start()
    ids = await asyncio.gather(*(runtime.start_cascade(MODEL) for _ in range(5)))
    sending = [asyncio.create_task(runtime.send(one, builders.turn(), MODEL)) for one in ids]
    await until(lambda: sum("userInput" in one for one in program.heard) == 5)
    closing = asyncio.create_task(runtime.close())
    if steps is not None:
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    if steps == 0:
        await runtime.close()
    await asyncio.gather(*sending, return_exceptions=True)
    assert runtime.conversations == 0


# -- its key -----------------------------------------------------------------------------------------------------


async def test_no_key_is_shown(make: Make, program: Program, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = "unlike-any-other-key"
    program.behave(said=f"using {key}", turn=[{"trajectoryStateUpdate": {"state": "STATE_FULLY_IDLE", "error": key}}])
    runtime = make(Settings(program.path, key))
    await runtime.start()
    cascade_id = await runtime.start_cascade(MODEL)
    with pytest.raises(FaultError) as raised:
        await runtime.send(cascade_id, builders.turn(), MODEL)
    await until(lambda: _words(runtime))
    shown = [caplog.text, repr(runtime), repr(vars(runtime)), _words(runtime), str(raised.value)]
    assert [text for text in shown if key in text] == []

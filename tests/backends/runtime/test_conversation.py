"""One conversation over a real socket with the stand-in, and whatever the other side may do."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.backends.runtime.conftest import Program
from tests.ports import free_port
from tests.waiting import until
from zerogravity.backends.base import Route
from zerogravity.backends.runtime import conversation as module
from zerogravity.backends.runtime.conversation import Conversation, configuration
from zerogravity.backends.runtime.handshake import Listening
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.errors import FaultError

IDLE = {"trajectoryStateUpdate": {"state": "STATE_FULLY_IDLE"}}
RUNNING = {"trajectoryStateUpdate": {"state": "STATE_RUNNING"}}
ENDPOINT = {"geminiApiEndpoint": {"baseUrl": "http://127.0.0.1:9", "apiKey": "k"}}
Open = Callable[..., Awaitable[Conversation]]


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture
async def process(program: Program) -> AsyncIterator[RuntimeProcess]:
    """Not started."""
    made = RuntimeProcess(program.settings, Route())
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def start(program: Program, process: RuntimeProcess, http: aiohttp.ClientSession) -> AsyncIterator[Open]:
    """Opens a conversation with a stand-in that behaves so. At the end no connection is left."""
    made: list[Conversation] = []

    async def opened(**behaviour: Any) -> Conversation:
        program.behave(**behaviour)
        await process.start()
        assert process.listening is not None
        configured = configuration(str(uuid.uuid4()), "gemini-3-flash", ENDPOINT, str(process.app_folder))
        made.append(await Conversation.open(http, process.listening, configured))
        return made[-1]

    yield opened
    for one in made:
        await one.close()
        await one.close()
    assert not held(http)


def held(http: aiohttp.ClientSession) -> int:
    """How many connections are in use."""
    assert http.connector is not None
    return len(http.connector._acquired)  # pyright: ignore[reportPrivateUsage]


def test_the_configuration_leaves_it_nothing_but_the_call() -> None:
    made = configuration("c" * 36, "gemini-3-flash", ENDPOINT, "/app")
    assert made["models"] == [{"name": "gemini-3-flash", "types": ["MODEL_TYPE_TEXT"], **ENDPOINT}]
    assert (made["cascadeId"], made["appDataDir"]) == ("c" * 36, "/app")
    switches = {name: value for name, value in made["harnessSideTools"].items() if name != "permissions"}
    assert all(value == {"enabled": False} for value in switches.values())
    assert 0 < made["budgetConfig"]["maxModelCalls"] <= 5  # no limit would be no end
    assert json.loads(made["tools"][0]["parametersJsonSchema"])["type"] == "object"
    json.dumps(made)


# -- its life ----------------------------------------------------------------------------------------------------


async def test_a_turn(start: Open, program: Program) -> None:
    conversation = await start(turn=[RUNNING, IDLE])
    assert await conversation.say("hello") == ""
    assert await conversation.say("again") == ""
    await conversation.close()
    await until(lambda: "goodbye" in program.heard)
    told = [next(iter(one)) for one in program.heard if isinstance(one, dict)]
    assert told == ["config", "userInput", "userInput"]
    assert program.heard[1] == {"userInput": {"parts": [{"text": "hello"}]}}


@pytest.mark.parametrize(
    ("idle", "why"),
    [
        ({"error": "400 INVALID_ARGUMENT"}, "400 INVALID_ARGUMENT"),
        ({"stopReason": "budget exceeded"}, "budget exceeded"),
        ({"error": "", "stopReason": ""}, ""),
        ({"error": {"code": 1}, "stopReason": 7}, ""),
    ],
)
async def test_why_it_gave_up(idle: dict[str, Any], why: str, start: Open) -> None:
    told = {"trajectoryStateUpdate": {"state": "STATE_FULLY_IDLE"} | idle}
    assert await (await start(turn=[RUNNING, told])).say("hello") == why


async def test_what_else_it_tells_is_passed_over(start: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = [
        {"huge": 20 << 20}, {"usageUpdate": {}}, "no JSON", "[]", "null", '"text"', {"trajectoryStateUpdate": None},
        {"trajectoryStateUpdate": {"state": 7}}, {"somethingNew": {"state": "STATE_FULLY_IDLE"}},
        "{\"stepUpdate\": no JSON either", IDLE,
    ]  # fmt: skip
    assert await (await start(turn=told)).say("hello") == ""
    assert "what is no JSON" in caplog.text


async def test_a_tool_is_not_run(start: Open, program: Program) -> None:
    conversation = await start(turn=[{"toolCall": {"id": "c1", "name": "unused", "argumentsJson": "{}"}}, IDLE])
    assert await conversation.say("hello") == ""
    await until(lambda: {"toolResponse": {"id": "c1", "errorMessage": "not run"}} in program.heard)


async def test_a_halt_ends_the_turn(start: Open, program: Program) -> None:
    conversation = await start(turn=["hang"])
    saying = asyncio.create_task(conversation.say("hello"))
    await until(lambda: len(program.heard) == 2)
    await conversation.halt()
    assert await saying == ""
    assert program.heard[-1] == {"haltRequest": True}


async def test_closing_it_ends_the_turn(start: Open, program: Program) -> None:
    conversation = await start(turn=["hang"])
    saying = asyncio.create_task(conversation.say("hello"))
    await until(lambda: len(program.heard) == 2)
    await conversation.close()
    assert await saying == ""


# -- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", ["hangup", "crash"])
async def test_it_hangs_up_in_a_turn(turn: str, start: Open) -> None:
    conversation = await start(turn=[RUNNING, turn])
    with pytest.raises(FaultError) as raised:
        await conversation.say("hello")
    assert raised.value.fault.code == "ls_gone"
    for call in (conversation.say("more"), conversation.halt()):
        with pytest.raises(FaultError, match="hung up"):
            await call


async def test_it_is_killed_in_a_turn(start: Open, process: RuntimeProcess, program: Program) -> None:
    conversation = await start(turn=["hang"])
    saying = asyncio.create_task(conversation.say("hello"))
    await until(lambda: len(program.heard) == 2)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(FaultError, match="ended or hung up"):
        await saying


@pytest.mark.parametrize("config", ["refuse", "nonsense"])
async def test_it_takes_no_such_configuration(config: str, start: Open, http: aiohttp.ClientSession) -> None:
    with pytest.raises(FaultError) as raised:
        await start(config=config)
    assert raised.value.fault.code == "ls_refused"


async def test_it_does_not_answer(start: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_S", 0.2)
    with pytest.raises(FaultError, match="does not answer: TimeoutError"):
        await start(config="hang")


async def test_it_has_stopped_running(start: Open, process: RuntimeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes the connection, and nobody answers."""
    conversation = await start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    monkeypatch.setattr(module, "OPEN_S", 0.2)
    await conversation.halt()
    await conversation.close()
    assert process.listening is not None
    async with aiohttp.ClientSession() as http:
        with pytest.raises(FaultError, match="does not answer"):
            await Conversation.open(http, process.listening, {})
    os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("wrong", ["port", "key"])
async def test_nobody_there_and_a_wrong_key(
    wrong: str, start: Open, process: RuntimeProcess, http: aiohttp.ClientSession
) -> None:
    await start()
    assert process.listening is not None
    other = Listening(free_port(), "") if wrong == "port" else Listening(process.listening.port, "other")
    with pytest.raises(FaultError, match="does not answer") as raised:
        await Conversation.open(http, other, {})
    assert raised.value.fault.code == "ls_gone"


@pytest.mark.parametrize("config", ["", "hang"])
@pytest.mark.parametrize("steps", [0, 1, 2, 5, 10, 20, 40])
async def test_an_opening_that_is_cancelled_leaves_no_connection(
    steps: int, config: str, program: Program, process: RuntimeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    program.behave(config=config)
    await process.start()
    assert process.listening is not None
    configured = configuration(str(uuid.uuid4()), "gemini-3-flash", ENDPOINT, str(process.app_folder))
    async with aiohttp.ClientSession() as http:
        opening = asyncio.create_task(Conversation.open(http, process.listening, configured))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        opening.cancel()
        (opened,) = await asyncio.gather(opening, return_exceptions=True)
        if isinstance(opened, Conversation):
            await opened.close()
        assert not held(http)


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_a_close_that_is_cancelled_leaves_no_connection(steps: int, start: Open, process: RuntimeProcess) -> None:
    conversation = await start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    closing = asyncio.create_task(conversation.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    if steps == 0:
        await conversation.close()
    os.kill(process.pid, signal.SIGCONT)

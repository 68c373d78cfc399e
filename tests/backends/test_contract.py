"""What every back end must do, and no more is asked of one: the whole gateway is put together around it, with a real
mitmproxy in this process where its calls are captured and a stand-in of Google at the end.

A new back end adds itself to ``MAKE``.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

from tests.backends.served import proxy, served
from tests.backends.toy import MODELS, Toy
from tests.e2e.support import SURFACES, ask, ready, request
from tests.runtime.conftest import real_program
from tests.waiting import until
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.base import Backend, BackendListener, Route
from zerogravity.backends.polling.polling import Polling
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.backends.runtime.settings import Settings
from zerogravity.core.turn import Model
from zerogravity.errors import FaultError, Termination
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

KEY = "AIzaSy-invented-key-of-a-test-0123456789"
TEXT = "Here is an answer in several pieces, as the real one would come."


@dataclass
class Scene:
    """``busy``: whether anything runs at the far end; ``held``: how many conversations it keeps; ``lost``: takes it
    away."""

    backend: Backend
    busy: Callable[[], bool]
    held: Callable[[], int]
    lost: Callable[[], Awaitable[None]]
    gateway: Any = None


Make = Callable[[AsyncExitStack, str, GoogleSimulator], Awaitable[Scene]]


async def language_server(
    kind: Callable[..., Antigravity], stack: AsyncExitStack, endpoint: str, **given: Any
) -> Scene:
    ls = await stack.enter_async_context(LanguageServerSimulator(LsOptions(endpoint=endpoint, retry_s=0.02)))
    return Scene(
        kind(url=ls.url, csrf=ls.csrf, **given),
        busy=lambda: any(cascade.running for cascade in ls.cascades.values()),
        held=lambda: len(ls.cascades),
        lost=ls.stop,
    )


async def antigravity(stack: AsyncExitStack, endpoint: str, google: GoogleSimulator) -> Scene:
    return await language_server(Antigravity, stack, endpoint, deletes=True)


async def polling(stack: AsyncExitStack, endpoint: str, google: GoogleSimulator) -> Scene:
    return await language_server(partial(Polling, {}), stack, google.url, deletes=True)


async def toy(stack: AsyncExitStack, endpoint: str, google: GoogleSimulator) -> Scene:
    made = Toy(endpoint)
    return Scene(
        made,
        busy=lambda: any(not one.done.is_set() for one in google.requests),
        held=lambda: len(made.calls),
        lost=made.close,
    )


async def runtime(stack: AsyncExitStack, endpoint: str, google: GoogleSimulator) -> Scene:
    """Google's own program, by a name that can be taken away."""
    program = Path(stack.enter_context(TemporaryDirectory())) / "localharness"
    program.symlink_to(real_program())
    made = Runtime(Settings(program, KEY), Route(endpoint=endpoint, google=google.url))

    async def lost() -> None:
        program.unlink()
        os.kill(made.pid or 0, signal.SIGKILL)
        await until(lambda: made.pid is None)

    return Scene(
        made,
        busy=lambda: any(not one.done.is_set() for one in google.agent_requests),
        held=lambda: made.conversations,
        lost=lost,
    )


MAKE: dict[str, Make] = {"antigravity": antigravity, "polling": polling, "runtime": runtime, "toy": toy}


SLOW = [pytest.mark.runtime, pytest.mark.timeout(600)]  # the first use installs its wheel


@pytest.fixture(params=[pytest.param(name, marks=SLOW if name == "runtime" else []) for name in MAKE])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """A gateway around a back end that is nothing to it but a ``Backend``."""
    async with AsyncExitStack() as stack:
        google = await stack.enter_async_context(GoogleSimulator(tls=False, http2=False, pace=0.001))
        endpoint, addons = await stack.enter_async_context(proxy(google))
        made = await MAKE[request.param](stack, endpoint, google)
        route = Route(endpoint=endpoint, google=google.url)
        made.gateway = await stack.enter_async_context(served(made.backend, route, addons, tmp_path))
        yield made


@pytest.fixture
async def http(scene: Scene) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        await ready(session, scene.gateway.url)
        yield session


# -- turns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_turn_runs_to_its_end(scene: Scene, http: aiohttp.ClientSession, surface: str) -> None:
    for stream in (True, False):
        answer = await ask(scene.gateway, http, surface, "sim:text", stream=stream)
        assert (answer.status, answer.error, answer.text) == (200, None, TEXT)
    await until(lambda: not scene.busy() and not scene.held())


async def test_concurrent_turns_get_their_own_answers(scene: Scene, http: aiohttp.ClientSession) -> None:
    names = [f"quince {number}" for number in range(6)]
    answer = await asyncio.gather(*(ask(scene.gateway, http, "chat", f"sim:echo {name}") for name in names))
    assert [name in one.text for name, one in zip(names, answer, strict=True)] == [True] * 6
    await until(lambda: not scene.busy() and not scene.held())


async def test_googles_refusal_reaches_the_client(scene: Scene, http: aiohttp.ClientSession) -> None:
    answer = await ask(scene.gateway, http, "responses", "sim:429", stream=False)
    assert (answer.status, bool(answer.error)) == (429, True)


@pytest.mark.parametrize("how", ["the client leaves", "by the engine", "at the end"])
async def test_a_cancelled_turn_stops_everywhere(scene: Scene, http: aiohttp.ClientSession, how: str) -> None:
    path, body = request("chat", "sim:long 100000", stream=True)
    async with http.post(scene.gateway.url + path, json=body) as answer:
        await answer.content.readany()
        (channel,) = scene.gateway.services.store
        assert scene.busy()
        match how:
            case "the client leaves":
                answer.close()
            case "by the engine":
                assert scene.gateway.services.engine.cancel(channel)
            case _:
                await scene.gateway.services.engine.close()
        async with asyncio.timeout(10):
            await channel.wait_closed()
    await until(lambda: not scene.busy() and not scene.held())
    assert channel.termination in (Termination.CLIENT_GONE, Termination.CANCELLED, Termination.SHUTDOWN)


# -- looks and lives ---------------------------------------------------------------------------------------------


async def test_asking_for_its_readiness_reports_its_models(scene: Scene) -> None:
    reported: list[Any] = []
    scene.backend.set_callbacks(BackendListener(reported.append))
    readiness = await scene.backend.readiness()
    assert readiness.fault is None
    assert reported[-1]
    assert all(isinstance(model, Model) and model.name for model in reported[-1])
    await scene.backend.check()


async def test_a_lost_server_is_not_ready_and_ends_turns(scene: Scene, http: aiohttp.ClientSession) -> None:
    await scene.lost()
    readiness = await scene.backend.readiness()
    assert readiness.fault is not None
    assert readiness.fault.code in ("ls_gone", "ls_absent")
    answer = await ask(scene.gateway, http, "chat", "sim:text", stream=False)
    assert answer.status == 503
    assert answer.error["code"] in ("ls_gone", "ls_absent")


async def test_cascades_are_new_each_time_and_nothing_runs_before_the_message(scene: Scene) -> None:
    ids = [await scene.backend.start_cascade("gemini-3-flash") for _ in range(3)]
    assert len(set(ids)) == 3
    assert not scene.busy()
    for cascade_id in ids:
        await scene.backend.cancel(cascade_id)
        await scene.backend.delete(cascade_id)
    assert not scene.held()


async def test_calls_about_an_unknown_conversation_raise_a_fault_at_most(scene: Scene) -> None:
    for ask_for in (scene.backend.cancel, scene.backend.annotate, scene.backend.delete):
        try:
            await ask_for("c0ffee00-1111-4222-8333-444455556666")
        except FaultError as error:
            assert error.fault.message


@pytest.mark.parametrize(
    "make",
    [
        lambda: Antigravity(url="http://127.0.0.1:9"),
        lambda: Antigravity(command="no-such-program"),
        lambda: Polling({}),
        lambda: Runtime(Settings(), Route()),
        lambda: Toy("http://127.0.0.1:9"),
    ],
    ids=["named", "of our own", "polled", "runtime", "toy"],
)
async def test_close_without_start_and_twice(make: Callable[[], Backend]) -> None:
    backend = make()
    await backend.close()
    await backend.close()


# -- the toy -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", ["toy"], indirect=True)
async def test_a_back_ends_models_are_listed_and_resolved(scene: Scene, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{scene.gateway.url}/v1/models") as answer:
        listed = {model["id"] for model in (await answer.json())["data"]}
    assert "toy-1" in listed
    assert scene.gateway.services.catalogue.resolve("gemini-3-flash").ls_model == MODELS[0].name


def test_a_back_end_is_one_page() -> None:
    assert len(inspect.getsource(inspect.getmodule(Toy)).splitlines()) <= 120  # type: ignore[arg-type]

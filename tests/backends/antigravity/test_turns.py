"""The engine and the driver against the language-server stand-in: refusals, habits and cancels over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.waiting import until
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.config import Limits
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptOpened, Failed, Finished
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.engine import Engine
from zerogravity.errors import Fault, Termination
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions, build


class Bench:
    """An engine that waits for interception, which a test plays by hand."""

    def __init__(self, ls: LanguageServerSimulator) -> None:
        self.ls = ls
        self.store = MitmStore(time.monotonic_ns)
        self.backend = Antigravity(url=ls.url, csrf=ls.csrf)
        self.engine = self.engine_of(match=20)
        self.made = 0

    def engine_of(self, *, match: float) -> Engine:
        return Engine(self.store, self.backend, clock=time.monotonic_ns, limits=Limits(match_seconds=match))

    def run(self) -> CascadeChannel:
        self.made += 1
        target = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18")
        turn = Turn(f"turn_{self.made:032x}", "chat", "gemini-3-flash", target, {"contents": []})
        return self.engine.run(turn)

    async def refused(self) -> Fault:
        channel = self.run()
        async with asyncio.timeout(10):
            terminal = await channel.wait_closed()
        assert isinstance(terminal, Failed)
        return terminal.fault

    @property
    def busy(self) -> bool:
        """Whether the LS runs any cascade."""
        return any(cascade.running for cascade in self.ls.cascades.values())


@pytest_asyncio.fixture
async def bench(unused_tcp_port: int) -> AsyncIterator[Bench]:
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    async with LanguageServerSimulator(LsOptions(endpoint=nobody, retries=0, background=False)) as ls:
        made = Bench(ls)
        yield made
        await made.engine.close()
        assert not made.engine._tasks
        assert not made.busy
        await made.backend.close()


@pytest.mark.parametrize(
    ("method", "refusal", "status", "code"),
    [
        ("StartCascade", (500, "unknown", "no"), 502, "ls_refused"),
        ("StartCascade", (403, "permission_denied", "no"), 502, "ls_refused"),
        ("StartCascade", (503, "unavailable", "no"), 503, "ls_refused"),
        ("SendUserCascadeMessage", (500, "unknown", "no"), 502, "ls_refused"),
        ("SendUserCascadeMessage", (429, "resource_exhausted", "no"), 429, "rate_limit_exceeded"),
        ("SendUserCascadeMessage", (501, "unimplemented", "no"), 502, "ls_refused"),
    ],
)
async def test_refusals(bench: Bench, method: str, refusal: tuple[int, str, str], status: int, code: str) -> None:
    bench.ls.options.refusals = {method: refusal}
    fault = await bench.refused()
    assert (fault.status, fault.code) == (status, code)
    assert bench.store.open_count == 0
    assert all((found := bench.store.find(cascade_id)) is None or found.closed for cascade_id in bench.ls.cascades)


async def test_not_logged_in_is_found_out_and_then_known(bench: Bench) -> None:
    bench.ls.options.logged_in = False
    for _ in range(2):
        fault = await bench.refused()
        assert (fault.status, fault.code, fault.retryable) == (401, "ls_not_logged_in", False)
    assert not bench.ls.cascades


@pytest.mark.parametrize("blocking", ["always", "never"])
async def test_an_ls_that_never_calls_google(bench: Bench, blocking: Any) -> None:
    bench.ls.options.blocking = blocking
    bench.ls.options.calls_google = False
    bench.engine = bench.engine_of(match=0.2)
    fault = await bench.refused()
    assert (fault.status, fault.code) == (504, "match_timeout")
    await until(lambda: not bench.busy)


@pytest.mark.parametrize("blocking", ["always", "never"])
async def test_a_client_that_leaves(bench: Bench, blocking: Any) -> None:
    bench.ls.options.blocking = blocking
    bench.ls.options.calls_google = False
    channel = bench.run()
    cursor = channel.cursor()
    await until(lambda: bench.busy)
    cursor.close()
    await until(lambda: not bench.busy)
    assert channel.termination is Termination.CLIENT_GONE
    (cascade,) = bench.ls.cascades.values()
    assert cascade.executors[-1]["terminationReason"].endswith("USER_CANCELED")


async def test_a_build_that_runs_only_when_its_state_is_followed(bench: Bench) -> None:
    """Some need a subscriber (F4): the engine drains the state stream of every cascade."""
    bench.ls.options.subscriber = True
    bench.run()
    await until(lambda: bool(bench.ls.calls))


async def test_the_view_is_annotated_and_the_state_no_longer_followed(bench: Bench) -> None:
    bench.ls.options.calls_google = False
    channel = bench.run()
    running = bench.store.running(channel.id)
    assert running is not None
    await until(lambda: bench.ls.cascades and any(cascade.running for cascade in bench.ls.cascades.values()))
    running.mark("matched")
    running.append(0, b"{}", (AttemptOpened(),))
    running.close(Finished("stop"))
    await until(lambda: not bench.engine._tasks)
    (cascade,) = bench.ls.cascades.values()
    assert cascade.running  # a good turn's cascade is left to the LS
    assert "lastUserViewTime" in cascade.annotations
    await bench.backend.cancel(cascade.id)


# -- builds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "habits", "sent"),
    [
        ("2026-09", {}, [1, 1, 1]),
        ("2026-03", {}, [2, 1, 1]),
        ("2026-03", {"strict": True}, [2, 1, 1]),
        ("2026-03", {"blocking": "always"}, [2, 1, 1]),
        ("runtime", {"one_connection": False}, [1, 1, 1]),
    ],
    ids=["2026-09", "2026-03", "strict", "blocking", "runtime"],
)
async def test_a_turn_calls_google_once_whatever_the_build(
    unused_tcp_port: int, name: str, habits: dict[str, Any], sent: list[int]
) -> None:
    """An older build costs one refused message, before anything has happened; a message is taken once each time."""
    messages: list[bool] = []
    options = build(name, **habits, endpoint=f"http://127.0.0.1:{unused_tcp_port}", background=False, delay_s=3600)
    async with LanguageServerSimulator(options) as ls:
        taken = ls.service.unary["SendUserCascadeMessage"]

        async def counted(body: Any) -> Any:
            messages.append(False)
            return await taken(body)

        ls.service.unary["SendUserCascadeMessage"] = counted
        bench = Bench(ls)
        for turns, expected in enumerate(sent, 1):
            before = len(messages)
            channel = bench.run()
            cursor = channel.cursor()
            await until(lambda turns=turns: sum(one.invocations for one in ls.cascades.values()) == turns)
            assert len(messages) - before == (1 if options.strict and name == "2026-03" else expected)
            cursor.close()
            await until(lambda: not bench.busy)
        assert {one.invocations for one in ls.cascades.values()} == {1}
        await bench.engine.close()
        await bench.backend.close()


@pytest.mark.parametrize(
    ("auth", "words"),
    [({"verificationRequired": {"verificationUrl": "https://g.co/v"}}, "https://g.co/v"), ({}, "log in")],
)
async def test_the_reason_of_a_missing_login(bench: Bench, auth: dict[str, Any], words: str) -> None:
    bench.ls.options.logged_in, bench.ls.options.auth = False, auth
    fault = await bench.refused()
    assert fault.code == "ls_not_logged_in"
    assert words in fault.remedy

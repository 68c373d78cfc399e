"""Google's runtime beside the stand-in of a language server, in one run: start, memory, time to the first delta.

Each is started as the gateway starts it, and serves in a path of its own as a process of its own. They take turns, so
that a busy machine is busy for both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from zerogravity.backends.antigravity.child import LsChild
from zerogravity.backends.base import Route
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.backends.runtime.settings import Settings
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.base import Surface
from zerogravity.testing.simulator.stack import Stack, StackOptions, stand_in

STARTS, ROUNDS = 3, 5
WIDTHS = (24, 10, 14)
NOWHERE = Route(endpoint="http://127.0.0.1:9")  # a start makes no call to Google
MIB = 1 << 20

FirstDelta = Callable[[str, Surface], Awaitable[float | None]]  # (URL of the gateway, API) → seconds


@dataclass(slots=True)
class Figures:
    """Seconds of each start; bytes of memory; seconds until the first delta, by surface."""

    starts: list[float] = field(default_factory=list[float])
    rss: int = 0
    first: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in REGISTRY})


async def compare(options: StackOptions, first_delta: FirstDelta) -> str:
    """A table. ``options``: of a path with the runtime; ``first_delta`` asks there once."""
    assert options.runtime is not None
    runtime, other = Figures(), Figures()
    for _ in range(STARTS):
        runtime.starts.append(await _start(RuntimeProcess(Settings(options.runtime), NOWHERE)))
        other.starts.append(await _start(LsChild(stand_in(), NOWHERE)))
    quiet = replace(options, port=0, settings={})
    async with AsyncExitStack() as opened:
        paths = [
            (runtime, await opened.enter_async_context(Stack(quiet))),
            (other, await opened.enter_async_context(Stack(replace(quiet, runtime=None, apart=True)))),
        ]
        for _, stack in paths:
            await first_delta(stack.url, next(iter(REGISTRY.values())))  # the first call opens connections
        for number, surface in enumerate(tuple(REGISTRY.values()) * ROUNDS):
            for figures, stack in paths if number % 2 else reversed(paths):
                if (seconds := await first_delta(stack.url, surface)) is not None:
                    figures.first[surface.name].append(seconds)
        for figures, stack in paths:
            figures.rss = stack.ls_process.memory_info().rss
    return table(runtime, other)


async def _start(process: RuntimeProcess | LsChild) -> float:
    """Seconds until it is ready to be asked."""
    began = time.monotonic()
    await process.start()
    took = time.monotonic() - began
    await process.stop()
    return took


def table(runtime: Figures, other: Figures) -> str:
    """Medians, side by side."""
    both = (runtime, other)
    rows = [
        ("", "runtime", "LS stand-in"),
        ("start until ready", *(_ms(one.starts) for one in both)),
        ("memory (RSS)", *(f"{one.rss / MIB:.0f} MiB" for one in both)),
        *((f"first delta, {one.title}", *(_ms(each.first[one.name]) for each in both)) for one in REGISTRY.values()),
    ]
    left, middle, right = WIDTHS
    lines = [f"  {name:<{left}}{one:>{middle}}{two:>{right}}" for name, one, two in rows]
    turns = ROUNDS * len(REGISTRY) + 1
    lines.append(f"  Medians of {STARTS} starts and {ROUNDS} turns each, in alternation; memory after {turns} turns.")
    return "\n".join(lines)


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms" if seconds else "none"

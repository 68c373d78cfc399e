#!/usr/bin/env python3
"""Google's runtime and the stand-in of an editor's language server behind the same gateway, in one interleaved run.

  .venv/bin/python scripts/bench/backends.py [--turns 100] [--events 20] [--interval 10] [--many 500] [--at-once 20]

(a) Time to the first delta, and CPU per turn, of ``--turns`` turns each, in alternation, in reverse and in proxy mode.
    Either back end is a process of its own, started by a gateway of its own; CPU is the gateway's (mitmdump) alone, and
    with the back end's. The stand-in is written in Python: its share says nothing about an editor's language server.
(b) ``--many`` turns, ``--at-once`` of them at once, through one process of the runtime: memory, open files and threads
    of both processes at rest, before and after; each answer must be the one to its own question, and both processes
    the same as before. What the gateway keeps of finished turns is limited to 1 MiB for that, as in soak.py.

0 leaves a part out. The runtime is the installed one, or that of ANTIGRAVITY_HARNESS_PATH. Machines are noisy: read the
ratios, and the load. Exit code 1 when anything of (b) is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import soak
from rig import cost, crowd
from rig.client import Client

from zerogravity.cli.demonstration import real_runtime
from zerogravity.errors import FaultError
from zerogravity.testing.simulator.stack import Mode, Stack, StackOptions

MODES: tuple[Mode, ...] = ("reverse", "proxy")
WARM_UP = 10
WORD = re.compile(r"quince-\d+")  # each question has its own, and sim:echo answers with the question


# -- (a) turns in alternation --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Contender:
    """A back end and its gateway. ``spent``: CPU seconds at the end of the warm-up, of the gateway and of both."""

    name: str
    stack: Stack
    client: Client = field(default_factory=Client)
    first: list[float] = field(default_factory=list[float])
    spent: tuple[float, float] = (0.0, 0.0)

    def processes(self) -> tuple[psutil.Process, psutil.Process]:
        """The gateway, and the back end."""
        assert self.stack.process is not None
        return psutil.Process(self.stack.process.pid), self.stack.ls_process

    def cpu(self) -> tuple[float, float]:
        """Seconds so far, of the gateway, and of both."""
        gateway, ls = (cost.cpu(process.pid) for process in self.processes())
        return gateway, gateway + ls

    async def turn(self, prompt: str, events: int) -> None:
        """One, to its end."""
        order: dict[str, Any] = {"kind": "turns", "count": 1, "surface": "chat", "url": self.stack.url, "pid": None}
        told = await self.client.work({**order, "prompt": prompt, "events": events, "size": 0})
        assert not told["failures"], told["failures"]
        self.first += told["first"]

    def begin(self) -> None:
        """The warm-up is over."""
        self.first.clear()
        self.spent = self.cpu()

    def row(self, mode: str) -> str:
        """One line of the table."""
        first, turns = sorted(self.first), len(self.first)
        gateway, both = ((now - then) * 1000 / turns for now, then in zip(self.cpu(), self.spent, strict=True))
        p95 = first[min(turns - 1, int(turns * 0.95))]
        return f"{mode:<10}{self.name:<14}{statistics.median(first):>10.1f}{p95:>10.1f}{gateway:>16.1f}{both:>16.1f}"


@asynccontextmanager
async def contenders(mode: Mode, runtime: Path) -> AsyncIterator[list[Contender]]:
    """Both, at rest."""
    async with (
        Stack(StackOptions(mode=mode, runtime=runtime)) as real,
        Stack(StackOptions(mode=mode, apart=True)) as other,
    ):
        yield [Contender("runtime", real), Contender("LS stand-in", other)]


async def alternate(mode: Mode, runtime: Path, turns: int, prompt: str, events: int) -> list[str]:
    """The lines of one mode."""
    async with contenders(mode, runtime) as both, aiohttp.ClientSession() as http:
        for number in range(WARM_UP + turns):
            if number == WARM_UP:
                for one in both:
                    one.begin()
            for one in both if number % 2 else reversed(both):
                await one.turn(prompt, events)
        for one in both:
            await crowd.at_rest(http, one.stack.url)
        return [one.row(mode) for one in both]


# -- (b) many turns through one process ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """What a process has at rest."""

    pid: int
    rss: float
    files: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> Held:
        return cls(process.pid, process.memory_info().rss / (1 << 20), process.num_fds(), process.num_threads())

    def __str__(self) -> str:
        return f"{self.rss:>8.1f} MiB{self.files:>8}{self.threads:>10}"


@dataclass(slots=True)
class Crowd:
    """Turns on every surface through one gateway; ``wrong``: what came instead of the right answer."""

    contender: Contender
    http: aiohttp.ClientSession
    number: count[int] = field(default_factory=count)
    wrong: list[str] = field(default_factory=list[str])

    async def turns(self, total: int, at_once: int) -> None:
        await crowd.turns(self._turn, self.number, total, at_once)

    async def _turn(self, number: int) -> None:
        """Whole answers: in a stream a word may be cut."""
        word = f"quince-{number}"
        url, body = soak.asked(number % 3, f"sim:echo {word}", stream=False)
        async with self.http.post(self.contender.stack.url + url, json=body) as response:
            text = await response.text()
        if response.status != 200 or set(WORD.findall(text)) != {word}:
            self.wrong.append(f"{word}: HTTP {response.status} {text[:200]}")

    async def rest(self) -> tuple[Held, Held]:
        """The gateway's, and the runtime's."""
        await crowd.at_rest(self.http, self.contender.stack.url)
        await asyncio.sleep(2)  # closed connections leave the tables of both ends
        gateway, runtime = map(Held.of, self.contender.processes())
        return gateway, runtime


async def through_one(runtime: Path, many: int, at_once: int) -> list[str]:
    """Print the table; what is not as it should be."""
    warm_up = 2 * at_once
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        Stack(StackOptions(env=soak.ENV, runtime=runtime)) as stack,
        aiohttp.ClientSession(connector=connector) as http,
    ):
        people = Crowd(Contender("runtime", stack), http)
        await people.turns(warm_up, at_once)
        before = await people.rest()
        began = time.monotonic()
        await people.turns(many, at_once)
        took = time.monotonic() - began
        after = await people.rest()
    print(f"\n{many} turns, {at_once} at once, through one process of the runtime in reverse mode; warm-up {warm_up}")
    print(f"{'':<24}{'RSS':>12}{'files':>8}{'threads':>10}")
    for name, *held in zip(("gateway", "runtime"), before, after, strict=True):
        for moment, one in zip(("before", "after"), held, strict=True):
            print(f"{name:<14}{moment:<10}{one}")
    right = many + warm_up - len(people.wrong)
    print(f"{right} of {many + warm_up} answers right; {took:.1f} s, {many / took:.1f} turns/s")
    found = list(people.wrong)
    if [one.pid for one in before] != [one.pid for one in after]:
        found.append("a process was replaced")
    return found


# -- both ----------------------------------------------------------------------------------------------------------


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


async def main(arguments: argparse.Namespace) -> int:
    try:
        runtime = real_runtime()
    except FaultError as error:
        sys.exit(error.fault.full_message)
    print(f"at the start: {load()}")
    if arguments.turns:
        prompt = f"sim:bench {arguments.events} {arguments.interval}"
        answers = f"{arguments.events} events, one each {arguments.interval} ms"
        print(f"\n{arguments.turns} turns each, in alternation, of {answers}")
        print(f"{'':<24}{'first delta, ms':>20}{'CPU ms a turn':>32}")
        print(f"{'':<24}{'p50':>10}{'p95':>10}{'gateway':>16}{'with back end':>16}")
        for mode in MODES:
            print("\n".join(await alternate(mode, runtime, arguments.turns, prompt, arguments.events)), flush=True)
    found: list[str] = []
    if arguments.many:
        found = await through_one(runtime, arguments.many, arguments.at_once)
    print("\n".join([*found, f"\nat the end: {load()}"]))
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100, help="of each back end in each mode; 0 leaves (a) out")
    parser.add_argument("--events", type=int, default=20, help="of one answer")
    parser.add_argument("--interval", type=int, default=10, help="ms between them")
    parser.add_argument("--many", type=int, default=500, help="turns of (b); 0 leaves it out")
    parser.add_argument("--at-once", type=int, default=20)
    sys.exit(asyncio.run(main(parser.parse_args())))

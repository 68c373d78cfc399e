"""The rows S-1 to S-8: what is measured, and its goals. Systems are interleaved; medians count."""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import urlopen

from rig import cost
from rig.report import BEFORE, Goal, Report
from rig.systems import Rig, System, environment

SIZE = 40  # bytes of an event's text
SHORT_LULL = 15  # ms
FLOOD_LULL = 50  # ms: shorter than what a trace waits for, which a long stream is beside
SURFACES = ("chat", "responses", "messages", "gemini")
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much. ``lengths``: events of floods, each ``flooded`` times; ``sizes``: bytes of history, ``sized`` times.
    ``lull``: ms of silence that part a stream from its beginning and its end. ``rest``: seconds without work before
    what earlier work would disturb."""

    rounds: int = 3
    lull: int = 300
    rest: float = 1.25  # a turn goes to its trace after 0.25 s, to the index 0.5 to 1 s later
    flood: int = 10_000
    lengths: tuple[int, int, int] = (1_000, 10_000, 100_000)
    paced: int = 100
    interval: int = 20
    turns: int = 200
    block: int = 20
    burst: int = 64
    crowd: int = 256
    crowd_events: int = 60
    crowd_interval: int = 100
    open: int = 1000
    silent: float = 4.0
    sizes: tuple[int, int, int] = (10_000, 1_000_000, 8_000_000)
    sized: int = 3
    flooded: int = 4
    starts: int = 3


SMOKE = Scale(
    rounds=1, lull=30, rest=0.25, flood=300, lengths=(100, 300, 1000), paced=10, interval=10, turns=4, block=2, burst=4,
    crowd=8, crowd_events=5, crowd_interval=20, open=20, silent=0.2, sizes=(1_000, 20_000, 60_000), sized=1, flooded=1,
    starts=1,
)  # fmt: skip


def full(rounds: int) -> Scale:
    """As much as the table needs, with so many rounds of what is repeated."""
    scale = Scale()
    return replace(
        scale,
        rounds=rounds,
        turns=max(scale.turns * rounds // scale.rounds, scale.block),
        sized=rounds,
        flooded=2 * ((rounds + 1) // 2),  # as often with ever more as with ever less
    )


LEAST = 1e-8  # seconds of CPU: what work that is too little to measure seems to cost
MOST = 20  # turns of a sample
KEEP_ONE = {"ZEROGRAVITY_LIMITS_STORE_TURNS": "1"}
FEW = 1  # rounds, of what is not judged


@dataclass(frozen=True, slots=True)
class Grown:
    """Work of several sizes. ``setup``: CPU until the first frame (seconds), for each size by system. ``rounds``: in
    each of them, for each size, CPU by system of all there is to do for a turn (seconds), its trace and index
    included; bare mitmdump's perhaps in the first of them only."""

    sizes: Sequence[int]
    setup: Sequence[Mapping[str, float]]
    rounds: Sequence[Sequence[Mapping[str, float]]]

    @property
    def steps(self) -> dict[str, list[float]]:
        """By system: from one size to the next, what a unit costs (seconds): the median of the rounds."""
        return {name: [self._step(name, *pair) for pair in pairwise(range(len(self.sizes)))] for name in self.setup[0]}

    def _step(self, name: str, less: int, more: int) -> float:
        costs = [costs[more][name] - costs[less][name] for costs in self.rounds if name in costs[less]]
        return statistics.median(costs) / (self.sizes[more] - self.sizes[less])


@dataclass(slots=True)
class Rows:
    """Measures rows into a report. ``surfaces``: of the gateway's."""

    rig: Rig
    scale: Scale
    surfaces: Sequence[str] = SURFACES
    report: Report = field(default_factory=Report)
    _lengths: Grown | None = None
    _sizes: Grown | None = None
    _sequence: dict[str, list[Told]] | None = None

    async def warm(self) -> None:
        """Every path once."""
        for _ in range(2):
            for system in self._all():
                await self._ask("warm-up", system, kind="turns", prompt=f"sim:bench 20 0 {SIZE}", events=20)

    async def run(self, row: str) -> None:
        await self._rest()
        await ROWS[row](self)

    async def _rest(self, *systems: System) -> None:
        pids = [system.pid for system in systems or self._all("chat") if system.pid is not None]
        if not await cost.rest(pids, self.scale.rest):
            self.report.notes.append("earlier work went on beside a row")

    # -- how it is measured ----------------------------------------------------------------------------------------

    def _all(self, *surfaces: str) -> list[System]:
        return [self.rig.direct, self.rig.mitmdump, *self.rig.ours(*(surfaces or self.surfaces))]

    async def _ask(self, where: str, system: System, **work: Any) -> Told:
        told = await self.rig.ask(system, **work)
        self.report.failed(f"{where} {system.name}", told["failures"])
        return told

    async def _interleaved(
        self, where: str, systems: Sequence[System], rounds: int, *, rested: bool = False, **work: Any
    ) -> dict[str, list[Told]]:
        """``rested``: nothing of earlier turns, such as their traces, falls into a gateway's work."""
        seen = defaultdict[str, list[Told]](list)
        for number in range(rounds):
            for system in systems if number % 2 else reversed(systems):
                if rested and system.ls is not None:
                    await self._rest(system)
                seen[system.name].append(await self._ask(where, system, **work))
        return seen

    async def _compared(
        self, where: str, work: Told, rounds: int, *surfaces: str, rested: bool = False
    ) -> dict[str, list[Told]]:
        """What is judged, in all rounds, and then what stands beside it, in few: direct, and ``surfaces``."""
        judged = self.rig.mitmdump, *self.rig.ours("chat")
        seen = await self._interleaved(where, judged, rounds, rested=rested, **work)
        beside = self.rig.direct, *self.rig.ours(*(one for one in surfaces if one != "chat"))
        return seen | await self._interleaved(where, beside, FEW, rested=rested, **work)

    def _stream(self, events: int, interval: int, lull: int) -> dict[str, Any]:
        prompt = f"sim:bench {events} {interval} {SIZE} {lull}"
        return {"kind": "turns", "prompt": prompt, "events": events, "lull": lull}

    async def _grown(
        self, what: str, sizes: Sequence[int], works: Sequence[Told], *, largest: float, times: int, beside: int
    ) -> Grown:
        """The same work with ever more to do, and then ever less, so many ``times``: the machine is not always as fast.
        The largest comes ``largest`` times in a row, and once at least; smaller work the more often, at most ``MOST``
        times, since what follows idleness is dearer. In gateways that keep one turn, so that each pays for its own
        end, and a large one that ran before has left memory that can be used again. ``beside``: how often bare
        mitmdump does it."""
        async with AsyncExitStack() as stack:
            gateways = [await stack.enter_async_context(self.rig.gateway(name, **KEEP_ONE)) for name in self.rig.trees]
            ours = [gateway.system("chat") for gateway in gateways]
            answers = [defaultdict[str, list[Told]](list) for _ in sizes]
            rounds: list[list[dict[str, float]]] = []
            for system in (self.rig.mitmdump, *ours):
                await self._worked(what.format(sizes[-1]), system, **works[-1])
            for number in range(times):
                rounds.append([{} for _ in sizes])
                systems = [*([self.rig.mitmdump] if number < beside else []), *ours]
                for system in systems if number % 4 < 2 else reversed(systems):
                    places = range(len(sizes))
                    for place in reversed(places) if number % 2 else places:
                        count = min(max(round(largest * sizes[-1] / sizes[place]), 1), MOST)
                        cpu, told = await self._worked(what.format(sizes[place]), system, count=count, **works[place])
                        rounds[-1][place][system.name] = cpu / count
                        answers[place][system.name].append(told)
            for system in ours:
                self.report.failed(what, await asyncio.to_thread(_lost, system.url))
        return Grown(sizes, [part(seen, 0, 1) for seen in answers], rounds)

    async def _worked(self, where: str, system: System, **work: Any) -> tuple[float, Told]:
        """CPU (seconds) of all there is to do, and what was told. Ours has a small turn and its rest in it."""
        assert system.pid is not None
        before = cost.cpu(system.pid)
        told = await self._ask(where, system, **work)
        if system.ls is not None:  # bare mitmdump leaves nothing to do behind a turn
            await self._ask("a small turn", system, **self._stream(1, 0, SHORT_LULL))  # which drives the last one out
            await self._rest(system)
        return cost.cpu(system.pid) - before, told

    async def _one_after_another(self) -> dict[str, list[Told]]:
        if self._sequence is None:
            scale = self.scale
            work = self._stream(1, 0, SHORT_LULL) | {"count": scale.block}
            times = scale.turns // scale.block
            self._sequence = await self._compared("one after another", work, times, *self.surfaces)
        return self._sequence

    async def _by_length(self) -> Grown:
        """What floods of each length cost; measured once."""
        if self._lengths is None:
            lengths, times = self.scale.lengths, self.scale.flooded
            works = [self._stream(events, 0, 0) | {"settle": 0} for events in lengths]  # a flood is no cold start
            self._lengths = await self._grown("flood of {:,}", lengths, works, largest=0.5, times=times, beside=times)
        return self._lengths

    async def _by_size(self) -> Grown:
        """What turns cost with a history of each size; measured once."""
        if self._sizes is None:
            work, sizes = self._stream(1, 0, SHORT_LULL), self.scale.sizes
            self._sizes = await self._grown(
                "history of {:,}",
                sizes,
                [work | {"size": size} for size in sizes],
                largest=2,
                times=self.scale.sized,
                beside=FEW,
            )
        return self._sizes

    # -- the rows --------------------------------------------------------------------------------------------------

    async def flood(self) -> None:
        """All that a further event costs, its trace and its index included, as in S-7's first step. Beside it what it
        costs while the stream runs, which is a part of that: one sample."""
        floods, add = await self._by_length(), self.report.add
        cpu = {name: steps[0] * 1e6 for name, steps in floods.steps.items()}
        goals = Goal(0.6 * cpu["bare"], "0.6 bare"), Goal(0.25 * cpu["bare"], "0.25 bare")
        less, more = floods.sizes[:2]
        add("S-1", f"flood of {less:,} to {more:,}, CPU per event with trace and index", "us", cpu, *goals)
        events = self.scale.flood
        where, work = f"flood of {events:,}", self._stream(events, 0, FLOOD_LULL)
        seen = await self._compared(where, work, FEW, *self.surfaces, rested=True)
        add("S-1", f"{where}, CPU per event while it streams", "us", part(seen, 2, 1e6 / (events - 1)))
        add("S-1", where, "events/s", told(seen, "rate"))

    async def paced(self) -> None:
        scale, add = self.scale, self.report.add
        work = self._stream(scale.paced, scale.interval, scale.lull)
        seen = await self._compared("paced", work, scale.rounds, *self.surfaces)
        p50 = told(seen, "p50")
        goals = Goal(p50["bare"], "bare"), Goal(p50["direct"] + 0.35, "direct + 0.35")
        add("S-2", f"paced, each {scale.interval} ms, latency p50", "ms", p50, *goals)
        add("S-2", "paced, latency p99", "ms", told(seen, "p99"))
        cpu = part(seen, 2, 1e6 / (scale.paced - 1))
        add("S-2", "paced, CPU per event", "us", cpu, Goal(0.9 * cpu["bare"], "0.9 bare"))

    async def setup(self) -> None:
        scale, add = self.scale, self.report.add
        ls = {system.name: cost.cpu(system.ls) for system in self.rig.ours("chat") if system.ls}
        seen = await self._one_after_another()
        add("S-3", f"{scale.turns} turns one after another, CPU to first frame", "ms", part(seen, 0, 1000),
            Goal(6), Goal(3))  # fmt: skip
        whole = {
            name: statistics.median(sum(parts) * 1000 for one in found for parts in one["parts"])
            for name, found in seen.items()
            if name != "direct"
        }
        add("S-3", "the same, CPU of the whole turn", "ms", whole)
        for system in self.rig.ours("chat"):
            turns = sum(one["turns"] for name, found in seen.items() if _same(name, system.name) for one in found)
            if system.ls:
                spent = (cost.cpu(system.ls) - ls[system.name]) * 1000 / turns
                self.report.notes.append(f"the language server took {spent:.2f} ms of CPU a turn ({system.name})")
        work = {"kind": "held", "count": scale.burst, "prompt": "sim:hold", "events": 2, "silent": 0}
        burst = await self._compared(f"{scale.burst} at once", work, scale.rounds)
        cpu = {name: value * 1000 / scale.burst for name, value in told(burst, "cpu").items() if name != "direct"}
        add("S-3", f"{scale.burst} turns at once, CPU to first frame", "ms", cpu, Goal(6), Goal(3))
        add("S-3", f"{scale.burst} turns at once, TTFT p50", "ms", first(burst))
        await self._slope()

    async def _slope(self) -> None:
        """ms of set-up for each MB of history."""
        low, high, _ = self.scale.sizes
        few, many, _ = (await self._by_size()).setup
        values = {name: (many[name] - few[name]) * 1e9 / (high - low) for name in few}
        self.report.add("S-3", f"history of {low:,} to {high:,}, CPU per MB", "ms", values)

    async def ttft(self) -> None:
        values = first(await self._one_after_another())
        goals = Goal(values["direct"] + 8, "direct + 8"), Goal(values["direct"] + 4, "direct + 4")
        self.report.add("S-4", "one turn, warm, time to first delta", "ms", values, *goals)

    async def crowd(self) -> None:
        scale, add = self.scale, self.report.add
        prompt = f"sim:bench {scale.crowd_events} {scale.crowd_interval} {SIZE}"
        work = {"kind": "streams", "count": scale.crowd, "prompt": prompt, "events": scale.crowd_events}
        seen = await self._compared(f"{scale.crowd} turns", work, max(scale.rounds - 1, 1))
        what = f"{scale.crowd} turns at once"
        add("S-5", f"{what}, failed", "turns", failed(seen), Goal(0), Goal(0))
        rate = medians({name: [one["events"] / one["took"] for one in found] for name, found in seen.items()})
        offered = scale.crowd * 1000 / scale.crowd_interval
        add("S-5", f"{what}, of {offered:,.0f} events/s", "events/s", rate,
            Goal(2100, at_least=True), Goal(2430, at_least=True))  # fmt: skip
        ttft = first(seen)
        goals = Goal(ttft["bare"], "bare"), Goal(1.5 * ttft["direct"], "1.5 direct")
        add("S-5", f"{what}, TTFT p50", "ms", ttft, *goals)
        events = scale.crowd * scale.crowd_events
        cpu = {name: value * 1e6 / events for name, value in told(seen, "cpu").items() if name != "direct"}
        add("S-5", f"{what}, CPU per event, set-up included", "us", cpu)

    async def silent(self) -> None:
        """In gateways of their own: what earlier rows have left in memory must not count."""
        scale, add = self.scale, self.report.add
        seen: dict[str, list[Told]] = {}
        rest: dict[str, float] = {}
        work = {"kind": "held", "count": scale.open, "prompt": "sim:hold", "events": 2, "silent": scale.silent}
        for name in self.rig.trees:
            async with self.rig.gateway(name) as gateway:
                system = gateway.system("chat")
                await self._ask("silent", system, **work | {"count": scale.burst, "silent": 0})
                rest[system.name] = cost.resident(gateway.pid)
                seen[system.name] = [await self._ask(f"{scale.open:,} open turns", system, **work)]
        what = f"{scale.open:,} open turns"
        rss = {name: found[0]["rss"] for name, found in seen.items()}
        opened = {name: max(len(found[0]["first"]), 1) for name, found in seen.items()}
        each = {name: (value - rest[name]) * 1024 / opened[name] for name, value in rss.items()}
        limits = [Goal(160 + opened["chat"] * kib / 1024, f"160 MiB + {kib} KiB each") for kib in (40, 20)]
        add("S-6", f"{what}, lost", "turns", failed(seen), Goal(0), Goal(0))
        add("S-6", "at rest, resident memory", "MiB", rest)
        add("S-6", f"{what}, resident memory", "MiB", rss, *limits)
        add("S-6", f"{what}, memory of each", "KiB", each, Goal(40), Goal(20))
        add("S-6", f"{what}, idle CPU of a core", "%", {n: f[0]["idle"] * 100 for n, f in seen.items()}, Goal(2))
        add("S-6", f"{what} at once, TTFT p50", "ms", first(seen))

    async def linear(self) -> None:
        """The cost of a further event, and of a further byte of history, among few and among many of them."""
        self._steps(await self._by_length(), "flood of {:,} to {:,}, CPU per event with trace and index", 1e6, "us", 10)
        self._steps(await self._by_size(), "history of {:,} to {:,}, CPU per MB with trace and index", 1e9, "ms", 20)

    def _steps(self, grown: Grown, what: str, times: float, unit: str, most: float) -> None:
        """All there is to do: what each step costs per unit, and how far the last one is off the first, in percent."""
        for place, (less, more) in enumerate(pairwise(grown.sizes)):
            step = {name: steps[place] * times for name, steps in grown.steps.items()}
            self.report.add("S-7", what.format(less, more), unit, step)
        off = {name: abs(steps[-1] / max(steps[0], LEAST) - 1) * 100 for name, steps in grown.steps.items()}
        self.report.add("S-7", "   the last step, off the first", "%", off, Goal(most))

    def memory(self) -> None:
        """Of what runs for all rows, as a note."""
        held = [(system.name, cost.resident(system.pid)) for system in self._all("chat") if system.pid is not None]
        told = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in held)
        self.report.notes.append(f"resident memory at the end: {told}")

    async def start(self) -> None:
        """Earlier rows have started gateways as well."""
        helped: dict[str, list[tuple[float, float]]] = {}
        for number in range(self.scale.starts):
            for name, tree in self.rig.trees.items():
                if len(self.rig.starts[name]) <= number:
                    async with self.rig.gateway(name):
                        pass
                helped.setdefault(name, []).append(await _help(tree))
        self._add_starts("zerogravity serve, to ready", self.rig.starts, Goal(1.2))
        self._add_starts("zerogravity --help", helped, Goal(0.25))

    def _add_starts(self, what: str, seen: Mapping[str, Sequence[tuple[float, float]]], goal: Goal) -> None:
        """Seconds, and seconds of CPU."""
        took, worked = ({f"{name}chat": min(one[n] for one in found) for name, found in seen.items()} for n in (0, 1))
        self.report.add("S-8", what, "s", took, goal)
        self.report.add("S-8", f"{what}, CPU", "s", worked)


def _lost(url: str) -> dict[str, int]:
    """What a gateway has not recorded, which would make it look cheap."""
    with urlopen(urljoin(url, "/metrics"), timeout=10) as answer:
        (line,) = (line for line in answer.read().decode().splitlines() if line.startswith("zg_trace_dropped_total"))
    return {"not recorded": count} if (count := int(float(line.split()[-1]))) else {}


async def _help(tree: Path) -> tuple[float, float]:
    """Seconds, and seconds of CPU."""
    command = sys.executable, "-m", "zerogravity", "--help"
    env = {**environment(), "PYTHONPATH": str(tree)}
    began, before = time.monotonic(), _children()
    process = await asyncio.create_subprocess_exec(*command, env=env, cwd=tree, stdout=asyncio.subprocess.DEVNULL)
    await process.wait()
    return time.monotonic() - began, _children() - before


def _children() -> float:
    """CPU of our processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


ROWS: Mapping[str, Callable[[Rows], Awaitable[None]]] = {
    "S-1": Rows.flood, "S-2": Rows.paced, "S-3": Rows.setup, "S-4": Rows.ttft, "S-5": Rows.crowd, "S-6": Rows.silent,
    "S-7": Rows.linear, "S-8": Rows.start,
}  # fmt: skip


def _same(name: str, chat: str) -> bool:
    """Whether a system is of the same gateway as the one called ``chat``."""
    return name not in ("direct", "bare") and name.startswith(BEFORE) == chat.startswith(BEFORE)


def medians(figures: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(found) for name, found in figures.items() if found}


def told(seen: Mapping[str, Sequence[Told]], name: str) -> dict[str, float]:
    return medians({system: [one[name] for one in found] for system, found in seen.items()})


def first(seen: Mapping[str, Sequence[Told]]) -> dict[str, float]:
    """Time to first delta, in ms."""
    return medians({system: [ms for one in found for ms in one["first"]] for system, found in seen.items()})


def failed(seen: Mapping[str, Sequence[Told]]) -> dict[str, float]:
    return {system: sum(sum(one["failures"].values()) for one in found) for system, found in seen.items()}


def part(seen: Mapping[str, Sequence[Told]], place: int, times: float) -> dict[str, float]:
    """The CPU of one part of a turn: 0 until the first frame, 1 what follows at once, 2 the events after it."""
    return medians({
        system: [parts[place] * times for one in found for parts in one["parts"] if len(parts) > place]
        for system, found in seen.items()
        if system != "direct"
    })  # fmt: skip

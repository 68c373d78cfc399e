"""The client: ``python -m rig.client`` takes one piece of work a line on stdin, as JSON, and answers with a line.

Each event's text carries the monotonic time at which Google sent it, so latency is measured per event, with one clock.
The client looks at the CPU clock of the process under test at the moments that part a turn: asked, first event,
after the silence that follows it, after the silence that follows the last, and the end.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from rig import asking, cost, wire

STAMP = re.compile(rb"@(\d+):(\d+) ")
TAIL = 4096  # bytes of an answer's end that are kept
SETTLE_S = 0.02  # after a turn's end, for what the process under test still has to do
HEADERS = b"Content-Type: application/json\r\nAuthorization: Bearer ya29.bench\r\n"


@dataclass(slots=True)
class Turn:
    """One answer as it comes in. ``lull``: seconds of silence after its first event, and after its last, until ``over``
    is called. CPU in seconds."""

    pid: int | None
    lull: float
    expected: int
    over: Callable[[], None]
    asked: float = field(default_factory=time.monotonic)
    first: float = 0.0
    last: float = 0.0
    count: int = 0
    latencies: list[float] = field(default_factory=list[float])
    tail: bytes = b""
    disorder: int = 0
    cpu: list[float] = field(default_factory=list[float])
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, data: bytes) -> None:
        """A piece of the answer; a stamp that its end cuts waits for the rest. A surface whose last events repeat the
        whole text is not read twice."""
        now, text, end = time.monotonic_ns(), self.tail + data, 0
        for stamp in STAMP.finditer(text) if self.count < self.expected else ():
            self.disorder += int(stamp[1]) != self.count
            self.count += 1
            self.latencies.append((now - int(stamp[2])) / 1e6)
            end = stamp.end()
            if self.count == self.expected:
                break
        self.tail = text[end:][-TAIL:]
        if end and not self.first:
            self.first = time.monotonic()
            self.look()
            self.begun.set()
            self._later(self.look)
        if end and self.count == self.expected > 1:
            self.last = time.monotonic()
            self._later(self._end)

    @property
    def rate(self) -> float:
        """Events a second from the end of the silence to the last one."""
        return self.count / (self.last - self.first - self.lull) if self.last else 0.0

    def look(self) -> None:
        if self.pid is not None:
            self.cpu.append(cost.cpu(self.pid))

    def _end(self) -> None:
        self.look()
        self.over()

    def _later(self, call: Callable[[], None]) -> None:
        """In the silence, shortly before it ends."""
        if self.lull:
            asyncio.get_running_loop().call_later(self.lull * 0.9, call)


class Client:
    """Keeps its connections to every server that it has asked."""

    def __init__(self) -> None:
        self._pools: dict[str, wire.Pool] = {}

    def pool(self, url: str) -> wire.Pool:
        return self._pools.setdefault(url, wire.Pool(url))

    async def work(self, order: dict[str, Any]) -> dict[str, Any]:
        """``kind``: ``turns`` one after another, ``streams`` at once, or ``held`` open until all have begun. Those that
        are many at once come over connections of their own, as many clients do."""
        pool = self.pool(order["url"])
        if order["kind"] != "turns":
            pool.close()
            await asyncio.sleep(SETTLE_S)
        return await getattr(Work(pool, self.pool(order.get("google", "")), order), order["kind"])()


@dataclass(slots=True)
class Work:
    """One order."""

    pool: wire.Pool
    google: wire.Pool
    order: dict[str, Any]
    failures: Counter[str] = field(default_factory=Counter[str])
    turns_done: list[Turn] = field(default_factory=list[Turn])
    releasing: asyncio.Future[None] | None = None

    async def turns(self) -> dict[str, Any]:
        """One after another: the cost of each part of a turn is told apart."""
        pid = self.order["pid"]
        parts: list[list[float]] = []
        began = time.monotonic()
        for _ in range(self.order["count"]):
            turn = self._turn(pid)
            turn.look()
            await self._run(turn)
            await asyncio.sleep(self.order.get("settle", SETTLE_S))
            turn.look()
            parts.append([later - earlier for earlier, later in zip(turn.cpu, turn.cpu[1:], strict=False)])
        return self._told(time.monotonic() - began, parts=parts)

    async def streams(self) -> dict[str, Any]:
        """All at once."""
        before, began = self._cpu(), time.monotonic()
        turns = [self._turn(None) for _ in range(self.order["count"])]
        await asyncio.gather(*map(self._run, turns))
        took = time.monotonic() - began
        return self._told(took, cpu=self._cpu() - before)

    async def held(self) -> dict[str, Any]:
        """All at once, and open until the last has begun, and for ``silent`` seconds more."""
        before, began, order = self._cpu(), time.monotonic(), self.order
        turns = [self._turn(None) for _ in range(order["count"])]
        running = [asyncio.ensure_future(self._run(turn)) for turn in turns]
        begun = [asyncio.ensure_future(turn.begun.wait()) for turn in turns]
        await asyncio.gather(*begun)
        took, setup = time.monotonic() - began, self._cpu() - before
        if order["silent"]:  # their set-up leaves work behind, such as traces and their index
            await cost.rest([order["pid"]], 2)
        quiet, since = self._cpu(), time.monotonic()
        await asyncio.sleep(order["silent"])
        idle = (self._cpu() - quiet) / (time.monotonic() - since)
        rss = self._rss()
        await self._release()
        await asyncio.gather(*running)
        return self._told(took, cpu=setup, idle=idle, rss=rss)

    def _turn(self, pid: int | None) -> Turn:
        return Turn(pid, self.order.get("lull", 0) / 1000, self.order["events"], self._over)

    def _over(self) -> None:
        self.releasing = asyncio.ensure_future(self._release())

    async def _release(self) -> None:
        """Let what Google holds back go."""
        await self.google.ask(b"/release", b"", b"", lambda _: None)

    async def _run(self, turn: Turn) -> None:
        order = self.order
        surface = order["surface"]
        body = asking.body(surface, order["prompt"], order["size"])
        path, headers = asking.SURFACES[surface][0].encode(), HEADERS + wire.counted(body)
        turn.asked = time.monotonic()
        try:
            status = await self.pool.ask(path, body, headers, turn.take)
            why = asking.failure(status, surface, turn.tail, turn.count, turn.expected)
        except (wire.BrokenError, OSError) as error:
            why = f"broken: {asking.named(turn.tail) or error}"
        if why or turn.disorder:
            self.failures[why or "events out of order"] += 1
        turn.begun.set()
        self.turns_done.append(turn)

    def _cpu(self) -> float:
        return cost.cpu(self.order["pid"]) if self.order["pid"] is not None else 0.0

    def _rss(self) -> float:
        return cost.resident(self.order["pid"]) if self.order["pid"] is not None else 0.0

    def _told(self, took: float, **more: object) -> dict[str, Any]:
        turns = self.turns_done
        latencies = [one for turn in turns for one in turn.latencies]
        return {
            "turns": len(turns), "events": len(latencies), "failures": dict(self.failures), "took": took,
            "first": [(turn.first - turn.asked) * 1000 for turn in turns if turn.first],
            "rate": statistics.median(turn.rate for turn in turns),
            "p50": _quantile(latencies, 50), "p99": _quantile(latencies, 99), **({"rss": self._rss()} | more),
        }  # fmt: skip


def _quantile(figures: Iterable[float], percent: int) -> float:
    ordered = sorted(figures)
    return statistics.quantiles(ordered, n=100)[percent - 1] if len(ordered) > 1 else float("nan")


async def main() -> None:
    client, loop = Client(), asyncio.get_running_loop()
    print("ready", flush=True)
    gc.freeze()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await client.work(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

#!/usr/bin/env python3
"""What one event costs inside the process, without sockets: from the bytes of Google's answer to those that a client's
transport is handed.

  .venv/bin/python scripts/bench/events.py [--events 1000,10000] [--rounds 5] [--against TREE]

tap      Google's bytes → the channel, and the language server's bytes
emit     a record → the frames of one reader
reader   an event that comes alone → one HTTP reader's bytes, from the append on; with ``loop``, which is what one round
         of the event loop and of this bench costs
flood    the same where a chunk of Google's brings many events

All in us of CPU per event, best of the rounds. ``--events``: where a cost is linear, its columns are the same.
``--against``: another checkout's package in alternation, each in a process of its own, with the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from aiohttp import web

from zerogravity import compose, config
from zerogravity.capture.tap import Tap
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination
from zerogravity.server.app import Services, build_app
from zerogravity.store.base import StoreLimits
from zerogravity.store.memory import MemoryStore
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.base import Context, Surface
from zerogravity.surfaces.common.models import Catalogue

ROOT = Path(__file__).resolve().parents[2]
SECRET = bytes(32)
SURFACES = ("chat", "responses", "messages", "gemini")
AT_ONCE = 20  # events in a chunk of a flood
MODEL = "gemini-3-flash"


def event(number: int) -> bytes:
    """As Google's editor API writes a piece of text."""
    return (
        b'data: {"response": {"candidates": [{"content": {"role": "model","parts": [{"text": "hello world %d"}]}}],'
        b'"usageMetadata": {"promptTokenCount": 10,"candidatesTokenCount": %d,"totalTokenCount": %d},'
        b'"modelVersion": "gemini-3-flash","responseId": "abc"},"traceId": "x","metadata": {}}\r\n\r\n'
    ) % (number, number, 10 + number)


class Transport(asyncio.Transport):
    """Takes all that is written, and forgets it. ``writes``: how many."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 1)})
        self.writes = self.size = 0
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        self.size += len(data)

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 0, 1

    def close(self) -> None:
        self.closing = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Engine:
    """Opens turns, and nothing more: the bench plays Google. ``turn``: the newest one."""

    turn: RunningTurn | None = None

    def run(self, turn: Turn) -> CascadeChannel:
        self.turn = opened(turn)
        return self.turn.channel

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        return False


def opened(turn: Turn) -> RunningTurn:
    """As the store does it, with room for the longest stream."""
    return RunningTurn(turn, time.monotonic_ns, max_bytes=1 << 40)


def request(surface: Surface) -> bytes:
    """A client's request for a stream."""
    body = json.dumps(surface.sample(MODEL, "Hi")).encode()
    head = f"POST {surface.url(MODEL, stream=True)} HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: application/json"
    return f"{head}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Front:
    """The front server, whose connections are made by hand."""

    def __init__(self) -> None:
        settings = config.load({"limits": {}}, env={}, file=None).config
        base, self.engine = compose.Base.of(settings), Engine()
        services = Services(
            base.store, self.engine, Catalogue(), settings, MemoryStore(StoreLimits(8)), base.health, base.metrics,
            REGISTRY, secret=SECRET,
        )  # fmt: skip
        self._runner = web.AppRunner(build_app(services), access_log=None, handler_cancellation=True)
        self._protocols: list[asyncio.BaseProtocol] = []

    async def start(self) -> None:
        await self._runner.setup()

    async def begin(self, name: str) -> tuple[RunningTurn, Transport]:
        """A turn, and what its client's bytes go to."""
        transport = self._connect(request(REGISTRY[name]))
        await until(lambda: self.engine.turn is not None)
        turn, self.engine.turn = self.engine.turn, None
        assert turn is not None
        return turn, transport

    def _connect(self, data: bytes) -> Transport:
        server = self._runner.server
        assert server is not None
        protocol, transport = server(), Transport()
        protocol.connection_made(transport)
        protocol.data_received(data)
        self._protocols.append(protocol)
        return transport

    async def stop(self) -> None:
        for protocol in self._protocols:
            protocol.connection_lost(None)  # type: ignore[attr-defined]
        await self._runner.cleanup()


# -- what is measured ------------------------------------------------------------------------------------------------


async def until(condition: Callable[[], object]) -> None:
    """Let the others run, as often as needed."""
    while not condition():  # noqa: ASYNC110 - each round counts
        await asyncio.sleep(0)


@contextmanager
def measured(into: list[float]) -> Iterator[None]:
    """us of CPU."""
    gc.collect()
    gc.freeze()
    began = time.process_time()
    yield
    into.append((time.process_time() - began) * 1e6)
    gc.unfreeze()


def turn_of(name: str) -> RunningTurn:
    """A turn that nobody reads."""
    surface = REGISTRY[name]
    body = {"model": MODEL, "stream": True, **surface.sample(MODEL, "Hi")}
    return opened(surface.parse(body, Context("turn_" + "1" * 32, 1_770_000_000, Catalogue().resolve, secret=SECRET)))


async def tap(chunks: list[bytes], into: list[float]) -> None:
    feed = Tap(turn_of("chat"), 0).feed
    with measured(into):
        for chunk in chunks:
            feed(chunk)


async def loop(chunks: list[bytes], into: list[float]) -> None:
    rounds, now = itertools.count(1), 0

    def run() -> None:
        nonlocal now
        now = next(rounds)

    with measured(into):
        for number, _ in enumerate(chunks, 1):
            asyncio.get_running_loop().call_soon(run)
            await until(lambda number=number: now == number)


async def emit(name: str, chunks: list[bytes], into: list[float]) -> None:
    turn = turn_of(name)
    feed = Tap(turn, 0).feed
    for chunk in chunks:
        feed(chunk)
    render = REGISTRY[name].emitter(turn.channel, SECRET).feed
    with measured(into):
        for record in turn.channel.records:
            render(record)


async def read(front: Front, name: str, chunks: list[bytes], into: list[float]) -> None:
    """One client follows a turn whose answer comes chunk by chunk."""
    turn, transport = await front.begin(name)
    feed = Tap(turn, 0).feed
    feed(event(0))
    for _ in range(20):  # through the middlewares, until it waits for more
        await asyncio.sleep(0)
    with measured(into):
        for chunk in chunks:
            before = transport.writes
            feed(chunk)
            await until(lambda before=before: transport.writes > before)
    feed(event(1).replace(b"]}}]", b']},"finishReason":"STOP"}]'))
    feed(b"")
    await until(lambda: transport.closing)
    assert turn.channel.termination is Termination.OK


Work = Callable[[list[bytes], list[float]], Awaitable[None]]


def rows(front: Front) -> Iterator[tuple[str, int, Work, Work | None]]:
    """(name, events in a chunk, what to measure, what of it is another row's)"""
    yield "tap", 1, tap, None
    yield "tap flood", AT_ONCE, tap, None
    yield "loop", 1, loop, None
    for kind, at_once in (("emit", 1), ("reader", 1), ("flood", AT_ONCE)):
        for name in SURFACES:
            if kind == "emit":
                yield f"{name} emit", at_once, partial(emit, name), None
            else:
                yield f"{name} {kind}", at_once, partial(read, front, name), tap


async def figures(sizes: list[int], rounds: int) -> dict[str, list[float]]:
    """Row → us per event, for each size."""
    front, found = Front(), dict[str, list[float]]()
    await front.start()
    try:
        for size in sizes:
            events = [event(number) for number in range(1, size + 1)]
            for name, at_once, work, of_another in rows(front):
                chunks = [b"".join(some) for some in itertools.batched(events, at_once)]
                whole, other = list[float](), [0.0] if of_another is None else []
                for _ in range(rounds):
                    await work(chunks, whole)
                    if of_another is not None:
                        await of_another(chunks, other)
                found.setdefault(name, []).append(round((min(whole) - min(other)) / size, 2))
    finally:
        await front.stop()
    return found


# -- the table -------------------------------------------------------------------------------------------------------


def of_tree(tree: Path, asked: argparse.Namespace) -> dict[str, list[float]]:
    """The figures of that checkout's package."""
    command = [sys.executable, __file__, "--json", "--events", asked.events, "--rounds", str(asked.rounds)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tree)}, check=True, capture_output=True)
    return json.loads(done.stdout)


def best(first: dict[str, list[float]], second: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [min(pair) for pair in zip(first[name], second[name], strict=True)] for name in first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default="1000,10000", help="lengths of the streams, with commas between")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--repeats", type=int, default=3, help="alternations with the other checkout")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sizes = [int(size) for size in asked.events.split(",")]
    if asked.json:
        print(json.dumps(asyncio.run(figures(sizes, asked.rounds))))
        return
    if asked.against is None:
        here, there = asyncio.run(figures(sizes, asked.rounds)), None
    else:
        here, there = of_tree(ROOT, asked), of_tree(asked.against, asked)
        for _ in range(asked.repeats - 1):
            here, there = best(here, of_tree(ROOT, asked)), best(there, of_tree(asked.against, asked))
    print(f"{'us per event':18}" + "".join(f"{size:>10}" for size in sizes))
    for name, row in here.items():
        print(f"{name:18}" + "".join(f"{figure:10.1f}" for figure in row), end="")
        if there is not None:
            print("   before" + "".join(f"{figure:8.1f}" for figure in there[name]), end="")
            print(
                "   ratio" + "".join(f"{one / other:7.2f}" for one, other in zip(row, there[name], strict=True)), end=""
            )
        print(flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The same stream four ways in one interleaved run: direct, bare mitmdump, zerogravity, step polling.

  .venv/bin/python scripts/bench/path.py [--rounds 3] [--events 250] [--interval 20] [--flood 2000] [--streams 32]

(a) direct   client → Google stand-in
(b) bare     client → mitmdump with response streaming and no addon of ours → Google stand-in
(c) ours     client → front server → LS stand-in → mitmdump with the addon → Google stand-in
(d) polling  client that polls the LS's steps each 150–250 ms

Each event's text carries the monotonic time at which the stand-in sent it, so latency is measured per event, with one
clock. The client is a process of its own, so that the stand-ins' work does not count as latency. Machines are noisy:
read the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from zerogravity import lifeline
from zerogravity.hosts import free_port
from zerogravity.testing.simulator.stack import Stack, StackOptions

STAMP = re.compile(r"@(\d+):(\d+) ")
MODEL = "gemini-3-flash"
SERVICE = "exa.language_server_pb.LanguageServerService"
STREAM_ADDON = """
def responseheaders(flow):
    flow.response.stream = True
def requestheaders(flow):
    flow.request.headers.pop("accept-encoding", None)
"""


@dataclass(slots=True)
class Figures:
    """What one system showed over all rounds. Times in ms, ``rate`` in events/s, ``cpu`` in s per 1,000 events."""

    first: list[float] = field(default_factory=list[float])
    latency: list[float] = field(default_factory=list[float])
    rate: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])

    def row(self) -> list[float]:
        """first, p50, p99, rate, CPU"""
        ordered = sorted(self.latency) or [float("nan")]
        return [
            statistics.median(self.first or [float("nan")]),
            statistics.median(ordered),
            ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
            statistics.median(self.rate),
            statistics.median(self.cpu) if self.cpu else float("nan"),
        ]


# -- the client: a process of its own ------------------------------------------------------------------------------


async def client(work: dict[str, Any]) -> Figures:
    """Read so many streams of stamped texts at once, each to its end."""
    figures = Figures()
    pieces = polled if work["polling"] else streamed
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=False)) as session:
        started = time.monotonic()
        readers = (read(figures, pieces(session, work)) for _ in range(work["streams"]))
        count = sum(await asyncio.gather(*readers))
        figures.rate.append(count / (time.monotonic() - started))
    return figures


async def read(figures: Figures, pieces: AsyncIterator[str]) -> int:
    """How many events one stream had. A poller's piece may end inside a stamp: the rest waits for the next."""
    started, count, rest = time.monotonic(), 0, ""
    async for piece in pieces:
        now = time.monotonic_ns()
        text, end = rest + piece, 0
        for stamp in STAMP.finditer(text):
            if not count:
                figures.first.append((time.monotonic() - started) * 1000)
            count += 1
            end = stamp.end()
            figures.latency.append((now - int(stamp[2])) / 1e6)
        rest = text[max(end, len(text) - 40) :]
    return count


async def streamed(session: aiohttp.ClientSession, work: dict[str, Any]) -> AsyncIterator[str]:
    """Whatever has arrived since the last time."""
    async with session.post(work["url"], json=work["body"], headers=work["headers"]) as response:
        response.raise_for_status()
        async for data in response.content.iter_any():
            yield data.decode("utf-8", "replace")


async def polled(session: aiohttp.ClientSession, work: dict[str, Any]) -> AsyncIterator[str]:
    """A cascade of our own, read by polling; the marker-free prompt passes through to Google as it is."""

    async def call(method: str, body: dict[str, Any]) -> dict[str, Any]:
        async with session.post(f"{work['url']}/{SERVICE}/{method}", json=body, headers=work["headers"]) as response:
            return json.loads(await response.read())

    cascade = (await call("StartCascade", {}))["cascadeId"]
    await call("SendUserCascadeMessage", {
        "cascadeId": cascade, "items": [{"text": work["prompt"]}],
        "cascadeConfig": {"plannerConfig": {"requestedModel": {"model": "MODEL_PLACEHOLDER_M18"}}},
    })  # fmt: skip
    seen = 0
    while True:
        await asyncio.sleep(random.uniform(0.15, 0.25))
        steps = (await call("GetCascadeTrajectorySteps", {"cascadeId": cascade})).get("steps", [])
        planner = [step for step in steps if step["type"] == "CORTEX_STEP_TYPE_PLANNER_RESPONSE"]
        if not planner:
            continue
        text = planner[-1]["plannerResponse"].get("response", "")
        if len(text) > seen:
            yield text[seen:]
            seen = len(text)
        if planner[-1]["status"] == "CORTEX_STEP_STATUS_DONE":
            return


# -- the systems under test ----------------------------------------------------------------------------------------


async def measure(figures: Figures, process: psutil.Process | None, work: dict[str, Any]) -> None:
    """Let a client process do ``work``; add what it saw, and what it cost ``process``."""
    before = cpu_seconds(process)
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--client", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await child.communicate(json.dumps(work).encode())
    if child.returncode:
        raise SystemExit("the client failed")
    seen = Figures(**json.loads(told))
    for name in ("first", "latency", "rate"):
        getattr(figures, name).extend(getattr(seen, name))
    if process is not None:
        figures.cpu.append((cpu_seconds(process) - before) * 1000 / max(len(seen.latency), 1))


def cpu_seconds(process: psutil.Process | None) -> float:
    return sum(process.cpu_times()[:2]) if process is not None else 0.0


def systems(
    stack: Stack, bare_port: int, bare: psutil.Process, prompt: str, streams: int
) -> dict[str, tuple[psutil.Process | None, dict[str, Any]]]:
    """Name → whose CPU counts, and what the client has to do."""
    assert stack.google is not None
    assert stack.ls is not None
    assert stack.process is not None
    ours = psutil.Process(stack.process.pid)
    google = "/v1internal:streamGenerateContent?alt=sse"
    asked = {"model": MODEL, "request": {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}}
    chat = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": True}
    bearer = {"Authorization": "Bearer ya29.bench"}
    common = {"streams": streams, "polling": False, "prompt": prompt}
    return {
        "direct": (None, {**common, "url": stack.google.url + google, "body": asked, "headers": bearer}),
        "bare": (bare, {**common, "url": f"http://127.0.0.1:{bare_port}{google}", "body": asked, "headers": bearer}),
        "ours": (ours, {**common, "url": f"{stack.url}/v1/chat/completions", "body": chat, "headers": {}}),
        "polling": (
            ours,
            {**common, "polling": True, "url": stack.ls.url, "headers": {"x-codeium-csrf-token": stack.ls.csrf}},
        ),
    }


async def bare_mitmdump(stack: Stack, folder: Path) -> tuple[lifeline.Family, int]:
    """mitmdump in reverse mode with response streaming and nothing else."""
    assert stack.google is not None
    port = free_port()
    (folder / "stream.py").write_text(STREAM_ADDON)
    family = await lifeline.start(
        str(Path(sys.executable).parent / "mitmdump"), "-q", "-s", str(folder / "stream.py"),
        "--mode", f"reverse:{stack.google.url}@127.0.0.1:{port}", "--set", "ssl_insecure=true",
        "--set", "connection_strategy=lazy", "--set", f"confdir={folder}",
    )  # fmt: skip
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return family, port
    raise RuntimeError("mitmdump did not start")


def show(title: str, all_figures: dict[str, Figures]) -> None:
    """One table; CPU is the proxy process's."""
    print(f"\n{title}")
    print(
        f"{'':<10}{'first ms':>10}{'p50 ms':>10}{'p99 ms':>10}{'events/s':>11}{'CPU s/1000':>12}"
        f"   ratio to bare: p50, CPU"
    )
    bare = all_figures["bare"].row()
    for name, figures in all_figures.items():
        first, p50, p99, rate, cpu = figures.row()
        ratios = f"{p50 / bare[1]:8.2f} {cpu / bare[4]:8.2f}"
        print(f"{name:<10}{first:>10.1f}{p50:>10.2f}{p99:>10.2f}{rate:>11.0f}{cpu:>12.3f}   {ratios}")
    ours, polling = all_figures["ours"].row(), all_figures["polling"].row()
    print(f"ours − bare p50 {ours[1] - bare[1]:+.2f} ms; polling / ours p50 {polling[1] / ours[1]:.0f}x")


def rows(arguments: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """(title, prompt, streams at once)"""
    events, interval, flood, streams = arguments.events, arguments.interval, arguments.flood, arguments.streams
    yield f"paced: {events} events, one each {interval} ms", f"sim:bench {events} {interval}", 1
    yield f"flood: {flood} events as fast as possible", f"sim:bench {flood} 0", 1
    if streams:
        yield f"{streams} streams at once, 80 events each, one each 100 ms", "sim:bench 80 100", streams


async def main(arguments: argparse.Namespace) -> None:
    env = {"ZEROGRAVITY_LIMITS_TURNS": "1024", "ZEROGRAVITY_LIMITS_WAITING": "0"}
    with tempfile.TemporaryDirectory() as name:
        async with Stack(StackOptions(http2=False, env=env)) as stack:
            family, port = await bare_mitmdump(stack, Path(name))
            bare = psutil.Process(family.process.pid)
            try:
                for owner, work in systems(stack, port, bare, "sim:bench 20 0", 1).values():
                    await measure(Figures(), owner, work)  # warm-up
                for title, prompt, streams in rows(arguments):
                    under_test = systems(stack, port, bare, prompt, streams)
                    figures = {system: Figures() for system in under_test}
                    for _ in range(arguments.rounds):
                        for system, (owner, work) in under_test.items():
                            await measure(figures[system], owner, work)
                    show(title, figures)
            finally:
                await family.end(5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=250, help="events of the paced stream")
    parser.add_argument("--interval", type=int, default=20, help="ms between them")
    parser.add_argument("--flood", type=int, default=2000, help="events of the flood")
    parser.add_argument("--streams", type=int, default=32, help="streams at once, 80 events each; 0 leaves it out")
    parser.add_argument("--client", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        print(json.dumps(asdict(asyncio.run(client(json.load(sys.stdin))))))
    else:
        asyncio.run(main(given))

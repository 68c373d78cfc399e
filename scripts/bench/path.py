#!/usr/bin/env python3
"""The same stream four ways in one interleaved run: direct, bare mitmdump, zerogravity, step polling.

  .venv/bin/python scripts/bench/path.py [--rounds 3] [--events 250] [--interval 20] [--flood 2000] [--streams 32]

(a) direct   client → Google stand-in
(b) bare     client → mitmdump with response streaming and no addon of ours → Google stand-in
(c) ours     client → front server → LS stand-in → mitmdump with the addon → Google stand-in
(d) polling  client that polls the LS's steps each 150–250 ms

Each event's text carries the monotonic time at which the stand-in sent it, so latency is measured per event, in one
process and with one clock. Machines are noisy: read the ratios, not the figures.
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
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

from zerogravity.simulator.stack import Stack, StackOptions, free_port

STAMP = re.compile(r"@(\d+):(\d+) ")
MODEL = "gemini-3-flash"
STREAM_ADDON = """
def responseheaders(flow):
    flow.response.stream = True
def requestheaders(flow):
    flow.request.headers.pop("accept-encoding", None)
"""


@dataclass(slots=True)
class Figures:
    """What one system showed over all rounds; times in ms."""

    first: list[float] = field(default_factory=list[float])
    latency: list[float] = field(default_factory=list[float])
    rate: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])
    events: int = 0

    def row(self) -> list[float]:
        ordered = sorted(self.latency) or [float("nan")]
        return [
            statistics.median(self.first),
            statistics.median(ordered),
            ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
            statistics.median(self.rate),
            statistics.median(self.cpu) if self.cpu else float("nan"),
        ]


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in response.content:
        yield line


async def measure(
    figures: Figures, process: psutil.Process | None, open_stream: Callable[[], AsyncIterator[str]], streams: int = 1
) -> None:
    """Read so many streams of stamped texts at once, each to its end."""
    cpu = sum(process.cpu_times()[:2]) if process else 0.0
    started = time.monotonic()
    count = sum(await asyncio.gather(*(read(figures, open_stream) for _ in range(streams))))
    figures.rate.append(count / (time.monotonic() - started))
    figures.events += count
    if process:
        figures.cpu.append((sum(process.cpu_times()[:2]) - cpu) * 1000 / max(count, 1))


async def read(figures: Figures, open_stream: Callable[[], AsyncIterator[str]]) -> int:
    """How many events one stream had. A poller's piece may end inside a stamp: the rest waits for the next."""
    started, count, rest = time.monotonic(), 0, ""
    async for piece in open_stream():
        now = time.monotonic_ns()
        text = rest + piece
        end = 0
        for stamp in STAMP.finditer(text):
            if not count:
                figures.first.append((time.monotonic() - started) * 1000)
            count += 1
            end = stamp.end()
            figures.latency.append((now - int(stamp[2])) / 1e6)
        rest = text[max(end, len(text) - 40) :]
    return count


class Bench:
    """The systems under test and the requests that drive them."""

    def __init__(self, stack: Stack, bare_port: int, bare: psutil.Process, session: aiohttp.ClientSession) -> None:
        assert stack.process is not None
        assert stack.google is not None
        self.stack, self.session, self.bare_port = stack, session, bare_port
        self.ours = psutil.Process(stack.process.pid)
        self.bare = bare

    def google_request(self, base: str, prompt: str) -> Callable[[], AsyncIterator[str]]:
        async def stream() -> AsyncIterator[str]:
            body = {"model": MODEL, "request": {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}}
            url = f"{base}/v1internal:streamGenerateContent?alt=sse"
            headers = {"Authorization": "Bearer ya29.bench"}
            async with self.session.post(url, json=body, headers=headers, ssl=False) as response:
                response.raise_for_status()
                async for line in lines(response):
                    yield line.decode()

        return stream

    def chat(self, prompt: str) -> Callable[[], AsyncIterator[str]]:
        async def stream() -> AsyncIterator[str]:
            body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": True}
            async with self.session.post(f"{self.stack.url}/v1/chat/completions", json=body) as response:
                response.raise_for_status()
                async for line in lines(response):
                    yield line.decode()

        return stream

    def polling(self, prompt: str) -> Callable[[], AsyncIterator[str]]:
        """A cascade of our own, read by polling; the marker-free prompt passes through to Google as it is."""
        ls = self.stack.ls
        assert ls is not None

        async def call(method: str, body: dict[str, object]) -> dict[str, object]:
            url = f"{ls.url}/exa.language_server_pb.LanguageServerService/{method}"
            headers = {"x-codeium-csrf-token": ls.csrf}
            async with self.session.post(url, json=body, headers=headers, ssl=False) as response:
                return json.loads(await response.read())

        async def stream() -> AsyncIterator[str]:
            cascade = (await call("StartCascade", {}))["cascadeId"]
            await call("SendUserCascadeMessage", {
                "cascadeId": cascade, "items": [{"text": prompt}],
                "cascadeConfig": {"plannerConfig": {"requestedModel": {"model": "MODEL_PLACEHOLDER_M18"}}},
            })  # fmt: skip
            seen = 0
            while True:
                await asyncio.sleep(random.uniform(0.15, 0.25))
                steps = (await call("GetCascadeTrajectorySteps", {"cascadeId": cascade})).get("steps", [])
                planner = [s for s in steps if s["type"] == "CORTEX_STEP_TYPE_PLANNER_RESPONSE"]
                if not planner:
                    continue
                text = planner[-1]["plannerResponse"].get("response", "")
                if len(text) > seen:
                    yield text[seen:]
                    seen = len(text)
                if planner[-1]["status"] == "CORTEX_STEP_STATUS_DONE":
                    return

        return stream

    def systems(self, prompt: str) -> dict[str, tuple[psutil.Process | None, Callable[[], AsyncIterator[str]]]]:
        assert self.stack.google is not None
        return {
            "direct": (None, self.google_request(self.stack.google.url, prompt)),
            "bare": (self.bare, self.google_request(f"http://127.0.0.1:{self.bare_port}", prompt)),
            "ours": (self.ours, self.chat(prompt)),
            "polling": (self.ours, self.polling(prompt)),
        }


async def bare_mitmdump(stack: Stack, folder: Path) -> tuple[asyncio.subprocess.Process, int]:
    """mitmdump in reverse mode with response streaming and nothing else."""
    assert stack.google is not None
    port = free_port()
    (folder / "stream.py").write_text(STREAM_ADDON)
    process = await asyncio.create_subprocess_exec(
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
            return process, port
    raise RuntimeError("mitmdump did not start")


def show(title: str, all_figures: dict[str, Figures]) -> None:
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


def work(arguments: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """(title, prompt, streams at once)"""
    events, interval, flood, streams = arguments.events, arguments.interval, arguments.flood, arguments.streams
    yield f"paced: {events} events, one each {interval} ms", f"sim:bench {events} {interval}", 1
    yield f"flood: {flood} events as fast as possible", f"sim:bench {flood} 0", 1
    if streams:
        yield f"{streams} streams at once, 80 events each, one each 100 ms", "sim:bench 80 100", streams


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=250, help="events of the paced stream")
    parser.add_argument("--interval", type=int, default=20, help="ms between them")
    parser.add_argument("--flood", type=int, default=2000, help="events of the flood")
    parser.add_argument("--streams", type=int, default=32, help="streams at once, 80 events each; 0 leaves it out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        env = {"ZEROGRAVITY_LIMITS_TURNS": "1024", "ZEROGRAVITY_LIMITS_WAITING": "0"}
        options = StackOptions(http2=False, env=env)
        connector = aiohttp.TCPConnector(limit=0)
        async with Stack(options) as stack, aiohttp.ClientSession(connector=connector) as session:
            process, port = await bare_mitmdump(stack, Path(name))
            try:
                bench = Bench(stack, port, psutil.Process(process.pid), session)
                for title, prompt, streams in work(arguments):
                    figures = {system: Figures() for system in bench.systems(prompt)}
                    for _, stream in bench.systems("sim:bench 20 0").values():
                        await measure(Figures(), None, stream)  # warm-up
                    for _ in range(arguments.rounds):
                        for system, (owner, stream) in bench.systems(prompt).items():
                            await measure(figures[system], owner, stream, streams)
                    show(title, figures)
            finally:
                process.terminate()
                await process.wait()


if __name__ == "__main__":
    asyncio.run(main())

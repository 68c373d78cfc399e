#!/usr/bin/env python3
"""Many short turns through the whole path: what stays behind in the gateway's process must not grow.

  .venv/bin/python scripts/bench/soak.py [--turns 2000] [--warm-up 1100] [--at-once 4] [--every 500] [--set NAME=VALUE]

Every surface, streamed and whole; texts, tool calls, refusals, drops, and clients that leave in the middle. Budgets
are small, so that the warm-up fills them; ``--set`` gives others. Compared are the ends of the warm-up and of the run:
memory, once what is free has been given back, may grow by 5 %; tasks, sockets, files, open turns and readers not at
all. When a client leaves, Google's stream must end within 2 s.

With ``--every`` it looks each so many turns, so that a plateau can be seen, and says at the end which objects there are
more of. A long run: ``--turns 100000 --every 5000``.
Exit code 1 when anything of this is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rig import crowd

from zerogravity import ADDON
from zerogravity.testing.simulator.language_server import LsOptions
from zerogravity.testing.simulator.stack import Stack, StackOptions

MODEL = "gemini-3-flash"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
PROMPTS = ("sim:text", "sim:think", "sim:tool", "sim:echo", "sim:429", "sim:drop", "sim:grounding", "sim:unicode")
LEAVES = 21  # each so many turns a client leaves: on every surface in turn
ENV = {
    "ZEROGRAVITY_LIMITS_STORE_BYTES": str(1 << 20), "ZEROGRAVITY_LIMITS_RESPONSES": "50",
    "ZEROGRAVITY_LIMITS_WAITING": "1000",
}  # fmt: skip
COUNTING = """
import asyncio, ctypes, gc, json, signal, sys
from collections import Counter
from pathlib import Path
sys.path.insert(0, {root!r})
from zerogravity.capture.addon import Capture

def tell():
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # what is free already is not in use
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    kinds = Counter(type(found).__module__ + "." + type(found).__qualname__ for found in gc.get_objects())
    temporary = Path({file!r} + ".tmp")
    temporary.write_text(json.dumps({{"tasks": sorted(names), "kinds": kinds, "blocks": sys.getallocatedblocks()}}))
    temporary.replace({file!r})

class Counting:
    def running(self):
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)

addons = [Capture(), Counting()]
"""


@dataclass(slots=True)
class Seen:
    """The gateway's process at rest."""

    rss: float
    tasks: Counter[str]
    kinds: Counter[str]  # objects that the garbage collector sees, by type
    blocks: int
    files: int
    sockets: int
    gauges: dict[str, float]

    @property
    def channels(self) -> int:
        """Turns in memory."""
        return self.kinds["zerogravity.core.channel.CascadeChannel"]

    def row(self) -> str:
        """One line for a person."""
        gauges = " ".join(f"{name.removeprefix('zg_')}={value:g}" for name, value in self.gauges.items())
        return (
            f"RSS {self.rss:7.1f} MiB  blocks {self.blocks}  objects {self.kinds.total()}  tasks {self.tasks.total()}  "
            f"channels in memory {self.channels}  "
            f"files {self.files}  sockets {self.sockets}  {gauges}"
        )


@dataclass(slots=True)
class Soak:
    """A running path, and what its turns showed."""

    stack: Stack
    http: aiohttp.ClientSession
    file: Path
    statuses: Counter[int] = field(default_factory=Counter[int])
    cancelled: list[float] = field(default_factory=list[float])
    number: count[int] = field(default_factory=count)

    async def turns(self, total: int, at_once: int) -> None:
        """So many turns."""
        await crowd.turns(self._turn, self.number, total, at_once)

    async def _turn(self, number: int) -> None:
        leaves = number % LEAVES == LEAVES - 1
        stream = leaves or random.random() < 0.5
        prompt = "sim:long 2000" if leaves else random.choice(PROMPTS)
        path, body = asked(number % 4, f"{prompt} number {number}", stream=stream)
        async with self.http.post(self.stack.url + path, json=body) as response:
            self.statuses[response.status] += 1
            if not leaves:
                with suppress(aiohttp.ClientPayloadError):  # a stream that failed has no end
                    await response.read()
                return
            await response.content.readany()
        await self._gone(f"number {number}")

    async def _gone(self, mark: str) -> None:
        """The client has left: how long until Google's stream has ended."""
        left = time.monotonic()
        assert self.stack.google is not None
        seen = (one for one in reversed(self.stack.google.requests) if mark in json.dumps(one.request))
        if (received := next(seen, None)) is None:
            return  # it failed before Google was asked
        await received.done.wait()
        self.cancelled.append(time.monotonic() - left)

    async def rest(self) -> Seen:
        """What is there once everything that runs has ended, and what is kept alive has been let go."""
        process = psutil.Process(self.pid)
        assert self.stack.ls is not None
        gauges = await crowd.at_rest(self.http, self.stack.url)
        await self.stack.ls.google.close()  # its idle connections are tasks of mitmproxy's; they come and go
        await asyncio.sleep(4)  # closed connections leave the tables of both ends; the last turns are recorded
        told = await self._tell()
        return Seen(
            rss=process.memory_info().rss / (1 << 20),
            tasks=Counter(told["tasks"]),
            kinds=Counter(told["kinds"]),
            blocks=told["blocks"],
            files=process.num_fds(),
            sockets=len(process.net_connections()),
            gauges=gauges,
        )

    @property
    def pid(self) -> int:
        """mitmdump's."""
        assert self.stack.process is not None
        return self.stack.process.pid

    async def _tell(self) -> dict[str, Any]:
        self.file.unlink(missing_ok=True)
        psutil.Process(self.pid).send_signal(signal.SIGUSR1)
        while not self.file.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return json.loads(self.file.read_text())


def asked(kind: int, prompt: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """(path, body) of one surface."""
    function = {"name": "get_weather", "parameters": PARAMETERS}
    match kind:
        case 0:
            tools: list[dict[str, Any]] = [{"type": "function", **function}]
            return "/v1/responses", {"model": MODEL, "input": prompt, "stream": stream, "tools": tools}
        case 1:
            messages, tools = [{"role": "user", "content": prompt}], [{"type": "function", "function": function}]
            return "/v1/chat/completions", {"model": MODEL, "messages": messages, "stream": stream, "tools": tools}
        case 2:
            messages, tools = (
                [{"role": "user", "content": prompt}],
                [{"name": "get_weather", "input_schema": PARAMETERS}],
            )
            body = {"model": MODEL, "max_tokens": 4096, "messages": messages, "stream": stream, "tools": tools}
            return "/v1/messages", body
        case _:
            contents = [{"role": "user", "parts": [{"text": prompt}]}]
            method = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return (
                f"/v1beta/models/{MODEL}:{method}",
                {"contents": contents, "tools": [{"functionDeclarations": [function]}]},
            )


@asynccontextmanager
async def soaking(settings: dict[str, str]) -> AsyncIterator[Soak]:
    """The whole path, whose gateway tells what it holds."""
    with tempfile.TemporaryDirectory() as name:
        file, script = Path(name, "held.json"), Path(name, "counting.py")
        script.write_text(COUNTING.format(root=str(ADDON.parents[1]), file=str(file)))
        options = StackOptions(env=ENV | settings, addon=script, ls=LsOptions(retry_s=0.05))
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with Stack(options) as stack, aiohttp.ClientSession(connector=connector) as http:
            yield Soak(stack, http, file)


def complaints(before: Seen, after: Seen, cancelled: list[float]) -> list[str]:
    """What is not as it should be."""
    found: list[str] = []
    if after.rss > before.rss * 1.05:
        found.append(f"resident memory grew by {after.rss / before.rss - 1:.1%}")
    if after.blocks > before.blocks * 1.05:
        found.append(f"Python's own blocks of memory grew by {after.blocks / before.blocks - 1:.1%}")
    if new := after.tasks - before.tasks:
        found.append(f"tasks stayed behind: {dict(new)}")
    if after.channels > before.channels * 1.2 + 10:
        found.append(f"turns stayed in memory: {after.channels}, before {before.channels}")
    found += [
        f"{name} stayed open: {now}, before {then}"
        for name, then, now in (("files", before.files, after.files), ("sockets", before.sockets, after.sockets))
        if now > then + 2
    ]
    if cancelled and max(cancelled) > 2:
        found.append(f"a client left, and Google's stream went on for {max(cancelled):.1f} s")
    return found


async def main(arguments: argparse.Namespace) -> int:
    random.seed(1)
    settings = {f"ZEROGRAVITY_{name.replace('.', '_').upper()}": value for name, value in arguments.settings}
    async with soaking(settings) as soak:
        print(f"at the start       {(await soak.rest()).row()}")
        await soak.turns(arguments.warm_up, arguments.at_once)
        before = await soak.rest()
        print(f"after the warm-up  {before.row()}")
        cpu = sum(psutil.Process(soak.pid).cpu_times()[:2])
        every, began, after = arguments.every or arguments.turns, time.monotonic(), before
        for done in range(every, arguments.turns + 1, every):
            await soak.turns(every, arguments.at_once)
            after = await soak.rest()
            print(f"after {done:6} turns {after.row()}", flush=True)
        rate = arguments.turns / (time.monotonic() - began)
        cpu = sum(psutil.Process(soak.pid).cpu_times()[:2]) - cpu
        grown, spent = after.rss / before.rss - 1, cpu * 1000 / arguments.turns
        print(f"memory {grown:+.1%}; {rate:.1f} turns/s; {spent:.1f} ms CPU a turn")
        more = (after.kinds - before.kinds).most_common(15)
        print("more objects: " + (", ".join(f"{name} {count:+}" for name, count in more) or "none"))
        print(f"statuses {dict(sorted(soak.statuses.items()))}")
        cancelled = soak.cancelled
        if cancelled:
            median, longest = statistics.median(cancelled) * 1000, max(cancelled) * 1000
            print(f"{len(cancelled)} clients left; Google's stream ended {median:.0f} ms later, {longest:.0f} at most")
        found = complaints(before, after, cancelled)
        print("\n".join(found) or "nothing stayed behind")
        return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument(
        "--warm-up", type=int, default=1100, help="more than the 1,000 turns the inspector keeps bodies of"
    )
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--every", type=int, help="look each so many turns")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], type=lambda text: text.split("=", 1),
        metavar="NAME=VALUE", help="a setting of the gateway, such as limits.store_bytes=4194304",
    )  # fmt: skip
    sys.exit(asyncio.run(main(parser.parse_args())))

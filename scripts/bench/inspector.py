#!/usr/bin/env python3
"""How long the inspector's page takes, in a real Chromium: from the click on a turn to its end being painted, and from
a piece of a running turn's text to the page that shows it.

  .venv/bin/python scripts/bench/inspector.py [--rounds 40] [--tokens 110000] [--times 10] [--pieces 100]

open first   of a conversation that nobody has looked at, in a server that has shown none yet
open new     of one that nobody has looked at
open again   of one that has been looked at
live         a piece of text, from its arrival in the process to the page

In ms. Needs Chromium and its driver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.observe.inspector.browser import MISSING, Browser, running
from tests.observe.inspector.support import TOKEN, Looked, Scene
from zerogravity import compose, config
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.observe.inspector.api import Inspector
from zerogravity.observe.requests import Bodies
from zerogravity.observe.sessions import Sessions
from zerogravity.server.app import Services, start_server
from zerogravity.store.base import StoreLimits
from zerogravity.store.memory import MemoryStore
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.common.models import Catalogue

CODE = "def step(n: int) -> str:\n    return f'{n}: {sum(range(n))}'  # as before\n\n"
# From the click on a turn to the frame in which its newest part and its answer stand at the pane's end.
OPEN = """
  const [id, text, done] = arguments, began = performance.now();
  $(`[data-id="${id}"]`).click();
  const look = () => {
    const box = $('.pane');
    const there = $('.head code')?.textContent === id && $('.item.call') && box.innerText.includes(text)
      && box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
    requestAnimationFrame(there ? () => setTimeout(() => done(performance.now() - began)) : look);
  };
  look();
"""
# Notes when a piece's number has come, in ms since the epoch.
WATCH = """
  window.seen = {};
  new MutationObserver(() => {
    const now = performance.timeOrigin + performance.now();
    const newest = ($('.item.text.answer')?.textContent ?? '').slice(-400);
    for (const [, n] of newest.matchAll(/piece(\\d+) /g)) window.seen[n] ??= now;
  }).observe($('.pane'), { childList: true, characterData: true, subtree: true });
"""


def contents(rounds: int, tokens: int) -> list[dict[str, Any]]:
    """A coding agent's conversation: four characters are about a token."""
    each = tokens * 4 // max(1, rounds)
    made: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "Find out why `login` hangs, and **fix** it."}]}]
    for n in range(rounds):
        edit = {"file_path": f"src/step{n}.py", "content": (CODE * (each // 4 // len(CODE) + 1))[: each // 4]}
        shell = {"command": ["bash", "-lc", f"rg -n step{n} src | head -40"]}
        listing = "".join(f"src/step{n}.py:{line}:    return step({line})\n" for line in range(each // 2 // 40))
        called = [{"text": f"Round {n}.", "thought": True}, _call("write_file", edit), _call("shell", shell)]
        output = json.dumps({"output": listing, "metadata": {"exit_code": 0, "duration_seconds": 0.2}})
        made += [
            {"role": "model", "parts": called},
            {"role": "user", "parts": [_result("write_file", "ok"), _result("shell", output)]},
        ]
    return made


def _call(name: str, args: dict[str, Any]) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args}}


def _result(name: str, output: str) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": output}}}


@asynccontextmanager
async def served() -> AsyncIterator[Looked]:
    """A server with turns that are written by hand."""
    settings = config.load({"listen": "127.0.0.1:0"}, env={}, file=None).config
    scene = Scene(MitmStore(time.monotonic_ns), Bodies(), lambda _: None)
    sessions = Sessions()
    sessions.attach(scene.store)
    inspector = Inspector(
        scene.store, scene.bodies, TOKEN, surfaces=REGISTRY, secret=bytes(32), clock=time.monotonic_ns, health=dict,
        sessions=sessions,
    )  # fmt: skip
    base = compose.Base.of(settings)
    services = Services(
        scene.store, None, Catalogue(), settings, MemoryStore(StoreLimits(8)), base.health, base.metrics, REGISTRY,  # type: ignore[arg-type]
        mount=inspector.mount,
    )  # fmt: skip
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        looked = Looked(scene, await start_server(services), http)
        yield looked
        await looked.stop()
    sessions.close()


async def opened(browser: Browser, channel: CascadeChannel) -> float:
    await browser.until("return $(arguments[0])", f'[data-id="{channel.id}"]')
    return await browser.timed(OPEN, channel.id, f"answer to {channel.id}")


async def opening(looked: Looked, browser: Browser, rounds: int, tokens: int, times: int) -> dict[str, list[float]]:
    def turn() -> CascadeChannel:
        channel = looked.scene.open(google_request={"contents": contents(rounds, tokens)}, client="codex")
        looked.scene.begin(channel)
        looked.scene.text(channel, "## Done\n\n" + CODE + f"answer to {channel.id}")
        return looked.scene.end(channel)

    turns = [turn() for _ in range(times + 1)]
    looked.scene.whole("Hello")
    await browser.open(looked.link)
    first = await opened(browser, turns[0])
    new = [await opened(browser, channel) for channel in turns[1:]]
    again = [await opened(browser, channel) for channel in turns[-4:-1] * (times // 3 + 1)][:times]
    return {"open first": [first], "open new": new, "open again": again}


async def living(looked: Looked, browser: Browser, pieces: int) -> list[float]:
    channel = looked.scene.open("write")
    looked.scene.begin(channel)
    looked.scene.text(channel, "It begins. ")
    await browser.until("return $(arguments[0])", f'[data-id="{channel.id}"]')
    await browser.run("$(arguments[0]).click()", f'[data-id="{channel.id}"]')
    await browser.until("return $('.item.text.answer')?.innerText.includes('It begins.')")
    await browser.run(WATCH)
    sent: list[float] = []
    for n in range(pieces):
        sent.append(time.time() * 1000)
        looked.scene.text(channel, f"piece{n} ")
        await asyncio.sleep(0.037)  # in no step with any pause of ours
    await browser.until("return window.seen[arguments[0]]", str(pieces - 1))
    seen = await browser.run("return window.seen")
    looked.scene.end(channel)
    return [seen[str(n)] - at for n, at in enumerate(sent)]


async def measure(given: argparse.Namespace, session: str) -> dict[str, list[float]]:
    async with served() as looked, Browser(session) as browser:
        found = await opening(looked, browser, given.rounds, given.tokens, given.times)
        return {**found, "live": await living(looked, browser, given.pieces)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 40), ("tokens", 110_000), ("times", 10), ("pieces", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    if MISSING:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as profile, running(Path(profile)) as session:
        found = asyncio.run(measure(given, session))
    print(f"{'ms':<12}{'median':>9}{'largest':>9}")
    for name, values in found.items():
        print(f"{name:<12}{statistics.median(values):>9.0f}{max(values):>9.0f}")


if __name__ == "__main__":
    main()

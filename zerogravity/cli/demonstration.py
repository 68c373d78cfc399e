"""What ``./scripts/demo`` shows: one request per surface through the real path, printed as it streams.

Talks to the gateway as any client would, over HTTP; the figures it prints are measured, not claimed.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from zerogravity.backends.runtime.discover import version_of
from zerogravity.backends.runtime.settings import PATH_VARIABLE, Settings
from zerogravity.cli.comparison import compare
from zerogravity.errors import FaultError
from zerogravity.observe.log_output import takes_colour
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.base import StreamSummary, Surface
from zerogravity.testing.simulator.language_server import LanguageServerSimulator
from zerogravity.testing.simulator.stack import Stack, StackOptions

MODEL = "gemini-3-flash"
LINE = re.compile(r"(?:\x1b\[2m)?\d\d:\d\d:\d\d")  # of the log, as ours is printed
INSTALL = f"./scripts/demo --real installs it; or name its program: {PATH_VARIABLE}=FILE."
DIM, BOLD, RESET = ("\x1b[2m", "\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "", "")


@dataclass(slots=True)
class Seen(StreamSummary):
    """What one streamed request showed."""

    first: float | None = None
    shown: str = ""


class NoAnswer(Exception):
    """The gateway refused; the message is what it said."""


async def run(options: StackOptions) -> int:
    """One request per surface; returns the exit code. With the runtime, then a table of it and the stand-in."""
    started = time.monotonic()
    async with Stack(options) as stack, aiohttp.ClientSession() as session:
        print(f"{DIM}up in {time.monotonic() - started:.2f} s: {way(options, stack.url)}{RESET}")
        failed = 0
        for surface in REGISTRY.values():
            print(f"\n{BOLD}{surface.title:<10} POST {surface.url('…', stream=True)}{RESET}")
            failed += not await _show(session, stack, surface)
    if failed:
        return 1
    return 0 if options.runtime is None else await _compare(options)


async def _compare(options: StackOptions) -> int:
    print(f"\n{BOLD}The runtime beside the LS stand-in{RESET} {DIM}(some seconds){RESET}", flush=True)
    try:
        print(await compare(options, _first_delta))
    except NoAnswer as error:
        print(f"  failed: {error}")
        return 1
    return 0


async def serve(options: StackOptions) -> int:
    """Stay up until SIGINT or SIGTERM, or until mitmdump ends (exit code 1)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Stack(with_lines(options)) as stack:
        assert stack.process is not None
        how_to = HOW_TO.format(way=way(options, "this"), url=stack.url, model=MODEL, inspector=stack.inspector_url)
        print(how_to, flush=True)
        ended = asyncio.create_task(stack.process.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if stop.is_set():
            ended.cancel()
            return 0
        print("mitmdump has ended:\n" + "\n".join(stack.output[-20:]), file=sys.stderr)
        return 1


def with_lines(options: StackOptions) -> StackOptions:
    """The same path, whose lines for turns and whose warnings are printed."""
    colour = {"FORCE_COLOR": "1"} if takes_colour(sys.stdout) else {}
    told = ["answers agents on"]
    if "trace_dir" not in options.settings:
        told.append("each turn is kept in")  # a temporary folder, which goes with the demo

    def pass_on(line: str) -> None:
        if LINE.match(line) and not any(words in line for words in told):
            print(line, flush=True)

    return replace(options, env={**options.env, "ZEROGRAVITY_LOG": "text", **colour}, heard=pass_on)


def real_runtime() -> Path:
    """Google's runtime, as it is installed. Raises FaultError."""
    found = Settings.of(None, None)
    if (fault := found.no_program) is not None:
        raise FaultError(fault if found.named else replace(fault, remedy=INSTALL))
    assert found.binary is not None
    return found.binary


def way(options: StackOptions, url: str) -> str:
    """Who stands on it, and which of them is real."""
    ls = "LS stand-in"
    if options.runtime is not None:
        ls = f"Google's Antigravity runtime (real, {version_of(options.runtime) or 'of an unknown version'})"
    return " → ".join(("agent", url, ls, "mitmdump", options.upstream or "Google stand-in"))


async def _show(session: aiohttp.ClientSession, stack: Stack, surface: Surface) -> bool:
    seen = Seen()
    try:
        async for label, text in _deltas(session, stack.url, surface, seen):
            _print(label, text, seen)
    except NoAnswer as error:
        print(f"  failed: {error}")
        return False
    print()
    for call in seen.calls:
        print(f"  tool call  {call}")
    print(f"  usage      {seen.usage}")
    if seen.first is not None:
        # A poller that looks each 150–250 ms sees a delta half an interval late on average, the first one at best
        # after its first look.
        polling = f"; {_polling(stack.ls)}" if stack.ls is not None else ""
        print(f"  {BOLD}first delta after {seen.first * 1000:.0f} ms{RESET}{polling}")
    return bool(seen.calls or seen.shown)


async def _first_delta(url: str, surface: Surface) -> float | None:
    """Seconds; the turn goes on to its end. Raises NoAnswer."""
    seen = Seen()
    async with aiohttp.ClientSession() as session:
        async for _ in _deltas(session, url, surface, seen):
            pass
    return seen.first


async def _deltas(
    session: aiohttp.ClientSession, url: str, surface: Surface, seen: Seen
) -> AsyncIterator[tuple[str, str]]:
    """("thinking" or "text", words) of one streamed request. Raises NoAnswer."""
    prompt, more = surface.demo
    body = {**surface.sample(MODEL, prompt), **more}
    started = time.monotonic()
    async with session.post(url + surface.url(MODEL, stream=True), json=body) as response:
        if response.status != 200:
            raise NoAnswer(f"HTTP {response.status} {await response.text()}")
        async for event in _events(response):
            for label, text in surface.describe_event(event, seen):
                if seen.first is None:
                    seen.first = time.monotonic() - started
                yield label, text


def _polling(ls: LanguageServerSimulator) -> str:
    """When a client that polls the LS's steps each 200 ms would have seen the first delta of the newest cascade."""
    moment = ls.first_step_text_after_s()
    if moment is None:
        return "a client that polls the LS's steps would have seen nothing yet"
    interval = 0.2
    looks = int(moment / interval) + 1
    return f"polling the LS's steps each 200 ms: after {looks * interval * 1000:.0f} ms"


def _print(label: str, text: str, seen: Seen) -> None:
    if seen.shown != label:
        print(f"{'' if not seen.shown else chr(10)}  {label:<10} ", end="")
        seen.shown = label
    print(f"{DIM if label == 'thinking' else ''}{text}{RESET}".replace("\n", "\n             "), end="", flush=True)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, object]]:
    async for line in response.content:
        payload = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and payload and payload != b"[DONE]":
            yield json.loads(payload)


HOW_TO = """zerogravity is ready on {url}
  {way}

  Responses and Chat   base URL {url}/v1      key: anything
  Messages, Gemini     base URL {url}
  Inspector            {inspector}

  curl -N {url}/v1/responses -H 'content-type: application/json' \\
       -d '{{"model":"{model}","input":"Why is the sky blue?","stream":true}}'

  curl -N {url}/v1/chat/completions -H 'content-type: application/json' \\
       -d '{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}],"stream":true}}'

  curl -N {url}/v1/messages -H 'content-type: application/json' \\
       -d '{{"model":"{model}","max_tokens":4096,"messages":[{{"role":"user","content":"Hello"}}],"stream":true}}'

  curl -N '{url}/v1beta/models/{model}:streamGenerateContent?alt=sse' -H 'content-type: application/json' \\
       -d '{{"contents":[{{"parts":[{{"text":"Hello"}}]}}]}}'

  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=any
  export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=any ANTHROPIC_MODEL={model}
  export GOOGLE_GEMINI_BASE_URL={url} GEMINI_API_KEY=any

  python: openai.OpenAI(base_url="{url}/v1", api_key="any").responses.create(model="{model}", input="Hello")
  python: anthropic.Anthropic(base_url="{url}", api_key="any")
  python: genai.Client(api_key="any", http_options={{"base_url": "{url}"}})

  zerogravity run -- codex      any agent on it, here: the gateway that runs is used
  zerogravity config codex      its settings, to paste
  zerogravity scenarios         what to ask for: sim:tool, sim:429 …

Stop with Ctrl-C; a line for each turn follows."""

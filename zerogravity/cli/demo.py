"""What ``./scripts/demo`` shows: one request per surface through the real path, printed as it streams.

Talks to the gateway as any client would, over HTTP; the figures it prints are measured, not claimed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from zerogravity.testing.simulator.stack import Stack, StackOptions

MODEL = "gemini-3-flash"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
PROMPT = "What is the weather in Rome? Use the get_weather tool."
DIM, BOLD, RESET = ("\x1b[2m", "\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "", "")


@dataclass(slots=True)
class Seen:
    """What one streamed request showed."""

    first: float | None = None
    calls: list[str] = field(default_factory=list[str])
    usage: str = ""
    shown: str = ""


async def run(options: StackOptions) -> int:
    """One request per surface; returns the exit code."""
    started = time.monotonic()
    async with Stack(options) as stack:
        print(
            f"{DIM}up in {time.monotonic() - started:.2f} s: "
            f"agent → {stack.url} → LS stand-in → mitmdump → Google stand-in{RESET}"
        )
        async with aiohttp.ClientSession() as session:
            failed = 0
            for title, request in REQUESTS.items():
                print(f"\n{BOLD}{title}{RESET}")
                failed += not await _show(session, stack, *request())
        return 1 if failed else 0


async def serve(options: StackOptions) -> int:
    """Stay up until SIGINT or SIGTERM, or until mitmdump ends (exit code 1)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Stack(options) as stack:
        assert stack.process is not None
        print(HOW_TO.format(url=stack.url, model=MODEL, inspector=stack.inspector_url), flush=True)
        ended = asyncio.create_task(stack.process.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if stop.is_set():
            ended.cancel()
            return 0
        print("mitmdump has ended:\n" + "\n".join(stack.output[-20:]), file=sys.stderr)
        return 1


async def _show(session: aiohttp.ClientSession, stack: Stack, path: str, body: dict[str, Any], kind: str) -> bool:
    seen = Seen()
    started = time.monotonic()
    async with session.post(stack.url + path, json=body) as response:
        if response.status != 200:
            print(f"  failed: HTTP {response.status} {await response.text()}")
            return False
        async for event in _events(response):
            for label, text in READERS[kind](event, seen):
                if seen.first is None:
                    seen.first = time.monotonic() - started
                _print(label, text, seen)
    print()
    for call in seen.calls:
        print(f"  tool call  {call}")
    print(f"  usage      {seen.usage}")
    if seen.first is not None:
        # A poller that looks each 150–250 ms sees a delta half an interval late on average, the first one at best
        # after its first look.
        print(f"  {BOLD}first delta after {seen.first * 1000:.0f} ms{RESET}; {_polling(stack)}")
    return bool(seen.calls or seen.shown)


def _polling(stack: Stack) -> str:
    """When a client that polls the LS's steps each 200 ms would have seen the first delta of the newest cascade."""
    assert stack.ls is not None
    moment = stack.ls.first_step_text_after_s()
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


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        payload = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and payload and payload != b"[DONE]":
            yield json.loads(payload)


def _read_responses(event: dict[str, Any], seen: Seen) -> list[tuple[str, str]]:
    match event["type"]:
        case "response.reasoning_summary_text.delta":
            return [("thinking", event["delta"])]
        case "response.output_text.delta":
            return [("text", event["delta"])]
        case "response.output_item.done" if event["item"]["type"] == "function_call":
            seen.calls.append(f"{event['item']['name']} {event['item']['arguments']}")
        case "response.completed" | "response.incomplete" | "response.failed":
            usage = event["response"]["usage"] or {}
            reasoning = usage.get("output_tokens_details", {}).get("reasoning_tokens")
            seen.usage = f"{usage.get('input_tokens')} in, {usage.get('output_tokens')} out ({reasoning} thinking)"
        case _:
            pass
    return []


def _read_chat(event: dict[str, Any], seen: Seen) -> list[tuple[str, str]]:
    if usage := event.get("usage"):
        reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
        seen.usage = f"{usage['prompt_tokens']} in, {usage['completion_tokens']} out ({reasoning} thinking)"
    found: list[tuple[str, str]] = []
    for choice in event.get("choices", []):
        delta = choice["delta"]
        if text := delta.get("reasoning_content"):
            found.append(("thinking", text))
        if text := delta.get("content"):
            found.append(("text", text))
        for call in delta.get("tool_calls", []):
            if call["function"].get("name"):
                seen.calls.append(call["function"]["name"] + " ")
            if arguments := call["function"].get("arguments"):
                seen.calls[-1] += arguments
    return found


def _read_gemini(event: dict[str, Any], seen: Seen) -> list[tuple[str, str]]:
    if usage := event.get("usageMetadata"):
        seen.usage = (
            f"{usage.get('promptTokenCount', 0)} in, {usage.get('candidatesTokenCount', 0)} out "
            f"(+ {usage.get('thoughtsTokenCount', 0)} thinking)"
        )
    found: list[tuple[str, str]] = []
    for candidate in event.get("candidates", []):
        for part in candidate.get("content", {}).get("parts", []):
            if part.get("text"):
                found.append(("thinking" if part.get("thought") else "text", part["text"]))
            if call := part.get("functionCall"):
                seen.calls.append(f"{call['name']} {json.dumps(call.get('args', {}))}")
    return found


READERS = {"responses": _read_responses, "chat": _read_chat, "gemini": _read_gemini}


def _responses() -> tuple[str, dict[str, Any], str]:
    tool = {"type": "function", "name": "get_weather", "description": "Weather of a city", "parameters": WEATHER}
    body = {
        "model": MODEL,
        "input": PROMPT,
        "tools": [tool],
        "reasoning": {"effort": "low", "summary": "auto"},
        "stream": True,
    }
    return "/v1/responses", body, "responses"


def _chat() -> tuple[str, dict[str, Any], str]:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Say in two sentences why the sky is blue."}],
        "reasoning_effort": "low",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return "/v1/chat/completions", body, "chat"


def _gemini() -> tuple[str, dict[str, Any], str]:
    declaration = {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER}
    body = {
        "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
        "tools": [{"functionDeclarations": [declaration]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    }
    return f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse", body, "gemini"


REQUESTS = {
    "Responses  POST /v1/responses": _responses,
    "Chat       POST /v1/chat/completions": _chat,
    "Gemini     POST /v1beta/models/…:streamGenerateContent?alt=sse": _gemini,
}

HOW_TO = """zerogravity is ready on {url}

  Responses and Chat   base URL {url}/v1      key: anything
  Gemini               base URL {url}
  Inspector            {inspector}

  curl -N {url}/v1/responses -H 'content-type: application/json' \\
       -d '{{"model":"{model}","input":"Why is the sky blue?","stream":true}}'

  curl -N {url}/v1/chat/completions -H 'content-type: application/json' \\
       -d '{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}],"stream":true}}'

  curl -N '{url}/v1beta/models/{model}:streamGenerateContent?alt=sse' -H 'content-type: application/json' \\
       -d '{{"contents":[{{"parts":[{{"text":"Hello"}}]}}]}}'

  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=any
  export GOOGLE_GEMINI_BASE_URL={url} GEMINI_API_KEY=any

  python: openai.OpenAI(base_url="{url}/v1", api_key="any").responses.create(model="{model}", input="Hello")
  python: genai.Client(api_key="any", http_options={{"base_url": "{url}"}})

Stop with Ctrl-C."""

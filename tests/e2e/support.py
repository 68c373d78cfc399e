"""How end-to-end tests talk to the gateway: one request on any surface, told in one form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import aiohttp
import pytest

from tests.reading import to_the_end
from tests.waiting import until
from zerogravity.testing.check import check_chat, check_gemini, check_messages, check_responses
from zerogravity.testing.simulator.language_server import LsOptions
from zerogravity.testing.simulator.stack import Stack, StackOptions

MODEL = "gemini-3-flash"
NO_COOLDOWN = {"ZEROGRAVITY_LIMITS_COOLDOWN_SECONDS": "0"}  # turns do not meet each other's failures
ASKED_ONCE = {"ZEROGRAVITY_LIMITS_RETRY_SECONDS": "0"}
ResponsePath = Literal["relay", "hooks"]
SURFACES = ("responses", "chat", "gemini", "messages")
both_response_paths = pytest.fixture(scope="module", params=["relay", "hooks"])(lambda request: request.param)
CHECK: dict[str, Callable[..., Any]] = {
    "responses": check_responses, "chat": check_chat, "gemini": check_gemini, "messages": check_messages,
}  # fmt: skip
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def quick(**options: Any) -> LsOptions:
    """LS options whose waits are short."""
    return LsOptions(**{"retry_s": 0.02, "background": False, **options})


def on(path: ResponsePath, options: StackOptions) -> StackOptions:
    """These options, with the answers of turns' calls coming that way."""
    return replace(options, env={"ZEROGRAVITY_RELAY": str(path == "relay").lower(), **options.env})


def request(surface: str, prompt: str, *, stream: bool, tools: bool = False) -> tuple[str, dict[str, Any]]:
    """(path, body)"""
    match surface:
        case "responses":
            body: dict[str, Any] = {"model": MODEL, "input": prompt, "stream": stream, "reasoning": {"summary": "auto"}}
            if tools:
                body["tools"] = [{"type": "function", "name": "get_weather", "parameters": TOOL}]
            return "/v1/responses", body
        case "chat":
            body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": stream}
            if tools:
                body["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": TOOL}}]
            return "/v1/chat/completions", body
        case "messages":
            messages = [{"role": "user", "content": prompt}]
            body = {"model": MODEL, "max_tokens": 9999, "messages": messages, "stream": stream}
            body["thinking"] = {"type": "adaptive"}
            if tools:
                body["tools"] = [{"name": "get_weather", "input_schema": TOOL}]
            return "/v1/messages", body
        case _:
            body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
            if tools:
                body["tools"] = [{"functionDeclarations": [{"name": "get_weather", "parameters": TOOL}]}]
            method = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/v1beta/models/{MODEL}:{method}", body


@dataclass(slots=True)
class Said:
    """What came back. ``events`` are the parsed data lines of a stream, ``body`` a whole JSON answer."""

    status: int
    headers: dict[str, str]
    raw: bytes
    surface: str
    body: Any = None
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(map(self._text, self.events or [self.body]))

    def _text(self, event: dict[str, Any]) -> str:
        match self.surface:
            case "responses" if "output" in event:
                parts = [part for item in event["output"] for part in item.get("content") or []]
                return "".join(part.get("text", "") for part in parts)
            case "responses":
                return event["delta"] if event.get("type") == "response.output_text.delta" else ""
            case "chat":
                choices = event.get("choices") or []
                return "".join((one.get("delta") or one.get("message") or {}).get("content") or "" for one in choices)
            case "messages":
                blocks = event.get("content") or [event.get("delta") or {}]
                return "".join(block.get("text", "") for block in blocks)
            case _:
                candidates = event.get("candidates") or []
                parts = [part for one in candidates for part in one.get("content", {}).get("parts", [])]
                return "".join(part.get("text", "") for part in parts if not part.get("thought"))

    @property
    def error(self) -> dict[str, Any] | None:
        """The error that a whole answer or the end of a stream told."""
        if not self.events:
            return (self.body or {}).get("error")
        last = self.events[-1]
        return last["response"]["error"] if self.surface == "responses" else last.get("error")


async def ask(
    stack: Stack,
    http: aiohttp.ClientSession,
    surface: str,
    prompt: str,
    *,
    stream: bool = True,
    tools: bool = False,
    **members: Any,
) -> Said:
    """One turn, to its end. A stream has passed its surface's grammar checker. ``members``: more of the body."""
    path, body = request(surface, prompt, stream=stream, tools=tools)
    async with http.post(stack.url + path, json={**body, **members}) as response:
        raw, _ = await to_the_end(response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        said = Said(response.status, headers, raw, surface)
    if response.status == 200 and stream:
        CHECK[surface](raw)
        lines = [line[6:] for line in raw.splitlines() if line.startswith(b"data: ")]
        said.events = [json.loads(line) for line in lines if line != b"[DONE]"]
    else:
        said.body = json.loads(raw)
    return said


async def ready(http: aiohttp.ClientSession, url: str) -> None:
    """Until turns can be served."""
    async with asyncio.timeout(60):
        while True:
            async with http.get(f"{url}/ready") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.05)


async def at_rest(stack: Stack) -> None:
    """Nothing runs any more, here or in the gateway's process: no turn, no reader, no call to Google; and no bug was
    logged."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(10):
        while any((await gauges(stack, http)).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    if stack.ls is not None:
        await until(lambda: not any(cascade.running for cascade in stack.ls.cascades.values()))
    if stack.google is not None:
        await until(lambda: all(one.done.is_set() for one in stack.google.requests))
    assert "Traceback" not in "\n".join(stack.output)


async def gauges(stack: Stack, http: aiohttp.ClientSession) -> dict[str, float]:
    """What of the gateway is zero at rest."""
    names = ("zg_turns_active", "zg_readers", "zg_queue_waiting", "zg_queue_active", "zg_log_bytes")
    async with http.get(f"{stack.url}/metrics") as answer:
        lines = [line.split() for line in (await answer.text()).splitlines()]
    found = {name: float(line[1]) for line in lines if (name := line[0].partition("{")[0]) in names}
    assert len(found) == len(names)
    return found

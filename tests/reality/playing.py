"""One case of ``reports.jsonl`` through the whole path: what the client got and what reached Google, under the names
that the cases' expectations use (their README explains each)."""

from __future__ import annotations

import base64
import copy
import json
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from zerogravity.testing.check import check_chat, check_gemini, check_responses
from zerogravity.testing.simulator.google import SIGN, Event, Received, Scenario, Step
from zerogravity.testing.simulator.google.rules import shapes
from zerogravity.testing.simulator.stack import Stack

MODEL = "gemini-3-flash"
CHECK: dict[str, Any] = {"chat": check_chat, "responses": check_responses, "gemini": check_gemini}
PATH = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
    + _chunk(b"IDAT", zlib.compress(b"\0\0"))
    + _chunk(b"IEND", b"")
).decode()


@dataclass(slots=True)
class Result:
    """What one request of a case led to."""

    surface: str
    status: int
    head: dict[str, str]
    text: str
    ups: list[Any]
    seconds: float
    body: Any = None
    ev: list[Any] = field(default_factory=list[Any])

    @property
    def resp(self) -> Any:
        """The Responses API's object, whole or of the last event."""
        return self.ev[-1].get("response") if self.ev else self.body

    @property
    def up(self) -> Any:
        """The last request that reached Google, without envelope."""
        return self.ups[-1] if self.ups else {}

    @property
    def decl(self) -> list[Any]:
        """The function declarations of that request."""
        return [one for tool in self.up.get("tools") or () for one in tool.get("functionDeclarations") or ()]

    @property
    def DECL(self) -> list[str]:
        """Their names, as the cases write it."""
        return [one["name"] for one in self.decl]

    @property
    def err(self) -> dict[str, Any]:
        """The error object of a body, of the last event or of a failed response."""
        for one in (self.body, *reversed(self.ev)):
            if isinstance(one, dict):
                error = one.get("error") or (one.get("response") or {}).get("error")
                if error:
                    return error
        return {}

    @property
    def said(self) -> str:
        return "".join(_texts(self, thought=False))

    @property
    def thought(self) -> str:
        return "".join(_texts(self, thought=True))

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        return list(_calls(self))

    @property
    def finish(self) -> Any:
        if self.surface == "responses":
            return (self.resp or {}).get("status")
        if self.surface == "messages":
            ends = [event["delta"] for event in self.ev if event["type"] == "message_delta"] or [self.body or {}]
            return ends[-1].get("stop_reason")
        key, listed = ("finish_reason", "choices") if self.surface == "chat" else ("finishReason", "candidates")
        found = [one.get(key) for event in self.ev or [self.body or {}] for one in event.get(listed) or ()]
        return next((one for one in reversed(found) if one), None)

    def names(self) -> dict[str, Any]:
        """Everything an expectation may say of this result."""
        up = self.up
        return {
            **{name: getattr(self, name) for name in ("status", "head", "text", "body", "ev", "resp", "err", "said",
                                                      "thought", "calls", "finish", "ups", "seconds")},
            "up": up, "decl": self.decl, "contents": up.get("contents") or [],
            "config": up.get("generationConfig") or {},
            "sysi": "".join(parts([up.get("systemInstruction") or {"parts": []}], "text")),
        }  # fmt: skip


def _texts(result: Result, *, thought: bool) -> Iterator[str]:
    for event in result.ev or [result.body or {}]:
        match result.surface:
            case "chat":
                for choice in event.get("choices") or ():
                    message = choice.get("delta") or choice.get("message") or {}
                    yield message.get("reasoning_content" if thought else "content") or ""
            case "responses" if result.ev:
                kind = "response.reasoning_summary_text.delta" if thought else "response.output_text.delta"
                yield event["delta"] if event["type"] == kind else ""
            case "responses":
                for item in event.get("output") or ():
                    for part in item.get("summary" if thought else "content") or ():
                        yield part.get("text") or ""
            case "messages":
                kind = "thinking" if thought else "text"
                for one in (event.get("delta") or {}, *(event.get("content") or ())):
                    yield one[kind] if one.get("type") in (kind, f"{kind}_delta") else ""
            case _:
                for candidate in event.get("candidates") or ():
                    for part in (candidate.get("content") or {}).get("parts") or ():
                        yield part.get("text", "") if bool(part.get("thought")) is thought else ""


def _calls(result: Result) -> Iterator[tuple[str, str, str]]:
    match result.surface:
        case "responses":
            for item in (result.resp or {}).get("output") or ():
                if item["type"] in ("function_call", "custom_tool_call"):
                    yield item["name"], item["arguments" if "arguments" in item else "input"], item["call_id"]
        case "chat":
            yield from _chat_calls(result)
        case "messages":
            yield from _tool_uses(result)
        case _:
            for event in result.ev or [result.body or {}]:
                for candidate in event.get("candidates") or ():
                    for part in (candidate.get("content") or {}).get("parts") or ():
                        if call := part.get("functionCall"):
                            yield call["name"], json.dumps(call.get("args") or {}), call.get("id", "")


def _chat_calls(result: Result) -> Iterator[tuple[str, str, str]]:
    found: dict[int, list[str]] = {}
    for event in result.ev or [result.body or {}]:
        for choice in event.get("choices") or ():
            for at, call in enumerate((choice.get("delta") or choice.get("message") or {}).get("tool_calls") or ()):
                one = found.setdefault(call.get("index", at), ["", "", ""])
                inner = call.get("function") or call.get("custom") or {}
                one[0] += inner.get("name") or ""
                one[1] += inner.get("arguments") or inner.get("input") or ""
                one[2] = call.get("id") or one[2]
    yield from ((name, arguments, call_id) for name, arguments, call_id in found.values())


def _tool_uses(result: Result) -> Iterator[tuple[str, str, str]]:
    begun = {event["index"]: event["content_block"] for event in result.ev if "content_block" in event}
    for index, use in begun.items() if result.ev else enumerate((result.body or {}).get("content") or ()):
        if use["type"] == "tool_use":
            deltas = [event["delta"] for event in result.ev if event.get("index") == index and "delta" in event]
            text = "".join(delta["partial_json"] for delta in deltas) if result.ev else json.dumps(use["input"])
            yield use["name"], text, use["id"]


def clean(schema: Any) -> bool:
    """Google's strict parser takes it."""
    return not list(shapes.violations(schema, shapes.SCHEMA))


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema, itself first."""
    if isinstance(schema, dict):
        yield schema
        for inner in (*(schema.get("properties") or {}).values(), schema.get("items"), *(schema.get("anyOf") or ())):
            yield from nodes(inner)


def kinds(contents: list[Any]) -> list[tuple[str, list[str]]]:
    """[(role, [kind of each part])]"""
    data = shapes.DATA
    return [
        (one["role"], [next(name for name in part if name in data) for part in one["parts"]]) for one in contents
    ]  # fmt: skip


def parts(contents: list[Any], key: str) -> list[Any]:
    """That member of every part that has it."""
    return [part[key] for one in contents for part in one["parts"] if key in part]


HELPERS: dict[str, Any] = {"J": json, "re": re, "clean": clean, "nodes": nodes, "kinds": kinds, "parts": parts}


def filled(value: Any, names: dict[str, Any]) -> Any:
    """``value`` with ``$KEY``, ``$PNG``, ``"==expression"`` and ``"{{expression}}"`` worked out."""
    match value:
        case dict():
            return {key: filled(one, names) for key, one in value.items()}
        case list():
            return [filled(one, names) for one in value]
        case str():
            value = value.replace("$KEY", names["KEY"]).replace("$PNG", PNG)
            if value.startswith("=="):
                return eval(value[2:], names)
            return re.sub(r"\{\{(.+?)\}\}", lambda found: str(eval(found[1], names)), value)
        case _:
            return value


def scenario(script: list[dict[str, Any]]) -> Scenario:
    """A case's script as the stand-in plays it; its signatures become valid ones."""
    made, delay, steps = Scenario(name="case"), 0.0, list[Step]()
    for one in script:
        if "sleep" in one:
            delay = one["sleep"]
        elif "gzip" in one:
            made.gzip = one["gzip"]
        elif "status" in one:
            made.status, made.body = one["status"], one["body"]
        else:
            steps.append((delay, _signable(one["event"])))
            delay = 0.0
    made.steps = steps
    return made


def _signable(event: Event) -> Event:
    event = copy.deepcopy(event)
    for candidate in event.get("candidates") or ():
        for part in (candidate.get("content") or {}).get("parts") or ():
            if "thoughtSignature" in part:
                part["thoughtSignature"] = SIGN
    return event


async def send(stack: Stack, http: aiohttp.ClientSession, given: dict[str, Any], key: str) -> Result:
    """One request to its end; a stream has passed its surface's grammar."""
    surface, path, data = _request(given)
    headers = {"content-type": "application/json", **given.get("headers", {})}
    began = time.monotonic()
    async with http.request(given.get("method", "POST"), stack.url + path, data=data, headers=headers) as answer:
        text = await answer.text()
        head = {name.lower(): value for name, value in answer.headers.items()}
    reached = [one.request for one in stack.google.agent_requests if _mentions(one, key)]
    result = Result(surface, answer.status, head, text, reached, time.monotonic() - began)
    if answer.content_type == "text/event-stream":
        CHECK[surface](text.encode())
        lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        result.ev = [json.loads(line) for line in lines if line != "[DONE]"]
    else:
        result.body = json.loads(text)
    return result


def _mentions(received: Received, key: str) -> bool:
    return key in json.dumps(received.body)


def _request(given: dict[str, Any]) -> tuple[str, str, bytes]:
    if "path" in given:
        surface = "responses" if "responses" in given["path"] else "chat"
        return surface, given["path"], given["data"].encode() if "data" in given else json.dumps(given["json"]).encode()
    surface = next(name for name in ("chat", "responses", "gemini") if name in given)
    body = dict(given[surface])
    if surface == "gemini":
        return surface, f"/v1beta/models/{body.pop('model', MODEL)}:generateContent", json.dumps(body).encode()
    return surface, PATH[surface], json.dumps({"model": MODEL, **body}).encode()

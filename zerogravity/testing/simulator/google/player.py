"""Plays a ``Scenario`` to an ``Exchange``: events → Google's bytes (SSE, JSON array, or one object), at their times.

Adds what a script leaves out: envelope, usage, ids, signatures. One task per answer; bytes are joined where no time
lies between them.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import Literal

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.google.families import answers_as
from zerogravity.testing.simulator.google.generate_request import GenerateRequest, get, server_step
from zerogravity.testing.simulator.google.scenarios import SIGN, Do, Event, Scenario, Stamp, Usage
from zerogravity.testing.simulator.google.signatures import call_binding
from zerogravity.testing.simulator.http.exchange import Compressor, Exchange, compressed
from zerogravity.wire.narrow import an_object, lookup, members, objects, text, whole

Form = Literal["sse", "array", "unary"]
BATCH = 16 << 10
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ": "))
_PRETTY = json.JSONEncoder(ensure_ascii=False, indent=2)


def compact(value: object) -> bytes:
    """One line of JSON as Google writes it in a stream, with ``<`` and ``>`` escaped."""
    return _escaped(_ENCODER.encode(value))


def pretty(value: object) -> bytes:
    """JSON as Google writes it everywhere else."""
    return _escaped(_PRETTY.encode(value)) + b"\n"


def _escaped(text: str) -> bytes:
    if "<" in text or ">" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return text.encode("utf-8", "surrogatepass")


def answer_headers(content_type: str, *, stream: bool = False) -> dict[str, str]:
    """The headers Google's front end puts on an answer."""
    headers = {
        "Content-Type": content_type,
        "Vary": "Origin, X-Origin, Referer",
        "Date": formatdate(usegmt=True),
        "Server": "scaffolding on HTTPServer2",
        "X-XSS-Protection": "0",
        "X-Frame-Options": "SAMEORIGIN",
        "X-Content-Type-Options": "nosniff",
        "Server-Timing": f"gfet4t7; dur={secrets.randbelow(900) + 100}",
    }
    if stream:
        headers["Content-Disposition"] = "attachment"
    return headers


class Tally:
    """Cumulative token counts of one answer. ``candidates`` excludes thoughts, ``prompt`` includes cached (C.4)."""

    def __init__(self, prompt: int, mode: Usage) -> None:
        self._prompt = prompt
        self._mode = mode
        self._cached = prompt // 2 // 256 * 256
        self._characters = 0
        self._thinking = 0

    def add(self, event: Mapping[str, object]) -> None:
        """Count what an event holds."""
        for part in _parts(event):
            if part.get("text") is None:
                self._characters += 40
            elif part.get("thought"):
                self._thinking += len(text(part["text"]))
            else:
                self._characters += len(text(part["text"]))

    def add_text(self, size: int) -> None:
        self._characters += size

    def figures(self, *, last: bool) -> Json:
        """usageMetadata so far; zeros are left out."""
        prompt = self._prompt if last or self._mode != "jump" else self._prompt // 2
        candidates, thoughts = -(-self._characters // 4), -(-self._thinking // 4)
        cached = min(self._cached, prompt)
        figures = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": candidates or None,
            "totalTokenCount": prompt + candidates + thoughts,
            "cachedContentTokenCount": cached or None,
            "promptTokensDetails": _modality(prompt),
            "cacheTokensDetails": _modality(cached) if cached else None,
            "candidatesTokensDetails": _modality(candidates) if candidates and last else None,
            "thoughtsTokenCount": thoughts or None,
        }
        return {name: value for name, value in figures.items() if value is not None}


def _modality(count: int) -> list[Json]:
    return [{"modality": "TEXT", "tokenCount": count}]


class Player:
    """One answer. ``sent`` counts the events that are out; ``ended`` says how it ended."""

    def __init__(self, exchange: Exchange, scenario: Scenario, request: GenerateRequest, form: Form) -> None:
        self.sent = 0
        self.ended = ""
        self._exchange = exchange
        self._scenario = scenario
        self._request = request
        self._form: Form = form
        self._tally = Tally(request.tokens, scenario.usage)
        self._fixed: Json = {"modelVersion": answers_as(request.model), "responseId": secrets.token_urlsafe(16)}
        if request.family.kind == "claude":
            self._fixed["responseId"] = "req_vrtx_" + secrets.token_hex(10)
        self._trace: Json = {"traceId": secrets.token_hex(8), "metadata": {}}
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._gzip: Compressor | None = None
        self._stamp: tuple[bytes, bytes] | None = None

    async def play(self) -> None:
        """Send the whole answer."""
        scenario, exchange = self._scenario, self._exchange
        if scenario.before:
            await asyncio.sleep(scenario.before)
        if scenario.status not in (200, None):
            self._refuse()
            return
        if self._form == "unary" and scenario.status == 200:
            await self._play_unary()
            return
        if scenario.status is not None:
            content_type = "text/event-stream" if self._form == "sse" else "application/json; charset=UTF-8"
            headers = answer_headers(content_type, stream=self._form == "sse") | scenario.headers
            if self._gzips(exchange):
                self._gzip = Compressor()
                headers["Content-Encoding"] = "gzip"
            exchange.start(scenario.status, headers.items())
        await self._play_steps()

    async def _play_steps(self) -> None:
        loop = asyncio.get_running_loop()
        moment = loop.time()
        for delay, action in self._scenario.steps:
            if delay:
                self._flush()
                await self._exchange.drain()
                moment = max(moment + delay, loop.time() - 0.05)
                await asyncio.sleep(moment - loop.time())
            if isinstance(action, asyncio.Event):
                self._flush()
                await action.wait()
                moment = loop.time()
            elif isinstance(action, Do):
                self._do(action)
                return
            else:
                self._queue(self._encoded(action))
                if self._pending_size > BATCH:
                    self._flush()
                    await self._exchange.drain()
                    await asyncio.sleep(0)
        self._do(Do.END)

    def _encoded(self, action: bytes | Event | Stamp) -> bytes:
        if isinstance(action, bytes):
            return action
        self.sent += 1
        if isinstance(action, Stamp):
            return self._stamped(action)
        data = self._framed(self._finished(action))
        if self._scenario.comments:
            data = b": comment" + self._scenario.eol + data + b"retry: 3000" + self._scenario.eol
        if self._scenario.usage == "after" and _finish_of(action):
            data += self._framed(self._wrapped({"usageMetadata": self._tally.figures(last=True), **self._fixed}))
        return data

    def _framed(self, value: Json) -> bytes:
        if self._form == "array":
            return (b"[" if self.sent == 1 else b",\r\n") + pretty(value).rstrip(b"\n")
        eol = self._scenario.eol
        return self._scenario.prefix + compact(value) + eol + eol

    def _stamped(self, stamp: Stamp) -> bytes:
        if self._stamp is None:
            mark = "@MARK@"
            whole = {"candidates": [{"content": {"parts": [{"text": mark}], "role": "model"}, "index": 0}]}
            head, _, tail = self._framed(self._wrapped(whole | self._fixed)).partition(mark.encode())
            self._stamp = head, tail
        self._tally.add_text(stamp.size)
        head, tail = self._stamp
        text = b"@%d:%d " % (stamp.seq, time.monotonic_ns())
        return head + text.ljust(stamp.size, b".") + tail

    def _finished(self, event: Event) -> Json:
        """A scripted event with everything a script leaves out."""
        if "error" in event:
            return event
        event = signed(event, self._request)
        self._tally.add(event)
        last = _finish_of(event) is not None or "promptFeedback" in event
        mode = self._scenario.usage
        if "usageMetadata" not in event and (mode in ("each", "jump", "root") or (mode == "last" and last)):
            event = {**event, "usageMetadata": self._tally.figures(last=last)}
        usage = event.pop("usageMetadata", None) if mode == "root" and self._request.internal else None
        whole = self._wrapped({**event, **self._fixed})
        return {**whole, "usageMetadata": usage} if usage else whole

    def _wrapped(self, inner: Json) -> Json:
        return {"response": inner, **self._trace} if self._request.internal else inner

    # -- onto the wire ---------------------------------------------------------------------------------------------

    def _queue(self, data: bytes) -> None:
        if self._gzip is not None:
            data = self._gzip.feed(data)
        size = self._scenario.chunk
        pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
        self._pending += pieces
        self._pending_size += len(data)

    def _flush(self) -> None:
        if not self._pending:
            return
        pieces, self._pending, self._pending_size = self._pending, [], 0
        if self._scenario.status is None:
            self._exchange.raw(b"".join(pieces))
        else:
            self._exchange.write_all(pieces)

    def _do(self, action: Do) -> None:
        self.ended = action.value
        exchange = self._exchange
        if action is Do.END:
            if self._form == "array" and self._scenario.status is not None:
                self._queue(b"]" if self.sent else b"[]")
            if self._gzip is not None:
                self._pending.append(self._gzip.end())
            if not self._scenario.last_blank and self._pending:
                self._pending[-1] = self._pending[-1].rstrip(b"\r\n")
            self._flush()
            exchange.end()
            return
        if self._scenario.truncate_gzip and self._gzip is not None:
            text = " ".join(secrets.token_hex(4) for _ in range(60))
            whole = self._gzip.feed(
                self._framed(self._finished({"candidates": [{"content": {"parts": [{"text": text}]}}]}))
            )
            self._pending.append(whole[: len(whole) // 2])
        self._flush()
        {Do.DROP: exchange.drop, Do.RESET: exchange.reset, Do.HALF_CLOSE: exchange.half_close}[action]()

    def _gzips(self, exchange: Exchange) -> bool:
        if self._scenario.gzip is not None:
            return self._scenario.gzip
        return "gzip" in exchange.headers.get("accept-encoding", "").lower()

    def _refuse(self) -> None:
        scenario = self._scenario
        body: object = {} if scenario.body is None else scenario.body
        send_json(self._exchange, scenario.status or 500, [body] if self._form == "array" else body, scenario.headers)
        self.ended = "refused"

    async def _play_unary(self) -> None:
        """All events merged into one object, as the non-streaming method answers."""
        merged: Json = {}
        for delay, action in self._scenario.steps:
            if delay:
                await asyncio.sleep(delay)
            match action:
                case asyncio.Event():
                    await action.wait()
                case Do.END:
                    break
                case Do():
                    self._do(action)
                    return
                case dict() if "error" in action:
                    send_json(self._exchange, whole(lookup(action, "error", "code")) or 500, action)
                    self.ended = "refused"
                    return
                case dict():
                    self.sent += 1
                    one = signed(action, self._request)
                    self._tally.add(one)
                    merge(merged, one)
                case Stamp(seq, size):
                    merge(merged, {"candidates": [{"content": {"parts": [{"text": f"@{seq}".ljust(size, ".")}]}}]})
                case _:
                    pass
        if self._scenario.usage != "none":
            merged["usageMetadata"] = self._tally.figures(last=True)
        send_json(self._exchange, 200, self._wrapped({**merged, **self._fixed}), self._scenario.headers)
        self.ended = "end"


def send_json(exchange: Exchange, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
    """A whole answer: pretty JSON, or bytes as they are; compressed when the client asks for it."""
    body = value if isinstance(value, bytes) else pretty(value)
    lines = answer_headers("application/json; charset=UTF-8") | dict(headers or {})
    if "gzip" in exchange.headers.get("accept-encoding", "").lower():
        body = compressed(body)
        lines["Content-Encoding"] = "gzip"
    exchange.start(status, lines.items(), length=len(body))
    exchange.write(body)
    exchange.end()


def merge(merged: Json, event: Mapping[str, object]) -> None:
    """Add one chunk to the whole: texts of one kind grow together, the last of everything else counts."""
    merged |= {name: value for name, value in event.items() if name != "candidates"}
    for candidate in objects(event.get("candidates")):
        total = merged.setdefault("candidates", [{}])[0]
        parts = total.setdefault("content", {"parts": [], "role": "model"}).setdefault("parts", [])
        for part in objects(lookup(candidate, "content", "parts")):
            _merge_part(parts, part)
        total |= {name: value for name, value in candidate.items() if name != "content"}


def _merge_part(parts: list[Object], part: Object) -> None:
    last = parts[-1] if parts else {}
    same = "text" in part and "text" in last and part.get("thought") == last.get("thought")
    if same and "thoughtSignature" not in last:
        parts[-1] = {**last, **part, "text": text(last["text"]) + text(part["text"])}
    elif part.get("text") != "" or "thoughtSignature" in part:
        parts.append(dict(part))


def signed(event: Event, request: GenerateRequest) -> Json:
    """A copy of the event with ``SIGN`` replaced by fresh signatures, or left out where the family has none."""
    following = [name for part in _parts(event) if (name := get(part, "functionCall", "name"))]
    made: list[Object] = []
    for candidate in objects(event.get("candidates")):
        if (content := an_object(candidate.get("content"))) is not None and "parts" in content:
            parts = [_signed_part(part, request, following) for part in objects(content["parts"])]
            candidate = {**candidate, "content": {**content, "parts": [part for part in parts if part]}}
        made.append(candidate)
    return {**event, "candidates": made} if made else dict(event)


def _signed_part(part: Object, request: GenerateRequest, following: list[object]) -> Object:
    before, step, call = list(request.server_steps), server_step(part), get(part, "functionCall")
    if step is not None:
        request.server_steps.append(step)
    elif call is not None:
        request.server_steps.clear()
    key = next((key for key in ("thoughtSignature", "thought_signature") if part.get(key) == SIGN), None)
    if key is None:
        return part
    rest = {name: value for name, value in part.items() if name != key}
    if not request.family.signed:
        return rest
    if step is not None:
        return {**rest, key: request.sign("server", step)}
    if call is None and rest:
        return {**rest, key: request.sign("image" if "inlineData" in part else "text", "")}
    # one in a part of its own belongs to the call of the same event, or to the one that the scenario names
    name = str(members(call).get("name") or (following[0] if following else request.lone_call))
    return {**rest, key: request.sign("call", call_binding(name, before)) if name else request.sign("text", "")}


def _parts(event: Mapping[str, object]) -> Iterator[Object]:
    for candidate in objects(event.get("candidates")):
        yield from objects(lookup(candidate, "content", "parts"))


def _finish_of(event: Mapping[str, object]) -> object:
    return next((found for one in objects(event.get("candidates")) if (found := one.get("finishReason"))), None)

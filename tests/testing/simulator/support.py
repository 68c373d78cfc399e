"""Small clients with every byte in sight: HTTP/1.1 by hand, HTTP/2 by h2, and a reader of Google's streams."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events

from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.google.catalogue import TEXTS, THOUGHTS

TEXT, THOUGHT = "".join(TEXTS), "".join(THOUGHTS)
INTERNAL = "/v1internal:streamGenerateContent?alt=sse"
WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}


@dataclass
class Reply:
    """An answer as it came. ``chunks``: the HTTP chunks or DATA frames. ``end``: complete, closed or reset."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    end: str = "complete"

    @property
    def raw(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def body(self) -> bytes:
        """Decoded; of a compressed body that was cut, what can be read."""
        if self.headers.get("content-encoding") == "gzip":
            return zlib.decompressobj(31).decompress(self.raw)
        return self.raw

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def stream(self) -> Stream:
        return Stream(self.body)


class Stream:
    """The events of an SSE body, read by the book; ``rest`` is what is no complete event."""

    def __init__(self, body: bytes) -> None:
        self.events: list[dict[str, Any]] = []
        self.rest: list[str] = []
        self.text = self.thoughts = ""
        self.parts: list[dict[str, Any]] = []
        self.finishes: list[str] = []
        self.inner: list[dict[str, Any]] = []
        for block in re.split(r"\r\n\r\n|\n\n|\r\r", body.decode()):
            lines = [line for line in re.split(r"\r\n|\n|\r", block) if line]
            data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
            self.rest += [line for line in lines if not line.startswith(("data:", ":", "retry:"))]
            for text in data:
                try:
                    self._add(json.loads(text))
                except ValueError:
                    self.rest.append(text)

    def _add(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        inner = event.get("response", event)
        self.inner.append(inner)
        for candidate in inner.get("candidates", []):
            for part in candidate.get("content", {}).get("parts", []):
                self.parts.append(part)
                if part.get("thought"):
                    self.thoughts += part.get("text", "")
                else:
                    self.text += part.get("text", "")
            if reason := candidate.get("finishReason"):
                self.finishes.append(reason)

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [part.get("functionCall") or part["function_call"] for part in self.parts if has_call(part)]

    @property
    def call_parts(self) -> list[dict[str, Any]]:
        return [part for part in self.parts if has_call(part)]

    @property
    def usages(self) -> list[dict[str, Any]]:
        return [one["usageMetadata"] for one in self.inner if "usageMetadata" in one]


def has_call(part: Mapping[str, Any]) -> bool:
    return "functionCall" in part or "function_call" in part


def contents(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": [{"text": prompt}]}]


def inner(prompt: str, **more: Any) -> dict[str, Any]:
    """A request with a tool and thoughts asked for."""
    return {
        "contents": contents(prompt),
        "tools": [{"functionDeclarations": [WEATHER]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        **more,
    }


def envelope(request: Mapping[str, Any], model: str = "gemini-3-flash", **more: Any) -> dict[str, Any]:
    return {"project": "p", "requestId": "agent/1", "model": model, "requestType": "agent", "request": request, **more}


def post(*lines: str) -> bytes:
    """The head of a request to v1internal."""
    head = (f"POST {INTERNAL} HTTP/1.1", "Host: localhost", "Authorization: Bearer t", *lines, "", "")
    return "\r\n".join(head).encode()


def trust(pem: bytes, *alpn: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pem.decode())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


async def fetch(
    simulator: GoogleSimulator, path: str, body: Any = None, *, method: str = "POST", **headers: str
) -> Reply:
    """One request over HTTP/1.1 on a connection of its own, read to its end."""
    context = trust(simulator.ca_pem, "http/1.1") if simulator.options.tls else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", simulator.port, ssl=context, server_hostname="localhost" if context else None, limit=1 << 26
    )
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Authorization": "Bearer t", "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode())
    writer.write(data)
    try:
        return await _read_reply(reader)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    reply = Reply()
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        reply.status = int(head[0].split(" ")[1])
        reply.headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
        if "content-length" in reply.headers:
            reply.chunks.append(await reader.readexactly(int(reply.headers["content-length"])))
            return reply
        while size := int(await reader.readuntil(b"\r\n"), 16):
            reply.chunks.append(b"")
            while (left := size - len(reply.chunks[-1])) > 0:
                if not (data := await reader.read(left)):
                    raise asyncio.IncompleteReadError(b"", left)
                reply.chunks[-1] += data
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
    except asyncio.IncompleteReadError:
        reply.end = "closed"
    except (ConnectionError, ssl.SSLError):
        reply.end = "reset"
    return reply


class Http2Client:
    """One HTTP/2 connection; ``fetch`` may be called several times at once."""

    def __init__(self, port: int, pem: bytes) -> None:
        self._port, self._pem = port, pem
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._replies: dict[int, tuple[Reply, asyncio.Event]] = {}

    async def __aenter__(self) -> Http2Client:
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=trust(self._pem, "h2"), server_hostname="localhost"
        )
        assert self._writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        self._h2.initiate_connection()
        self._flush()
        self._task = asyncio.create_task(self._pump())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.transport.abort()
        await asyncio.sleep(0)

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())

    async def fetch(self, path: str, body: Any, **headers: str) -> Reply:
        number = self._h2.get_next_available_stream_id()
        reply, done = Reply(), asyncio.Event()
        self._replies[number] = reply, done
        lines = {":method": "POST", ":path": path, ":scheme": "https", ":authority": "localhost"}
        lines |= {"authorization": "Bearer t", "content-type": "application/json"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._h2.send_headers(number, list(lines.items()))
        self._h2.send_data(number, json.dumps(body).encode(), end_stream=True)
        self._flush()
        await done.wait()
        return reply

    async def _pump(self) -> None:
        while data := await self._reader.read(1 << 16):
            for event in self._h2.receive_data(data):
                self._take(event)
            self._flush()
        for reply, done in self._replies.values():
            if not done.is_set():
                reply.end = "closed"
                done.set()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=number, headers=headers):
                reply = self._replies[number][0]
                reply.headers = dict(headers)
                reply.status = int(reply.headers[":status"])
            case h2.events.DataReceived(stream_id=number, data=data, flow_controlled_length=length):
                self._replies[number][0].chunks.append(data)
                self._h2.acknowledge_received_data(length, number)
            case h2.events.StreamEnded(stream_id=number):
                self._replies[number][1].set()
            case h2.events.StreamReset(stream_id=number):
                reply, done = self._replies[number]
                reply.end = "reset"
                done.set()
            case _:
                pass

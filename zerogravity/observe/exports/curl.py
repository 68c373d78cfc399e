"""Traces → curl commands that send again what was sent to Google, a call each. Pure. What was redacted has to be put
back by whoever sends it. A body is a body and a URL is a URL, whatever curl reads into ``@file`` and ``[1-9]``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping

from zerogravity.core.events import RequestLine
from zerogravity.observe.source import TurnSource
from zerogravity.redact import MASK
from zerogravity.wire import jsonio

FRAMING = ("content-length", "transfer-encoding", "connection", "host")  # curl's own business
VERSIONS = {"HTTP/1.0": "--http1.0", "HTTP/1.1": "--http1.1", "HTTP/2.0": "--http2"}


def write(traces: Iterable[TurnSource]) -> bytes:
    """A shell script."""
    return "".join(line + "\n" for trace in traces for line in _told(trace)).encode()


def _told(trace: TurnSource) -> Iterator[str]:
    yield f"# {trace.id}"
    commands = list(_calls(trace))
    if not commands:
        yield "# no call to Google is recorded"
    if any(MASK in command for command in commands):
        yield f"# put back what stands as {MASK} here, and keep it to yourself"
    yield from commands


def _calls(trace: TurnSource) -> Iterator[str]:
    for call, line in trace.lines().items():
        sent = trace.body("upstream_request", call)
        if sent is not None:
            yield _command(line, sent.get("headers") or {}, sent.get("body"))


def _command(line: RequestLine, headers: Mapping[str, object], body: object) -> str:
    text = body if isinstance(body, str) else jsonio.text(body)
    version = VERSIONS.get(line.http_version)
    words = ["curl", "-gN", *([version] if version else []), "-X", line.method, line.url]
    for name, value in headers.items():
        if name.lower() not in FRAMING:
            words += ["-H", f"{name}: {value}"]
    return shlex.join([*words, "--data-raw", text])

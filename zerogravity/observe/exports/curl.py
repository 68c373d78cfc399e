"""Traces → curl commands that repeat the calls to Google. Pure. Whoever runs them puts the redacted secrets back.
Options keep curl from expanding ``@file`` in a body and ``[1-9]`` in a URL.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping

from zerogravity.core.events import RequestLine
from zerogravity.observe.source import TurnSource
from zerogravity.redact import MASK
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import members

FRAMING = ("content-length", "transfer-encoding", "connection", "host")  # curl makes its own
VERSIONS = {"HTTP/1.0": "--http1.0", "HTTP/1.1": "--http1.1", "HTTP/2.0": "--http2"}


def write(traces: Iterable[TurnSource], _: Surfaces) -> bytes:
    """A shell script."""
    return "".join(line + "\n" for trace in traces for line in _script(trace)).encode()


def _script(trace: TurnSource) -> Iterator[str]:
    yield f"# {trace.id}"
    commands = list(_calls(trace))
    if not commands:
        yield "# no call to Google was recorded"
    if any(MASK in command for command in commands):
        yield f"# replace each {MASK} by your own secret, and keep the result to yourself"
    yield from commands


def _calls(trace: TurnSource) -> Iterator[str]:
    for call, line in trace.lines().items():
        sent = trace.body("upstream_request", call)
        if sent is not None:
            yield _command(line, members(sent.get("headers")), sent.get("body"))


def _command(line: RequestLine, headers: Mapping[str, object], body: object) -> str:
    text = body if isinstance(body, str) else jsonio.text(body)
    version = VERSIONS.get(line.http_version)
    words = ["curl", "-gN", *([version] if version else []), "-X", line.method, line.url]
    for name, value in headers.items():
        if name.lower() not in FRAMING:
            words += ["-H", f"{name}: {value}"]
    return shlex.join([*words, "--data-raw", text])

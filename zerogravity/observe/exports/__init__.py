"""Turns → one file for somebody else. To add an export: a module with the verb ``write``, and a line here. Nothing is
read but what a ``TurnSource`` tells, and that holds no secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from zerogravity.observe.exports import bundle, curl, har, html, jsonl, otel


class Export(NamedTuple):
    """``ending`` of its files; ``what`` it is, for people."""

    write: Callable[[Sequence[Any]], bytes]
    ending: str
    what: str


EXPORTS = {
    "curl": Export(curl.write, ".sh", "sends again what was sent to Google"),
    "har": Export(har.write, ".har", "HTTP Archive: what a browser's network tab opens"),
    "jsonl": Export(jsonl.write, ".jsonl", "everything, a line of JSON each"),
    "otel": Export(otel.write, ".otlp.json", "OpenTelemetry spans, as a collector takes them"),
    "html": Export(html.write, ".html", "the inspector's page in one file, to look at without a server"),
    "bundle": Export(bundle.write, ".zip", "the trace folders themselves, for a bug report"),
}

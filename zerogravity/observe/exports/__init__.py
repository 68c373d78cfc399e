"""Turns → one file for somebody else. To add an export: a module with the verb ``write``, and a line here. Nothing is
read but what a ``TurnSource`` tells, and that holds no secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from zerogravity.observe.exports import bundle, curl, har, html, jsonl, otel
from zerogravity.surfaces.base import Surfaces


class Export(NamedTuple):
    """``write(turns, surfaces)``: the file; ``ending`` of its name; ``what`` it is, for people."""

    write: Callable[[Sequence[Any], Surfaces], bytes]
    ending: str
    what: str


def _by_itself(write: Callable[[Sequence[Any]], bytes]) -> Callable[[Sequence[Any], Surfaces], bytes]:
    """An export that asks no surface anything."""
    return lambda turns, _: write(turns)


EXPORTS = {
    "curl": Export(_by_itself(curl.write), ".sh", "sends again what was sent to Google"),
    "har": Export(har.write, ".har", "HTTP Archive: what a browser's network tab opens"),
    "jsonl": Export(_by_itself(jsonl.write), ".jsonl", "everything, a line of JSON each"),
    "otel": Export(otel.write, ".otlp.json", "OpenTelemetry spans, as a collector takes them"),
    "html": Export(_by_itself(html.write), ".html", "the inspector's page in one file, to look at without a server"),
    "bundle": Export(_by_itself(bundle.write), ".zip", "the trace folders themselves, for a bug report"),
}

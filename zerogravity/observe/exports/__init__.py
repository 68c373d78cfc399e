"""Turns → one file for somebody else. To add an export, write a module with a ``write(turns, surfaces)`` and add a line
here. An export reads nothing but a ``TurnSource``, which holds no secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zerogravity.observe.source import TurnSource
    from zerogravity.observe.trace_reader import Trace
    from zerogravity.surfaces.base import Surfaces


class Export(NamedTuple):
    """``name``: also of its module, which the first use imports. ``ending`` of the file's name; ``what`` it is, for
    people; ``of_folders``: it takes traces only, since it needs their files."""

    name: str
    ending: str
    what: str
    of_folders: bool = False

    def write(self, turns: Sequence[TurnSource | Trace], surfaces: Surfaces) -> bytes:
        """The file."""
        return import_module(f"{__name__}.{self.name}").write(turns, surfaces)


EXPORTS = {
    export.name: export
    for export in (
        Export("curl", ".sh", "curl commands that repeat the calls to Google"),
        Export("har", ".har", "HTTP Archive, as the network tab of a browser opens it"),
        Export("jsonl", ".jsonl", "everything, as one line of JSON each"),
        Export("otel", ".otlp.json", "OpenTelemetry spans, as a collector takes them"),
        Export("html", ".html", "the inspector's page as a single file that needs no server"),
        Export("bundle", ".zip", "the trace folders themselves, for a bug report", of_folders=True),
    )
}

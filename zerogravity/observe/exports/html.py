"""Traces → one HTML file that stands alone: the inspector's page, with the answers of its endpoints inlined. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zerogravity.observe.inspector import assets, page
from zerogravity.observe.source import TurnSource
from zerogravity.observe.summary import row
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio


def write(traces: Iterable[TurnSource], surfaces: Surfaces) -> bytes:
    return assets.alone(jsonio.dumps({"turns": [_turn(trace, surfaces) for trace in traces]}))


def _turn(trace: TurnSource, surfaces: Surfaces) -> dict[str, object]:
    channel = trace.channel
    last = max(*channel.marks.values(), *(record.t_ns for record in trace.records[-1:]), 0)
    return {"turn": {**row(channel, last), **page.details(trace)}, **page.everything(trace, surfaces)}

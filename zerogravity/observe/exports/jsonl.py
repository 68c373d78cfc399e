"""Traces → all of a turn as lines of JSON: turn, bodies, records with their bytes, frames. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zerogravity.core import codec
from zerogravity.observe.requests import BODIES
from zerogravity.observe.source import TurnSource
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio


def write(traces: Iterable[TurnSource], _: Surfaces) -> bytes:
    lines: list[Mapping[str, object]] = []
    for trace in traces:
        lines.append({"kind": "turn", **trace.info, "generate": trace.google_request})
        for name in BODIES:
            if (body := trace.body(name)) is not None:
                lines.append({"kind": name, "turn": trace.id, **body})
        for record in trace.records:
            data = record.data.decode("utf-8", "replace")
            line = codec.record_out(record, 0, (0, 0))
            del line["file"]
            lines.append({"kind": "record", "turn": trace.id, **line, "data": data})
        for emitted in trace.emitted:
            present = {name: value for name, value in emitted.as_json().items() if value not in (None, {})}
            lines.append({"kind": "emitted", "turn": trace.id, **present})
    return b"".join(jsonio.dumps(line) + b"\n" for line in lines)

"""Traces → one HTML file that stands alone: the inspector's page, with the answers of its endpoints inlined: rows for
the list, a block for each turn, which the page reads when the turn is opened, and one with all that can be found in the
turns, which it reads at the first search. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from zerogravity.observe import client_curl, session_summary, turn_texts
from zerogravity.observe.inspector import assets, page
from zerogravity.observe.source import TurnSource
from zerogravity.observe.summary import TOOL_WAIT, results, row, stored_row
from zerogravity.observe.turn_texts import Said
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import number, objects

# of a row, only the trace knows
TOLD = ("session", "previous", "branch", "fresh", "price", "price_partial", "note", "star")
NO_RESULT_HERE = "no result here"  # of calls of the client's tools: whether one came elsewhere, no file can tell
BLOB = 256 << 10  # characters of base64 that are kept whole: a picture's
KEPT = 64  # of a longer one, so that its kind can be seen
_BLOB = re.compile(rb"[A-Za-z0-9+/_\-]{%d,}={0,2}" % BLOB)


def write(traces: Iterable[TurnSource], surfaces: Surfaces) -> bytes:
    traces = list(traces)
    here = {trace.id for trace in traces}
    answered = frozenset[str]().union(*(results(objects(trace.google_request.get("contents"))) for trace in traces))
    rows: list[Mapping[str, object]] = []
    blocks: list[tuple[str, bytes]] = []
    texts: dict[str, Mapping[str, str]] = {}
    for trace in traces:
        said = Said.of(trace.state)
        texts[trace.id] = turn_texts.of(trace, said, whole=trace.info.get("previous") not in here)
        rows.append(_row(trace, answered, surfaces))
        blocks.append((trace.id, _without_blobs(jsonio.dumps(_turn(trace, rows[-1], surfaces)))))
    data = {"turns": rows, "sessions": _sessions(rows)}
    return assets.alone(jsonio.dumps(data), blocks, _without_blobs(jsonio.dumps(texts)))


def _sessions(rows: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """The newest first."""
    found: dict[object, list[Mapping[str, object]]] = {}
    for row_ in rows:
        if row_["session"]:
            found.setdefault(row_["session"], []).append(row_)
    made = [session_summary.of(turns) for turns in found.values()]
    return sorted(made, key=lambda session: number(session["ended"]) or 0, reverse=True)


def _row(trace: TurnSource, answered: frozenset[str], surfaces: Surfaces) -> dict[str, object]:
    """``answered``: the calls whose results are in one of the turns."""
    channel, info = trace.channel, trace.info
    last = max(*channel.marks.values(), *(record.t_ns for record in trace.records[-1:]), 0)
    stored = stored_row(info)
    told = {name: stored[name] for name in TOLD}
    shown = row(channel, last, answered, surfaces)
    if channel.closed and shown["state"] == TOOL_WAIT:
        told["state"] = NO_RESULT_HERE
    # Recorded times count from each turn's arrival; the list is in the order of the turns.
    return {**shown, **told, "received_ms": (number(info.get("created")) or 0) * 1000}


def _turn(trace: TurnSource, shown: Mapping[str, object], surfaces: Surfaces) -> dict[str, object]:
    """What the endpoints answer, by the part of their paths."""
    curl = {"curl": client_curl.head(trace, surfaces)}
    return {"turn": {**shown, **page.details(trace)}, "curl": curl, **page.everything(trace, surfaces)}


def _without_blobs(data: bytes) -> bytes:
    """JSON, whose long runs of base64 say only how long they were. An escape before one keeps its letters."""
    return _BLOB.sub(lambda blob: b"%b... %d bytes left out" % (blob[0][:KEPT], len(blob[0]) - KEPT), data)

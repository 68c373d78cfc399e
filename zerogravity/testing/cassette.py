"""``Library``: recordings by the digest of their request. A request that nobody recorded is an error that shows how it
differs from the nearest recording. Reads trace folders; plays nothing itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError, Origin, Termination
from zerogravity.observe import digest, trace_reader
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire.narrow import lookup, text, texts

# Turns that did not end by themselves: they answer nothing.
NOT_REPLAYED = frozenset({
    Termination.CLIENT_GONE, Termination.CLIENT_STALL, Termination.CANCELLED, Termination.SHUTDOWN,
    Termination.QUEUE_FULL, Termination.QUEUE_TIMEOUT, Termination.INTERNAL,
})  # fmt: skip
DIFF_LINES = 40
COMPARED = 200  # recordings among which the nearest is looked for
COMPARED_WORDS = 300  # of the lines that differ


class Library:
    """All usable traces below ``root``. Equal requests are answered in the order in which they were recorded; the last
    answer repeats."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_digest: dict[str, list[Trace]] = {}
        self._served: dict[str, int] = {}
        self.scan()

    def __len__(self) -> int:
        return sum(len(traces) for traces in self._by_digest.values())

    def __iter__(self) -> Iterator[Trace]:
        """In the order in which they were recorded, request by request."""
        return (trace for traces in self._by_digest.values() for trace in traces)

    def scan(self) -> None:
        """Read the folder again."""
        found: dict[str, list[Trace]] = {}
        for trace in sorted(trace_reader.scan(self.root), key=lambda trace: str(trace.folder)):
            if trace.closed and trace.info.get("code") not in NOT_REPLAYED:
                found.setdefault(_digest(trace), []).append(trace)
        self._by_digest = found

    def pick(self, turn: Turn) -> Trace:
        """The recording for ``turn``. Raises FaultError ``cassette_miss``."""
        request = digest.normalised(turn)
        key = digest.digest(request)
        if key not in self._by_digest:
            self.scan()
        if not (traces := self._by_digest.get(key)):
            raise self._miss(key, request)
        served = self._served.get(key, 0)
        self._served[key] = served + 1
        return traces[min(served, len(traces) - 1)]

    def unused(self) -> list[Trace]:
        """Recordings that have answered nothing yet."""
        return [trace for key, traces in self._by_digest.items() for trace in traces[self._served.get(key, 0) :]]

    def _miss(self, key: str, request: Mapping[str, object]) -> FaultError:
        lines = digest.lines(request)
        nearest = self._nearest(lines)
        message = f"no recording in {self.root.name} answers this request (digest {key})"
        if nearest is None:
            message += "; there are no recordings at all"
        else:
            trace, recorded = nearest
            shown = list(
                difflib.unified_diff(recorded, lines, f"recorded {trace.short}", "this request", lineterm="", n=1)
            )
            more = f"\n… {len(shown) - DIFF_LINES} more lines" if len(shown) > DIFF_LINES else ""
            message += f"; the nearest is {trace.short}:\n" + "\n".join(shown[:DIFF_LINES]) + more
        return FaultError(
            Fault(Origin.CLIENT, 400, "cassette_miss", message, termination=Termination.REJECTED, retryable=False)
        )

    def _nearest(self, lines: list[str]) -> tuple[Trace, list[str]] | None:
        """By the lines they share; among equals, by how similar the lines are that differ."""
        best: tuple[tuple[float, float], Trace, list[str]] | None = None
        traces = list(self)
        matcher = difflib.SequenceMatcher(autojunk=False)
        matcher.set_seq2(lines)
        for trace in traces[-COMPARED:]:
            recorded = digest.lines(_normal(trace))
            matcher.set_seq1(recorded)
            if best is not None and min(matcher.real_quick_ratio(), matcher.quick_ratio()) < best[0][0]:
                continue
            if best is None or matcher.ratio() >= best[0][0]:
                similarity = matcher.ratio(), _similarity(recorded, lines)
                if best is None or similarity > best[0]:
                    best = (similarity, trace, recorded)
        return None if best is None else best[1:]


def _similarity(one: list[str], other: list[str]) -> float:
    """Of the words in lines that only one of them has."""
    shared = set(one) & set(other)
    mine, theirs = (
        " ".join(line for line in lines if line not in shared).split()[:COMPARED_WORDS] for lines in (one, other)
    )
    return difflib.SequenceMatcher(None, mine, theirs, autojunk=False).ratio()


def _normal(trace: Trace) -> dict[str, Any]:
    info = trace.info
    return digest.normalised_request(
        text(lookup(info, "target", "name")), trace.google_request,
        stops=texts(info.get("stops")), at_once=info.get("at_once") is True,
    )  # fmt: skip


def _digest(trace: Trace) -> str:
    """Of the recorded request: a digest in the trace may come from a version that computed it in another way."""
    return digest.digest(_normal(trace))

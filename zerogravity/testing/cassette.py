"""``Library``: recordings by the digest of their request. A request that nobody recorded is an error that shows how it
differs from the nearest one that was. Reads trace folders; plays nothing itself.
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
from zerogravity.wire.narrow import lookup, text

# Turns that did not end by themselves answer nothing.
USELESS = frozenset({
    Termination.CLIENT_GONE, Termination.CLIENT_STALL, Termination.CANCELLED, Termination.SHUTDOWN,
    Termination.QUEUE_FULL, Termination.QUEUE_TIMEOUT, Termination.INTERNAL,
})  # fmt: skip
DIFF_LINES = 40
NEAREST_OF = 200  # recordings that are compared for the nearest
WORDS = 300  # of what differs, that are compared


class Library:
    """All usable traces below ``root``. Equal requests are answered in the order in which they were recorded; the last
    answer stays."""

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
        """Look at the folder again."""
        found: dict[str, list[Trace]] = {}
        for trace in sorted(trace_reader.scan(self.root), key=lambda trace: str(trace.folder)):
            if trace.closed and trace.info.get("code") not in USELESS:
                found.setdefault(_digest(trace), []).append(trace)
        self._by_digest = found

    def pick(self, turn: Turn) -> Trace:
        """The recording for ``turn``. Raises FaultError ``cassette_miss``."""
        asked = digest.normal(turn)
        key = digest.digest(asked)
        if key not in self._by_digest:
            self.scan()
        if not (traces := self._by_digest.get(key)):
            raise self._miss(key, asked)
        served = self._served.get(key, 0)
        self._served[key] = served + 1
        return traces[min(served, len(traces) - 1)]

    def unused(self) -> list[Trace]:
        """Recordings that nobody has asked for."""
        return [
            trace for key, traces in self._by_digest.items() for trace in traces[self._served.get(key, 0) :]
        ]  # fmt: skip

    def _miss(self, key: str, asked: Mapping[str, Any]) -> FaultError:
        lines = digest.lines(asked)
        nearest = self._nearest(lines)
        message = f"no recording in {self.root.name} answers this request (digest {key})"
        if nearest is None:
            message += "; there are no recordings at all"
        else:
            trace, recorded = nearest
            shown = list(
                difflib.unified_diff(recorded, lines, f"recorded {trace.short}", "asked now", lineterm="", n=1)
            )
            more = f"\n… {len(shown) - DIFF_LINES} more lines" if len(shown) > DIFF_LINES else ""
            message += f"; the nearest is {trace.short}:\n" + "\n".join(shown[:DIFF_LINES]) + more
        return FaultError(
            Fault(Origin.CLIENT, 400, "cassette_miss", message, termination=Termination.REJECTED, retryable=False)
        )

    def _nearest(self, lines: list[str]) -> tuple[Trace, list[str]] | None:
        """By the lines they share; among equals, by how alike the lines are in which they differ."""
        best: tuple[tuple[float, float], Trace, list[str]] | None = None
        traces = list(self)
        matcher = difflib.SequenceMatcher(autojunk=False)
        matcher.set_seq2(lines)
        for trace in traces[-NEAREST_OF:]:
            recorded = digest.lines(_normal(trace))
            matcher.set_seq1(recorded)
            if best is not None and min(matcher.real_quick_ratio(), matcher.quick_ratio()) < best[0][0]:
                continue
            if best is None or matcher.ratio() >= best[0][0]:
                likeness = matcher.ratio(), _likeness(recorded, lines)
                if best is None or likeness > best[0]:
                    best = (likeness, trace, recorded)
        return None if best is None else best[1:]


def _likeness(one: list[str], other: list[str]) -> float:
    """Of the words that only one of them has."""
    shared = set(one) & set(other)
    mine, theirs = (" ".join(line for line in lines if line not in shared).split()[:WORDS] for lines in (one, other))
    return difflib.SequenceMatcher(None, mine, theirs, autojunk=False).ratio()


def _normal(trace: Trace) -> dict[str, Any]:
    return digest.normal_request(text(lookup(trace.info, "target", "name")), trace.google_request)


def _digest(trace: Trace) -> str:
    """As told by the trace's own request: a digest that another version wrote may be made in another way."""
    return digest.digest(_normal(trace))

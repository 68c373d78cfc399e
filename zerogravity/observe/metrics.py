"""Counts and times for Prometheus, in a registry of its own. Labels come from closed sets, never from content (T10).

Turns are measured when they end, from the marks and records they hold anyway; nothing happens per event. Present states
(open turns, bytes held) are read at each scrape.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from operator import sub

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zerogravity.core.budget import Budget
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptClosed, AttemptOpened
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import PASSIVE
from zerogravity.errors import Termination
from zerogravity.wire.reasons import Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NS = 1_000_000_000
REASONS = frozenset({
    "path", "no_marker", "ambiguous_marker", "witness_disagrees", "request_type", "agent", "checkpoint",
})  # fmt: skip
PARSE_FAILURES = frozenset({
    "not_json", "json_repaired", "not_an_object", "unknown_part", "broken_call", "call_mended", "thought_part",
})  # fmt: skip
KINDS = frozenset({"agent", PASSIVE})
MOVED = frozenset({*Reason, "lost", "cooldown"})
PLACES = frozenset({"request", "relay", "response", "tap", "rewrite", "match"})

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600, 1800)
GAPS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60)
LAGS = (1, 2, 5, 10, 50, 100, 1000, 10000)
_NO_ANSWERS = frozenset({AttemptOpened, AttemptClosed})  # the ends of an attempt, which Google has not written


def label(value: str, known: frozenset[str]) -> str:
    """A label value from a closed set; anything else is ``other``."""
    return value if value in known else "other"


class Metrics:
    """One per process (or test); ``watch`` ties it to a store. ``surfaces``: their names, which are labels.
    ``instance``: this gateway's name, which every sample then carries: behind one address a scrape may meet any of
    them."""

    def __init__(self, surfaces: Iterable[str], instance: str = "") -> None:
        self._instance = instance
        self._surfaces = frozenset((*surfaces, PASSIVE))
        self.registry = CollectorRegistry()
        made = self.registry
        self._turns = Counter("zg_turns", "Turns that have ended", ["surface", "code"], registry=made)
        self._times = {  # phase → how long after the request it was reached
            phase: Histogram(name, text, ["surface"], buckets=SECONDS, registry=made)
            for phase, name, text in (
                ("first_byte", "zg_first_event_seconds", "Request to first upstream event"),
                ("first_text", "zg_first_text_seconds", "Request to first text"),
                ("first_thinking", "zg_first_thinking_seconds", "Request to first thinking"),
                ("done", "zg_turn_seconds", "Whole turns"),
            )
        }
        self._match = Histogram(
            "zg_match_seconds",
            "From our message to the language server until it calls Google",
            buckets=SECONDS,
            registry=made,
        )
        self._upstream = Counter("zg_upstream_calls", "Calls to Google", ["kind", "status_class"], registry=made)
        self._unmatched = Counter("zg_unmatched", "Calls to Google left alone", ["reason"], registry=made)
        self._tokens = Counter("zg_tokens", "Tokens of ended turns", ["kind", "source"], registry=made)
        self._tap_errors = Counter("zg_tap_errors", "Answers that could not be read", registry=made)
        self._failed_over = {
            "retry": Counter("zg_retries", "Models that were asked once more", ["reason"], registry=made),
            "fallback": Counter("zg_fallbacks", "Turns that moved to another model", ["reason"], registry=made),
            "refusal": Counter(
                "zg_cooldown_refusals", "Turns that Google was not asked for", ["reason"], registry=made
            ),
        }
        self._fail_open = Counter("zg_fail_open", "Calls left unchanged by our own fault", ["place"], registry=made)
        self._parse_failures = Counter(
            "zg_parse_failures", "Odd upstream data that was read as well as possible", ["code"], registry=made
        )
        self._lag = Histogram(
            "zg_reader_lag_records", "Largest batch a reader had to catch up with", buckets=LAGS, registry=made
        )
        self._mcp_calls = Counter("zg_mcp_calls", "Calls of MCP tools", ["server", "outcome"], registry=made)
        self._requests = Counter("zg_requests", "HTTP requests", ["surface", "status_class"], registry=made)
        self.loop_lag = Gauge("zg_loop_lag_seconds", "How late the event loop was last seen", registry=made)
        self._gaps = _Gaps()
        made.register(self._gaps)
        self._at_scrape = _AtScrape()
        made.register(self._at_scrape)

    # -- wiring ----------------------------------------------------------------------------------------------

    def watch(self, store: MitmStore) -> None:
        """Measure every turn of ``store``."""
        store.on_closed.append(self.turn_closed)
        gauge, counter = self.gauge, self.counter
        gauge("zg_turns_active", "Turns that run", lambda: store.open_count)
        gauge("zg_log_bytes", "Bytes held for running turns",
              lambda: sum(channel.size for channel in store if not channel.closed))  # fmt: skip
        gauge("zg_store_bytes", "Bytes held for all turns", lambda: store.bytes)
        gauge("zg_store_channels", "Turns in memory", lambda: len(store))
        gauge("zg_readers", "Readers of all turns", lambda: sum(channel.readers for channel in store))
        counter("zg_store_evicted", "Turns dropped to keep the budget", lambda: store.evicted)

    def watch_budget(self, budget: Budget) -> None:
        """Who holds how much of the memory budget."""
        self.states("zg_kept_bytes", "Bytes held of what is kept in memory", "what", budget.held)
        self.gauge("zg_kept_limit_bytes", "Bytes that may be kept in memory", lambda: budget.total)

    def gauge(self, name: str, text: str, read: Callable[[], float | None]) -> None:
        """A state that ``read`` gives at each scrape; None leaves it out."""
        self._at_scrape.sources.append((GaugeMetricFamily, name, text, read))

    def counter(self, name: str, text: str, read: Callable[[], float | None]) -> None:
        """A total that is counted elsewhere."""
        self._at_scrape.sources.append((CounterMetricFamily, name, text, read))

    def states(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """States of one kind, read at each scrape, by a label whose values are a closed set."""
        self._at_scrape.states.append((name, text, label, read))

    def render(self) -> bytes:
        """The exposition text."""
        registry = _Labelled(self.registry, {"instance": self._instance}) if self._instance else self.registry
        return generate_latest(registry)

    # -- events ---------------------------------------------------------------------------------

    def turn_closed(self, channel: CascadeChannel) -> None:
        """Everything that a finished turn shows."""
        surface = label(channel.turn.surface, self._surfaces)
        code = channel.termination or Termination.INTERNAL
        self._turns.labels(surface, code.value).inc()
        marks, start = channel.marks, channel.marks["received"]
        for phase, histogram in self._times.items():
            if phase in marks:
                histogram.labels(surface).observe((marks[phase] - start) / NS)
        if "told" in marks and "matched" in marks:
            self._match.observe(max(0, marks["matched"] - marks["told"]) / NS)
        self._calls(channel)
        for usage in channel.state.usage_by_attempt.values():
            for kind, count in (
                ("input", usage.prompt), ("cached", usage.cached), ("output", usage.candidates),
                ("thinking", usage.thoughts), ("tool_use", usage.tool_use),
            ):  # fmt: skip
                self._tokens.labels(kind, usage.source).inc(max(0, count))
        for notice in channel.state.notices:
            if notice.code in PARSE_FAILURES:
                self._parse_failures.labels(notice.code).inc()
        if code is Termination.UPSTREAM_GARBAGE:
            self._tap_errors.inc()
        self._gaps.observe(
            [
                record.t_ns
                for record in channel.records
                if record.attempt_no >= 0 and not (record.events and type(record.events[0]) in _NO_ANSWERS)
            ]
        )

    def _calls(self, channel: CascadeChannel) -> None:
        """Every call that Google answered, by its status; and one that it never answered."""
        kind = PASSIVE if channel.turn.surface == PASSIVE else "agent"
        for attempt in channel.state.tried.values():
            self._upstream.labels(kind, f"{attempt.status // 100}xx").inc()
        if channel.termination is Termination.UPSTREAM_DROP and not channel.state.attempts:
            self._upstream.labels(kind, "none").inc()

    def request(self, surface: str, status: int) -> None:
        """One HTTP request has been answered."""
        self._requests.labels(label(surface, self._surfaces), f"{status // 100}xx").inc()

    def mcp_call(self, server: str, outcome: str) -> None:
        """A call of an MCP server's tool was run: ``server`` as the configuration names it, or ``request``."""
        self._mcp_calls.labels(server, outcome).inc()

    def reader_left(self, largest_batch: int) -> None:
        """A reader of a stream has left."""
        self._lag.observe(largest_batch)

    def unmatched(self, reason: str) -> None:
        """A call to Google was left alone."""
        self._unmatched.labels(label(reason, REASONS)).inc()

    def failed_over(self, event: str, reason: str) -> None:
        """A model was asked once more, or another one, or none: ``event`` is a key of the counters."""
        self._failed_over[event].labels(label(reason, MOVED)).inc()

    def failed_open(self, place: str) -> None:
        """A fault of our own in the interceptor; the bytes passed unchanged."""
        self._fail_open.labels(label(place, PLACES)).inc()


Source = tuple[type[GaugeMetricFamily | CounterMetricFamily], str, str, Callable[[], float | None]]


class _Labelled(Collector):
    """What ``registry`` collects, each sample with further labels."""

    def __init__(self, registry: CollectorRegistry, labels: Mapping[str, str]) -> None:
        self._registry = registry
        self._labels = labels

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            family.samples = [sample._replace(labels={**self._labels, **sample.labels}) for sample in family.samples]
            yield family


class _AtScrape(Collector):
    """Reads its sources at each scrape."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.states: list[tuple[str, str, str, Callable[[], Mapping[str, float]]]] = []

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        for name, text, label, states in self.states:
            made = GaugeMetricFamily(name, text, labels=[label])
            for value, state in states().items():
                made.add_metric([value], state)
            yield made
        for family, name, text, read in self.sources:
            if (value := read()) is not None:
                yield family(name, text, value=float(value))


class _Gaps(Collector):
    """Times between upstream events of a turn. A long turn has thousands of them: a Histogram would be too slow."""

    def __init__(self) -> None:
        self._counts = [0] * (len(GAPS) + 1)
        self._sum = 0.0
        self._limits = [int(bound * NS) for bound in GAPS]

    def observe(self, times: Sequence[int]) -> None:
        gaps = sorted(map(sub, times[1:], times))
        places = [bisect_right(gaps, limit) for limit in self._limits]
        for index, (start, end) in enumerate(pairwise((0, *places, len(gaps)))):
            self._counts[index] += end - start
        if times:
            self._sum += (times[-1] - times[0]) / NS

    def collect(self) -> Iterable[HistogramMetricFamily]:
        buckets: list[tuple[str, float]] = []
        total = 0
        for label, count in zip((*(str(float(bound)) for bound in GAPS), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((label, total))
        yield HistogramMetricFamily(
            "zg_event_gap_seconds", "Between two upstream events of a turn", buckets=buckets, sum_value=self._sum
        )

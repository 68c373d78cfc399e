"""Live OpenTelemetry spans: every closed turn → one span, and a child per call to Google. Needs the extra ``otel`` and
OpenTelemetry's own environment variables.

Made by a background thread. Names, ids and form are those of exported traces, so both can be compared. Contents are off
by default (threat T10), and redacted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from zerogravity import __version__
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.core.registry import MitmStore
from zerogravity.observe.prices import of_turn
from zerogravity.observe.spans import SCHEMA, Span, spans
from zerogravity.surfaces.base import Surfaces
from zerogravity.worker import BackgroundWorker

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as LiveSpan
    from opentelemetry.trace import SpanKind

logger = logging.getLogger("zerogravity.otel")
EXPORTERS = ("otlp", "console", "none")
LAST_S = 3.0
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@dataclass(frozen=True, slots=True)
class _Ended:
    """``records``: the list itself, since an evicted channel gets a new one. ``wall_ns``: when it ended."""

    channel: CascadeChannel
    records: Sequence[Record]
    wall_ns: int


class Spans:
    """Sends every turn of a store to ``provider``. ``content``: with prompts and answers."""

    def __init__(
        self,
        provider: TracerProvider,
        ids: FixedIds,
        surfaces: Surfaces,
        *,
        content: bool,
        wall_ns: Callable[[], int],
        session: Callable[[CascadeChannel], str],
    ) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("zerogravity", __version__, SCHEMA)
        self._ids = ids
        self._surfaces = surfaces
        self._content = content
        self._wall_ns = wall_ns
        self._session = session
        self.worker: BackgroundWorker[_Ended] = BackgroundWorker("otel", self._export)

    def attach(self, store: MitmStore) -> None:
        """Send every turn that ``store`` opens from now on."""
        self.worker.start()
        store.on_closed.append(self._closed)

    def close(self, timeout: float = LAST_S) -> None:
        """Send what is left, for at most ``timeout`` seconds: the exporter would retry for long."""
        self.worker.close()
        last = threading.Thread(target=self._provider.shutdown, name="zerogravity-otel-last", daemon=True)
        last.start()
        last.join(timeout)
        if last.is_alive():
            logger.warning("the last spans may be lost: the collector did not accept them within %g s", timeout)

    def _closed(self, channel: CascadeChannel) -> None:
        self.worker.put(_Ended(channel, channel.records, self._wall_ns()))

    # -- the thread --------------------------------------------------------------------------------------------

    def _export(self, batch: list[_Ended]) -> None:
        for ended in batch:
            self._turn(ended)

    def _turn(self, ended: _Ended) -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context

        channel = ended.channel
        arrived = ended.wall_ns - channel.marks["done"] + channel.marks["received"]
        session = self._session(channel)
        turn, *calls = spans(
            channel, ended.records, self._surfaces, content=self._content, session=session, price=of_turn(channel)
        )
        span = self._start(turn, Context(), trace.SpanKind.SERVER, arrived)
        for phase, at in turn.events:
            span.add_event(phase, timestamp=at + arrived)
        parent = trace.set_span_in_context(span, Context())
        for call in calls:
            self._start(call, parent, trace.SpanKind.CLIENT, arrived).end(call.end_ns + arrived)
        span.end(turn.end_ns + arrived)

    def _start(self, made: Span, parent: Context, kind: SpanKind, arrived: int) -> LiveSpan:
        from opentelemetry.trace import StatusCode

        self._ids.set_next(made)
        span = self._tracer.start_span(
            made.name, parent, kind, cast("Any", made.attributes), start_time=made.start_ns + arrived
        )
        if made.failed:
            span.set_status(StatusCode.ERROR, made.fault.code if made.fault is not None else None)
        return span


class FixedIds:
    """An IdGenerator: the ids of a turn's spans are made of the turn's id. Used by one thread."""

    def __init__(self) -> None:
        self._trace, self._span = 1, 1

    def set_next(self, span: Span) -> None:
        """The ids of the next span."""
        self._trace, self._span = int(span.trace_id, 16), int(span.span_id, 16)

    def generate_trace_id(self) -> int:
        return self._trace

    def generate_span_id(self) -> int:
        return self._span

    def is_trace_id_random(self) -> bool:
        return True  # 128 random bits of the turn's id: samplers may count on them


# -- from the environment ------------------------------------------------------------------------------------------


def start(
    store: MitmStore,
    surfaces: Surfaces,
    env: Mapping[str, str] | None = None,
    *,
    exporter: SpanExporter | None = None,
    wall_ns: Callable[[], int] = time.time_ns,
    session: Callable[[CascadeChannel], str] = lambda channel: "",
) -> Spans | None:
    """Spans of ``store``, when the environment enables them and the packages are installed. None: no spans.

    ``OTEL_TRACES_EXPORTER`` or an OTLP endpoint switches them on; ``OTEL_SDK_DISABLED`` off. ``exporter`` replaces
    the one the environment names. ``session``: the session of a turn that is over; may take time.
    """
    environment = os.environ if env is None else env
    wanted = _wanted(environment)
    if wanted is None:
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        target = exporter or _exporter(wanted)
    except ImportError as error:
        logger.warning("no spans: %s is missing; install the extra: zerogravity[otel]", error.name)
        return None
    ids = FixedIds()
    service = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": "zerogravity"}
    provider = TracerProvider(
        resource=Resource.create({**service, "service.version": __version__}),
        id_generator=cast("Any", ids),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(target))
    made = Spans(provider, ids, surfaces, content=_yes(environment.get(CONTENT)), wall_ns=wall_ns, session=session)
    made.attach(store)
    return made


def _wanted(environment: Mapping[str, str]) -> str | None:
    """The exporter that the environment selects."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    wanted = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if not wanted and any(environment.get(name) for name in _ENDPOINTS):
        wanted = "otlp"
    if wanted in ("", "none"):
        return None
    if wanted not in EXPORTERS:
        logger.warning("no spans: OTEL_TRACES_EXPORTER is %r; known are %s", wanted, ", ".join(EXPORTERS))
        return None
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    if wanted == "otlp" and protocol != "http/protobuf":
        logger.warning("no spans: %s is not supported; set %s=http/protobuf", protocol, _PROTOCOLS[0])
        return None
    return wanted


def _yes(value: str | None) -> bool:
    """The switch has had several forms: true, and span_only or span_and_event."""
    return (value or "").strip().lower() in ("true", "1", "span_only", "span_and_event")


def _exporter(kind: str) -> SpanExporter:
    if kind == "console":
        import sys

        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()

"""Live OpenTelemetry spans: every closed turn → one span, and a child per call to Google. Needs the extra ``otel`` and
the user's wish, told by OpenTelemetry's own environment variables.

Made by a thread beside the path. Names, ids and form are those of exported traces, so both can be put side by side.
Contents are off unless asked for (threat T10), and go through the redactor then.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from zerogravity import __version__, redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Record
from zerogravity.core.registry import MitmStore
from zerogravity.observe.exports import otel as names
from zerogravity.surfaces.base import Surfaces
from zerogravity.worker import BackgroundWorker

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

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
    """Tells ``provider`` of every turn of a store. ``content``: with prompts and answers."""

    def __init__(
        self,
        provider: TracerProvider,
        ids: FixedIds,
        surfaces: Surfaces,
        *,
        content: bool,
        wall_ns: Callable[[], int],
    ) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("zerogravity", __version__, names.SCHEMA)
        self._ids = ids
        self._surfaces = surfaces
        self._content = content
        self._wall_ns = wall_ns
        self.beside: BackgroundWorker[_Ended] = BackgroundWorker("otel", self._tell)

    def attach(self, store: MitmStore) -> None:
        """Tell of every turn that ``store`` opens from now on."""
        self.beside.start()
        store.on_closed.append(self._closed)

    def close(self, timeout: float = LAST_S) -> None:
        """Send what is left. A collector that does not answer holds nobody up: the exporter tries again for long."""
        self.beside.close()
        last = threading.Thread(target=self._provider.shutdown, name="zerogravity-otel-last", daemon=True)
        last.start()
        last.join(timeout)
        if last.is_alive():
            logger.warning("the last spans may be lost: nobody took them within %g s", timeout)

    def _closed(self, channel: CascadeChannel) -> None:
        self.beside.put(_Ended(channel, channel.records, self._wall_ns()))

    # -- the thread --------------------------------------------------------------------------------------------

    def _tell(self, batch: list[_Ended]) -> None:
        for ended in batch:
            self._turn(ended)

    def _turn(self, ended: _Ended) -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context

        channel, turn = ended.channel, ended.channel.turn
        offset = ended.wall_ns - channel.marks["done"]
        info = told(channel)
        does = names.operation(turn.surface, self._surfaces)
        attributes = redact.json_value(names.turn_attributes(does, info, turn.google_request, channel.state.model))
        if self._content:
            content = names.content_attributes(turn.google_request, channel.state, info["code"])
            attributes |= {name: redact.json_bytes(value.encode()).decode() for name, value in content.items()}
        self._ids.say(channel.id, "turn")
        span = self._tracer.start_span(
            redact.text(f"{does} {turn.model}"), Context(), trace.SpanKind.SERVER, attributes,
            start_time=channel.marks["received"] + offset,
        )  # fmt: skip
        for phase, at in sorted(channel.marks.items(), key=lambda mark: mark[1]):
            span.add_event(phase, timestamp=at + offset)
        if isinstance(channel.terminal, Failed):
            span.set_status(trace.StatusCode.ERROR, channel.terminal.fault.code)
        parent = trace.set_span_in_context(span, Context())
        for call, records in names.calls_of(ended.records).items():
            self._ids.say(channel.id, f"call{call}")
            line = channel.lines.get(call)
            values = redact.json_value(names.call_attributes(records, call, line))
            child = self._tracer.start_span(
                names.call_name(line), parent, trace.SpanKind.CLIENT, values, start_time=records[0].t_ns + offset
            )
            if values.get(names.NAMES["status"], 0) >= 400:
                child.set_status(trace.StatusCode.ERROR)
            child.end(records[-1].t_ns + offset)
        span.end(channel.marks["done"] + offset)


class FixedIds:
    """An IdGenerator: the ids of a turn's spans are made of the turn's id. Used by one thread."""

    def __init__(self) -> None:
        self._trace, self._span = 1, 1

    def say(self, turn_id: str, part: str) -> None:
        """The ids of the next span."""
        self._trace, self._span = (int(text, 16) for text in names.span_ids(turn_id, part))

    def generate_trace_id(self) -> int:
        return self._trace

    def generate_span_id(self) -> int:
        return self._span

    def is_trace_id_random(self) -> bool:
        return True  # 128 random bits of the turn's id: samplers may count on them


def told(channel: CascadeChannel) -> dict[str, Any]:
    """What spans need of ``turn.json``."""
    turn, marks = channel.turn, channel.marks
    first = (marks["first_byte"] - marks["received"]) / 1e6 if "first_byte" in marks else None
    return {
        "id": channel.id,
        "surface": turn.surface,
        "model": turn.model,
        "target": asdict(turn.target),
        "stream": turn.stream,
        "cascade_id": channel.cascade_id,
        "code": channel.termination.value if channel.termination else None,
        "failure": isinstance(channel.terminal, Failed),
        "latency_ms": {"first_byte": first},
        "usage": asdict(channel.state.usage),
    }


# -- from the environment ------------------------------------------------------------------------------------------


def start(
    store: MitmStore,
    surfaces: Surfaces,
    env: Mapping[str, str] | None = None,
    *,
    exporter: SpanExporter | None = None,
    wall_ns: Callable[[], int] = time.time_ns,
) -> Spans | None:
    """Spans of ``store``, when the environment asks for them and the packages are there. None: no spans.

    ``OTEL_TRACES_EXPORTER`` or an OTLP endpoint switches them on; ``OTEL_SDK_DISABLED`` off. ``exporter`` replaces
    the one the environment names.
    """
    environment = os.environ if env is None else env
    wanted = _wanted(environment)
    if wanted is None:
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        made = exporter or _exporter(wanted)
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
    provider.add_span_processor(BatchSpanProcessor(made))
    spans = Spans(provider, ids, surfaces, content=_yes(environment.get(CONTENT)), wall_ns=wall_ns)
    spans.attach(store)
    return spans


def _wanted(environment: Mapping[str, str]) -> str | None:
    """The exporter that is asked for."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    asked = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if not asked and any(environment.get(name) for name in _ENDPOINTS):
        asked = "otlp"
    if asked in ("", "none"):
        return None
    if asked not in EXPORTERS:
        logger.warning("no spans: OTEL_TRACES_EXPORTER is %r, which is none of %s", asked, ", ".join(EXPORTERS))
        return None
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    if asked == "otlp" and protocol != "http/protobuf":
        logger.warning("no spans: %s is not spoken here; set %s=http/protobuf", protocol, _PROTOCOLS[0])
        return None
    return asked


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

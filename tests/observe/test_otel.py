"""Spans of turns as an exporter gets them, and when there are any."""

from __future__ import annotations

import json
import logging
import sys
import threading

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.conftest import evict
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    RequestLine,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.registry import MitmStore
from zerogravity.errors import upstream
from zerogravity.observe import otel, prices
from zerogravity.observe.exports.otel import write
from zerogravity.observe.recorder import Recorder
from zerogravity.observe.trace_reader import scan
from zerogravity.surfaces import REGISTRY

WALL_NS = 1_770_000_000_000_000_000
ON = {"OTEL_TRACES_EXPORTER": "otlp"}
PROMPT, ANSWER = "the password is sk-abcdefgh12345678", "it is secret"


@pytest.fixture
def store(clock):
    return MitmStore(clock)


@pytest.fixture
def telling(store):
    """``telling(**environment)`` → a function that ends everything and returns the spans, turn first."""
    started = []

    def start(**environment):
        exporter = InMemorySpanExporter()
        made = otel.start(store, REGISTRY, {**ON, **environment}, exporter=exporter, wall_ns=lambda: WALL_NS)
        assert made is not None
        started.append(made)

        def ended():
            made.close()
            assert made.worker.failures == 0
            return sorted(exporter.get_finished_spans(), key=lambda span: (span.parent is not None, span.start_time))

        return ended

    yield start
    for each in started:
        each.close()


def play(store, clock, make_turn, **turn):
    given = {
        "surface": "chat", "stream": True,
        "google_request": {
            "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 99},
        },
    }  # fmt: skip
    running = store.open(make_turn(**{**given, **turn}))
    channel = running.channel
    store.bind(running, f"cascade-{channel.id}")
    clock.advance(1)
    running.mark("matched")
    clock.advance(1)
    running.append(0, b"", (AttemptOpened("gemini-3-flash-a"),))
    running.append(0, b"{}", (ThinkingDelta("hm"), Usage(7, 2, 1, 3, 0, 11)))
    clock.advance(1)
    running.append(0, b"", (AttemptClosed("STOP"),))
    clock.advance(2)
    running.append(1, b"", (AttemptOpened("gemini-3-flash-a"),))
    running.append(1, b"{}", (TextDelta(ANSWER), FunctionCall("call_1", "f", '{"api_key": "hush"}')))
    clock.advance(1)
    running.append(1, b"", (AttemptClosed("STOP"),))
    clock.advance(1)
    running.close(Finished("tool"))
    return channel


def test_a_turn_and_its_calls(store, clock, make_turn, telling):
    prices.load()
    ended = telling()
    channel = play(store, clock, make_turn)
    turn, first, second = ended()
    assert turn.name == "chat gemini-3-flash"
    assert (turn.kind, first.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert dict(turn.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-3-flash",
        "gen_ai.response.model": "gemini-3-flash-a",
        "gen_ai.request.stream": True,
        "gen_ai.response.id": channel.id,
        "gen_ai.response.finish_reasons": ("tool_call",),
        "gen_ai.conversation.id": channel.cascade_id,
        "gen_ai.response.time_to_first_chunk": 2.0,
        "gen_ai.usage.input_tokens": 7 + 13,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.output_tokens": 4 + 9,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 99,
        "zerogravity.termination": "tool",
        "zerogravity.surface": "chat",
        "zerogravity.usage.source": "estimate",
        "zerogravity.price.usd": pytest.approx(7 * 0.5e-6 - 2 * 0.45e-6 + 4 * 3e-6),
        "zerogravity.price.partial": True,  # the figures of the second call are estimated
    }
    assert dict(second.attributes) == {
        "gen_ai.provider.name": "gcp.gemini", "gen_ai.response.model": "gemini-3-flash-a",
        "gen_ai.response.finish_reasons": ("STOP",), "http.response.status_code": 200, "zerogravity.call": 1,
    }  # fmt: skip
    assert turn.status.status_code is StatusCode.UNSET
    assert [event.name for event in turn.events] == [
        "received", "matched", "first_byte", "first_thinking", "first_text", "first_call", "done",
    ]  # fmt: skip


def test_where_a_call_went(store, clock, make_turn, telling):
    ended = telling()
    running = store.open(make_turn(stream=True))
    url = "https://aiplatform.googleapis.com/v1/publishers/google/models/m:generateContent"
    running.attempt_sent(RequestLine("POST", f"{url}?key=AIzaSyA-0123456789abcdefghijklmno", "HTTP/2.0"))
    running.append(0, b"", (AttemptOpened(),))
    running.close(Finished("stop"))
    _, call = ended()
    assert call.name == "POST generateContent"
    assert {name: call.attributes[name] for name in ("http.request.method", "url.full", "server.address", "server.port",
            "network.protocol.version")} == {
        "http.request.method": "POST", "url.full": f"{url}?key=[redacted]",
        "server.address": "aiplatform.googleapis.com", "server.port": 443, "network.protocol.version": "2",
    }  # fmt: skip


def test_times_and_family(store, clock, make_turn, telling):
    ended = telling()
    channel = play(store, clock, make_turn)
    turn, first, second = ended()
    seconds = [tuple((at - WALL_NS) / 1e9 for at in (span.start_time, span.end_time)) for span in (turn, first, second)]
    assert seconds == [(-7, 0), (-5, -4), (-2, -1)]
    assert {first.parent.span_id, second.parent.span_id} == {turn.context.span_id}
    assert turn.parent is None
    assert {f"{span.context.trace_id:032x}" for span in (turn, first, second)} == {channel.id[5:]}


def test_ids_are_those_of_the_exported_trace(store, clock, make_turn, telling, tmp_path):
    recorder = Recorder(tmp_path)
    recorder.attach(store)
    ended = telling()
    play(store, clock, make_turn)
    recorder.close()
    live = [(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") for span in ended()]
    (resource,) = json.loads(write(scan(tmp_path), REGISTRY))["resourceSpans"]
    assert live == [(span["traceId"], span["spanId"]) for span in resource["scopeSpans"][0]["spans"]]


def test_a_failed_turn(store, make_turn, telling):
    ended = telling()
    running = store.open(make_turn(surface="gemini"))
    running.append(0, b"{}", (AttemptOpened(status=429), AttemptClosed(None)))
    running.close(Failed(upstream(429, "rate_limit_exceeded", f"no more of {PROMPT}")))
    turn, call = ended()
    assert turn.name == "generate_content gemini-3-flash"
    assert (turn.status.status_code, turn.status.description) == (StatusCode.ERROR, "rate_limit_exceeded")
    assert turn.attributes["error.type"] == "upstream_status"
    assert "gen_ai.response.finish_reasons" not in turn.attributes
    assert (call.status.status_code, call.attributes["http.response.status_code"]) == (StatusCode.ERROR, 429)


@pytest.mark.parametrize("value", [None, "", "false", "NO_CONTENT"])
def test_contents_are_off(store, clock, make_turn, telling, value):
    ended = telling(**({} if value is None else {otel.CONTENT: value}))
    play(store, clock, make_turn)
    told = "".join(span.to_json() for span in ended())
    assert "password" not in told
    assert ANSWER not in told


@pytest.mark.parametrize("value", ["true", "SPAN_ONLY"])
def test_contents_on_wish_without_secrets(store, clock, make_turn, telling, value):
    ended = telling(**{otel.CONTENT: value})
    play(store, clock, make_turn)
    turn = ended()[0]
    assert json.loads(turn.attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "the password is [redacted]"}]}
    ]
    (message,) = json.loads(turn.attributes["gen_ai.output.messages"])
    assert message["finish_reason"] == "tool_call"
    assert message["parts"][1:] == [
        {"type": "text", "content": ANSWER},
        {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"api_key": "[redacted]"}},
    ]


def test_an_evicted_turn_is_exported_whole(clock, make_turn, telling, store):
    ended = telling()
    channel = play(store, clock, make_turn)
    evict(store, channel.id)
    assert len(ended()) == 3


def test_the_service_is_named(store, clock, make_turn, telling, monkeypatch):
    ended = telling()
    play(store, clock, make_turn)
    assert ended()[0].resource.attributes["service.name"] == "zerogravity"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    ended = telling(OTEL_SERVICE_NAME="mine")
    play(store, clock, make_turn)
    assert ended()[0].resource.attributes["service.name"] == "mine"


@pytest.mark.parametrize(
    ("environment", "log"),
    [
        ({}, ""),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, ""),
        ({**ON, "OTEL_SDK_DISABLED": "TRUE"}, ""),
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "known are otlp, console, none"),
        ({**ON, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc is not supported"),
    ],
)
def test_no_spans_unless_asked_for(store, caplog, environment, log):
    with caplog.at_level(logging.WARNING, "zerogravity.otel"):
        assert otel.start(store, REGISTRY, environment) is None
    assert len(store.on_open) == 0
    assert log in caplog.text
    assert bool(caplog.text) is bool(log)


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"},
    ],
)
def test_an_endpoint_switches_them_on(store, environment):
    started = otel.start(store, REGISTRY, environment, exporter=InMemorySpanExporter())
    assert started is not None
    started.close()


def test_a_collector_that_does_not_answer_delays_nothing(store, clock, make_turn, caplog):
    go, ended = threading.Event(), threading.Event()

    class Slow(InMemorySpanExporter):
        def export(self, spans):
            go.wait(10)
            ended.set()
            return super().export(spans)

    started = otel.start(store, REGISTRY, ON, exporter=Slow())
    play(store, clock, make_turn)
    with caplog.at_level(logging.WARNING, "zerogravity.otel"):
        started.close(timeout=0)
    assert "the last spans may be lost" in caplog.text
    go.set()
    assert ended.wait(10)


def test_the_console_gets_them(store, clock, make_turn, capsys):
    started = otel.start(store, REGISTRY, {"OTEL_TRACES_EXPORTER": "console"})
    play(store, clock, make_turn)
    started.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert '"name": "chat gemini-3-flash"' in err


def test_without_the_packages_there_is_one_line(store, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.WARNING, "zerogravity.otel"):
        assert otel.start(store, REGISTRY, ON) is None
    assert "install the extra: zerogravity[otel]" in caplog.text
    assert len(caplog.records) == 1

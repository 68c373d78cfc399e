"""Spans as OTLP/JSON."""

from __future__ import annotations

import json
import re

import pytest

from tests.observe.exports.conftest import EVIL
from tests.strategies import LISTINGS
from zerogravity.core.events import AttemptClosed, AttemptOpened, CallReturned, Finished, FunctionCall
from zerogravity.observe import trace_reader
from zerogravity.observe.exports.otel import write
from zerogravity.observe.spans import NAMES
from zerogravity.surfaces import REGISTRY


def spans(traces, **options):
    return json.loads(write(traces, REGISTRY, **options))


def attributes(span):
    return {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}


def test_spans(traces):
    (resource,) = spans(traces[:1])["resourceSpans"]
    turn, first, second = resource["scopeSpans"][0]["spans"]
    shown = attributes(turn)
    assert turn["name"] == "chat gemini-3-flash"
    assert turn["traceId"] == traces[0].id[5:]
    assert shown["gen_ai.usage.input_tokens"] == "15"
    assert shown["gen_ai.usage.output_tokens"] == "13"
    assert shown["gen_ai.usage.reasoning.output_tokens"] == "3"
    assert shown["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.4)
    assert shown["gen_ai.conversation.id"] == traces[0].info["session"]
    assert shown["gen_ai.response.finish_reasons"] == {"values": [{"stringValue": "tool_call"}]}
    assert shown["gen_ai.response.model"] == "gemini-3-flash-a"
    assert {first["parentSpanId"], second["parentSpanId"]} == {turn["spanId"]}
    assert len({turn["spanId"], first["spanId"], second["spanId"]}) == 3
    assert int(turn["endTimeUnixNano"]) - int(turn["startTimeUnixNano"]) == 1_400_000_000
    assert [event["name"] for event in turn["events"]][-1] == "done"
    assert all(re.fullmatch("[0-9a-f]{16}", span["spanId"]) for span in (turn, first, second))


def test_the_conversation_that_a_program_names_wins(recording, make_turn):
    made = recording()
    made.store.open(make_turn(surface="passive", conversation="-42")).close(Finished("stop"))
    made.flush()
    (span,) = spans([trace_reader.find(made.root)])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert attributes(span)["gen_ai.conversation.id"] == "-42"


def test_a_failed_turn_is_an_error_span(traces):
    turn, call = spans([traces[1]])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert turn["status"] == {"code": 2, "message": "slow down"}
    assert attributes(turn)["error.type"] == "upstream_status"
    assert attributes(call)["http.response.status_code"] == "429"
    assert turn["name"] == "generate_content gemini-3-flash"


def test_contents_are_off_unless_asked_for(traces):
    assert "alert" not in json.dumps(spans(traces))
    shown = attributes(spans(traces[:1], content=True)["resourceSpans"][0]["scopeSpans"][0]["spans"][0])
    assert json.loads(shown["gen_ai.output.messages"])[0]["parts"] == [
        {"type": "reasoning", "content": "hm"}, {"type": "text", "content": EVIL},
        {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {}},
    ]  # fmt: skip
    assert json.loads(shown["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": EVIL}]}
    ]


@pytest.fixture
def full(recording, make_turn, tmp_path):
    """A turn that asks for everything, has a price that is not the whole, and one of whose tools was run here."""
    made = recording(tmp_path / "full")
    generate = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"topP": 0.5, "maxOutputTokens": 9},
    }
    running = made.store.open(make_turn(google_request=generate))
    running.append(-1, b"", (LISTINGS[0],))
    running.append(0, b"", (AttemptOpened(), FunctionCall("call_1", "docs.find", "{}"), AttemptClosed("STOP")))
    running.append(-1, b"", (CallReturned("call_1", "found"),))
    running.close(Finished("tool"))
    made.flush()
    trace = trace_reader.find(made.root)
    trace.info.update(price=0.25, price_partial=True)
    return trace


def test_every_name_is_used_once(traces, lined, full):
    assert len(set(NAMES.values())) == len(NAMES)
    text = json.dumps(spans([*traces, lined, full], content=True))
    assert [name for name in NAMES.values() if f'"{name}"' not in text] == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"price": 0.25, "price_partial": False}, {"zerogravity.price.usd": 0.25}),
        ({"price": 0.25, "price_partial": True}, {"zerogravity.price.usd": 0.25, "zerogravity.price.partial": True}),
        ({"price": None, "price_partial": True}, {"zerogravity.price.partial": True}),
        ({"price": None, "price_partial": False}, {}),
    ],
)
def test_the_price_is_the_recorded_one_and_says_what_is_not_in_it(traces, told, expected):
    trace = traces[0]
    trace.info.update(told)
    (made, *_) = spans([trace])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    found = {name: value for name, value in attributes(made).items() if name.startswith("zerogravity.price")}
    assert found == expected


def test_spans_show_where_a_call_went_and_how(lined):
    _, first, second = spans([lined])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (first["name"], second["name"]) == ("POST generateContent", "PUT streamGenerateContent")
    told = attributes(first)
    assert told["http.request.method"] == "POST"
    assert told["url.full"] == "https://eu-x.example/v1beta/models/m:generateContent?key=[redacted]"
    assert (told["server.address"], told["server.port"], told["network.protocol.version"]) == (
        "eu-x.example",
        "443",
        "2",
    )
    told = attributes(second)
    assert (told["server.address"], told["server.port"], told["network.protocol.version"]) == ("127.0.0.1", "81", "1.1")

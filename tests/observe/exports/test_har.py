"""HTTP Archives: both sides of a turn, complete entries."""

from __future__ import annotations

import json
import re

import pytest

from tests.observe.exports.conftest import EVIL, LINES
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.observe import trace_reader
from zerogravity.observe.exports import otel
from zerogravity.observe.exports.har import write
from zerogravity.surfaces import REGISTRY


def har(traces):
    return json.loads(write(traces, REGISTRY))


def test_har(traces):
    log = har(traces)["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "zerogravity")
    urls = [re.sub(r"^https?://[^/]*", "", entry["request"]["url"]) for entry in log["entries"]]
    google = "/v1internal:streamGenerateContent?alt=sse"
    assert urls == [
        "/v1/chat/completions", google, google, "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse", google,
        "/v1/responses", google, google,
    ]  # fmt: skip
    assert [entry["response"]["status"] for entry in log["entries"]] == [200, 200, 200, 429, 429, 200, 200, 200]


def test_every_har_entry_is_complete(traces):
    for entry in har(traces)["log"]["entries"]:
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= entry.keys()
        assert {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize",
                "bodySize"} <= entry["request"].keys()  # fmt: skip
        assert {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize",
                "bodySize"} <= entry["response"].keys()  # fmt: skip
        timings = entry["timings"]
        spent = sum(value for value in timings.values() if value > 0)
        assert spent == pytest.approx(entry["time"])
        assert min(timings["wait"], timings["receive"], entry["time"]) >= 0
        assert re.fullmatch(r"2026-02-02T\d\d:\d\d:\d\d\.\d{3}Z", entry["startedDateTime"])


def test_moments_are_told_to_the_millisecond(recording, make_turn):
    made = recording()
    made.store.open(make_turn(surface="chat", created=1_770_000_000.123)).close(Finished("stop"))
    made.flush()
    trace = trace_reader.find(made.root)
    assert trace.info["started"] == "2026-02-02T02:40:00.123Z"
    assert trace.folder.name.startswith("024000123-")
    assert har([trace])["log"]["entries"][0]["startedDateTime"] == "2026-02-02T02:40:00.123Z"
    (span,) = json.loads(otel.write([trace], REGISTRY))["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["startTimeUnixNano"] == "1770000000123000000"


def test_har_has_both_sides_bodies(traces):
    client, first, second = har(traces[:1])["log"]["entries"]
    assert json.loads(client["request"]["postData"]["text"]) == {"q": EVIL}
    assert client["response"]["content"]["text"].endswith("data: [DONE]\n\n")
    assert json.loads(first["request"]["postData"]["text"]) == {"a": 2}
    assert first["response"]["content"]["text"] == 'data: {"t":1}\r\n\r\n'
    assert [entry["_call"] for entry in (first, second)] == [0, 1]
    assert client["timings"] == pytest.approx(
        {"blocked": 100, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": 300, "receive": 1000}
    )


def test_har_shows_where_a_call_went_and_how(lined):
    first, second = [entry for entry in har([lined])["log"]["entries"] if "_call" in entry]
    assert (first["request"]["method"], second["request"]["method"]) == ("POST", "PUT")
    assert first["request"]["url"] == "https://eu-x.example/v1beta/models/m:generateContent?key=[redacted]"
    assert second["request"]["url"] == LINES[1].url
    assert second["request"]["queryString"] == [{"name": "alt", "value": "sse"}, {"name": "x", "value": ""}]
    for entry, version in ((first, "HTTP/2.0"), (second, "HTTP/1.1")):
        assert entry["request"]["httpVersion"] == entry["response"]["httpVersion"] == version


def test_a_session_is_a_page(recording, make_turn):
    made = recording()
    for conversation in ("-42", "", "7", "-42"):
        made.now[0] += 10
        running = made.store.open(make_turn(surface="passive", conversation=conversation, created=int(made.now[0])))
        running.append(0, b"{}", (AttemptOpened(), TextDelta("Hi")))
        running.close(Finished("stop"))
    made.flush()
    recorded = list(trace_reader.scan(made.root))
    log = har(recorded)["log"]
    assert [entry["pageref"] for entry in log["entries"]] == [trace.info["session"] for trace in recorded[::-1]]
    first, second, third, last = log["entries"]
    assert first["pageref"] == last["pageref"]
    assert log["pages"] == [
        {"startedDateTime": entry["startedDateTime"], "id": entry["pageref"], "pageTimings": {},
         "title": f"session {entry['pageref']}"}
        for entry in (first, second, third)
    ]  # fmt: skip

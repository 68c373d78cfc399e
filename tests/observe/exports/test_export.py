from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shlex
import zipfile
from html.parser import HTMLParser

import pytest

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
from zerogravity.core.fold import TurnState
from zerogravity.errors import upstream
from zerogravity.observe import trace_reader
from zerogravity.observe.exports.export import bundle, formats, jsonl
from zerogravity.observe.exports.har import har
from zerogravity.observe.exports.html import inert, page
from zerogravity.observe.exports.otel import NAMES, content_attributes, spans
from zerogravity.surfaces import REGISTRY

FORMATS = formats(REGISTRY)
EVIL = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \u2028 &amp;"


@pytest.fixture
def traces(recording, make_turn):
    """A streamed chat turn in two calls with everything in it; a failed one; a plain JSON one; a passive one."""
    made = recording()

    def turn(surface="chat", stream=True, **more):
        made.now[0] += 10
        generate = {"contents": [{"role": "user", "parts": [{"text": EVIL}]}], "generationConfig": {"temperature": 0.5}}
        given = make_turn(surface=surface, stream=stream, created=int(made.now[0]), google_request=generate, **more)
        made.recorder.client_request(given, json.dumps({"q": EVIL}).encode(), {"Host": "localhost:8741"})
        running = made.store.open(given)
        made.clock.advance(0.1)
        running.mark("admitted")
        made.clock.advance(0.1)
        running.mark("matched")
        made.recorder.upstream_request(running.id, 0, b'{"a": 1}', b'{"a": 2}', {"user-agent": "ls"})
        return running

    running = turn()
    made.store.bind(running, "c-1")
    made.clock.advance(0.2)
    running.append(0, b"", (AttemptOpened("gemini-3-flash-a"),))
    running.append(0, b'{"t":1}', (ThinkingDelta("hm"), Usage(7, 2, 1, 3, 0, 11)))
    running.append(0, b"", (AttemptClosed("STOP"),))
    made.clock.advance(1)
    running.append(1, b"", (AttemptOpened(),))
    running.append(1, json.dumps({"text": EVIL}).encode(), (TextDelta(EVIL),))
    running.append(1, b'{"t":2}', (FunctionCall("call_1", "f", "{}"),))
    running.append(1, b"", (AttemptClosed("STOP"),))
    running.close(Finished("tool"))

    failed = turn("gemini")
    failed.append(0, b'{"error":{}}', (AttemptOpened(status=429),))
    failed.close(Failed(upstream(429, "slow", "slow down")))

    whole = turn("responses", stream=False)
    whole.append(0, b'{"t":3}', (AttemptOpened(), TextDelta("Hi")))
    whole.close(Finished("stop"))

    passive = turn("passive")
    passive.append(0, b'{"t":4}', (AttemptOpened(), TextDelta("Hi")))
    passive.close(Finished("stop"))
    made.flush()
    return list(trace_reader.scan(made.root))[::-1]


# -- HAR ---------------------------------------------------------------------------------------------------------------


def test_har(traces):
    log = json.loads(json.dumps(har(traces, REGISTRY)))["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "zerogravity")
    urls = [re.sub(r"^https?://[^/]*", "", entry["request"]["url"]) for entry in log["entries"]]
    google = "/v1internal:streamGenerateContent?alt=sse"
    assert urls == [
        "/v1/chat/completions", google, google, "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse", google,
        "/v1/responses", google, google,
    ]  # fmt: skip
    assert [entry["response"]["status"] for entry in log["entries"]] == [200, 200, 200, 429, 429, 200, 200, 200]


def test_every_har_entry_is_complete(traces):
    for entry in har(traces, REGISTRY)["log"]["entries"]:
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


def test_har_has_both_sides_bodies(traces):
    client, first, second = har(traces[:1], REGISTRY)["log"]["entries"]
    assert json.loads(client["request"]["postData"]["text"]) == {"q": EVIL}
    assert client["response"]["content"]["text"].endswith("data: [DONE]\n\n")
    assert json.loads(first["request"]["postData"]["text"]) == {"a": 2}
    assert first["response"]["content"]["text"] == 'data: {"t":1}\r\n\r\n'
    assert [entry["_call"] for entry in (first, second)] == [0, 1]
    assert client["timings"] == pytest.approx(
        {"blocked": 100, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": 300, "receive": 1000}
    )


LINES = {
    0: RequestLine("POST", "https://eu-x.example/v1beta/models/m:generateContent?key=AIzaSyA-0123456789abcdefghijklmno",
                   "HTTP/2.0"),
    1: RequestLine("PUT", "http://127.0.0.1:81/v1internal:streamGenerateContent?alt=sse&x=", "HTTP/1.1"),
}  # fmt: skip


@pytest.fixture
def lined(recording, make_turn):
    """A turn of two calls that say where they went."""
    made = recording()
    running = made.store.open(make_turn(surface="chat", stream=True))
    for call, line in LINES.items():
        assert running.attempt_sent(line) == call
        headers = {
            "X-Goog-Api-Key": "AIzaSyA-0123456789abcdefghijklmno",
            "Content-Length": "9",
            "user-agent": "it's ls",
        }
        made.recorder.upstream_request(running.id, call, b"{}", b'{"a": "it\'s"}', headers)
        running.append(call, b"", (AttemptOpened(),))
        running.append(call, b"{}", (TextDelta("x"),))
        running.append(call, b"", (AttemptClosed("STOP"),))
    running.close(Finished("stop"))
    made.flush()
    return trace_reader.find(made.root)


def test_har_shows_where_a_call_went_and_how(lined):
    first, second = [entry for entry in har([lined], REGISTRY)["log"]["entries"] if "_call" in entry]
    assert (first["request"]["method"], second["request"]["method"]) == ("POST", "PUT")
    assert first["request"]["url"] == "https://eu-x.example/v1beta/models/m:generateContent?key=[redacted]"
    assert second["request"]["url"] == LINES[1].url
    assert second["request"]["queryString"] == [{"name": "alt", "value": "sse"}, {"name": "x", "value": ""}]
    for entry, version in ((first, "HTTP/2.0"), (second, "HTTP/1.1")):
        assert entry["request"]["httpVersion"] == entry["response"]["httpVersion"] == version


def test_spans_show_where_a_call_went_and_how(lined):
    _, first, second = spans([lined], REGISTRY)["resourceSpans"][0]["scopeSpans"][0]["spans"]
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


def test_curl_sends_again_what_was_sent(lined):
    about, advice, first, second = FORMATS["curl"][0]([lined]).decode().splitlines()
    assert about == f"# {lined.id}"
    assert advice == "# put back what stands as [redacted] here, and keep it to yourself"
    words = shlex.split(first)
    assert words[:5] == ["curl", "-gN", "--http2", "-X", "POST"]  # -g: brackets mean nothing in a URL
    assert words[5] == "https://eu-x.example/v1beta/models/m:generateContent?key=[redacted]"
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    assert headers == ["x-goog-api-key: [redacted]", "user-agent: it's ls"]
    assert words[-2:] == ["--data-raw", '{"a":"it\'s"}']
    assert shlex.split(second)[2:6] == ["--http1.1", "-X", "PUT", LINES[1].url]


def test_a_page_and_lines_tell_it_too(lined):
    shown = [{"call": 0, "method": "POST", "http_version": "HTTP/2.0",
              "url": "https://eu-x.example/v1beta/models/m:generateContent?key=[redacted]"},
             {"call": 1, "method": "PUT", "url": LINES[1].url, "http_version": "HTTP/1.1"}]  # fmt: skip
    assert lined.info["upstream"] == shown
    told = [json.loads(line) for line in FORMATS["jsonl"][0]([lined]).splitlines()]
    assert told[0]["upstream"] == shown
    assert b"AIzaSy" not in b"".join(FORMATS[form][0]([lined]) for form in FORMATS if form != "bundle")


@pytest.mark.parametrize("told", [None, "x", [None, {}, {"call": "0"}, {"call": [0]}], {}])
def test_traces_that_do_not_say_it_are_read(lined, told):
    info = {name: value for name, value in lined.info.items() if name != "upstream"}
    older = trace_reader.Trace(lined.folder, info if told is None else {**info, "upstream": told})
    assert older.lines() == {}
    assert len(har([older], REGISTRY)["log"]["entries"]) == 3
    assert len(spans([older], REGISTRY)["resourceSpans"][0]["scopeSpans"][0]["spans"]) == 3
    assert FORMATS["curl"][0]([older]) == f"# {lined.id}\n# no call to Google is recorded\n".encode()


# -- OpenTelemetry -----------------------------------------------------------------------------------------------------


def attributes(span):
    return {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}


def test_spans(traces):
    (resource,) = spans(traces[:1], REGISTRY)["resourceSpans"]
    turn, first, second = resource["scopeSpans"][0]["spans"]
    shown = attributes(turn)
    assert turn["name"] == "chat gemini-3-flash"
    assert turn["traceId"] == traces[0].id[5:]
    assert shown["gen_ai.usage.input_tokens"] == "7"
    assert shown["gen_ai.usage.output_tokens"] == "4"
    assert shown["gen_ai.usage.reasoning.output_tokens"] == "3"
    assert shown["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.4)
    assert shown["gen_ai.conversation.id"] == "c-1"
    assert shown["gen_ai.response.finish_reasons"] == {"values": [{"stringValue": "tool_call"}]}
    assert shown["gen_ai.response.model"] == "gemini-3-flash-a"
    assert {first["parentSpanId"], second["parentSpanId"]} == {turn["spanId"]}
    assert len({turn["spanId"], first["spanId"], second["spanId"]}) == 3
    assert int(turn["endTimeUnixNano"]) - int(turn["startTimeUnixNano"]) == 1_400_000_000
    assert [event["name"] for event in turn["events"]][-1] == "done"
    assert all(re.fullmatch("[0-9a-f]{16}", span["spanId"]) for span in (turn, first, second))


def test_a_failed_turn_is_an_error_span(traces):
    turn, call = spans([traces[1]], REGISTRY)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert turn["status"] == {"code": 2, "message": "slow down"}
    assert attributes(turn)["error.type"] == "upstream_status"
    assert attributes(call)["http.response.status_code"] == "429"
    assert turn["name"] == "generate_content gemini-3-flash"


def test_contents_are_off_unless_asked_for(traces):
    assert "alert" not in json.dumps(spans(traces, REGISTRY))
    shown = attributes(spans(traces[:1], REGISTRY, content=True)["resourceSpans"][0]["scopeSpans"][0]["spans"][0])
    assert json.loads(shown["gen_ai.output.messages"])[0]["parts"] == [
        {"type": "reasoning", "content": "hm"}, {"type": "text", "content": EVIL},
        {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {}},
    ]  # fmt: skip
    assert json.loads(shown["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": EVIL}]}
    ]


def test_contents_have_the_form_of_the_conventions():
    generate = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"parts": [{"text": "Look:"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {
                "role": "model",
                "parts": [{"text": "hm", "thought": True}, {"functionCall": {"name": "f", "args": {"a": 1}}}],
            },
            {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"b": 2}}}]},
            {"role": "user", "parts": [{"fileData": {}}, "odd"]},
        ],
    }  # fmt: skip
    made = content_attributes(generate, TurnState(), "limit_time")
    assert json.loads(made["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert json.loads(made["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Look:"}, {"type": "blob", "mime_type": "image/png"}]},
        {"role": "assistant", "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": None, "name": "f", "arguments": {"a": 1}},
        ]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "c", "response": {"b": 2}}]},
        {"role": "user", "parts": [{"type": "fileData"}]},
    ]  # fmt: skip
    assert json.loads(made["gen_ai.output.messages"]) == [{"role": "assistant", "parts": [], "finish_reason": "error"}]


def test_every_name_is_used_once(traces):
    assert len(set(NAMES.values())) == len(NAMES)
    text = json.dumps(spans(traces, REGISTRY, content=True))
    unused = {name for name in NAMES.values() if f'"{name}"' not in text}
    assert unused <= {"gen_ai.request.top_p", "gen_ai.request.max_tokens", "gen_ai.system_instructions"}


# -- HTML --------------------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.policy, self._stack = [], {}, "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "meta":
            self._stack.append((tag, dict(attrs).get("type")))
        if dict(attrs).get("http-equiv"):
            self.policy = dict(attrs)["content"]

    def handle_endtag(self, tag):
        self._stack.pop()

    def handle_data(self, data):
        if self._stack:
            self.texts.setdefault(self._stack[-1], []).append(data)


def test_html_stands_alone_and_is_inert(traces):
    made = page(traces)
    reader = Reader()
    reader.feed(made.decode())
    assert reader.tags == ["html", "head", "meta", "meta", "meta", "title", "style", "body", "script", "script"]
    data = json.loads("".join(reader.texts["script", "application/json"]))
    assert data["traces"][0]["items"][1]["text"] == EVIL
    assert data["traces"][0]["bodies"]["upstream_request.original"]["body"] == {"a": 1}
    assert b"http://" not in made.split(b"<script>")[1].split(b"</script>")[0]


def test_the_page_allows_only_itself(traces):
    reader = Reader()
    reader.feed(page(traces).decode())
    script = "".join(reader.texts["script", None])
    style = "".join(reader.texts["style", None])
    for kind, source in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in reader.policy
    assert reader.policy.startswith("default-src 'none'")
    assert "unsafe" not in reader.policy


def test_the_page_makes_text_nodes_only(traces):
    script = page(traces).decode().split("<script>")[1].split("</script>")[0]
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "fetch("):
        assert word not in script


@pytest.mark.parametrize("text", ["</script>", "<!--", "\u2028", "a<b"])
def test_inert_json_is_the_same_json(text):
    raw = json.dumps({"x": text}, ensure_ascii=False).encode()
    assert b"<" not in inert(raw)
    assert json.loads(inert(raw)) == {"x": text}


# -- lines and bundles -------------------------------------------------------------------------------------------------


def test_jsonl(traces):
    lines = [json.loads(line) for line in jsonl(traces[:1]).splitlines()]
    kinds = [line["kind"] for line in lines]
    assert kinds[:4] == ["turn", "client_request", "upstream_request.original", "upstream_request"]
    assert kinds.count("record") == 8
    assert kinds[-1] == "emitted"
    assert next(line for line in lines if line["kind"] == "record" and line["data"])["data"] == '{"t":1}'


def test_a_bundle_holds_every_file_and_no_path_of_this_machine(traces):
    with zipfile.ZipFile(io.BytesIO(bundle(traces))) as archive:
        names = archive.namelist()
        about = json.loads(archive.read("about.json"))
        assert about["turns"] == [trace.id for trace in traces]
        assert sum(name.endswith("/turn.json") for name in names) == len(traces)
        assert not any(name.startswith("/") or ".." in name for name in names)
        assert archive.read(f"2026-02-02/{traces[0].folder.name}/upstream.sse") == traces[0].upstream
    assert bundle(traces) == bundle(traces)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_any_trace(name, traces, recording, make_turn):
    write, ending = FORMATS[name]
    assert ending.startswith(".")
    made = recording()
    made.store.open(make_turn(id="turn_" + "e" * 32)).append(0, b"", ())
    made.flush()
    running = trace_reader.find(made.root, "eeee")
    assert write([*traces, running])
    assert isinstance(write([]), bytes)

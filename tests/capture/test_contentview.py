"""How mitmproxy shows an answer: whole, compressed, failed, cut, or none of ours."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import contentviews
from mitmproxy.contentviews import Metadata
from mitmproxy.contentviews._registry import ContentviewRegistry
from mitmproxy.test import taddons, tflow, tutils

from zerogravity.capture.contentview import GoogleStreamContentview, Views

PATH = b"/v1internal:streamGenerateContent?alt=sse"


def part(text, end="", usage=""):
    content = f'"content":{{"role":"model","parts":[{text}]}}'
    return f'{{"response":{{"candidates":[{{{content}{end}}}]{usage}}}}}'


def sse(*chunks):
    return "".join(f"data: {chunk}\r\n\r\n" for chunk in chunks).encode()


WHOLE = sse(
    part('{"thought":true,"text":"Let me "}'),
    part('{"thought":true,"text":"see."}'),
    part('{"text":"It is "}'),
    part('{"text":"sunny."}'),
    part('{"functionCall":{"name":"tell","args":{"n": 1.50}},"thoughtSignature":"c2ln"}'),
    part(
        '{"inlineData":{"mimeType":"image/png","data":"AAAA"}}',
        end=',"finishReason":"STOP"',
        usage=',"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,'
        '"thoughtsTokenCount":3,"totalTokenCount":18}',
    ),
)
PAGE = """== thinking ==
Let me see.

== text ==
It is sunny.

== call tell (signed) ==
{"n": 1.50}

== image/png, 4 base64 characters ==

== usage ==
prompt 10 (cached 4), answer 5, thinking 3, tools 0, total 18

== end ==
STOP"""
ERROR = b'{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}'


@pytest.fixture
def registry():
    made = ContentviewRegistry()
    made.register(contentviews.raw)
    made.register(contentviews.json_view)
    made.register(GoogleStreamContentview())
    with taddons.context() as context:
        context.options.add_option("protobuf_definitions", str | None, None, "read by mitmproxy itself")
        yield made


def shown(registry, body, *, path=PATH, view="auto", **headers):
    given_headers = ((b"content-type", b"text/event-stream"), *((k.encode(), v) for k, v in headers.items()))
    flow = tflow.tflow(
        req=tutils.treq(method=b"POST", path=path, content=b"{}"),
        resp=tutils.tresp(content=body, headers=given_headers),
    )
    return contentviews.prettify_message(flow.response, flow, view, registry)


def test_a_whole_answer_is_one_page(registry):
    result = shown(registry, WHOLE)
    assert (result.view_name, result.syntax_highlight) == ("zerogravity", "none")
    assert result.text == PAGE


def test_a_compressed_one(registry):
    result = shown(registry, gzip.compress(WHOLE), **{"content-encoding": b"gzip"})
    assert (result.view_name, result.text) == ("zerogravity", PAGE)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (
            sse(part('{"text":"Hi"}')) + b'data: {"respon',
            ("== text ==\nHi", "== odd: not_json", "without a finishReason"),
        ),
        (sse(part('{"text":"Hi"}')), ("== text ==\nHi", "without a finishReason")),
        (sse(part('{"text":"Hi"}'), ERROR.decode()), ("== text ==\nHi", "== error ==\n429 ", "slow down")),
        (ERROR, ("== error ==\n429 ", "slow down")),
        (b"[" + ERROR + b"]", ("== error ==\n429 ", "slow down")),
        (sse('{"response":{"promptFeedback":{"blockReason":"SAFETY"}}}'), ("== end ==\nBLOCKED:SAFETY",)),
        (sse(part('{"strange":1}', end=',"finishReason":"OTHER"')), ("== odd: unknown_part", "== end ==\nOTHER")),
    ],
    ids=["cut", "ends early", "error event", "raw error", "error array", "blocked", "unknown"],
)
def test_irregularities_are_shown(registry, body, lines):
    result = shown(registry, body)
    assert result.view_name == "zerogravity"
    for text in lines:
        assert text in result.text


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("/v1internal:streamGenerateContent", "Log in again"),
        ("/v1beta/models/g:streamGenerateContent", "Check the API key"),
    ],
)
def test_the_remedy_fits_the_api_that_was_called(path, remedy):
    flow = tflow.tflow(req=tutils.treq(path=path.encode()), resp=True)
    body = b'{"error":{"code":401,"message":"m","status":"UNAUTHENTICATED"}}'
    assert remedy in GoogleStreamContentview().prettify(sse(body.decode()), Metadata(flow=flow))


@pytest.mark.parametrize("body", [b"data: hello\n\n", b"<html>", b": only a comment\n\n"])
def test_other_bodies_are_shown_as_they_are(registry, body):
    result = shown(registry, body)
    assert (result.view_name, result.text) == ("Raw", body.decode())


@pytest.mark.parametrize(
    ("path", "body", "content_type", "priority"),
    [
        ("/v1internal:streamGenerateContent?alt=sse", WHOLE, "text/event-stream", 2),
        ("/v1beta/models/gemini:streamGenerateContent?alt=sse", WHOLE, "text/event-stream; charset=utf-8", 2),
        ("/v1internal:streamGenerateContent", WHOLE, "application/json", -1),
        ("/v1internal:streamGenerateContent", b"", "text/event-stream", -1),
        ("/v1internal:loadCodeAssist", WHOLE, "text/event-stream", -1),
        ("/events", WHOLE, "text/event-stream", -1),
        ("/v1internal:streamGenerateContent", WHOLE, None, -1),
    ],
)
def test_when_it_is_the_default(path, body, content_type, priority):
    flow = tflow.tflow(req=tutils.treq(path=path.encode()), resp=True)
    metadata = Metadata(flow=flow, content_type=content_type)
    assert GoogleStreamContentview().render_priority(body, metadata) == priority


def test_a_message_without_a_flow_is_not_ours():
    assert GoogleStreamContentview().render_priority(WHOLE, Metadata(content_type="text/event-stream")) == -1


@given(st.integers(0, len(WHOLE)))
def test_every_beginning_of_an_answer_can_be_shown(cut):
    view = GoogleStreamContentview()
    try:
        page = view.prettify(WHOLE[:cut], Metadata())
    except ValueError:
        assert cut < 120, "not even one event"
    else:
        assert page.endswith(("== end ==\nSTOP", "== end ==\nwithout a finishReason"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_page_or_a_value_error(data):
    try:
        assert "== end ==" in GoogleStreamContentview().prettify(data, Metadata())
    except ValueError as error:
        assert str(error)


def test_the_addon_adds_it(monkeypatch):
    registry = ContentviewRegistry()
    monkeypatch.setattr(contentviews, "registry", registry)
    with taddons.context(Views()):
        pass
    assert "zerogravity" in registry.available_views()

"""The hooks in mitmproxy's order, with made-up flows: what is claimed, what is left alone, and that it fails open."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.test import tflow, tutils

from zerogravity.capture import rewrite
from zerogravity.capture.interceptor import Deps, Interceptor, redirect
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Finished, RequestLine
from zerogravity.core.policy import Await
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Termination, internal
from zerogravity.observe.health import Health
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.recorder import NullRecorder
from zerogravity.observe.requests import ORIGINAL, SENT, Bodies, RequestSinks
from zerogravity.surfaces import REGISTRY

CASCADE = "c0ffee00-1111-4222-8333-444455556666"
PATH = b"/v1internal:streamGenerateContent?alt=sse"
ANSWER = (
    b'data: {"response": {"candidates": [{"content": {"role": "model","parts": [{"text": "Paris"}]},'
    b'"finishReason": "STOP"}]}}\r\n\r\n'
)


def deps_of(clock: Any, *kept: Bodies, **settings: Any) -> Deps:
    store, metrics = MitmStore(clock), Metrics(REGISTRY)
    metrics.watch(store)
    return Deps(store, Health(clock), metrics, RequestSinks(NullRecorder(), *kept), **settings)


@pytest.fixture
def bodies() -> Bodies:
    return Bodies()


@pytest.fixture
def deps(clock: Any, bodies: Bodies) -> Deps:
    return deps_of(clock, bodies, bearer=lambda: "ya29.ours")


@pytest.fixture
def aborted() -> list[http.HTTPFlow]:
    return []


def hooks_of(deps: Deps | None, **options: Any) -> Interceptor:
    made = Interceptor(**options)
    made.deps = deps
    return made


@pytest.fixture
def hooks(deps: Deps, aborted: list[http.HTTPFlow]) -> Interceptor:
    return hooks_of(deps, abort=aborted.append, given_up=lambda _: False)


@pytest.fixture
def running(deps: Deps, make_turn) -> RunningTurn:
    made = deps.store.open(make_turn())
    deps.store.bind(made, CASCADE)
    return made


@pytest.fixture
def channel(running: RunningTurn) -> CascadeChannel:
    return running.channel


def agent_body(cascade: str = CASCADE, kind: str = "agent", **more: Any) -> dict[str, Any]:
    text = f"<USER_REQUEST>\n.<cid:{cascade}>\n</USER_REQUEST>"
    return {
        "project": "p",
        "requestType": kind,
        "model": "gemini-3-flash-agent",
        "request": {
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "tools": [{"functionDeclarations": [{"name": "view_file"}]}],
            "sessionId": "-1",
        },
        **more,
    }


def flow_of(body: object, path: bytes = PATH) -> http.HTTPFlow:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = ((b"accept-encoding", b"gzip"), (b"authorization", b"Bearer ya29.theirs"))
    request = tutils.treq(
        method=b"POST", host="cloudcode-pa.googleapis.com", path=path, content=content, headers=http.Headers(headers)
    )
    return tflow.tflow(req=request)


def answered(flow: http.HTTPFlow, status: int = 200, content: bytes = b"", kind: bytes = b"text/event-stream") -> None:
    flow.response = tutils.tresp(
        status_code=status, content=content, headers=http.Headers(((b"content-type", kind), (b"content-length", b"5")))
    )


def ask(hooks: Interceptor, flow: http.HTTPFlow) -> None:
    hooks.requestheaders(flow)
    hooks.request(flow)


def test_an_agent_call_of_an_open_turn_is_claimed_and_rewritten(hooks, bodies, channel) -> None:
    flow = flow_of(agent_body())
    ask(hooks, flow)
    sent = json.loads(flow.request.content)
    assert sent["request"]["contents"] == channel.turn.google_request["contents"]
    assert "tools" not in sent["request"]
    assert sent["project"] == "p"
    assert sent["request"]["sessionId"] == "-1"
    assert flow.request.headers["authorization"] == "Bearer ya29.ours"
    assert "accept-encoding" not in flow.request.headers
    assert flow.comment == channel.id
    assert "matched" in channel.marks
    kept = [bodies.get(channel.id, name) for name in (ORIGINAL, SENT)]
    assert [json.loads(request.body)["project"] for request in kept] == ["p", "p"]


def test_without_a_token_the_ls_keeps_its_own_login(hooks, channel) -> None:
    hooks.deps = replace(hooks.deps, bearer=lambda: None)
    flow = flow_of(agent_body())
    ask(hooks, flow)
    assert flow.request.headers["authorization"] == "Bearer ya29.theirs"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (agent_body("00000000-1111-4222-8333-444455556666"), PATH),
        (agent_body(kind="tab"), PATH),
        (agent_body(requestId="agent/00000000-1111-4222-8333-444455556666/1/t/2"), PATH),
        ({"request": {"contents": []}}, PATH),
        ([1, 2], PATH),
        (b"{not json", PATH),
        (agent_body(), b"/v1internal:loadCodeAssist"),
    ],
    ids=["unknown cascade", "tab", "witness disagrees", "no marker", "no object", "no json", "other method"],
)
def test_everything_else_passes_untouched(hooks, channel, body, path) -> None:
    flow = flow_of(body, path)
    before = flow.request.content
    ask(hooks, flow)
    answered(flow, content=ANSWER)
    hooks.responseheaders(flow)
    hooks.response(flow)
    assert flow.request.content == before
    assert flow.request.headers["authorization"] == "Bearer ya29.theirs"
    assert flow.response.stream is (path == PATH)  # at once, chunk by chunk
    assert flow.response.content == ANSWER
    assert not channel.closed
    assert flow not in hooks.claims


def test_the_answer_is_tapped_as_it_streams(hooks, channel) -> None:
    flow = flow_of(agent_body())
    ask(hooks, flow)
    answered(flow)
    hooks.responseheaders(flow)
    assert "content-length" not in flow.response.headers
    assert flow.response.headers["transfer-encoding"] == "chunked"
    feed = flow.response.stream
    assert b"".join([*feed(ANSWER), *feed(b"")]) == ANSWER
    hooks.response(flow)
    assert flow.response.status_code == 200
    assert channel.terminal == Finished("stop")
    assert channel.state.text == "Paris"


@pytest.mark.parametrize(("kind", "waits"), [("agent", False), ("checkpoint", True), ("tab", True)])
def test_the_call_that_was_awaited_ends_the_wait(hooks, running, kind, waits) -> None:
    """From its claim on: its first byte has the time of any call, not the rest of the wait for it."""
    running.await_attempt(Await(20, internal("no further call came")))
    ask(hooks, flow_of(agent_body(kind=kind)))
    assert (running.awaiting is not None) is waits


@pytest.mark.parametrize("begun", [False, True])
def test_a_running_call_can_be_cut(hooks, running, aborted, begun) -> None:
    flow = flow_of(agent_body())
    ask(hooks, flow)
    if begun:
        answered(flow)
        hooks.responseheaders(flow)
    running.end_attempts(cut=True)
    assert aborted == [flow]


@pytest.mark.parametrize("local", [True, False])
def test_the_checkpoint_call_never_touches_the_channel(clock, make_turn, local) -> None:
    deps = deps_of(clock, titles=local)
    running = deps.store.open(make_turn())
    channel = running.channel
    deps.store.bind(running, CASCADE)
    flow = flow_of(agent_body(kind="checkpoint", requestId="checkpoint/1"))
    before = flow.request.content
    ask(hooks_of(deps), flow)
    assert (flow.response is not None) is local
    assert flow.request.content == before
    assert channel.count == 0
    assert "matched" not in channel.marks


SSE, WHOLE = "text/event-stream", "application/json"
VERTEX = "/v1beta1/projects/p/locations/us-central1/publishers/google/models/gemini-v"
FORMS = [
    (PATH.decode(), True, SSE, "gemini-3-flash-agent"),
    ("/v1internal:streamGenerateContent", True, WHOLE, "gemini-3-flash-agent"),
    ("/v1internal:generateContent", True, WHOLE, "gemini-3-flash-agent"),
    ("/v1beta/models/gemini-x:streamGenerateContent?alt=sse&key=K", False, SSE, "gemini-x"),
    ("/v1beta/models/gemini-x:streamGenerateContent?key=K", False, WHOLE, "gemini-x"),
    ("/v1/models/gemini-x%3AgenerateContent", False, WHOLE, "gemini-x"),
    (f"{VERTEX}:streamGenerateContent?alt=sse", False, SSE, "gemini-v"),
    (f"{VERTEX}:generateContent?alt=sse", False, WHOLE, "gemini-v"),
    ("/v1beta1/publishers/google/models/gemini-v:streamGenerateContent", False, WHOLE, "gemini-v"),
]


def body_for(path: str, **more: Any) -> dict[str, Any]:
    return agent_body(**more) if "v1internal" in path else agent_body(**more)["request"]


def check_stop(response: http.Response, path: str, envelope: bool, kind: str, model: str | None) -> None:
    """``response`` is a clean STOP in the form that a call of ``path`` asks for."""
    assert response.status_code == 200
    assert response.headers["content-type"] == kind
    data = response.content.removeprefix(b"data: ") if kind == SSE else response.content
    value = json.loads(data)
    if kind == WHOLE and "stream" in path:
        assert isinstance(value, list)
        (value,) = value
    assert ("response" in value) is envelope
    inner = value["response"] if envelope else value
    assert inner["candidates"][0]["finishReason"] == "STOP"
    assert inner["candidates"][0]["content"]["parts"][0]["text"]
    if model is not None:
        assert inner["modelVersion"] == model


@pytest.mark.parametrize(("path", "envelope", "kind", "model"), FORMS)
@pytest.mark.parametrize("why", ["closed", "refused", "checkpoint"])
def test_a_local_answer_has_the_form_of_the_call(hooks, running, path, envelope, kind, model, why) -> None:
    body = body_for(path)
    if why == "closed":
        running.close(Finished("stop"))
    if why == "checkpoint":
        inner = body.get("request", body)
        inner["contents"].append({"role": "user", "parts": [{"text": "Summarise."}]})
        inner["toolConfig"] = {"functionCallingConfig": {"mode": "NONE"}}
    flow = flow_of(body, path.encode())
    ask(hooks, flow)
    if why == "refused":
        error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "later"}}
        answered(flow, 503, json.dumps(error).encode(), b"application/json")
        hooks.responseheaders(flow)
        hooks.response(flow)
        assert isinstance(running.channel.terminal, Failed)
        assert running.channel.terminal.fault.status == 503
    assert running.channel.late == 0
    check_stop(flow.response, path, envelope, kind, model)


@pytest.mark.parametrize(("path", "envelope", "kind", "model"), FORMS)
@pytest.mark.parametrize("came", ["nothing", "error", "thinking"])
def test_a_stop_after_an_answer_without_text_has_the_form_of_the_call(
    hooks, channel, path, envelope, kind, model, came
) -> None:
    flow = flow_of(body_for(path), path.encode())
    ask(hooks, flow)
    answered(flow, kind=kind.encode())
    hooks.responseheaders(flow)
    chunk: dict[str, Any] = {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}]}}]}
    value = {"error": {"code": 400, "message": "no"}} if came == "error" else {"response": chunk} if envelope else chunk
    data = b"" if came == "nothing" else json.dumps(value).encode()
    if kind == SSE:
        data = data and b"data: " + data + b"\r\n\r\n"
    elif data and "stream" in path:
        data = b"[" + data + b"]"
    flow.response.content = b"".join([*flow.response.stream(data), *flow.response.stream(b"")])
    if channel.closed:
        if kind == SSE:
            flow.response.content = b"data: " + flow.response.content.rpartition(b"data: ")[2]
        check_stop(flow.response, path, envelope, kind, None)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (agent_body("00000000-1111-4222-8333-444455556666"), PATH),
        (agent_body(kind="tab"), PATH),
        (agent_body(kind="checkpoint"), PATH),
        (b"{not json", PATH),
        ({"contents": []}, b"/v1beta1/publishers/google/models/gemini-x:streamGenerateContent?alt=sse"),
        (agent_body(), b"/v1internal:countTokens"),
        (agent_body()["request"], f"{VERTEX}:countTokens".encode()),
        (agent_body(), b"/v1internal:loadCodeAssist"),
    ],
)
@pytest.mark.parametrize("passive", [False, True])
def test_a_call_that_is_not_claimed_keeps_all_of_its_headers(clock, make_turn, body, path, passive) -> None:
    deps = deps_of(clock, bearer=lambda: "ya29.ours", titles=False, passive=passive)
    deps.store.bind(deps.store.open(make_turn()), CASCADE)
    hooks = hooks_of(deps)
    flow = flow_of(body, path)
    flow.request.headers["Accept-Encoding"] = "gzip;q=1.0, x-odd"
    before = flow.request.headers.fields, flow.request.raw_content
    ask(hooks, flow)
    assert (flow.request.headers.fields, flow.request.raw_content) == before
    answered(flow, content=ANSWER)
    headers = flow.response.headers.fields
    hooks.responseheaders(flow)
    assert flow.response.headers.fields == headers


@pytest.mark.parametrize("status", [200, 403])
def test_the_request_line_and_http_version_are_recorded(hooks, channel, status) -> None:
    path = f"{VERTEX}:generateContent?x=1"
    flow = flow_of(body_for(path), path.encode())
    flow.request.scheme, flow.request.host, flow.request.port = "https", "us-central1-aiplatform.googleapis.com", 443
    flow.request.method = "PUT"
    ask(hooks, flow)
    url = f"https://us-central1-aiplatform.googleapis.com{path}"
    assert channel.lines == {0: RequestLine("PUT", url, "HTTP/1.1")}
    answered(flow, status)
    flow.response.http_version = "HTTP/2.0"
    hooks.responseheaders(flow)
    assert channel.lines == {0: RequestLine("PUT", url, "HTTP/2.0")}


@pytest.mark.parametrize("path", [form[0] for form in FORMS])
def test_every_generate_path_is_claimed(hooks, channel, path) -> None:
    flow = flow_of(body_for(path), path.encode())
    ask(hooks, flow)
    assert hooks.claims[flow].running.channel is channel
    sent = json.loads(flow.request.content)
    assert sent.get("request", sent)["contents"] == channel.turn.google_request["contents"]
    assert "accept-encoding" not in flow.request.headers


def test_google_is_away_until_it_answers(hooks, deps) -> None:
    flow = flow_of({}, b"/v1internal:loadCodeAssist")
    ask(hooks, flow)
    flow.error = tflow.terr("Connect call failed")
    hooks.error(flow)
    assert "Google cannot be reached: Connect call failed" in deps.health.why_no_call()
    (google,) = [check for check in deps.health.checks() if check.name == "google"]
    assert (google.ok, "network" in google.fix) == (False, True)
    again = flow_of({}, b"/v1internal:loadCodeAssist")
    ask(hooks, again)
    answered(again)
    hooks.responseheaders(again)
    assert deps.health.why_no_call() is None
    assert deps.health.checks()[-1].ok


@pytest.mark.parametrize(
    ("message", "facts", "away", "code"),
    [
        ("Connect call failed", {}, True, Termination.UPSTREAM_DROP),
        ("server closed connection", {}, True, Termination.UPSTREAM_DROP),
        ("server closed connection", {"begun": True}, False, Termination.UPSTREAM_DROP),
        # our own cut: a cancel, a client that has gone, a deadline of ours, a shutdown
        *[
            ("server closed connection", {"ended": code}, False, code)
            for code in map(
                Termination,
                ("cancelled", "client_gone", "client_stall", "upstream_idle", "limit_time", "shutdown"),
            )
        ],
        ("stream reset by client (CANCEL)", {"given_up": True, "ended": Termination.CANCELLED}, False,
         Termination.CANCELLED),
        # the language server's
        ("Client disconnected.", {"connected": False}, False, Termination.LS_GONE),
        ("Client disconnected.", {"connected": False, "begun": True}, False, Termination.LS_GONE),
        ("stream reset by client (CANCEL)", {"given_up": True}, False, Termination.LS_GONE),
        # a Google that resets a stream is there
        ("stream reset by client (INTERNAL_ERROR)", {}, False, Termination.UPSTREAM_DROP),
    ],
)  # fmt: skip
def test_a_broken_connection_ends_the_turn_and_may_show_google_to_be_away(
    hooks, deps, running, message: str, facts: dict[str, Any], away: bool, code: Termination
) -> None:
    flow = flow_of(agent_body())
    ask(hooks, flow)
    if facts.get("begun"):
        answered(flow)
        hooks.responseheaders(flow)
    hooks._given_up = lambda _: facts.get("given_up", False)
    if "ended" in facts:
        running.close(Failed(internal("we have ended it", facts["ended"])))
    if not facts.get("connected", True):
        flow.client_conn.state = ConnectionState.CLOSED
    flow.error = tflow.terr(message)
    hooks.error(flow)
    assert running.channel.termination is code
    assert deps.health.google_away is away
    assert deps.health.checks()[-1].ok is not away
    assert flow not in hooks.claims


def test_calls_to_other_hosts_show_nothing_about_the_path_to_google(hooks, deps) -> None:
    flow = flow_of({}, b"/anything")
    flow.request.host = "example.com"
    hooks.requestheaders(flow)
    hooks.request(flow)
    flow.error = tflow.terr("Connect call failed")
    hooks.error(flow)
    checks = {check.name: check for check in deps.health.checks()}
    assert checks["google"].ok
    assert "no call to Google seen" in checks["path"].text


def test_a_bug_of_ours_leaves_the_bytes_and_ends_the_turn_with_a_fault(
    hooks, deps, channel, monkeypatch, caplog
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(rewrite, "rewrite", broken)
    flow = flow_of(agent_body())
    before = flow.request.content
    ask(hooks, flow)
    assert flow.request.content == before
    assert flow not in hooks.claims
    assert channel.termination is Termination.INTERNAL
    assert b'zg_fail_open_total{place="request"} 1.0' in deps.metrics.render()
    assert "the request goes to Google unchanged" in caplog.text


def test_passive_calls_are_recorded_untouched(clock) -> None:
    deps = deps_of(clock, passive=True)
    hooks = hooks_of(deps)
    public = {"contents": [{"parts": [{"text": "hello"}]}]}
    flow = flow_of(public, b"/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    before = flow.request.content
    ask(hooks, flow)
    answered(flow)
    hooks.responseheaders(flow)
    feed = flow.response.stream
    assert b"".join([*feed(ANSWER[:30]), *feed(ANSWER[30:]), *feed(b"")]) == ANSWER
    assert flow.request.content == before
    (channel,) = deps.store
    assert channel.turn.surface == "passive"
    assert (channel.turn.model, channel.turn.target.family) == ("gemini-2.5-flash", "gemini-2.5-flash")
    assert channel.terminal == Finished("stop")
    assert deps.store.find(CASCADE) is None


def test_a_passive_error_answer_is_passed_on_unchanged(clock) -> None:
    deps = deps_of(clock, passive=True)
    hooks = hooks_of(deps)
    flow = flow_of({"request": {"contents": []}, "model": "m"})
    ask(hooks, flow)
    answered(flow, 503, b'{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}', b"application/json")
    hooks.responseheaders(flow)
    hooks.response(flow)
    assert flow.response.status_code == 503
    (channel,) = deps.store
    assert channel.termination is Termination.UPSTREAM_STATUS


def test_redirect_keeps_the_path_and_names_the_new_host() -> None:
    flow = flow_of(b"{}")
    flow.request.headers["host"] = "cloudcode-pa.googleapis.com"
    redirect(flow, "http://127.0.0.1:99/base/")
    assert flow.request.url == "http://127.0.0.1:99/base" + PATH.decode()
    assert flow.request.host_header == "127.0.0.1:99"


def test_calls_for_google_go_where_the_user_says_and_no_others(clock) -> None:
    hooks = hooks_of(deps_of(clock, upstream="http://127.0.0.1:99/base"))
    google, other = flow_of({}, b"/x"), flow_of({}, b"/x")
    other.request.host = "example.com"
    for flow in (google, other):
        hooks.requestheaders(flow)
    assert google.request.url == "http://127.0.0.1:99/base/x"
    assert other.request.host == "example.com"


def test_before_the_gateway_runs_and_after_it_everything_passes() -> None:
    hooks, flow = hooks_of(None), flow_of(agent_body())
    before = flow.request.content, flow.request.headers.fields
    ask(hooks, flow)
    answered(flow, content=ANSWER)
    hooks.responseheaders(flow)
    hooks.response(flow)
    flow.error = tflow.terr("connection closed")
    hooks.error(flow)
    assert (flow.request.content, flow.request.headers.fields) == before
    assert (flow.response.content, flow.response.stream) == (ANSWER, False)


def test_a_flow_that_has_been_answered_is_left_alone(hooks, channel) -> None:
    """By whoever refuses a request before us."""
    flow = flow_of(agent_body())
    answered(flow, 403)
    ask(hooks, flow)
    assert flow not in hooks.claims
    assert flow.response.status_code == 403

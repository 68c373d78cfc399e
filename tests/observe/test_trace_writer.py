"""The files of one turn's trace, and that no secret is in any of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.recording import CHUNK, say
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    Notice,
    RequestLine,
    ServerTool,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.running import Following
from zerogravity.core.turn import RecordedDetails
from zerogravity.errors import upstream
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.surfaces.chat.details import ChatDetails


def everything(root):
    return b"\n".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_a_turn_leaves_its_folder(recording, make_turn):
    made = recording()
    turn = make_turn(
        surface="chat", stream=True, details=RecordedDetails({"temperature": 1}), notes=("dropped: minLength",)
    )
    made.recorder.client_request(turn, b'{"model": "gpt-5"}', {"User-Agent": "codex", "Authorization": "Bearer abc"})
    running = made.store.open(turn)
    channel = running.channel
    made.store.bind(running, "c-1")
    made.clock.advance(0.5)
    running.mark("matched")
    made.recorder.upstream_request(channel.id, 0, b'{"a":1}', b'{"a":2}', {"Authorization": "Bearer ya29.abcdef"})
    say(running, made.clock, "Hel", "lo")
    made.flush()
    (folder,) = made.folders()
    assert folder.parent.name == "2026-02-02"
    assert folder.name == "024000250-" + turn.id[5:13]
    assert sorted(path.name for path in folder.iterdir()) == [
        "client_request.json", "generate.json", "records.jsonl", "turn.json", "upstream.sse", "upstream_request.json",
        "upstream_request.original.json",
    ]  # fmt: skip
    trace = trace_reader.find(made.root)
    assert trace.turn.details.as_json() == {"temperature": 1}
    assert trace.body("client_request") == {
        "surface": "chat", "headers": {"user-agent": "codex", "authorization": "[redacted]"},
        "body": {"model": "gpt-5"},
    }  # fmt: skip
    assert trace.body("upstream_request.original")["body"] == {"a": 1}
    assert trace.body("upstream_request")["body"] == {"a": 2}
    assert trace.upstream == b"".join(b"data: " + CHUNK % text + b"\r\n\r\n" for text in (b"Hel", b"lo"))
    assert [record.t_ns / 1e9 for record in trace.records] == [0.5, 0.75, 1.0, 1.0, 1.0, 1.0]


def test_what_nobody_reads_yet_is_written_straight_and_all_else_takes_the_place_of_the_old(
    recording, make_turn, monkeypatch
):
    ways: list[tuple[str, str]] = []

    def watched(way):
        real = getattr(trace_folders, way)
        return lambda path, data: (ways.append((way, Path(path).name)), real(path, data))

    for way in ("put", "write"):
        monkeypatch.setattr(trace_folders, way, watched(way))
    made = recording()
    running = made.store.open(make_turn())
    for number in range(2):
        made.recorder.upstream_request(running.id, number, b"{}", b"{}", {})
        made.flush()
    assert ways == [
        ("put", "generate.json"), ("put", "upstream_request.original.json"), ("put", "upstream_request.json"),
        ("write", "turn.json"), ("write", "upstream_request.call1.original.json"),
        ("write", "upstream_request.call1.json"), ("write", "turn.json"),
    ]  # fmt: skip


def test_where_a_call_goes_is_written_while_the_turn_runs(recording, make_turn):
    made = recording()
    running = made.store.open(make_turn())
    channel = running.channel
    line = RequestLine("POST", "https://x.example/a?access_token=ya29.abcdefghijkl", "HTTP/1.1")
    running.attempt_sent(line)
    made.recorder.upstream_request(channel.id, 0, b"{}", b"{}", {})
    made.flush()
    trace = trace_reader.find(made.root)
    assert not trace.closed
    assert trace.lines() == {0: RequestLine("POST", "https://x.example/a?access_token=[redacted]", "HTTP/1.1")}
    running.attempt_answered(replace(line, http_version="HTTP/2.0"))
    say(running, made.clock, "x")
    made.flush()
    assert trace_reader.find(made.root).lines()[0].http_version == "HTTP/2.0"


def test_events_that_are_alike_are_one_line_and_come_back_as_they_were(recording, make_turn):
    made = recording()
    running = made.store.open(make_turn())
    channel = running.channel
    for call, pieces in enumerate((("a", "b\\n", "c"), ("d", "e"))):
        running.append(call, b"", (AttemptOpened(),))
        for number, piece in enumerate(pieces):
            made.clock.advance(0.01)
            span = (number * 10, number * 10 + 10)
            running.append(call, CHUNK % piece.encode(), (TextDelta(json.loads(f'"{piece}"')), Usage(total=9)), span)
    running.append(1, b'{\n"text":\r\n"f"}', (TextDelta("f"),))
    running.close(Finished("stop"))
    made.flush()
    (folder,) = made.folders()
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == [0, 1, 4, 5, 7, 8]
    assert lines[1]["events"] == [
        {"type": "TextDelta", "text": ["a", "b\n", "c"]}, {"type": "Usage", "total": [9, 9, 9]},
    ]  # fmt: skip
    trace, origin = trace_reader.load(folder), channel.marks["received"]
    assert [replace(one, t_ns=one.t_ns + origin) for one in trace.records] == [
        replace(one, data=one.data.replace(b"\r", b"")) for one in channel.records
    ]
    events = trace.upstream.decode().split("\r\n\r\n")
    assert [event for event in events if not event.startswith("data: ")] == [": call 1", ""]
    assert events[-2] == 'data: {\r\ndata: "text":\r\ndata: "f"}'


def test_a_passive_turn_has_no_frames(recording, make_turn):
    made = recording()
    say(made.store.open(make_turn(surface="passive", stream=True)), made.clock, "x")
    made.flush()
    trace = trace_reader.find(made.root)
    assert trace.emitted == []
    assert trace.state.text == "x"


def test_further_calls_have_bodies_of_their_own(recording, make_turn):
    made = recording()
    running = made.store.open(make_turn())
    channel = running.channel
    for call in (0, 1):
        made.recorder.upstream_request(channel.id, call, b"{}", b'{"call":%d}' % call, {})
        running.append(call, b"", (AttemptOpened(),))
        running.append(call, b'{"n":%d}' % call, (ThinkingDelta("x"),))
    made.flush()
    trace = trace_reader.find(made.root)
    assert trace.body("upstream_request", 0)["body"] == {"call": 0}
    assert trace.body("upstream_request", 1)["body"] == {"call": 1}
    assert trace.body("upstream_request.original", 1)["body"] == {}
    assert trace.upstream == b'data: {"n":0}\r\n\r\n: call 1\r\n\r\ndata: {"n":1}\r\n\r\n'
    assert [record.data for record in trace.records] == [b"", b'{"n":0}', b"", b'{"n":1}']


def test_a_body_that_is_no_json_is_kept_as_text(recording, make_turn):
    made = recording()
    channel = made.store.open(make_turn()).channel
    made.recorder.client_request(channel.turn, b"\xff not json", {})
    made.flush()
    assert trace_reader.find(made.root).body("client_request")["body"] == "\ufffd not json"


SECRETS = ["sk-abcdefgh1234567890", "ya29.secretsecret", "hunter22", "AIzaSySecret123456", "MIIEowIBAAKCAQEA"]


def test_h34_no_secret_is_in_any_file(recording, make_turn):
    made = recording()
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
    generate = {"contents": [{"role": "user", "parts": [
        {"text": f"my key is {SECRETS[0]}"},
        {"functionResponse": {"name": "env", "response": {"dbPassword": "hunter22", "output": pem}}},
    ]}]}  # fmt: skip
    turn = make_turn(
        surface="chat", stream=True, google_request=generate, notes=(f"saw {SECRETS[3]}",),
        details=ChatDetails(service_tier=f"use {SECRETS[0]}", metadata={"apiKey": "hunter22"}),
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {SECRETS[1]}", "X-Goog-Api-Key": SECRETS[3], "Cookie": "hunter22"}
    made.recorder.client_request(turn, json.dumps({"apiKey": "hunter22", "input": pem}).encode(), headers)
    running = made.store.open(turn)
    channel = running.channel
    body = json.dumps(generate).encode()
    made.recorder.upstream_request(channel.id, 0, body, body, headers)
    running.append(0, b"", (AttemptOpened(),))
    running.append(0, CHUNK % b"it is ya29.secretsecret", (TextDelta("it is ya29.secretsecret"),))
    running.append(0, b"{}", (ServerTool('{"toolResponse":{"response":{"apiKey":"hunter22"}}}'),
                              FunctionCall("call_1", "f", '{"accessToken":"hunter22"}'),
                              Grounding({"apiKey": "hunter22"}), Notice("n", SECRETS[3])))  # fmt: skip
    running.append(0, b"", (AttemptClosed("OTHER", f"because {SECRETS[0]}"),))
    running.close(Failed(upstream(400, "bad", f"key={SECRETS[3]}", details=({"token": "hunter22"},))))
    made.flush()
    written = everything(made.root)
    assert [secret for secret in SECRETS if secret.encode() in written] == []
    assert written.count(b"[redacted]") > 10
    for path in made.root.rglob("*.json"):
        json.loads(path.read_bytes())


@pytest.mark.parametrize(
    "cut",
    [["sk-", "abcdefgh", "1234567890"], ["x sk-abcdefgh12", "34567890 y"], ["s", "k-abcdefgh1234567890"]],
)
def test_a_secret_spread_over_deltas_is_masked_at_the_end(recording, make_turn, cut):
    made = recording()
    running = made.store.open(make_turn(surface="chat", stream=True))
    channel = running.channel
    say(running, made.clock, "key: ", *cut, " ok")
    made.flush()
    trace = trace_reader.find(made.root)
    written = everything(made.root)
    assert b"34567890" not in written
    assert b"abcdefgh" not in written
    assert trace.state.text == "key: " + "".join(cut).replace("sk-abcdefgh1234567890", "[redacted]") + " ok"
    assert [record.seq for record in trace.records] == list(range(len(channel.records)))


@pytest.mark.parametrize("kind", [TextDelta, ThinkingDelta])
def test_a_secret_that_is_a_delta_behind_a_letter_is_in_no_file(recording, make_turn, kind):
    """Joined to what comes before it, it begins at no edge."""
    made = recording()
    running = made.store.open(make_turn())
    for piece in ("x", "sk-abcdefgh1234567890", " y"):
        running.append(0, CHUNK % piece.encode(), (kind(piece),))
    running.close(Finished("stop"))
    made.flush()
    assert b"abcdefgh1234567890" not in everything(made.root)
    (folder,) = made.folders()
    assert "x[redacted] y" in (folder / "turn.json").read_text()


def test_a_turn_that_moves_to_another_model_is_kept_as_it_is_for_that(recording, make_turn):
    """Also where its folder had been begun before."""
    made = recording()
    follow = Following(lambda running: None, "it was busy")
    failing = Failed(upstream(503, "upstream_error", "busy"))
    running = made.store.open(make_turn(), follow=lambda _, end: follow if isinstance(end, Failed) else None)
    made.flush()
    (folder,) = made.folders()
    before = json.loads((folder / "generate.json").read_bytes())
    running.append(0, b"{}", (AttemptOpened(status=503), AttemptClosed(None)))
    running.close(failing)
    target = replace(running.turn.target, name="other", family="claude")
    other = replace(running.turn, target=target, served_by="other", google_request={"contents": [], "of": "other"})
    again = made.store.again(running, other)
    again.append(1, b"{}", (AttemptOpened(), TextDelta("hello")))
    again.close(Finished("stop"))
    made.flush()
    trace = trace_reader.find(made.root)
    assert (trace.turn.model, trace.turn.served_by, trace.turn.target.family) == (running.turn.model, "other", "claude")
    assert "of" not in before
    assert json.loads((folder / "generate.json").read_bytes())["of"] == "other"
    assert (trace.state.text, trace.state.rounds, trace.state.attempts) == ("hello", 2, 2)

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import replace

import pytest
from hypothesis import assume, given

from tests.conftest import FakeClock, evict
from tests.recording import WALL
from tests.strategies import TURN_ID, record_lists
from zerogravity import redact
from zerogravity.core import codec
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
from zerogravity.core.fold import fold
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import RecordedDetails, Target, Turn
from zerogravity.errors import FaultError, Termination, upstream
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.observe.recorder import NullRecorder, Recorder, TraceLimits
from zerogravity.observe.replica import joined, redacted_event
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.testing.builders import replay

CHUNK = b'{"candidates":[{"content":{"parts":[{"text":"%s"}]}}]}'


def say(writer, clock, *texts):
    writer.append(0, b"", (AttemptOpened("gemini-3-flash-a"),))
    for text in texts:
        clock.advance(0.25)
        writer.append(0, CHUNK % text.encode(), (TextDelta(text),), (0, 1))
    writer.append(0, b"", (AttemptClosed("STOP"),))
    writer.close(Finished("stop"))


def everything(root):
    return b"\n".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


# -- what is written -----------------------------------------------------------------------------------------------


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
    assert folder.name == "024000000-" + turn.id[5:13]
    assert sorted(path.name for path in folder.iterdir()) == [
        "client_request.json", "emitted.jsonl", "generate.json", "records.jsonl", "turn.json", "upstream.sse",
        "upstream_request.json", "upstream_request.original.json",
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
    assert [frame.frame for frame in trace.emitted] == [
        'data: {"begin": {"temperature": 1}}\n\n', 'data: {"delta": "Hel"}\n\n', 'data: {"delta": "lo"}\n\n',
        "data: [DONE]\n\n",
    ]  # fmt: skip
    assert [frame.seq for frame in trace.emitted] == [0, 1, 2, 4]
    assert [record.t_ns / 1e9 for record in trace.records] == [0.5, 0.75, 1.0, 1.0, 1.0]


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


def test_the_summary(recording, make_turn):
    made = recording()
    generate = {
        "contents": [
            {"role": "user", "parts": [{"text": "look " * 100}, {"inlineData": {"mimeType": "image/png", "data": ""}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}],
    }
    running = made.store.open(make_turn(google_request=generate, tool_names={"f": "client/f"}))
    channel = running.channel
    running.append(0, b"", (AttemptOpened(),))
    made.clock.advance(1)
    running.append(0, b"{}", (ThinkingDelta("hmm"), Usage(5, candidates=2, total=7), Notice("odd", "part")))
    made.clock.advance(1)
    running.append(0, b"{}", (FunctionCall("call_1", "f", "{}"),))
    running.append(0, b"", (AttemptClosed("STOP"),))
    running.close(Finished("tool"))
    made.flush()
    info = trace_reader.find(made.root).info
    assert (info["phase"], info["code"], info["closed"], info["failure"]) == ("done", "tool", True, None)
    assert info["latency_ms"] == {
        "first_byte": 0, "first_thinking": 1000, "first_text": None, "first_call": 2000, "total": 2000
    }  # fmt: skip
    assert info["usage"]["prompt"] == 5
    assert info["counts"] == {
        "records": 5, "bytes": channel.size, "late": 0, "upstream_calls": 1, "tool_calls": 1, "messages": 3, "tools": 2,
        "rounds": 1, "images": 1,
    }  # fmt: skip
    assert info["called"] == ["client/f"]
    assert info["previews"]["thinking"] == "hmm"
    assert len(info["previews"]["user"]) == 200
    assert info["notices"] == ["odd: part"]


def test_an_answer_that_is_not_streamed_is_kept_whole(recording, make_turn):
    made = recording()
    for terminal in (Finished("stop"), Failed(upstream(429, "slow", "wait"))):
        running = made.store.open(make_turn(surface="chat", stream=False))
        running.append(0, b"{}", (TextDelta("Hello"),))
        running.close(terminal)
    made.flush()
    answers = [trace.emitted for trace in trace_reader.scan(made.root)]
    assert sorted((answer[0].status, str(answer[0].body)) for answer in answers) == [
        (200, "{'text': 'Hello', 'details': {}}"), (429, "{'error': 'wait'}"),
    ]  # fmt: skip


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


def test_running_turns_can_be_read(recording, make_turn):
    made = recording()
    running = made.store.open(make_turn(surface="chat", stream=True))
    running.append(0, CHUNK % b"Hel", (TextDelta("Hel"),))
    made.flush()
    trace = trace_reader.find(made.root)
    assert (trace.closed, trace.state.text, len(trace.emitted)) == (False, "Hel", 2)
    running.append(0, CHUNK % b"lo", (TextDelta("lo"),))
    made.flush()
    assert trace_reader.load(trace.folder).state.text == "Hello"
    running.close(Finished("stop"))
    made.flush()
    assert trace_reader.load(trace.folder).info["code"] == "ok"


def test_evicted_turns_are_complete(recording, make_turn):
    made = recording()
    running = made.store.open(make_turn())
    channel = running.channel
    say(running, made.clock, "gone")
    evict(made.store, channel.id)
    made.flush()
    assert trace_reader.find(made.root).state.text == "gone"


def test_closing_writes_what_is_there(recording, make_turn):
    made = recording()
    made.store.open(make_turn()).append(0, b"{}", (TextDelta("half"),))
    made.recorder.close()
    trace = trace_reader.find(made.root)
    assert (trace.closed, trace.state.text) == (False, "half")
    made.store.open(make_turn())
    assert made.recorder.dropped == 1, "after the end nothing is taken"


@given(record_lists())
def test_what_was_recorded_is_read_back(tmp_path_factory, records):
    root = tmp_path_factory.mktemp("traces")
    clock = FakeClock()
    recorder = Recorder(root, clock=clock, tick=3600)
    store = MitmStore(clock)
    recorder.attach(store)
    channel = replay(records, store.open(Turn(TURN_ID, "passive", "m", Target("m", "M"), {})))
    recorder.close()
    assume(joined(channel.records) is None)
    trace = trace_reader.find(root)
    # Names like "bearer" do come up by chance: what is read back is what was recorded, redacted.
    expected = [
        replace(record, data=redact.json_bytes(record.data), events=tuple(map(redacted_event, record.events)))
        for record in channel.records
    ]
    assert [record.events for record in trace.records] == [record.events for record in expected]
    assert [record.data for record in trace.records] == [record.data for record in expected]
    assert trace.state == fold(expected)
    assert trace.info["code"] == channel.termination


@given(record_lists())
def test_events_are_the_same_after_a_round_through_json(records):
    for record in records:
        line = json.loads(json.dumps(codec.record_out(record, 0, (0, 0))))
        assert codec.record_in(line, record.data) == record


@pytest.mark.parametrize(
    "value",
    [{}, {"type": "Nonsense"}, {"type": "TextDelta"}, {"type": "TextDelta", "text": "x", "more": 1},
     {"type": "Failed", "fault": {"origin": "nobody"}}, {"type": "Failed"}],
)  # fmt: skip
def test_what_is_no_event_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        codec.event_in(value)


# -- secrets (H34) -----------------------------------------------------------------------------------------------------

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
    assert "".join(json.loads(f.frame[6:])["delta"] for f in trace.emitted[1:-1]) == trace.state.text


def test_h34_files_are_private(recording, make_turn, tmp_path):
    old = os.umask(0)
    try:
        made = recording(tmp_path / "a" / "traces")
        turn = make_turn(surface="chat", stream=True)
        made.recorder.client_request(turn, b"{}", {})
        say(made.store.open(turn), made.clock, "x")
        made.flush()
    finally:
        os.umask(old)
    assert stat.S_IMODE(made.root.stat().st_mode) == 0o700
    for path in made.root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# -- limits ------------------------------------------------------------------------------------------------------------


def test_the_oldest_traces_go_when_there_is_too_much(recording, make_turn):
    made = recording(limits=TraceLimits(max_bytes=60_000))
    for number in range(8):
        made.now[0] += 1
        running = made.store.open(make_turn(created=int(made.now[0])))
        running.append(0, b'"' + b"x" * 10_000 + b'"', (TextDelta("x"),))
        running.close(Finished("stop"))
        made.flush()
        assert len(made.folders()) <= number + 1
    kept = [trace_reader.load(folder).turn.created for folder in made.folders()]
    assert len(kept) == 5
    assert max(kept) == int(made.now[0])
    assert sorted(kept) == list(range(max(kept) - 4, max(kept) + 1))


def test_old_traces_go(recording, make_turn):
    made = recording(limits=TraceLimits(max_age_s=3600))
    say(made.store.open(make_turn(created=int(made.now[0]))), made.clock, "old")
    made.flush()
    made.now[0] += 7200
    say(made.store.open(make_turn(created=int(made.now[0]))), made.clock, "new")
    made.flush()
    assert [trace_reader.load(folder).state.text for folder in made.folders()] == ["new"]


def test_only_our_own_folders_are_removed(tmp_path):
    for name in ("2026-02-02/024000-abcdefgh", "2026-02-02/mine", "other/024000-abcdefgh", "notes"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "2026-02-02" / "024001-abcdefgh").symlink_to(tmp_path / "elsewhere")
    assert trace_folders.sweep(tmp_path, max_bytes=0, max_age_s=0, now_s=2e9) == 0
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [
        "2026-02-02", "2026-02-02/024001-abcdefgh", "2026-02-02/mine", "2026-02-02/mine/file", "elsewhere", "notes",
        "notes/file", "other", "other/024000-abcdefgh", "other/024000-abcdefgh/file",
    ]  # fmt: skip


@pytest.mark.parametrize("bad", ["../../etc", "turn_../../etc/passwd", "turn_short", "resp_" + "0" * 32, ""])
def test_no_path_is_made_of_a_strange_id(tmp_path, bad):
    with pytest.raises(ValueError, match="not the id"):
        trace_folders.create(tmp_path, bad, 0)
    assert list(tmp_path.iterdir()) == []


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_a_disk_that_refuses_degrades_and_recovers(recording, make_turn, tmp_path):
    told = []
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, no folder")
    made = recording(blocked / "traces", report=told.append)
    running = made.store.open(make_turn())
    channel = running.channel
    say(running, made.clock, "x")
    made.flush()
    assert channel.termination is Termination.OK, "the turn never notices"
    assert "cannot be written" in made.recorder.degraded
    assert made.recorder.dropped == 1
    blocked.unlink()
    say(made.store.open(make_turn()), made.clock, "y")
    made.flush()
    assert made.recorder.degraded is None
    assert trace_reader.find(blocked / "traces").state.text == "y"
    assert [bool(text) for text in told] == [True, False]


def test_a_disk_that_fills_up_in_the_middle(recording, make_turn, monkeypatch):
    made = recording()
    running = made.store.open(make_turn())
    made.flush()
    monkeypatch.setattr(
        trace_folders, "descriptor", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    say(running, made.clock, "x")
    made.flush()
    assert "No space left" in made.recorder.degraded
    monkeypatch.undo()
    say(made.store.open(make_turn()), made.clock, "y")
    made.flush()
    assert made.recorder.degraded is None


def test_a_full_queue_drops_and_counts(tmp_path, make_turn, clock, monkeypatch):
    started, go_on = threading.Event(), threading.Event()

    def slow(*_):
        started.set()
        go_on.wait(10)
        raise OSError("slow disk")

    monkeypatch.setattr(trace_folders, "create", slow)
    recorder = Recorder(tmp_path, clock=clock, limits=TraceLimits(jobs=2, job_bytes=1000))
    store = MitmStore(clock)
    recorder.attach(store)
    channel = store.open(make_turn()).channel
    started.wait(10)
    recorder.client_request(channel.turn, b"x" * 1001, {})
    assert recorder.dropped == 1, "too many bytes"
    for _ in range(4):
        recorder.client_request(channel.turn, b"x", {})
    assert recorder.dropped == 3, "too many jobs"
    go_on.set()
    recorder.close()
    recorder.client_request(channel.turn, b"x", {})
    assert recorder.dropped == 5, "one turn that could not be written, one request after the end"


def test_our_own_mistake_costs_one_trace(recording, make_turn, monkeypatch, caplog):
    made = recording()
    monkeypatch.setattr(trace_folders, "create", lambda *_: 1 / 0)
    say(made.store.open(make_turn()), made.clock, "x")
    made.flush()
    assert "see the log" in made.recorder.degraded
    monkeypatch.undo()
    say(made.store.open(make_turn()), made.clock, "y")
    made.flush()
    assert trace_reader.find(made.root).state.text == "y"
    assert "ZeroDivisionError" in caplog.text


def test_a_surface_that_cannot_render_costs_the_frames_only(recording, make_turn):
    class Broken:
        def emitter(self, channel, secret):
            raise KeyError("x")

        answer = emitter

    made = recording(surfaces={"chat": Broken()})
    for stream in (True, False):
        say(made.store.open(make_turn(surface="chat", stream=stream)), made.clock, "Hello")
    made.flush()
    for trace in trace_reader.scan(made.root):
        assert "could not be rendered" in trace.info["trouble"]
        assert trace.state.text == "Hello"
        assert len(trace.records) == 4


def test_tracing_off_costs_nothing(make_turn, clock):
    recorder = NullRecorder()
    store = MitmStore(clock)
    recorder.attach(store)
    recorder.client_request(make_turn(), b"", {})
    recorder.upstream_request("x", 0, b"", b"", {})
    recorder.close()
    assert len(store.on_open) == 0
    assert (recorder.dropped, recorder.degraded) == (0, None)


# -- finding -----------------------------------------------------------------------------------------------------------


def test_traces_are_found_by_what_people_type(recording, make_turn):
    made = recording()
    ids = ["turn_" + "a1" + "0" * 30, "turn_" + "a2" + "0" * 30]
    for number, turn_id in enumerate(ids):
        say(made.store.open(make_turn(id=turn_id, created=1_770_000_000 + number)), made.clock, "x")
    made.flush()
    assert [trace.id for trace in trace_reader.scan(made.root)] == ids[::-1]
    assert trace_reader.find(made.root).id == ids[1]
    for reference in (ids[0], ids[0][5:], "a1", "a10000000", "turn_a1"):
        assert trace_reader.find(made.root, reference).id == ids[0]
    assert next(trace_reader.scan(trace_reader.find(made.root).folder)).id == ids[1]


@pytest.mark.parametrize("reference", ["b7", "../..", "turn_../x", "A1", "/etc", "a1\x00", "a100000000ff"])
def test_what_is_not_found(recording, make_turn, reference):
    made = recording()
    say(made.store.open(make_turn(id="turn_" + "a1" + "0" * 30)), made.clock, "x")
    made.flush()
    with pytest.raises(FaultError) as caught:
        trace_reader.find(made.root, reference)
    assert caught.value.fault.status == 404


def test_an_ambiguous_beginning_is_told(recording, make_turn):
    made = recording()
    for digit in "12":
        say(made.store.open(make_turn(id="turn_ab" + digit * 30)), made.clock, "x")
    made.flush()
    with pytest.raises(FaultError, match="several"):
        trace_reader.find(made.root, "ab")


def test_nothing_recorded(tmp_path):
    assert list(trace_reader.scan(tmp_path / "absent")) == []
    with pytest.raises(FaultError, match="no traces"):
        trace_reader.find(tmp_path)


def test_a_damaged_trace_is_read_as_far_as_it_goes(recording, make_turn):
    made = recording()
    say(made.store.open(make_turn()), made.clock, "a", "b")
    made.flush()
    (folder,) = made.folders()
    lines = (folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "records.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:20])
    (folder / "emitted.jsonl").write_bytes(b'{"nonsense": 1}\n')
    (folder / "generate.json").write_bytes(b"{")
    trace = trace_reader.load(folder)
    assert (trace.state.text, trace.emitted, trace.google_request) == ("a", [], {})
    (folder / "turn.json").write_bytes(b"[]")
    assert trace_reader.load(folder) is None


def test_turns_of_one_second_keep_their_order(recording, make_turn):
    """``last`` is the last one, and a cassette answers equal requests in the order of their recording."""
    made = recording()
    made.now[0] += 0.25
    turns = [make_turn(id=f"turn_{letter * 32}", created=int(WALL)) for letter in "cabfed"]
    for turn in turns:
        made.store.open(turn)
    made.flush()
    assert [trace.id for trace in trace_reader.scan(made.root)] == [turn.id for turn in reversed(turns)]
    assert trace_reader.find(made.root).id == turns[-1].id
    assert [folder.name[:9] for folder in made.folders()] == [f"02400025{number}" for number in range(6)]


def test_recordings_of_older_versions_are_found(tmp_path):
    for name in ("024000-abcdefgh", "024000007-bbcdefgh", "023959999-cbcdefgh"):
        (tmp_path / "2026-02-02" / name).mkdir(parents=True)
    names = [folder.name for folder in trace_folders.newest_first(tmp_path)]
    assert names == ["024000007-bbcdefgh", "024000-abcdefgh", "023959999-cbcdefgh"]
    assert {trace_folders.started(folder) for folder in trace_folders.newest_first(tmp_path)} == {WALL, WALL - 1}

from __future__ import annotations

import os
import stat
import threading

import pytest

from tests.conftest import evict
from tests.recording import say
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Finished,
    FunctionCall,
    Notice,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.registry import MitmStore
from zerogravity.errors import Termination
from zerogravity.observe import recorder as recorders
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.observe.recorder import NullRecorder, Recorder, TraceLimits
from zerogravity.observe.requests import CLIENT, Request
from zerogravity.observe.trace_reader import load

# -- what is written -----------------------------------------------------------------------------------------------


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


# -- secrets (H34) -----------------------------------------------------------------------------------------------------


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


def test_others_hear_which_folders_are_finished_and_which_are_removed(recording, make_turn):
    finished, removed = [], []

    def ends(folder, said):
        finished.append((folder, trace_reader.load(folder).closed, said.text))
        raise RuntimeError("the listener's own mistake costs no trace")

    made = recording(limits=TraceLimits(max_age_s=3600), on_finished=ends, on_removed=removed.append)
    say(made.store.open(make_turn(created=int(made.now[0]))), made.clock, "old")
    made.flush()
    (old,) = made.folders()
    made.now[0] += 7200
    say(made.store.open(make_turn(created=int(made.now[0]))), made.clock, "new")
    made.flush()
    assert finished == [(old, True, "old"), (made.folders()[0], True, "new")]
    assert removed == [old]
    assert made.recorder.dropped == 0


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_a_disk_that_refuses_degrades_and_recovers(recording, make_turn, tmp_path):
    reports = []
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, no folder")
    made = recording(blocked / "traces", report=reports.append)
    running = made.store.open(make_turn())
    channel = running.channel
    say(running, made.clock, "x")
    made.flush()
    assert channel.termination is Termination.OK, "the turn never notices"
    assert "cannot be written" in reports[-1]
    assert made.recorder.dropped == 1
    blocked.unlink()
    say(made.store.open(make_turn()), made.clock, "y")
    made.flush()
    assert trace_reader.find(blocked / "traces").state.text == "y"
    assert [bool(text) for text in reports] == [True, False]


def test_a_disk_that_fills_up_in_the_middle(recording, make_turn, monkeypatch):
    told = []
    made = recording(report=told.append)
    running = made.store.open(make_turn())
    made.flush()
    monkeypatch.setattr(
        trace_folders, "private_opener", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    say(running, made.clock, "x")
    made.flush()
    assert "No space left" in told[-1]
    say(made.store.open(make_turn()), made.clock, "x")
    made.flush()
    assert [load(folder).id for folder in made.folders()] == [running.channel.id]
    monkeypatch.undo()
    say(made.store.open(make_turn()), made.clock, "y")
    made.flush()
    assert told[1:] == [None]


def test_of_a_turn_that_never_got_its_summary_nothing_stays(recording, make_turn, monkeypatch):
    made = recording()
    monkeypatch.setattr(
        trace_folders, "append", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    say(made.store.open(make_turn()), made.clock, "x")
    made.flush()
    assert made.folders() == []
    assert made.recorder.dropped == 1


def test_a_full_queue_drops_and_counts(tmp_path, make_turn, clock, monkeypatch):
    started, go_on = threading.Event(), threading.Event()

    def slow(*_):
        started.set()
        go_on.wait(10)
        raise OSError("slow disk")

    monkeypatch.setattr(trace_folders, "create", slow)
    recorder = Recorder(tmp_path, tick=0.01, limits=TraceLimits(jobs=2, job_bytes=1000))
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


def test_a_turn_is_written_when_it_is_over_however_seldom_running_ones_are(recording, make_turn):
    written = threading.Event()
    made = recording(on_finished=lambda *_: written.set(), pause=0.01)
    say(made.store.open(make_turn()), made.clock, "x")
    assert written.wait(10)
    assert trace_reader.find(made.root).state.text == "x"


@pytest.mark.parametrize(("patient", "limits"), [(1 << 20, TraceLimits(job_bytes=1000)), (500, TraceLimits())])
def test_many_bytes_are_not_waited_with(recording, make_turn, monkeypatch, patient, limits):
    monkeypatch.setattr(recorders, "PATIENT_BYTES", patient)
    written = threading.Event()
    made = recording(on_finished=lambda *_: written.set(), pause=1000, limits=limits)
    running = made.store.open(make_turn())
    say(running, made.clock, "x")
    made.recorder.take(running.id, [Request(CLIENT, 0, {}, {}, b"x" * 600)])
    assert written.wait(10)


def test_a_running_turn_is_written_now_and_then(recording, make_turn, monkeypatch):
    made, written = recording(tick=0.01, pause=0.01), threading.Event()
    append = trace_folders.append
    monkeypatch.setattr(trace_folders, "append", lambda *given: (append(*given), written.set()))
    running = made.store.open(make_turn())
    running.append(0, b"", (AttemptOpened(), TextDelta("so far")))
    assert written.wait(10)
    assert not running.closed
    made.flush()
    assert trace_reader.find(made.root).state.text == "so far"


def test_our_own_mistake_costs_one_trace(recording, make_turn, monkeypatch, caplog):
    told = []
    made = recording(report=told.append)
    monkeypatch.setattr(trace_folders, "create", lambda *_: 1 / 0)
    say(made.store.open(make_turn()), made.clock, "x")
    made.flush()
    assert "see the log" in told[-1]
    monkeypatch.undo()
    say(made.store.open(make_turn()), made.clock, "y")
    made.flush()
    assert trace_reader.find(made.root).state.text == "y"
    assert "ZeroDivisionError" in caplog.text


def test_tracing_off_costs_nothing(make_turn, clock):
    recorder = NullRecorder()
    store = MitmStore(clock)
    recorder.attach(store)
    recorder.client_request(make_turn(), b"", {})
    recorder.upstream_request("x", 0, b"", b"", {})
    recorder.close()
    assert len(store.on_open) == 0
    assert (recorder.dropped, recorder.waiting_bytes) == (0, 0)

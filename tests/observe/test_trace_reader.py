"""Traces by what people type; old, damaged and running ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given

from tests.conftest import FakeClock
from tests.recording import CHUNK, WALL, say
from tests.strategies import TURN_ID, record_lists
from zerogravity import redact
from zerogravity.core import codec
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.core.fold import fold
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import FaultError
from zerogravity.observe import trace_reader
from zerogravity.observe.recorder import Recorder
from zerogravity.observe.redaction import redacted_event, spread_secrets_masked
from zerogravity.testing.builders import replay
from zerogravity.wire import jsonio


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


@given(record_lists())
def test_what_was_recorded_is_read_back(tmp_path_factory, records):
    root = tmp_path_factory.mktemp("traces")
    clock = FakeClock()
    recorder = Recorder(root, tick=3600)
    store = MitmStore(clock)
    recorder.attach(store)
    channel = replay(records, store.open(Turn(TURN_ID, "passive", "m", Target("m", "M"), {})))
    recorder.close()
    assume(spread_secrets_masked(channel.records) is None)
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


def test_a_turn_that_was_ended_by_a_stop_sequence_is_read_back(recording, make_turn):
    """With what it was watched for, and all that Google has sent."""
    made = recording()
    running = made.store.open(make_turn(stops=("END", "key sk-abcdefgh12")))
    for number, text in enumerate(("one E", "ND two")):
        running.append(0, CHUNK % text.encode(), (TextDelta(text),), (number, number + 1))
    made.flush()
    trace = trace_reader.find(made.root)
    assert trace.turn.stops[0] == "END"
    assert "sk-abcdefgh12" not in trace.turn.stops[1]
    assert trace.channel.terminal == Finished("stop_sequence", "END")
    assert (trace.channel.state.text, trace.info["code"]) == ("one ", "ok")
    assert [record.data for record in trace.records] == [CHUNK % b"one E", CHUNK % b"ND two", b""]


def test_a_turn_that_ended_at_once_is_read_back(recording, make_turn):
    made = recording()
    made.store.open(make_turn(at_once=True)).close(Finished("length"))
    made.flush()
    trace = trace_reader.find(made.root)
    assert trace.turn.at_once
    assert trace.channel.terminal == Finished("length")
    assert (len(trace.records), trace.info["code"], trace.info["counts"]["upstream_calls"]) == (1, "length", 0)


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


def test_an_ambiguous_prefix_is_reported(recording, make_turn):
    made = recording()
    for digit in "12":
        say(made.store.open(make_turn(id="turn_ab" + digit * 30)), made.clock, "x")
    made.flush()
    with pytest.raises(FaultError, match="ambiguous"):
        trace_reader.find(made.root, "ab")


def test_nothing_recorded(tmp_path):
    assert list(trace_reader.scan(tmp_path / "absent")) == []
    with pytest.raises(FaultError, match="no traces"):
        trace_reader.find(tmp_path)


def test_of_a_line_that_is_cut_off_no_record_is_read(recording, make_turn):
    """Such a line may hold many."""
    made = recording()
    running = made.store.open(make_turn())
    running.append(0, b"", (AttemptOpened(),))
    for piece in (b"a", b"b", b"c"):
        running.append(0, CHUNK % piece, (TextDelta(piece.decode()),))
    made.flush()
    (folder,) = made.folders()
    assert trace_reader.load(folder).state.text == "abc"
    lines = (folder / "records.jsonl").read_bytes()
    assert lines.count(b"\n") == 2
    (folder / "records.jsonl").write_bytes(lines[:-3])
    assert (len(trace_reader.load(folder).records), trace_reader.load(folder).state.text) == (1, "")


def test_a_damaged_trace_is_read_as_far_as_it_goes(recording, make_turn):
    made = recording()
    say(made.store.open(make_turn()), made.clock, "a", "b")
    made.flush()
    (folder,) = made.folders()
    lines = [
        jsonio.dumps(codec.record_out(record, 0, (0, 0)))
        for record in trace_reader.load(folder).records  # as of before
    ]
    (folder / "records.jsonl").write_bytes(b"\n".join((*lines[:2], lines[2][:20])))
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
    turns = [make_turn(id=f"turn_{letter * 32}", created=WALL + 0.25) for letter in "cabfed"]
    for turn in turns:
        made.store.open(turn)
    made.flush()
    assert [trace.id for trace in trace_reader.scan(made.root)] == [turn.id for turn in reversed(turns)]
    assert trace_reader.find(made.root).id == turns[-1].id
    assert [folder.name[:9] for folder in made.folders()] == [f"02400025{number}" for number in range(6)]

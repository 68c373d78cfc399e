"""From trace folders to the index: a turn's texts, what has changed, what the recorder tells."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.observe.recorded import record, turn_id
from tests.recording import WALL, say
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Finished, TextDelta
from zerogravity.errors import upstream
from zerogravity.observe import indexing, trace_folders, trace_reader
from zerogravity.observe.history import History
from zerogravity.observe.indexing import Change, Indexer, Synced, entry, sync, update
from zerogravity.observe.sessions import Placement, Sessions
from zerogravity.observe.trace_reader import Trace, load
from zerogravity.store.trace_index import COLUMNS, FILE, TraceIndex

ROOT = Path(__file__).resolve().parents[2]


def found(index: TraceIndex) -> str:
    return "".join(sorted(name.partition("-")[2] or "?" for name in (Path(one).name for one in index.known())))


def test_the_columns_of_a_turn(tmp_path):
    failed = Failed(upstream(429, "rate", "slow down", upstream_status=429, rpc_status="RESOURCE_EXHAUSTED"))
    folder = record(tmp_path, "a", end=failed, at=0.25, client="codex", placed=Placement("s1"), conversation="c1")
    made = entry(load(folder), "day/folder", 7)
    assert set(made.values) == set(COLUMNS)
    names = ("folder", "changed", "id", "started", "client", "session", "code")
    assert {name: made.values[name] for name in names} == {
        "folder": "day/folder", "changed": 7, "id": turn_id("a"), "started": "2026-02-02T02:40:00.250Z",
        "client": "codex", "session": "s1", "code": "upstream_status",
    }  # fmt: skip
    assert made.values["google"] == "429 RESOURCE_EXHAUSTED"
    assert made.values["failed"] == 1
    assert json.loads(str(made.values["row"]))["created"] == pytest.approx(WALL + 0.25)
    assert made.parts["failure"].startswith("rate: slow down")


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6,
)  # fmt: skip
MEMBERS = st.sampled_from([
    "id", "created", "started", "surface", "model", "target", "client", "session", "previous", "branch", "fresh",
    "code", "failure", "closed", "usage", "latency_ms", "counts", "called", "previews", "price", "tool_names", "run",
    "conversation",
])  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(MEMBERS, JUNK), JUNK)
def test_whatever_a_folder_holds_it_can_be_indexed(tmp_path, info, request_):
    folder = tmp_path / "024000-abcdefgh"
    folder.mkdir(exist_ok=True)
    (folder / "generate.json").write_text(json.dumps(request_))
    index = TraceIndex(None)
    index.put([entry(Trace(folder, info), "a", 1)])
    assert index.known() == {"a": 1}


def test_syncing_takes_what_has_come_and_changed_and_drops_what_is_gone(tmp_path):
    index = TraceIndex(tmp_path / FILE)
    one, two = record(tmp_path, "a"), record(tmp_path, "b", at=1)
    (tmp_path / "2026-02-02" / "024003-cccccccc").mkdir()  # nothing in it yet
    told = []
    assert sync(tmp_path, index, lambda done, total: told.append((done, total))) == Synced(2, 0)
    assert told[-1] == (2, 3)
    assert sync(tmp_path, index) == Synced(0, 0)
    trace_folders.write(one / "note.json", b'{"note": "x"}')
    shutil.rmtree(two)
    assert sync(tmp_path, index) == Synced(1, 1)
    assert found(index) == "aaaaaaaa"


def test_many_turns_are_taken_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "BATCH", 2)
    for number, name in enumerate("abcde"):
        record(tmp_path, name, at=number)
    index, told = TraceIndex(tmp_path / FILE), []
    assert sync(tmp_path, index, lambda done, total: told.append(done)).added == 5
    assert told == [2, 4, 5]


def test_of_long_turns_few_are_taken_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "BATCH_SIZE", 100)
    folders = [record(tmp_path, name, TextDelta("x" * 60), at=number) for number, name in enumerate("abcde")]
    index, told = TraceIndex(tmp_path / FILE), []
    assert sync(tmp_path, index, lambda done, total: told.append(done)).added == 5
    assert told == [2, 4, 5]
    index.clear()
    shutil.rmtree(folders[0])
    update(tmp_path, index, [Change(folder) for folder in folders])
    assert found(index) == "".join(name * 8 for name in "bcde")


# -- with a recorder -----------------------------------------------------------------------------------------------


class Placed(Sessions):
    """One session of all turns."""

    def of(self, channel: CascadeChannel) -> Placement:
        return Placement("one")


@pytest.fixture
def indexer(tmp_path):
    reports: list[str | None] = []
    made = Indexer(tmp_path / "traces", report=reports.append)
    made.reports = reports
    yield made
    made.close()


def test_what_a_recorder_writes_and_removes_is_in_the_index(recording, make_turn, indexer, tmp_path):
    made = recording(sessions=Placed(), on_finished=indexer.changed, on_removed=indexer.changed)
    indexer.start()
    history = History(made.root, fresh=True)
    for number in range(3):
        made.store.open(make_turn(created=int(made.now[0]) + number)).close(Finished("stop"))
        made.flush()
        assert indexer.flush()
        assert len(history.search().rows) == number + 1
    assert {row["session"] for row in history.search("session:one").rows} == {"one"}
    folder = made.folders()[0]
    shutil.rmtree(folder)
    indexer.changed(folder)
    assert indexer.flush()
    assert len(history.search().rows) == 2
    assert indexer.reports == []


def test_a_turn_that_was_just_written_is_indexed_without_reading_its_records(recording, make_turn, indexer):
    def ends(folder, said):
        (folder / "records.jsonl").unlink()
        indexer.changed(folder, said)

    made = recording(on_finished=ends)
    indexer.start()
    say(made.store.open(make_turn()), made.clock, "first")  # by which the index is made
    made.flush()
    assert indexer.flush()
    say(made.store.open(make_turn(created=int(made.now[0]) + 1)), made.clock, "hel", "lo")
    made.flush()
    assert indexer.flush()
    assert len(History(made.root, fresh=True).search("hello").rows) == 1
    assert indexer.waiting == 0


def test_what_waits_in_memory_is_bounded(recording, make_turn, indexer, monkeypatch):
    monkeypatch.setattr(indexing, "HELD", 4)
    made = recording(on_finished=indexer.changed)
    held = []
    for text in ("four", "more"):
        say(made.store.open(make_turn()), made.clock, text)
        made.flush()
        held.append(indexer.waiting)
    assert held == [4, 4]
    indexer.start()
    assert indexer.flush()
    assert indexer.waiting == 0
    assert len(History(made.root, fresh=True).search().rows) == 2


def test_what_was_recorded_before_is_indexed_at_the_start(indexer, tmp_path):
    record(tmp_path / "traces", "a")
    indexer.start()
    assert indexer.flush()
    assert [row["id"] for row in History(tmp_path / "traces", fresh=True).search().rows] == [turn_id("a")]


def test_an_index_that_cannot_be_written_is_reported_and_caught_up_with(indexer, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    root = tmp_path / "traces"
    one = record(root, "a")
    (root / FILE).mkdir()
    indexer.start()
    assert indexer.flush()
    assert len(indexer.reports) == 1
    assert indexer.reports[0]
    (root / FILE).rmdir()
    indexer.changed(record(root, "b", at=1))
    assert indexer.flush()
    assert indexer.reports[1:] == [None]
    assert {Path(name).name for name in TraceIndex(root / FILE).known()} == {
        one.name, next(trace_folders.newest_first(root)).name,
    }  # fmt: skip


def test_an_index_that_could_not_be_written_is_tried_again_without_a_turn(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(indexing, "RETRY_S", 0.01)
    root, caught_up = tmp_path / "traces", threading.Event()
    record(root, "a")
    (root / FILE).mkdir()
    indexer = Indexer(root, report=lambda reason: (root / FILE).rmdir() if reason else caught_up.set())
    indexer.start()
    try:
        assert caught_up.wait(10)
    finally:
        indexer.close()
    assert found(TraceIndex(root / FILE)) == "aaaaaaaa"


def test_an_index_that_was_removed_is_made_again_with_the_next_turn(indexer, tmp_path):
    root = tmp_path / "traces"
    record(root, "a")
    indexer.start()
    assert indexer.flush()
    (root / FILE).unlink()
    indexer.changed(record(root, "b", at=1))
    assert indexer.flush()
    assert found(TraceIndex(root / FILE)) == "aaaaaaaabbbbbbbb"


def test_what_the_queue_dropped_is_looked_for(indexer, tmp_path):
    root = tmp_path / "traces"
    indexer.start()
    record(root, "a")
    indexer.changed(root)
    assert indexer.flush()
    record(root, "b", at=1)  # of which nobody tells
    indexer.worker.close()
    indexer.changed(root / "x")
    again = Indexer(root)
    again.start()
    assert again.flush()
    again.close()
    assert found(TraceIndex(root / FILE)) == "aaaaaaaabbbbbbbb"


KILLED = """
import sys
from pathlib import Path
from zerogravity.observe.indexing import sync
from zerogravity.store.trace_index import TraceIndex
from zerogravity.observe import indexing
indexing.BATCH = 1
root = Path(sys.argv[1])
sync(root, TraceIndex(root / "index.sqlite"), lambda done, total: print(done, flush=True))
"""


def test_an_index_behind_the_folders_after_a_kill_is_caught_up_with(tmp_path):
    for number in range(60):
        record(tmp_path, "a", at=number, id=f"turn_{number:032x}")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    index = TraceIndex(tmp_path / FILE)
    assert len(index.known()) >= 3
    assert len(History(tmp_path).search(limit=100).rows) == 60
    assert sync(tmp_path, index) == Synced(0, 0)


def test_a_folder_that_cannot_be_a_trace_is_left_out(tmp_path):
    assert not list(trace_reader.folders(tmp_path))
    (record(tmp_path, "a") / "turn.json").write_bytes(b"[1")
    assert sync(tmp_path, TraceIndex(tmp_path / FILE)) == Synced(0, 0)

"""The index of traces as a file: whose it is, what becomes of one that is broken, several processes."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from zerogravity.observe.query import Query, parse
from zerogravity.store import trace_index
from zerogravity.store.trace_index import ASIDE, COLUMNS, FILE, Entry, TraceIndex

ALL = Query()


def entry(
    name: str, text: str = "some words", awaited: Sequence[tuple[str, str]] = (), results: Sequence[str] = (),
    **values: object,
) -> Entry:  # fmt: skip
    given: dict[str, object] = {
        **dict.fromkeys(COLUMNS, ""), "folder": name, "changed": 1, "created": float(ord(name[0])), "failed": 0,
        "prompt_tokens": 0, "cached_tokens": 0, "output_tokens": 0, "thought_tokens": 0, "price": None, "total_ms": 0.0,
        "tools": "[]", "star": 0, "id": f"turn_{name}", "row": f'{{"id": "turn_{name}"}}', **values,
    }  # fmt: skip
    return Entry(given, {"text": text}, awaited, results)


def folders(index: TraceIndex, query: str = "") -> str:
    return "".join(found.folder for found in index.turns(parse(query, 0)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / FILE


@pytest.fixture(params=["file", "memory"])
def index(request, file: Path) -> TraceIndex:
    """Both kinds must do the same."""
    return TraceIndex(file if request.param == "file" else None)


def test_turns_are_put_replaced_and_removed(index) -> None:
    index.put([entry("a"), entry("b"), entry("c")])
    assert folders(index) == "cba"
    assert index.known() == {"a": 1, "b": 1, "c": 1}
    index.put([entry("b", "other words", changed=2)])
    assert index.known()["b"] == 2
    assert (folders(index, "some"), folders(index, "other"), folders(index, "words")) == ("ca", "b", "cba")
    index.remove(["a", "nowhere"])
    index.remove([])
    assert folders(index, "words") == "cb"
    assert list(index.texts(["b", "a"])) == [[("text", "other words")], []]
    index.clear()
    assert (folders(index), index.known()) == ("", {})


ONE, TWO = ("call_1", "up_1"), ("call_2", "")


@pytest.mark.parametrize(
    ("awaited", "later", "missing"),
    [
        ([], [], {}),
        ([ONE], [], {"turn_a": False}),
        ([ONE], [("b", ["call_1"], "")], {}),
        ([ONE], [("b", ["up_1"], "turn_a")], {}),
        ([ONE], [("b", ["call_2", ""], "")], {"turn_a": False}),
        ([ONE], [("b", [], "turn_a")], {"turn_a": True}),
        ([ONE, TWO], [("b", ["call_1"], "turn_a")], {"turn_a": True}),
        ([ONE, TWO], [("b", ["call_1"], "turn_a"), ("c", ["call_2"], "turn_b")], {}),
        ([TWO], [("b", ["call_3"], "turn_c")], {"turn_a": False}),
    ],
)
def test_the_turns_to_whose_calls_no_result_has_come(index, awaited, later, missing) -> None:
    index.put([entry("a", awaited=awaited)])
    index.put([entry(name, results=results, previous=previous) for name, results, previous in later])
    assert index.without_results(["turn_a", "turn_b", "turn_none"]) == missing
    assert index.without_results([f"turn_{n}" for n in range(1200)]) == {}
    index.remove(["a", "b", "c"])
    assert index.without_results(["turn_a"]) == {}
    index.put([entry("d", awaited=[ONE])])
    assert index.without_results(["turn_d"]) == {"turn_d": False}, "what was brought is forgotten with its turn"


def test_an_index_of_an_older_version_is_made_again(file, monkeypatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(trace_index, "STEPS", trace_index.STEPS[:1])
        database = trace_index._connect(file)
        database.execute("INSERT INTO parts (turn, part, text) VALUES (1, 'text', 'old words')")
        database.commit()
        database.close()
    index = TraceIndex(file)
    assert index.is_empty()
    index.put([entry("a")])
    assert folders(index, "words") == "a"


def test_texts_that_an_older_version_cut_are_read_again(file, monkeypatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(trace_index, "STEPS", trace_index.STEPS[:2])
        TraceIndex(file).put([entry("a", "x" * (1 << 20), awaited=[ONE]), entry("b", "words", awaited=[ONE])])
    index = TraceIndex(file)
    assert set(index.known()) == {"b"}
    assert index.without_results(["turn_a", "turn_b"]) == {"turn_b": False}


def test_the_file_shrinks_with_what_is_removed(file) -> None:
    index = TraceIndex(file)
    names = [f"{n:04}" for n in range(200)]
    for some in (names[:100], names[100:]):
        index.put([entry(name, f"{name} some words " * 2000) for name in some])
    before = file.stat().st_size
    index.remove(names[:20])
    assert file.stat().st_size == before, "it is used again"
    index.remove(names[20:150])
    assert file.stat().st_size < before / 2
    assert len(index.known()) == 50
    assert not file.with_name(f"{FILE}-wal").exists()


def test_a_batch_is_put_as_a_whole_or_not_at_all(index) -> None:
    with pytest.raises(OSError, match="cannot be used"):
        index.put([entry("a"), entry("b", id=None)])
    assert folders(index) == ""


def test_pages_and_limits(index) -> None:
    index.put([entry(name) for name in "abcd"])
    assert [found.folder for found in index.turns(ALL, limit=2)] == ["d", "c"]
    assert [found.folder for found in index.turns(ALL, before=float(ord("c")))] == ["b", "a"]


def test_sessions_have_all_their_turns(index) -> None:
    index.put([entry("a", session="s"), entry("b"), entry("c", "wanted", session="s"), entry("d", session="t")])
    found = [[row["id"] for row in rows] for rows in index.sessions(ALL)]
    assert found == [["turn_d"], ["turn_a", "turn_c"], ["turn_b"]]
    assert [len(rows) for rows in index.sessions(parse("wanted", 0))] == [2]
    assert [len(rows) for rows in index.sessions(ALL, before=float(ord("d")), limit=1)] == [2]


def test_parts_that_hold_all_literals(index) -> None:
    index.put([entry("a", "one two"), entry("b", "ONE three"), entry("c", "two")])
    assert [part.folder for part in index.parts(ALL, ["one"])] == ["b", "a"]
    assert [part.folder for part in index.parts(ALL, ["one", "two"])] == ["a"]
    assert [part.folder for part in index.parts(parse("id:c", 0))] == ["c"]


def test_failures_by_kind(index) -> None:
    failed = {"failed": 1, "code": "empty"}
    index.put(
        [entry("a", **failed), entry("b", **failed), entry("c", failed=1, code="upstream_status", google="429 X")]
    )
    index.put([entry("d"), entry("e", failed=1)])
    assert index.failures(ALL) == [("empty", "", 2, "b"), ("upstream_status", "429 X", 1, "c")]
    assert index.failures(parse("code:429", 0)) == [("upstream_status", "429 X", 1, "c")]


def test_only_its_owner_reads_the_file(file) -> None:
    old = os.umask(0)
    try:
        TraceIndex(file).put([entry("a")])
        database = sqlite3.connect(file)
        database.execute("SELECT * FROM turns").fetchall()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
        database.close()
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o600}
    assert FILE in modes


def test_a_file_behind_a_link_is_not_touched(file, tmp_path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    file.symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic"):
        TraceIndex(file).put([entry("a")])
    assert (tmp_path / "mine").read_bytes() == b"mine"


def foreign(file: Path) -> None:
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE turns (mine)")
    database.execute("PRAGMA user_version = 99")
    database.close()


def garbage(file: Path) -> None:
    file.write_bytes(b"no database at all" * 1000)


@pytest.mark.parametrize("spoil", [foreign, garbage])
def test_what_is_no_index_is_set_aside(file, spoil) -> None:
    spoil(file)
    before = file.read_bytes()
    index = TraceIndex(file)
    index.put([entry("a")])
    assert folders(index) == "a"
    assert file.with_name(ASIDE).read_bytes() == before


def test_an_index_that_breaks_is_set_aside_when_that_is_seen(file) -> None:
    index = TraceIndex(file)
    index.put([entry(name, f"{name} words " * 2000) for name in "abcdefgh"])
    data = bytearray(file.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    file.write_bytes(data)
    with pytest.raises(OSError, match="cannot be used"):
        for _ in range(3):
            list(index.texts("a")), index.put([entry("i")])
    assert file.with_name(ASIDE).exists()
    index.put([entry("a")])
    assert folders(index) == "a"


def test_a_newer_index_is_left_alone(file) -> None:
    TraceIndex(file).put([entry("a")])
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(OSError, match="newer zerogravity"):
        TraceIndex(file).known()
    assert not file.with_name(ASIDE).exists()


def test_a_folder_that_is_missing_is_not_made(tmp_path) -> None:
    with pytest.raises(OSError, match="No such file"):
        TraceIndex(tmp_path / "no" / FILE).known()
    assert not (tmp_path / "no").exists()


def test_threads_share_it(index) -> None:
    threads = [threading.Thread(target=lambda name=name: index.put([entry(name)])) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders(index) == "fedcba"


WRITER = """
import sys
from pathlib import Path
from tests.store.test_trace_index import entry
from zerogravity.store.trace_index import TraceIndex
index = TraceIndex(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    index.put([entry(f"{sys.argv[2]}{number}", "words " * 500)])
    print(number, flush=True)
"""


def writer(file: Path, letter: str, count: int) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WRITER, str(file), letter, str(count)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once(file) -> None:
    started = [writer(file, letter, 20) for letter in "ab"]
    index = TraceIndex(file)
    assert [process.communicate(timeout=60)[0].split()[-1] for process in started] == ["19", "19"]
    assert len(index.turns(parse("words", 0))) == 40


def test_a_writer_that_is_killed_leaves_a_whole_file(file) -> None:
    process = writer(file, "a", 100_000)
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    process.kill()
    process.communicate(timeout=10)
    index = TraceIndex(file)
    known = index.known()
    assert len(known) >= 5
    assert len(index.turns(parse("words", 0))) == len(known)
    assert not file.with_name(ASIDE).exists()


def test_people_can_read_it(file) -> None:
    """The query in the README."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    sql = readme.partition('index.sqlite "')[2].partition('"')[0]
    assert sql.startswith("SELECT")
    TraceIndex(file).put([entry("a", client="codex", prompt_tokens=7), entry("b", client="codex", prompt_tokens=5)])
    database = sqlite3.connect(file)
    found = database.execute(sql).fetchall()
    database.close()
    assert found == [("codex", 2, 12, 0)]

"""Turns on disk: what a search finds, in which order, with which words around it."""

from __future__ import annotations

import re
import shutil
import time
from functools import partial
from pathlib import Path

import pytest

from tests.observe.recorded import record, result, turn_id, user
from tests.recording import WALL
from zerogravity.core.events import Failed, Finished, FunctionCall, TextDelta, ThinkingDelta
from zerogravity.core.turn import Target
from zerogravity.errors import FaultError, Termination, upstream
from zerogravity.observe.history import History, Page
from zerogravity.observe.sessions import Placement
from zerogravity.store.trace_index import FILE


@pytest.fixture
def three(tmp_path):
    """a: a question; b: calls a tool; c: failed."""
    record(tmp_path, "a", ThinkingDelta("let me think"), TextDelta("Paris is it"), client="codex", surface="chat",
           contents=[user("Capital of France?")])  # fmt: skip
    record(tmp_path, "b", FunctionCall("call_1", "f_sh", '{"cmd": "ls -la"}'), end=Finished("tool"), at=60,
           tool_names={"f_sh": "shell"}, contents=[user("List files")], conversation="conv-7")  # fmt: skip
    record(tmp_path, "c", end=Failed(upstream(502, "boom", "it broke", Termination.UPSTREAM_DROP)), at=120)
    return History(tmp_path)


def found(page):
    return "".join(row["id"][5] for row in page.rows)


def test_an_empty_folder_has_no_turns(tmp_path):
    history = History(tmp_path)
    assert history.search() == Page([], more=False)
    assert history.trace("turn_0") is None
    assert not (tmp_path / FILE).exists()


QUERIES = [
    ("", "cba"), ("france", "a"), ('"of france"', "a"), ("-france", "cb"), ("THINK", "a"), ("paris france", "a"),
    ("paris files", ""), ("ls", "b"), ("-la", "ca"), ('"ls -la"', "b"), ("broke", "c"), ("is:error", "c"),
    ("-is:error", "ba"),
    ("code:upstream_drop", "c"), ("code:TOOL", "b"), ("client:code", "a"), ("tool:shell", "b"), ("tool:sh", "b"),
    ("surface:chat", "a"), ("surface:cha", ""), ("conversation:conv", "b"), ("conversation:7", ""), ("id:bb", "b"),
    (f"id:{turn_id('a')}", "a"), ("model:gemini", "cba"), ("model:flash -model:pro", "cba"), ("session:x", ""),
    ("since:2020-01-01", "cba"), ("before:2020-01-01", ""), ("since:1h", ""), ("is:star", ""), ('"%"', ""), ("_", ""),
    ("ls%la", ""), ("fr_nce", ""),
]  # fmt: skip


@pytest.mark.parametrize(("query", "letters"), QUERIES)
def test_a_query_finds(three, query, letters):
    assert found(three.search(query)) == letters


@pytest.mark.parametrize(
    ("text", "query", "hit"),
    [("Привет, мир", "привет", True), ("ПРИВЕТ", "привет", True), ("Über", "über", True),
     ("日本語のテキスト", "本語", True),
     ("日本語", "中", False), ("naïve", "naive", False), ("a\0b nul", "nul", True), ("it's \"quoted\"", "it's", True)],
)  # fmt: skip
def test_words_of_every_script_are_found(tmp_path, text, query, hit):
    record(tmp_path, "a", TextDelta(text), contents=[user("?")])
    assert bool(History(tmp_path).search(query).rows) is hit


def called(root, name="a", **given):
    """A turn that calls a tool. Its client could name the call."""
    call = FunctionCall("call_1", "f_sh", "{}", None, "up_1")
    target = Target("gemini-3-flash", "M", family="gemini-3-flash")
    return record(root, name, call, end=Finished("tool"), surface="chat", target=target, **given)


ANSWER = {"role": "user", "parts": [{"functionResponse": {"id": "up_1", "name": "sh", "response": {}}}]}
NOW = WALL + 60


@pytest.mark.parametrize(
    ("later", "now", "state"),
    [
        ({}, NOW, "tool wait"),
        ({}, NOW + 900, "no result came"),
        ({"contents": [user("?"), ANSWER]}, NOW + 900, "done"),
        ({"contents": [user("?"), ANSWER], "placed": Placement("s", turn_id("a"), "", 1)}, NOW, "done"),
        ({"contents": [user("?"), user("!")], "placed": Placement("s", turn_id("a"), "", 1)}, NOW, "no result came"),
        ({"contents": [user("?")], "placed": Placement("s", turn_id("z"))}, NOW, "tool wait"),
    ],
)
def test_a_recorded_turn_says_that_no_result_came(tmp_path, monkeypatch, later, now, state):
    called(tmp_path, placed=Placement("s"))
    if later:
        record(tmp_path, "b", at=1, **later)
    monkeypatch.setattr(time, "time", lambda: now)
    history = History(tmp_path)
    row = history.search().rows[-1]
    assert (row["id"], row["code"], row["state"]) == (turn_id("a"), "tool", state)
    assert row["state_ms"] == (pytest.approx((now - WALL) * 1000, abs=1) if state != "done" else 0)
    assert history.row(history.trace(turn_id("a"))) == row


@pytest.mark.parametrize(
    "given", [{"surface": "gemini"}, {"target": Target("m", "M", family="gemini-2.5-flash")}, {"end": Finished("stop")}]
)
def test_nothing_is_awaited_where_no_result_could_be_told_from_another(tmp_path, given):
    call = FunctionCall("call_1", "f_sh", "{}")
    target = Target("gemini-3-flash", "M", family="gemini-3-flash")
    record(tmp_path, "a", call, **{"end": Finished("tool"), "surface": "chat", "target": target, **given})
    assert [row["state"] for row in History(tmp_path).search().rows] == ["done"]


def test_pages_follow_one_another(three):
    first = three.search(limit=2)
    assert (found(first), first.more) == ("cb", True)
    last = three.search(limit=2, before=first.rows[-1]["created"])
    assert (found(last), last.more) == ("a", False)


def test_two_turns_of_one_second_are_not_lost_between_pages(tmp_path):
    for number, name in enumerate("abc"):
        record(tmp_path, name, at=number / 1000)
    history, seen, before = History(tmp_path), "", None
    for _ in "abc":
        page = history.search(limit=1, before=before)
        seen, before = seen + found(page), page.rows[-1]["created"]
    assert (seen, page.more) == ("cba", False)


def test_a_row_says_where_the_words_stand(three):
    (row,) = three.search("files").rows
    assert row["snippet"] == {"part": "request", "text": "List files"}
    (row,) = three.search('"ls -la"').rows
    assert row["snippet"] == {"part": "call", "text": 'shell({"cmd": "ls -la"})'}
    assert "snippet" not in three.search("is:error").rows[0]


def test_a_long_text_is_cut_around_the_words(tmp_path):
    record(tmp_path, "a", TextDelta("before " * 100 + "\nneedle\n" + "after " * 100))
    (row,) = History(tmp_path).search("needle").rows
    text = row["snippet"]["text"]
    assert text.startswith("…")
    assert text.endswith("…")
    assert "before needle after" in text
    assert len(text) < 140


@pytest.mark.parametrize("before", ["", "before " * 200_000, "\u0130" * 70_000, "x" * 65_530])
def test_words_far_within_a_text_are_shown(tmp_path, before):
    record(tmp_path, "a", TextDelta(f"{before} The NEEDLE is here"))
    (row,) = History(tmp_path).search('"the needle"').rows
    assert "The NEEDLE is here" in row["snippet"]["text"]


def test_only_what_is_new_in_a_turn_is_searched(tmp_path):
    asked = [user("first words")]
    record(tmp_path, "a", TextDelta("an answer"), contents=asked)
    more = [*asked, {"role": "model", "parts": [{"text": "an answer"}]}, result("sh", {"output": "a\nresult"})]
    record(tmp_path, "b", contents=more, at=1, placed=Placement("s", turn_id("a"), "", 1))
    history = History(tmp_path)
    assert [found(history.search(words)) for words in ("first", "answer", "result")] == ["a", "a", "b"]
    assert history.search("result").rows[0]["snippet"] == {"part": "result", "text": "a result"}


def test_what_comes_changes_and_goes_is_noticed(three, tmp_path):
    assert found(three.search()) == "cba"
    record(tmp_path, "d", at=180)
    shutil.rmtree(three.trace(turn_id("b")).folder)
    assert found(three.search()) == "dca"
    assert three.trace(turn_id("b")) is None
    (three.trace(turn_id("a")).folder / "note.json").write_text('{"note": "keep this", "star": true}')
    assert found(three.search("is:star")) == "a"
    (row,) = three.search('"keep this"').rows
    assert (row["note"], row["star"], row["snippet"]["part"]) == ("keep this", True, "note")


def test_the_index_that_another_one_keeps_is_only_read(three, tmp_path):
    three.search()
    record(tmp_path, "d", at=180)
    assert found(History(tmp_path, fresh=True).search()) == "cba"


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda file: file.write_bytes(b""), lambda file: file.write_bytes(b"x" * 9000)]
)
def test_an_index_that_another_one_keeps_and_has_lost_is_made_again(three, tmp_path, spoil):
    three.search()
    spoil(tmp_path / FILE)
    assert found(History(tmp_path, fresh=True).search()) == "cba"


@pytest.mark.parametrize("query", ["colour:red", "since:whenever", "is:odd", "code:", "before:2026-13-40"])
def test_a_query_that_cannot_be_read_is_refused(three, query):
    grep = partial(three.grep, re.compile("x"))
    for ask in (three.search, three.traces, three.sessions, three.failures, grep):
        with pytest.raises(FaultError) as refused:
            ask(query)
        assert refused.value.fault.status == 400
        assert query.partition(":")[0] in refused.value.fault.message


def test_grep_finds_a_line_of_each_part(three):
    hits = [(hit.turn[5], hit.part, hit.line) for hit in three.grep(re.compile(r"(?i)france|th.nk|ls -l|broke"))]
    assert hits == [
        ("c", "failure", "boom: it broke"), ("b", "call", 'shell({"cmd": "ls -la"})'),
        ("a", "request", "Capital of France?"), ("a", "thinking", "let me think"),
    ]  # fmt: skip
    assert [hit.turn[5] for hit in three.grep(re.compile("Par[i]s"))] == ["a"]
    assert [hit.turn[5] for hit in three.grep(re.compile("."), "is:error")] == ["c", "c"]


def test_of_an_endless_match_the_beginning_is_shown(tmp_path):
    record(tmp_path, "a", TextDelta("y" * 100 + "x" * 5000))
    (hit,) = History(tmp_path).grep(re.compile("x+"))
    assert hit.line == "y" * 60 + "x" * 1060


def test_sessions_that_a_query_finds(tmp_path):
    for number, (name, session) in enumerate((("a", "s1"), ("b", "s2"), ("c", "s1"))):
        record(tmp_path, name, at=number, placed=Placement(session), client="codex")
    history = History(tmp_path)
    assert [(one["session"], one["turns"], one["client"]) for one in history.sessions()] == [
        ("s1", 2, "codex"), ("s2", 1, "codex"),
    ]  # fmt: skip
    assert [one["session"] for one in history.sessions('"question b"')] == ["s2"]
    assert [one["session"] for one in history.sessions(before=WALL + 1.5, limit=5)] == ["s2"]


def test_failures_are_counted(three):
    assert [(kind.code, kind.google, kind.times) for kind in three.failures()] == [("upstream_drop", "", 1)]


def test_a_folder_that_cannot_hold_an_index_is_searched_without_one(three, tmp_path):
    (tmp_path / FILE).mkdir()
    remarks = []
    history = History(tmp_path, remark=remarks.append)
    assert found(history.search("paris")) == "a"
    assert "every folder is read" in remarks[0]


@pytest.mark.parametrize("fresh", [False, True])
def test_what_hinders_an_index_may_pass(tmp_path, fresh):
    """An empty folder gets none, nor does one where something is in its place."""
    history = History(tmp_path, fresh=fresh)
    assert found(history.search()) == ""
    record(tmp_path, "a")
    (tmp_path / FILE).mkdir()
    assert found(history.search()) == "a"
    (tmp_path / FILE).rmdir()
    History(tmp_path).search()
    assert found(history.search()) == "a"
    assert (tmp_path / FILE).is_file()


def test_a_single_trace_and_copies_get_no_index(three, tmp_path):
    folder = three.trace(turn_id("a")).folder
    assert found(History(folder).search("france")) == "a"
    shutil.copytree(folder, tmp_path / "copies" / folder.name)
    assert found(History(tmp_path / "copies").search("france")) == "a"
    assert not list(tmp_path.rglob(f"*/{FILE}"))


def test_rebuilding_makes_the_index_again(three, tmp_path):
    three.search()
    assert three.rebuild() == 3
    assert found(three.search()) == "cba"
    assert three.search().rows[-1]["created"] == pytest.approx(WALL)

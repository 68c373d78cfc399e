"""Removing turns: by their ids, by a query, by age and size."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from tests.cli.printed import output
from zerogravity.cli import traces
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.store.trace_index import FILE


def left(run):
    return "".join(turn["id"][5] for turn in output(run("ls", "--json")))


def star(run, letter):
    folder = trace_reader.find(run.made.root, letter).folder
    trace_folders.write(folder / trace_folders.NOTE, b'{"note": "", "star": true}')


@pytest.mark.parametrize(
    ("chosen", "rest"),
    [(["a"], "cb"), (["a", "bbbb", "a"], "c"), (["last"], "ba"), (["code:tool"], "ca"), (["-is:error"], "c"),
     (['"of france"'], "cb"), (["code:tool", "is:error"], "cba")],
)  # fmt: skip
def test_rm(run, chosen, rest):
    run("rm", "--yes", *chosen)
    assert left(run) == rest


def test_rm_asks(run):
    asked = CliRunner().invoke(traces.trace, ["--dir", str(run.made.root), "rm", "is:error"], input="n\n")
    assert (asked.exit_code, asked.stdout) == (1, "")
    assert "Remove 1 turn from" in asked.stderr
    assert left(run) == "cba"
    CliRunner().invoke(traces.trace, ["--dir", str(run.made.root), "rm", "is:error"], input="y\n")
    assert left(run) == "ba"


def test_a_word_of_rm_is_an_id_and_never_a_query(run):
    assert run("rm", "--yes", "Paris", ok=False).exception.fault.code == "trace_not_found"
    assert run("rm", "--yes", "a", "dddd", ok=False).exception.fault.code == "trace_not_found"
    assert run("rm", "--yes", ok=False).exit_code == 2
    assert run("rm", "--yes", "colour:red", ok=False).exception.fault.status == 400
    assert left(run) == "cba"


def test_rm_keeps_stars_unless_they_are_named(run):
    star(run, "a")
    told = run("rm", "--yes", "since:2020-01-01").stderr
    assert "1 of them: starred, and kept" in told
    assert "2 turns removed" in told
    assert left(run) == "a"
    assert "nothing to remove" in run("rm", "--yes", "a").stderr
    run("rm", "--yes", "--stars", "a")
    assert left(run) == ""


def test_rm_keeps_a_turn_that_runs(run, make_turn, monkeypatch):
    made = run.made
    made.store.open(make_turn(id="turn_" + "d" * 32, created=int(made.now[0])))
    made.flush()
    monkeypatch.setattr("time.time", lambda: made.now[0] + 5)
    assert "1 of them: still running" in run("rm", "--yes", "d").stderr
    assert left(run) == "dcba"
    assert "1 turn removed" not in run("prune", "--keep-bytes", "0").stderr
    assert left(run) == "d"


def test_what_is_removed_is_nowhere_any_more(run):
    run("ls")
    run("rm", "--yes", "a")
    with closing(sqlite3.connect(run.made.root / FILE)) as database:
        assert database.execute("SELECT count(*) FROM parts WHERE text LIKE '%Paris%'").fetchone() == (0,)
    assert b"Paris" not in b"".join(path.read_bytes() for path in run.made.root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("options", "rest"),
    [(["--keep-bytes", "1GB"], "cba"), (["--keep-bytes", "0"], ""), (["--older-than", "1d"], "b"),
     (["--older-than", "9999w", "--keep-bytes", "2GiB"], "cba"), ([], "b")],
)  # fmt: skip
def test_prune_keeps_what_is_starred_unless_that_is_too_large(run, home, options, rest):
    star(run, "b")
    told = run("prune", *options).stderr
    assert left(run) == rest
    assert told.startswith(f"{3 - len(rest)} turn")
    assert "MB are left" in told


@pytest.mark.parametrize("option", [["--keep-bytes", "much"], ["--older-than", "soon"], ["--keep-bytes", "-1"]])
def test_prune_says_what_it_cannot_read(run, option):
    refused = run("prune", *option, ok=False)
    assert refused.exit_code == 2
    assert option[0] in refused.stderr
    assert left(run) == "cba"


def test_a_note_that_cannot_be_read_is_no_star(run):
    folder = trace_reader.find(run.made.root, "a").folder
    for text in ("[1", json.dumps({"star": "yes"}), "[]"):
        (folder / trace_folders.NOTE).write_text(text)
        assert not trace_reader.load(folder).starred
        assert output(run("ls", "is:star", "--json")) == []

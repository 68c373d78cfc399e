"""Notes from the command line."""

from __future__ import annotations

import json

import pytest

from zerogravity.observe import notes, trace_reader
from zerogravity.observe.notes import LONGEST, Note


def kept(run, letter):
    return notes.read(trace_reader.find(run.made.root, letter).folder)


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        (["a", "odd one"], Note("odd one")),
        (["a", "--star"], Note("", star=True)),
        (["a", "odd one", "--star"], Note("odd one", star=True)),
        (["last", "the failed one"], Note()),
    ],
)
def test_a_note_is_written(run, arguments, after):
    run("note", *arguments)
    assert kept(run, "a") == after


def test_what_is_not_given_stays(run):
    run("note", "a", "odd", "--star")
    run("note", "a", "--no-star")
    assert kept(run, "a") == Note("odd")
    run("note", "a", "")
    assert kept(run, "a") == Note()


def test_without_text_it_shows_what_was_noted(run):
    assert run("note", "a").stderr == "aaaaaaaa has neither note nor star\n"
    assert run("note", "a", "odd", "--star").stdout == "★ odd\n"
    assert run("note", "a").stdout == "★ odd\n"
    assert json.loads(run("note", "a", "--json").stdout) == {"id": "turn_" + "a" * 32, "note": "odd", "star": True}


def test_a_note_that_is_too_long_is_refused(run):
    assert run("note", "a", "x" * (LONGEST + 1), ok=False).exception.fault.param == "note"
    assert kept(run, "a") == Note()
    assert run("note", "dddd", "x", ok=False).exception.fault.code == "trace_not_found"


def test_list_and_turn_show_it(run):
    before = run("ls").stdout
    assert "★" not in before
    run("note", "a", "odd\x1b[31m one", "--star")
    assert [("★" in line) for line in run("ls").stdout.splitlines()] == [False, False, False, True]
    shown = run("show", "a").stdout
    assert "★ odd\\x1b[31m one" in shown
    (last,) = [row for row in json.loads(run("ls", "--json").stdout) if row.get("star")]
    assert last["note"] == "odd\x1b[31m one"


def test_a_note_that_a_terminal_would_obey_is_shown_not_done(run):
    assert run("note", "a", "\x1b[2Jodd").stdout == "\\x1b[2Jodd\n"

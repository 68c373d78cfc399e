"""Searching traces by a regular expression, and the index that makes it quick."""

from __future__ import annotations

import sqlite3

import pytest

from tests.cli.printed import output
from zerogravity.store.trace_index import FILE


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("France", [("a", "request")]), ("let me", [("a", "thinking")]), ("Par.s", [("a", "text")]),
        ("ls -la", [("b", "call")]), ("it broke", [("c", "failure")]),
    ],
)  # fmt: skip
def test_grep(run, pattern, found):
    hits = output(run("grep", pattern, "--json"))
    assert [(hit["turn"][5], place) for hit in hits for place, _ in hit["places"]] == found


def test_grep_for_people(run):
    assert run("grep", "paris", "-i").stdout.startswith("aaaaaaaa  text       Paris")
    missed = run("grep", "paris", ok=False)
    assert (missed.exit_code, missed.stdout) == (1, "")
    assert len(output(run("grep", ".", "-n", "2", "--json"))) == 2
    assert run("grep", "(", ok=False).exit_code == 2


def test_grep_in_the_turns_that_a_query_finds(run):
    assert {hit["turn"][5] for hit in output(run("grep", "[a-z]", "--json"))} == {"a", "b", "c"}
    assert {hit["turn"][5] for hit in output(run("grep", "[a-z]", "is:error", "--json"))} == {"c"}
    assert {hit["turn"][5] for hit in output(run("grep", "[a-z]", "-is:error", "--json"))} == {"a", "b"}
    assert run("grep", "a", "colour:red", ok=False).exception.fault.status == 400


def test_the_index_can_be_made_again(run):
    run("ls")
    database = sqlite3.connect(run.made.root / FILE)
    with database:
        database.execute("UPDATE parts SET text = 'wrong'")
    database.close()
    assert run("grep", "Paris", ok=False).exit_code == 1
    assert "3 turns in" in run("index").stderr
    assert run("grep", "Paris").exit_code == 0

"""Where the traces are."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zerogravity.cli import traces
from zerogravity.cli.trace_root import query_of


def test_the_configured_folder_is_used(run, monkeypatch):
    monkeypatch.setenv("ZEROGRAVITY_TRACE_DIR", str(run.made.root))
    result = CliRunner().invoke(traces.trace, ["ls", "--json"])
    assert len(json.loads(result.stdout)) == 3


@pytest.mark.parametrize(
    "verb", ["ls", "show", "errors", "grep", "tail", "rm", "prune", "index", "export", "bundle", "diff"]
)
def test_a_folder_may_be_named_before_the_verb_or_behind_it(run, verb, tmp_path):
    assert "--dir" in CliRunner().invoke(traces.trace, [verb, "--help"]).stdout
    for arguments in (["--dir", str(tmp_path / "no"), verb], [verb, "--dir", str(tmp_path / "no")]):
        refused = CliRunner().invoke(traces.trace, arguments)
        assert refused.exit_code == 2
        assert "does not exist" in refused.stderr


def test_the_folder_behind_the_verb_counts(run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(
        traces.trace, ["--dir", str(tmp_path / "empty"), "ls", "--json", "--dir", str(run.made.root)]
    )
    assert len(json.loads(result.stdout)) == 3


@pytest.mark.parametrize(
    ("words", "fields", "query"),
    [((), {}, ""), (("a", "code:b"), {}, "a code:b"), (("a",), {"code": "b c", "model": None}, 'a code:"b c"')],
)
def test_the_query_of_a_command_line(words, fields, query):
    assert query_of(words, **fields) == query

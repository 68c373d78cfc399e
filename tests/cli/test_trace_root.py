"""Where the traces are."""

from __future__ import annotations

import json

from click.testing import CliRunner

from zerogravity.cli import traces


def test_the_configured_folder_is_used(run, monkeypatch):
    monkeypatch.setenv("ZEROGRAVITY_TRACE_DIR", str(run.made.root))
    result = CliRunner().invoke(traces.trace, ["ls", "--json"])
    assert len(json.loads(result.stdout)) == 3

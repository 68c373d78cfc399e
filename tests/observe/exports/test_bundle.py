"""A zip for a bug report."""

from __future__ import annotations

import io
import json
import zipfile

from zerogravity.observe.exports.bundle import write
from zerogravity.surfaces import REGISTRY


def test_a_bundle_holds_every_file_and_no_path_of_this_machine(traces):
    with zipfile.ZipFile(io.BytesIO(write(traces, REGISTRY))) as archive:
        names = archive.namelist()
        about = json.loads(archive.read("about.json"))
        assert about["turns"] == [trace.id for trace in traces]
        assert sum(name.endswith("/turn.json") for name in names) == len(traces)
        assert not any(name.startswith("/") or ".." in name for name in names)
        assert archive.read(f"2026-02-02/{traces[0].folder.name}/upstream.sse") == traces[0].upstream
    assert write(traces, REGISTRY) == write(traces, REGISTRY)

"""What is written from traces."""

from __future__ import annotations

import json
import zipfile

import pytest


@pytest.mark.parametrize("form", ["har", "jsonl", "otel", "html"])
def test_export(run, form, tmp_path):
    printed = run("export", "a", "--format", form).stdout_bytes
    target = tmp_path / "out"
    run("export", "a", "--format", form, "-o", str(target))
    assert target.read_bytes() == printed
    assert b"a" * 32 in printed
    assert b"b" * 32 not in printed
    assert target.stat().st_mode & 0o777 == 0o600


def test_export_all(run):
    printed = run("export", "--all", "--format", "jsonl").stdout
    assert [json.loads(line)["id"][5] for line in printed.splitlines() if '"kind":"turn"' in line] == ["a", "b", "c"]


def test_bundle(run, tmp_path):
    target = tmp_path / "report.zip"
    run("bundle", "a", "c", "-o", str(target))
    with zipfile.ZipFile(target) as archive:
        assert len([name for name in archive.namelist() if name.endswith("turn.json")]) == 2


def test_bundle_has_a_name_by_itself(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("bundle", "b")
    assert (tmp_path / "zerogravity-bbbbbbbb.zip").exists()

"""Runtimes that run, and what is told of the one that is installed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.waiting import until
from zerogravity.backends.runtime import discover
from zerogravity.backends.runtime.discover import Running, as_json, describe
from zerogravity.backends.runtime.folders import PREFIX
from zerogravity.backends.runtime.settings import Settings, Vertex

KEY = "AIzaSy-invented-key-of-a-test-0123456789"
PROGRAM = Path("/somewhere/localharness")
BY_KEY = Settings(PROGRAM, KEY, key_from="GEMINI_API_KEY")
OTHERS = [Running(7, "zerogravity (pid 5)", ours=True), Running(8, "python3 (pid 6)", ours=False)]


@pytest.mark.parametrize(("folder", "ours"), [(f"{PREFIX}1-abc", True), ("elsewhere", False)])
async def test_the_running_ones(tmp_path: Path, folder: str, ours: bool) -> None:
    where = tmp_path / folder
    where.mkdir()
    script = "exec -a /opt/localharness sleep 60"
    process = await asyncio.create_subprocess_exec("bash", "-c", script, cwd=where)
    try:
        await until(lambda: process.pid in [one.pid for one in discover.running()])
        (found,) = [one for one in discover.running() if one.pid == process.pid]
        assert found.ours is ours
        assert found.parent.endswith(f"(pid {os.getpid()})")
    finally:
        process.kill()
        await process.wait()


def test_other_programs_are_none() -> None:
    assert os.getpid() not in [one.pid for one in discover.running()]


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (BY_KEY, ["login    API key of GEMINI_API_KEY", "the Gemini API, https://generativelanguage.googleapis.com"]),
        (Settings(PROGRAM, KEY, Vertex(), key_from="runtime_key"),
         ["login    API key of runtime_key", "Vertex AI, https://aiplatform.googleapis.com"]),
        (Settings(PROGRAM, "", Vertex("p", "europe-west4", Path("/adc.json"))),
         ["login    file /adc.json", "project p, location europe-west4, https://europe-west4-aiplatform"]),
        (Settings(PROGRAM, "", Vertex("p", "europe-west4")), ["login    this machine's own"]),
        (Settings(PROGRAM), ["login    none", "missing  the runtime has no API key. Set GEMINI_API_KEY"]),
        (Settings(), ["runtime  none", "is not installed. Run in the checkout: pip install", "Set GEMINI_API_KEY"]),
    ],
)  # fmt: skip
def test_what_is_told(settings: Settings, lines: list[str]) -> None:
    told = "\n".join(describe(settings, []))
    for line in lines:
        assert line in told
    assert KEY not in told
    assert KEY not in repr(as_json(settings, []))


def test_the_running_ones_are_told() -> None:
    ours, other = [line for line in describe(BY_KEY, OTHERS) if "runs" in line]
    assert ours == "  runs     pid 7, started by zerogravity (pid 5), ours"
    assert other.startswith(
        "  runs     pid 8, started by python3 (pid 6): to see its calls: zerogravity serve --passive"
    )


def test_for_a_program() -> None:
    told = as_json(BY_KEY, OTHERS)
    assert (told["path"], told["version"], told["key_from"]) == (str(PROGRAM), None, "GEMINI_API_KEY")
    assert (told["vertex"], told["missing"]) == (None, [])
    assert told["running"] == [
        {"pid": 7, "parent": "zerogravity (pid 5)", "ours": True},
        {"pid": 8, "parent": "python3 (pid 6)", "ours": False},
    ]
    nothing = as_json(Settings(), [])
    assert (nothing["path"], nothing["version"], nothing["key_from"]) == (None, None, None)


def test_the_version_is_that_of_its_package(tmp_path: Path) -> None:
    binary = tmp_path / "google" / "antigravity" / "bin" / "localharness"
    assert discover.version_of(binary) == ""
    (info := tmp_path / "google_antigravity-0.1.22.dist-info").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: google-antigravity\nVersion: 0.1.22\n")
    assert discover.version_of(binary) == "0.1.22"
    assert discover.program(Settings(binary)) == f"{binary} (google-antigravity 0.1.22)"
    assert discover.version_of(Path("localharness")) == ""

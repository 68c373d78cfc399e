"""The file of re-pointed language servers: who is in it, for how long, and who may replace whom."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from zerogravity.backends.antigravity.repointed import Repointed, RepointedFile, is_running, own

ME, STARTED = own()
ENTRY = Repointed(ME, STARTED, "https://127.0.0.1:1", "https://a.example", "http://127.0.0.1:8742", ME, STARTED)
ENDED = {"by": ME, "by_started": STARTED - 1000}  # a process that had our pid


@pytest.fixture
def file(tmp_path: Path) -> RepointedFile:
    return RepointedFile(tmp_path / "data" / "repointed.json")


@pytest.fixture
async def other() -> AsyncIterator[tuple[int, float]]:
    """Another process."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    yield process.pid, psutil.Process(process.pid).create_time()
    process.kill()
    await process.communicate()


def test_nothing_is_written_before_there_is_an_entry(file: RepointedFile) -> None:
    assert file.entries() == []
    assert not file.path.parent.exists()


def test_an_entry_from_claim_to_drop(file: RepointedFile) -> None:
    assert file.claim(ENTRY) is None
    assert file.entries() == [ENTRY]
    assert file.path.stat().st_mode & 0o777 == 0o600
    changed = replace(ENTRY, to="http://127.0.0.1:9")
    assert file.claim(changed) is None
    assert file.entries() == [changed]
    file.drop(changed)
    assert file.entries() == []


async def test_one_server_is_one_process_s(file: RepointedFile, other: tuple[int, float]) -> None:
    pid, started = other
    theirs = replace(ENTRY, by=pid, by_started=started)
    assert file.claim(theirs) is None
    assert file.claim(ENTRY) == theirs
    file.drop(ENTRY)  # which is not there
    assert file.entries() == [theirs]
    elsewhere = replace(ENTRY, pid=pid, started=started)
    assert file.claim(elsewhere) is None
    assert file.entries() == [theirs, elsewhere]


async def test_what_a_process_that_was_killed_has_left_may_be_replaced(
    file: RepointedFile, other: tuple[int, float]
) -> None:
    left = replace(ENTRY, by=other[0], by_started=other[1] - 1000)
    file.claim(left)
    assert file.entries() == [left]
    assert not left.held
    assert file.claim(ENTRY) is None
    assert file.entries() == [ENTRY]


def test_a_server_that_has_ended_is_forgotten(file: RepointedFile) -> None:
    file.claim(replace(ENTRY, started=STARTED - 1000))
    assert file.entries() == []


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("{", 0), ("{}", 0), ("[7, {}]", 0), ('[{"pid": "x", "started": {}}]', 0),
     ('[{"pid": 18446744073709551615}]', 0), (f'[{{"pid": {ME}, "started": {STARTED}, "more": 1}}]', 1)],
    ids=range(7),
)  # fmt: skip
def test_a_file_of_another_form(file: RepointedFile, text: str, count: int) -> None:
    file.path.parent.mkdir()
    file.path.write_text(text)
    assert len(file.entries()) == count
    assert file.claim(ENTRY) is None
    assert ENTRY in file.entries()


def test_a_shorter_file_has_no_rest_of_the_longer_one(file: RepointedFile) -> None:
    file.claim(replace(ENTRY, former="https://a.very.long.example/" + "x" * 200))
    file.claim(ENTRY)
    assert json.loads(file.path.read_bytes())[0]["former"] == ENTRY.former


@pytest.mark.parametrize(
    ("pid", "started", "runs"),
    [(ME, STARTED, True), (ME, STARTED - 1000, False), (0, STARTED, False)],
    ids=["this one", "one before", "none"],
)
def test_a_process_is_known_by_its_start_too(pid: int, started: float, runs: bool) -> None:
    assert is_running(pid, started) is runs


def test_a_zombie_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time()
        assert is_running(process.pid, started)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(process.pid, started)

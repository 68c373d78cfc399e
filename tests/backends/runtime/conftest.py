"""The runtime's stand-in as a program that a test tells how to behave, in a temporary folder of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from tests.waiting import until
from zerogravity.backends.runtime.folders import PREFIX
from zerogravity.backends.runtime.settings import Settings

KEY = "AIzaSy-invented-key-of-a-test-0123456789"
STAND_IN = Path(__file__).with_name("localharness.py")


class Program:
    """``behave(…)`` from its next start on; ``starts``: what each start has noted."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.path = folder / "localharness"
        self.path.write_text(f"#!{sys.executable} -SE\n{STAND_IN.read_text()}")
        self.path.chmod(0o700)
        self.settings = Settings(self.path, KEY)
        self.behave()

    def behave(self, **behaviour: Any) -> None:
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))

    @property
    def starts(self) -> list[dict[str, Any]]:
        return self._notes("starts.jsonl")

    @property
    def heard(self) -> list[Any]:
        """What it was told over its sockets; ``goodbye`` and ``gone``: how each ended."""
        return self._notes("heard.jsonl")

    @property
    def pids(self) -> list[int]:
        return [pid for start in self.starts for pid in (start["pid"], start["child"]) if pid is not None]

    def _notes(self, name: str) -> list[Any]:
        file = self.folder / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def alive(pids: Iterable[int]) -> list[int]:
    """Those that run; a dead one that nobody has collected does not."""
    found: list[int] = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            pass
    return found


def folders() -> list[Path]:
    """Those of runtimes."""
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runtimes' folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest_asyncio.fixture
async def program(tmp_path: Path, own_temporary_folder: Path) -> AsyncIterator[Program]:
    """At the end no process of it is left, no folder, no task."""
    made = Program(tmp_path / "program")
    yield made
    await nothing_left(made)
    shutil.rmtree(made.folder)


async def nothing_left(program: Program) -> None:
    await until(lambda: not alive(program.pids))
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    assert folders() == []

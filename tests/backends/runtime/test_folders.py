"""The runtime's folders, and those that killed gateways have left."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path

import pytest

from zerogravity.backends.runtime import folders
from zerogravity.backends.runtime.folders import NEW_S, PREFIX, Folder, sweep

HOLDER = """
import sys, tempfile
from zerogravity.backends.runtime.folders import Folder
made = Folder()
print(made.path, flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.usefixtures("own_temporary_folder")


def aged(folder: Path) -> Path:
    old = time.time() - NEW_S - 1
    os.utime(folder, (old, old))
    return folder


def test_only_this_user_reads_it_and_nothing_of_it_stays() -> None:
    made = Folder()
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700
    assert made.path.parent == Path(tempfile.gettempdir())
    (made.path / "a" / "b").mkdir(parents=True)
    made.remove()
    assert not made.path.exists()
    made.remove()


def test_a_folder_that_is_in_use_stays() -> None:
    made = Folder()
    aged(made.path)
    sweep()
    assert made.path.exists()
    made.remove()


def test_what_is_left_is_removed() -> None:
    left = Path(tempfile.mkdtemp(prefix=PREFIX))
    (left / "app").mkdir()
    aged(left)
    sweep()
    assert not left.exists()


def test_one_that_has_just_been_made_may_be_locked_in_a_moment() -> None:
    left = Path(tempfile.mkdtemp(prefix=PREFIX))
    sweep()
    assert left.exists()


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    aged(kept)
    temporary = Path(tempfile.gettempdir())
    link, file, other = temporary / f"{PREFIX}link", temporary / f"{PREFIX}file", temporary / "zerogravity-other"
    link.symlink_to(kept)
    file.touch()
    other.mkdir()
    for one in (file, other):
        aged(one)
    sweep()
    assert all(one.exists() for one in (kept, link, file, other))


def test_somebody_elses_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    left = aged(Path(tempfile.mkdtemp(prefix=PREFIX)))
    monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
    sweep()
    assert left.exists()


def test_where_nothing_can_be_locked_it_works_and_nothing_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(folders.fcntl, "flock", refuses)
    made = Folder()
    aged(made.path)
    sweep()
    assert made.path.exists()
    made.remove()
    assert not made.path.exists()


async def test_that_of_a_killed_gateway_is_removed() -> None:
    """Whoever has its process id by then."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"TMPDIR": tempfile.gettempdir()},
    )  # fmt: skip
    assert holder.stdout is not None
    left = Path((await holder.stdout.readline()).decode().strip())
    aged(left)
    sweep()
    assert left.exists()
    holder.kill()
    await holder.communicate()
    sweep()
    assert not left.exists()


def test_it_can_be_removed_when_it_has_gone() -> None:
    made = Folder()
    shutil.rmtree(made.path)
    made.remove()

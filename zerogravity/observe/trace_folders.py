"""The folders of traces: ``<date>/<time>-<short id>/``, folders 0700, files 0600, within a budget. Names are made of
our own ids and clock only (threat T18); the time has milliseconds, so that names sort in the order of the turns.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from zerogravity import ids
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, members

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_FOLDER = re.compile(r"\d{6}(?:\d{3})?-[0-9a-z]{8,64}")
SHORT = 8
SUMMARY = "turn.json"  # without it a folder holds no trace, or not yet
NEW_S = 60.0  # so long a folder may wait for its summary
NOTE = "note.json"  # the owner's note and star


def short(turn_id: str) -> str:
    """The part of an id that people type."""
    return turn_id.rpartition("_")[2][:SHORT]


def begin(root: Path) -> bool:
    """Make the folder of all traces. True: there was none. Raises OSError."""
    if root.is_dir():
        return False
    root.mkdir(parents=True, mode=0o700)
    root.chmod(0o700)
    return True


def create(root: Path, turn_id: str, wall_s: float) -> Path:
    """Make the folder of a turn. Raises OSError, and ValueError for an id that is not one of ours."""
    if not ids.valid(turn_id, "turn"):
        raise ValueError(f"not the id of a turn: {turn_id!r}")
    when = datetime.fromtimestamp(wall_s, UTC)
    begin(root)
    day = root / when.date().isoformat()
    _private(day)
    clock = f"{when.hour:02}{when.minute:02}{when.second:02}{when.microsecond // 1000:03}"
    for name in (short(turn_id), turn_id.rpartition("_")[2]):
        folder = day / f"{clock}-{name}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        folder.chmod(0o700)
        return folder
    raise FileExistsError(f"there is already a trace of {turn_id}")


def _private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    folder.chmod(0o700)


def private_opener(path: str, flags: int) -> int:
    """For ``open``: 0600 whatever the umask, and never through a link."""
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(opened, 0o600)
    return opened


def append(path: str | Path, data: bytes) -> None:
    """At the end of a file, which is made if there is none."""
    _put(path, os.O_APPEND, data)


def put(path: str | Path, data: bytes) -> None:
    """A whole file, where nobody reads it yet: in a folder that has no summary."""
    _put(path, os.O_TRUNC, data)


def write(path: str | Path, data: bytes) -> None:
    """The whole file at once: a reader sees the old one or the new one."""
    temporary = Path(f"{path}.tmp")
    try:
        _put(temporary, os.O_TRUNC, data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _put(path: str | Path, how: int, data: bytes) -> None:
    file = private_opener(str(path), os.O_WRONLY | os.O_CREAT | how)
    try:
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


def body_name(name: str, attempt_no: int) -> str:
    """The file of a request: ``upstream_request.call1.original.json``."""
    kind, dot, rest = name.partition(".")
    return f"{kind}{f'.call{attempt_no}' if attempt_no else ''}{dot}{rest}.json"


def newest_first(root: Path) -> Iterator[Path]:
    """All trace folders. An absent root has none."""
    for day in _folders(root, _DATE):
        yield from _folders(day, _FOLDER)


def undated(root: Path) -> Iterator[Path]:
    """Trace folders directly below ``root``: a cassette of copies."""
    yield from _folders(root, _FOLDER)


def changes(root: Path) -> Iterator[tuple[str, int]]:
    """(path below ``root``, time of change in ns) of each trace's folder, newest first, then the undated ones. A folder
    changes when a file comes, goes or is replaced, not when one grows."""
    for day in _entries(str(root), _DATE):
        for entry in _entries(day.path, _FOLDER):
            yield from _change(f"{day.name}/{entry.name}", entry)
    for entry in _entries(str(root), _FOLDER):
        yield from _change(entry.name, entry)


def _change(name: str, entry: os.DirEntry[str]) -> Iterator[tuple[str, int]]:
    try:
        yield name, entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:  # it has just been removed
        return


def _folders(parent: Path, pattern: re.Pattern[str]) -> list[Path]:
    return [parent / entry.name for entry in _entries(str(parent), pattern)]


def _entries(parent: str, pattern: re.Pattern[str]) -> list[os.DirEntry[str]]:
    """Folders with such names, the last name first."""
    try:
        with os.scandir(parent) as entries:
            found = [e for e in entries if pattern.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda entry: entry.name, reverse=True)


def size(folder: Path) -> int:
    """Bytes of the files in a folder, without those in folders of its own."""
    return sum(_sizes(folder).values())


def _sizes(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
            return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in files}
    except OSError:
        return {}


def sweep(
    root: Path,
    *,
    max_bytes: int,
    max_age_s: float,
    now_s: float,
    keep: Collection[Path] = (),
    on_removed: Callable[[Path], None] = lambda _: None,
) -> int:
    """Remove old traces until age and size are within bounds, and folders that never became one, as on a full disk. A
    starred one is kept whatever its age, and goes only when the starred ones alone are too large. Files beside the
    traces, as their index, take their part of the bytes, but never more than half: what is removed shrinks the index
    only later. Returns the bytes that remain."""
    held = beside = min(size(root), max_bytes // 2)
    full = False
    sizes = {folder: _sizes(folder) for folder in newest_first(root)}
    starred = {folder for folder, files in sizes.items() if NOTE in files and note(folder).get("star") is True}
    for folder in sorted(sizes, key=lambda folder: folder not in starred):  # which leaves each kind newest first
        taken = sum(sizes[folder].values())
        full = full or held + taken > max_bytes
        age = now_s - started(folder)
        old = (age > max_age_s and folder not in starred) or (age > NEW_S and SUMMARY not in sizes[folder])
        if folder in keep or not (full or old):
            held += taken
            continue
        remove(folder)
        on_removed(folder)
    return held - beside + size(root)


def remove(folder: Path) -> None:
    """Remove a trace, and its day if that is empty then."""
    shutil.rmtree(folder, ignore_errors=True)
    if _DATE.fullmatch(folder.parent.name):
        with suppress(OSError):
            folder.parent.rmdir()


def note(folder: Path) -> Json:
    """The members of ``note.json``; none where there is nothing that can be read."""
    try:
        return members(jsonio.loads((folder / NOTE).read_bytes()))
    except (OSError, ValueError):
        return {}


def started(folder: Path) -> float:
    """When the turn of this folder began, in seconds of the wall clock."""
    text = f"{folder.parent.name} {folder.name.partition('-')[0]:0<9}"  # older folders have no milliseconds
    try:
        return datetime.strptime(text, "%Y-%m-%d %H%M%S%f").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0

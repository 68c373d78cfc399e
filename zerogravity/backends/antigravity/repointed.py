"""``RepointedFile``: which language servers we have re-pointed, in a small file of the data folder (0600). What a
process of ours that was killed could not put back, the next one can; and two of them do not take a server from each
other.

An entry belongs to one language server and one process of ours, each known by its pid and its start: a pid alone may
have been given to another process since.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from zerogravity.wire import jsonio, narrow

logger = logging.getLogger("zerogravity.language_server")
FILE = "repointed.json"  # in the data folder
SAME_S = 10.0  # start times are counted from the start of the machine, which the system's clock moves a little
MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Repointed:
    """A language server that answers at ``url`` and called Google at ``former``, until the process ``by`` of ours made
    it call ``to``."""

    pid: int
    started: float
    url: str
    former: str
    to: str
    by: int
    by_started: float

    @property
    def runs(self) -> bool:
        """Whether the language server still runs: another one in its place has the URL of its own command line."""
        return is_running(self.pid, self.started)

    @property
    def held(self) -> bool:
        """Whether the process that has re-pointed it still runs, and will put it back."""
        return is_running(self.by, self.by_started)


class RepointedFile:
    """Every method raises OSError where the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Repointed]:
        """Those of language servers that still run."""
        if not self.path.exists():
            return []
        with self._opened() as opened:
            return [entry for entry in self._read(opened) if entry.runs]

    def claim(self, entry: Repointed) -> Repointed | None:
        """Enter it, in place of any other entry of that language server. Another one whose process still runs is
        returned instead, and stays."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._opened() as opened:
            others: list[Repointed] = []
            for other in self._read(opened):
                if not _same_server(other, entry):
                    others.append(other)
                elif other.by != entry.by and other.held:
                    return other
            self._write(opened, [*others, entry])
        return None

    def drop(self, entry: Repointed) -> None:
        """It has its former URL again, or has ended."""
        with self._opened() as opened:
            kept = [other for other in self._read(opened) if not _same_server(other, entry) or other.by != entry.by]
            self._write(opened, kept)

    @contextmanager
    def _opened(self) -> Generator[int]:
        """The file, ours alone for one block: it is changed in place, since a lock is one of a file and not of a
        name."""
        opened = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield opened
        finally:
            os.close(opened)

    def _read(self, opened: int) -> list[Repointed]:
        data = os.pread(opened, MOST, 0)
        try:
            return [_entry(one) for one in narrow.objects(jsonio.loads(data))] if data else []
        except ValueError:
            logger.warning("%s is damaged: a language server may still be re-pointed; restart the editor", self.path)
            return []

    def _write(self, opened: int, entries: list[Repointed]) -> None:
        data = jsonio.dumps([asdict(entry) for entry in entries if entry.runs])
        os.pwrite(opened, data, 0)
        os.ftruncate(opened, len(data))


def is_running(pid: int, started: float) -> bool:
    """Whether that very process runs."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < SAME_S and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def own() -> tuple[int, float]:
    """This process, as the ``by`` and ``by_started`` of an entry."""
    return os.getpid(), psutil.Process().create_time()


def _same_server(one: Repointed, other: Repointed) -> bool:
    return one.pid == other.pid and abs(one.started - other.started) < SAME_S


def _entry(value: dict[str, object]) -> Repointed:
    """One of another form is nobody's: no process has the pid 0."""
    pid, by = narrow.count(value.get("pid")), narrow.count(value.get("by"))
    started, by_started = narrow.number(value.get("started")), narrow.number(value.get("by_started"))
    url, former, to = (narrow.text(value.get(name)) for name in ("url", "former", "to"))
    return Repointed(pid, started or 0.0, url, former, to, by, by_started or 0.0)

"""The log as ``serve`` prints it: lines with local time for people, or JSON objects with UTC for machines. One thread
writes, behind a bounded queue: a terminal that is slow, held or closed holds up nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal, Protocol

from zerogravity.observe import moments
from zerogravity.observe.printable import printable
from zerogravity.wire import jsonio
from zerogravity.worker import BackgroundWorker

Form = Literal["text", "json"]
LAST_S = 2.0  # for what is still to be written at the end
STYLES = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
OURS = "zerogravity"
_formatter = logging.Formatter()


class Stream(Protocol):
    def isatty(self) -> bool: ...
    def fileno(self) -> int: ...


def takes_colour(stream: Stream) -> bool:
    """A terminal that has some, unless ``NO_COLOR`` is set (no-color.org); anything where ``FORCE_COLOR`` is."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def styled(words: str, style: str, colour: bool) -> str:
    return f"\x1b[{STYLES[style]}m{words}\x1b[0m" if colour and style else words


@contextmanager
def printed(stream: Stream, form: Form, *, quiet: bool = False) -> Generator[None]:
    """The log goes to ``stream`` meanwhile: ours from INFO on, other libraries' from WARNING on. ``quiet``: warnings
    only. Requests are not in it: those that matter become turns."""
    handler = LogOutput(lambda data: _write(stream.fileno(), data), form, colour=takes_colour(stream))
    levels = {OURS: logging.WARNING if quiet else logging.INFO, "zerogravity.access": logging.WARNING}
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _write(file: int, data: bytes) -> None:
    """Past ``sys.stdout``, whose lock a thread that hangs here would hold until the process has ended."""
    while data:
        data = data[os.write(file, data) :]


class LogOutput(logging.Handler):
    """``write`` is called by the thread, with whole lines. Raises OSError: nobody reads."""

    def __init__(self, write: Callable[[bytes], object], form: Form, *, colour: bool = False) -> None:
        super().__init__()
        self._write = write
        self._form = form
        self._colour = colour
        self.worker: BackgroundWorker[logging.LogRecord] = BackgroundWorker("log", self._print)
        self.worker.start()

    def filter(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        ours = record.name == OURS or record.name.startswith(f"{OURS}.")
        return super().filter(record) if ours or record.levelno >= logging.WARNING else False

    def emit(self, record: logging.LogRecord) -> None:
        self.worker.put(record)

    def close(self) -> None:
        self.worker.close(LAST_S)
        super().close()

    def _print(self, batch: list[logging.LogRecord]) -> None:
        lines = (as_json(record) if self._form == "json" else as_text(record, self._colour) for record in batch)
        self._write("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))


def as_text(record: logging.LogRecord, colour: bool) -> str:
    level = "red" if record.levelno >= logging.ERROR else "yellow" if record.levelno >= logging.WARNING else ""
    parts: list[tuple[str, str]] = getattr(record, "parts", None) or [(printable(_message(record)), level)]
    time = styled(moments.local(record.created, "%H:%M:%S"), "dim", colour)
    return " ".join([time, *(styled(words, style, colour) for words, style in parts)])


def as_json(record: logging.LogRecord) -> str:
    """One line. ``event``: ``turn``, with the turn's members, or ``log``."""
    time = moments.utc(record.created)
    turn: dict[str, object] | None = getattr(record, "turn", None)
    if turn is not None:
        return jsonio.text({"time": time, "event": "turn", **turn})
    level = "info" if record.levelname == "ALERT" else record.levelname.lower()  # a level of mitmproxy's
    return jsonio.text(
        {"time": time, "event": "log", "level": level, "logger": record.name, "message": _message(record)}
    )


def _message(record: logging.LogRecord) -> str:
    trace = f"\n{_formatter.formatException(record.exc_info)}" if record.exc_info else ""
    return record.getMessage() + trace

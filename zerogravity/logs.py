"""Log records without secrets, for every logger of the process: ours, aiohttp's, asyncio's, mitmproxy's.

``install`` puts the redactor where records are made, before any handler sees them: no message, traceback with its
causes, or library's text gets past it. A record without secrets stays as it is.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zerogravity import redact


def install() -> None:
    """From now on; idempotent."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, Redacted):
        logging.setLogRecordFactory(Redacted(make))


@dataclass(frozen=True, slots=True)
class Redacted:
    """A factory of log records that wraps another one."""

    make: Callable[..., logging.LogRecord]

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.make(*args, **kwargs)
        try:
            clean(record)
        except Exception as error:  # noqa: BLE001 - guard: a log line is never in the way of what it tells of
            _replace(record, f"a log line could not be redacted: {type(error).__name__} ({record.name})")
        return record


def clean(record: logging.LogRecord) -> None:
    """Take the secrets out of a record: its message, its traceback, its stack."""
    parts = [record.getMessage(), _traceback(record), f"\n{record.stack_info}" if record.stack_info else ""]
    shown = [redact.text(part) for part in parts]
    if shown != parts:
        _replace(record, "".join(shown))


def _traceback(record: logging.LogRecord) -> str:
    """As a formatter prints it, with the causes of the exception."""
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")


def _replace(record: logging.LogRecord, text: str) -> None:
    """Formatters differ in what they print of an exception, so none of it is left to them."""
    record.msg, record.args = text, ()
    record.exc_info = record.exc_text = record.stack_info = None

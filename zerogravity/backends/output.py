"""What a process of ours writes → its newest lines, for the log and for a message, without secrets."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable

from zerogravity import redact

logger = logging.getLogger("zerogravity.language_server")
TAIL = 20  # lines that are kept
MAX_LINE, LONG_LINE = 500, 4096  # what is shown of a line, and what is looked through for secrets


class Output:
    """``name``: whose it is, in the log. ``hide``: takes out what is secret."""

    def __init__(self, name: str, hide: Callable[[str], str]) -> None:
        self._name = name
        self._hide = hide
        self._lines: deque[str] = deque(maxlen=TAIL)

    @property
    def tail(self) -> str:
        """The newest lines, to stand behind a message; empty: there are none."""
        return ":\n" + "\n".join(self._lines) if self._lines else ""

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Until its end: nobody who writes shall have to wait for a reader."""
        rest = b""
        while data := await stream.read(1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[:LONG_LINE]
            for line in lines:
                self._add(line)
        self._add(rest)

    def _add(self, line: bytes) -> None:
        if shown := self._hide(line[:LONG_LINE].decode("utf-8", "replace"))[:MAX_LINE].rstrip():
            self._lines.append(shown)
            logger.debug("%s: %s", self._name, shown)


def without(words: str, secrets: Iterable[str]) -> str:
    """Other people's words as they may be shown: no such secret, and none that its form gives away."""
    for secret in filter(None, secrets):
        words = words.replace(secret, redact.MASK)
    return redact.text(words)

"""A turn's end → one record of the log: ``codex gpt-5→gemini-3.1-pro ok 1.2 s 8.8k→47 shell×2``. The record has the
turn's members for machines (``turn``), and its words with their styles for terminals (``parts``). Made by a thread.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.errors import Termination
from zerogravity.observe import moments, summary
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.worker import BackgroundWorker

logger = logging.getLogger("zerogravity.turns")

Parts = list[tuple[str, str]]  # words, and their style: "", dim, green, yellow or red

LEFT = frozenset({Termination.CLIENT_GONE, Termination.CANCELLED, Termination.SHUTDOWN})  # ended by choice
CUT = frozenset({Termination.LENGTH, Termination.FILTERED})
BEGINNING = 100  # characters of a failure's message
TOOLS = 4  # names of tools
MEMBERS = (  # of a row, those that stay as they are when the turn is over; what was asked is none of the log's business
    "id", "surface", "client", "conversation", "session", "model", "target", "stream", "code", "google", "first_ms",
    "total_ms", "usage", "price", "tools", "calls",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ended:
    channel: CascadeChannel
    wall_s: float


class TurnLines:
    """``placed``: a turn's id → where it stands among the others."""

    def __init__(
        self, placed: Callable[[str], Placement] = lambda _: NOWHERE, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._placed = placed
        self._wall = wall
        self.worker: BackgroundWorker[_Ended] = BackgroundWorker("turn-lines", self._log)

    def attach(self, store: MitmStore) -> None:
        """Log every turn of ``store`` that ends from now on."""
        self.worker.start()
        store.on_closed.append(self._closed)

    def close(self) -> None:
        """Log what is left."""
        self.worker.close()

    def _closed(self, channel: CascadeChannel) -> None:
        if logger.isEnabledFor(logging.INFO):
            self.worker.put(_Ended(channel, self._wall()))

    def _log(self, batch: list[_Ended]) -> None:
        for ended in batch:
            parts = line(ended.channel)
            more = {"parts": parts, "turn": members(ended.channel, self._placed(ended.channel.id))}
            words = " ".join(words for words, _ in parts)
            record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, words, (), None, extra=more)
            record.created = ended.wall_s
            logger.handle(record)


def members(channel: CascadeChannel, placed: Placement = NOWHERE) -> dict[str, object]:
    """A turn that is over, for machines: names as in ``turn.json`` and rows. No word of what was asked or answered."""
    row = summary.row(channel, channel.marks["done"], placed=placed)
    terminal = channel.terminal
    failure = redact.text(terminal.fault.message) if isinstance(terminal, Failed) else None
    return {"started": moments.utc(channel.turn.created), **{name: row[name] for name in MEMBERS}, "failure": failure}


def line(channel: CascadeChannel) -> Parts:
    """A turn that is over, for people."""
    turn, state = channel.turn, channel.state
    parts: Parts = [(_shown(turn.client or turn.surface), ""), (_models(channel), "")]
    parts += _outcome(channel)
    parts.append((duration((channel.marks["done"] - channel.marks["received"]) / 1e9), ""))
    if state.usage != Usage():
        parts.append((tokens(state.usage), ""))
    called = Counter(_shown(turn.client_name(call.name)) for call in state.function_calls)
    parts += [(name if many == 1 else f"{name}×{many}", "") for name, many in list(called.items())[:TOOLS]]
    if len(called) > TOOLS:
        parts.append((f"+{len(called) - TOOLS} tools", "dim"))
    if (price := summary.price(channel)) is not None:
        parts.append((dollars(price), "dim"))
    if isinstance(channel.terminal, Failed) and channel.termination not in LEFT:
        message = _shown(channel.terminal.fault.message)
        parts.append((message if len(message) <= BEGINNING else message[: BEGINNING - 1] + "…", "red"))
    return parts


def _models(channel: CascadeChannel) -> str:
    asked, served = _shown(channel.turn.model), _shown(channel.turn.target.name)
    return served if asked == served else f"{asked}→{served}"


def _outcome(channel: CascadeChannel) -> Parts:
    code = channel.termination
    assert code is not None, "the turn is not over"
    if code in LEFT:
        return [(code, "dim")]
    if not isinstance(channel.terminal, Failed):
        return [(code, "yellow" if code in CUT else "green")]
    return [(channel.terminal.fault.google_status or code, "red")]


def duration(seconds: float) -> str:
    """``340 ms``, ``1.2 s``, ``2 min 05 s``"""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02} s"


def tokens(usage: Usage) -> str:
    """``8.8k→47``, and what part of the prompt came from Google's cache."""
    made = f"{short(usage.prompt)}→{short(usage.candidates + usage.thoughts)}"
    return f"{made} ({100 * min(usage.cached, usage.prompt) // usage.prompt}% cached)" if usage.cached else made


def short(number: float) -> str:
    """At most five characters: ``812``, ``8.8k``, ``120k``, ``1.2M``."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if number >= unit * 0.9995:
            value = number / unit
            return f"{value:.1f}{name}" if value < 99.95 else f"{value:.0f}{name}"
    return f"{number:.0f}"


def dollars(usd: float) -> str:
    """Two figures that say something: ``$0.0031``, ``$1.20``"""
    return f"${usd:.2f}" if usd >= 0.1 else f"${usd:.2g}" if usd >= 0.0001 else "<$0.0001"


def _shown(text: str) -> str:
    """Redacted, on one line, and nothing that a terminal would obey."""
    line = " ".join(redact.text(text).split())
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in line)

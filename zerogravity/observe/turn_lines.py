"""A turn's end → one record of the log: ``codex gpt-5→gemini-3.1-pro ok 1.2 s 8.8k→47 shell×2``. The record has the
turn's members for machines (``turn``), and its words with their styles for terminals (``parts``). Made by a thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.errors import Termination
from zerogravity.observe import figures, moments, prices, summary
from zerogravity.observe.prices import Price
from zerogravity.observe.printable import on_one_line
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.wire.narrow import Json, items, members, number, text
from zerogravity.worker import BackgroundWorker

logger = logging.getLogger("zerogravity.turns")

Parts = list[tuple[str, str]]  # words, and their style: "", dim, green, yellow or red

LEFT = frozenset({Termination.CLIENT_GONE, Termination.CANCELLED, Termination.SHUTDOWN})  # ended by choice
CUT = frozenset({Termination.LENGTH, Termination.FILTERED})
PAUSE_S = 0.1  # of quiet: to wake a thread for each turn is a tenth of what a small one costs
BEGINNING = 100  # characters of a failure's message
TOOLS = 4  # that are named
MEMBERS = (  # of a row, those that stay as they are when the turn is over; what was asked is none of the log's business
    "id", "surface", "client", "conversation", "session", "model", "target", "stream", "code", "google", "first_ms",
    "total_ms", "usage", "price", "price_partial", "tools", "calls",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ended:
    channel: CascadeChannel
    wall_s: float


class TurnLines:
    """``placed``: where a turn stands among the others; asked in the thread."""

    def __init__(
        self, placed: Callable[[CascadeChannel], Placement] = lambda _: NOWHERE, *,
        wall: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._placed = placed
        self._wall = wall
        self.worker: BackgroundWorker[_Ended] = BackgroundWorker("turn-lines", self._log, pause=PAUSE_S)

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
        prices.load()  # else those of the first turns are missing
        for ended in batch:
            parts, turn = described(ended.channel, self._placed(ended.channel))
            words = " ".join(words for words, _ in parts)
            more = {"parts": parts, "turn": turn}
            record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, words, (), None, extra=more)
            record.created = ended.wall_s
            logger.handle(record)


def described(channel: CascadeChannel, placed: Placement = NOWHERE) -> tuple[Parts, dict[str, object]]:
    """A turn that is over: its line, and its members for machines, named as in ``turn.json`` and rows. No word of what
    was asked or answered."""
    row, terminal = summary.row(channel, channel.marks["done"], placed=placed), channel.terminal
    failure = redact.text(terminal.fault.message) if isinstance(terminal, Failed) else None
    told = {"started": moments.utc(channel.turn.created), **{name: row[name] for name in MEMBERS}, "failure": failure}
    return line(row, failure or ""), told


def line(row: Json, failure: str = "") -> Parts:
    """A turn that is over, for people. ``row``: see ``summary``; ``failure``: what went wrong, if that is known."""
    usage, price = members(row.get("usage")), Price.of_json(row)
    used = figures.Tokens.of_json(usage)
    tools = figures.counted(on_one_line(text(name)) for name in items(row.get("tools")))
    parts: Parts = [(on_one_line(text(row.get("client")) or text(row.get("surface"))), ""), (_models(row), "")]
    parts += [outcome(row), (figures.duration((number(row.get("total_ms")) or 0) / 1000), "")]
    if used.sent or used.made:
        parts.append((figures.tokens(*used, source=text(usage.get("source"))), ""))
    parts += [(tool, "") for tool in tools[:TOOLS]]
    if len(tools) > TOOLS:
        parts.append((f"+{len(tools) - TOOLS} tools", "dim"))
    if price.usd is not None:
        parts.append((figures.price(price.usd, partial=price.partial), "dim"))
    if failure and row.get("code") not in LEFT:
        message = on_one_line(failure)
        parts.append((message if len(message) <= BEGINNING else message[: BEGINNING - 1] + "…", "red"))
    return parts


def outcome(row: Json) -> tuple[str, str]:
    """How a turn ended, or what Google answered; and its style."""
    code = text(row.get("code")) or "?"
    if code in LEFT:
        return code, "dim"
    if row.get("failed"):
        return on_one_line(text(row.get("google")) or code), "red"
    return code, "yellow" if code in CUT else "green"


def _models(row: Json) -> str:
    asked, served = (on_one_line(text(row.get(name))) for name in ("model", "target"))
    return f"{asked}→{served}" if served not in ("", asked) else asked

"""A running gateway's turns, as they are now: the inspector's live feed → a board that a terminal shows."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from zerogravity.observe import figures, moments
from zerogravity.observe.cooling import left_alone
from zerogravity.observe.figures import duration, short
from zerogravity.observe.gateway import nobody
from zerogravity.observe.prices import Price
from zerogravity.observe.printable import on_one_line
from zerogravity.observe.session_summary import ended
from zerogravity.observe.turn_lines import outcome
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, count, items, members, number, objects, text
from zerogravity.wire.sse import SseError, SseParser

LAST = 10  # turns that are over
MINUTE = 60.0
TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=60)
COLUMNS = ("since", "client", "model", "state", "time", "in", "out", "price", "tools")
FIGURES = frozenset({"time", "in", "out", "price"})
NARROW = 100
EVENT_BYTES = 64 << 20  # an event has hundreds of rows


@dataclass(slots=True)
class Board:
    """``turns``: id → row, as the inspector's, and when it came. ``health``: the inspector's strip."""

    url: str
    clock: Callable[[], float] = time.monotonic
    turns: dict[str, tuple[Json, float]] = field(default_factory=dict[str, tuple[Json, float]])
    health: Json = field(default_factory=dict[str, object])

    def take(self, event: Json) -> None:
        """One event of the feed."""
        if event.get("all"):
            self.turns.clear()
        for turn_id in items(event.get("gone")):
            self.turns.pop(text(turn_id), None)
        self.turns |= {text(row.get("id")): (row, self.clock()) for row in objects(event.get("turns"))}
        self.health = members(event.get("health")) or self.health

    @property
    def running(self) -> list[Json]:
        """Oldest first, as they are now: the feed tells only of what changes."""
        rows = [_later(row, self.clock() - came) for row, came in self.turns.values() if not row.get("closed")]
        return sorted(rows, key=lambda row: number(row.get("created")) or 0)

    @property
    def last(self) -> list[Json]:
        """The newest that are over, newest first."""
        return sorted(self._over, key=ended, reverse=True)[:LAST]

    @property
    def _over(self) -> list[Json]:
        return [row for row, _ in self.turns.values() if row.get("closed")]

    def tokens_per_minute(self, now: float) -> int:
        """Of the turns that have ended within a minute; ``now``: wall-clock seconds."""
        used = (figures.Tokens.of_json(members(row.get("usage"))) for row in self._over if now - ended(row) <= MINUTE)
        return sum(one.sent + one.made for one in used)

    def broken(self) -> list[Json]:
        """The hops that do not work."""
        return [check for check in objects(self.health.get("checks")) if not check.get("ok")]

    def as_json(self, now: float) -> dict[str, object]:
        return {
            "url": self.url, "active": self.health.get("active"), "waiting": self.health.get("waiting"),
            "tokens_per_minute": self.tokens_per_minute(now), "broken": self.broken(),
            "cooldowns": objects(self.health.get("cooldowns")), "running": self.running,
            "last": self.last,
        }  # fmt: skip


def _later(row: Json, seconds: float) -> Json:
    return {**row, **{name: (number(row.get(name)) or 0) + seconds * 1000 for name in ("state_ms", "total_ms")}}


async def feed(url: str, token: str) -> AsyncGenerator[Json]:
    """The events of ``/inspector/api/live``, until the gateway ends. Raises OSError, with what to do."""
    cookie = f"zg_inspector_{urlsplit(url).port or (443 if url.startswith('https:') else 80)}={token}"
    async with aiohttp.ClientSession(timeout=TIMEOUT, read_bufsize=1 << 20) as session:
        try:
            async with session.get(f"{url}/inspector/api/live", headers={"Cookie": cookie}) as response:
                if response.status == 401:
                    raise OSError(f"{url} does not take the inspector's token that is kept here: is it another user's?")
                if response.status != 200 or response.content_type != "text/event-stream":
                    raise OSError(f"{url} has no inspector: it is switched off there, or this is not zerogravity")
                parser = SseParser(max_line=EVENT_BYTES, max_event=EVENT_BYTES)
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        yield members(jsonio.loads(event.data))
        except SseError as error:
            raise OSError(f"the feed of {url} is too large: {error}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise nobody(url) from error


# -- for the eye ---------------------------------------------------------------------------------------------------


def render(board: Board, now: float, *, width: int = 160) -> RenderableType:
    """``now``: wall-clock seconds. A narrow terminal gets fewer columns."""
    health = board.health
    head = Text.assemble(
        (board.url, "bold"), f"  {count(health.get('active'))} running · {count(health.get('waiting'))} waiting",
        f" · {short(board.tokens_per_minute(now))} tokens/min",
    )  # fmt: skip
    parts: list[RenderableType] = [head]
    for check in board.broken():
        fix = f" → {text(check.get('fix'))}" if check.get("fix") else ""
        parts.append(_plain(f"{text(check.get('name'))}: {text(check.get('text'))}{fix}", "red"))
    parts += [_plain(words, "yellow") for words in left_alone(objects(health.get("cooldowns")), now)]
    rows = [*board.running, *board.last]
    if not rows:
        parts.append(Text("no turns yet; start an agent with: zerogravity run -- codex", style="dim"))
        return Group(*parts)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    columns = COLUMNS if width >= NARROW else COLUMNS[:-2]
    for name in columns:
        table.add_column(name, justify="right" if name in FIGURES else "left", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row)[: len(columns)])
    return Group(*parts, table)


def _cells(row: Json) -> list[Text]:
    used, price = figures.Tokens.of_json(members(row.get("usage"))), Price.of_json(row)
    words = [
        moments.local(number(row.get("created")) or 0, "%H:%M:%S"),
        text(row.get("client")) or text(row.get("surface")),
        text(row.get("target")) or text(row.get("model")),
    ]
    cells = [
        duration((number(row.get("total_ms")) or 0) / 1000), short(used.sent), short(used.made),
        figures.price(price.usd, partial=price.partial),
    ]  # fmt: skip
    tools = figures.counted(text(name) for name in items(row.get("tools")))
    return [*map(_plain, words), _state(row), *map(_plain, cells), _plain(", ".join(tools))]


def _state(row: Json) -> Text:
    if not row.get("closed"):
        return _plain(f"{text(row.get('state'))} {duration((number(row.get('state_ms')) or 0) / 1000)}", "cyan")
    return Text(*outcome(row))


def _plain(words: str, style: str = "") -> Text:
    return Text(on_one_line(words), style=style)

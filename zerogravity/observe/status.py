"""A running server's ``/ready`` and ``/metrics`` → figures → what a terminal shows. Only ``fetch`` talks to it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from zerogravity.observe import mcp_servers, quotas
from zerogravity.observe.cooling import left_alone
from zerogravity.observe.gateway import nobody, stranger
from zerogravity.observe.health import Check, describe
from zerogravity.observe.quotas import Quota
from zerogravity.wire.narrow import Json, members, objects

NEEDS_KEY = "set ZEROGRAVITY_KEY to the gateway's key"
TIMEOUT = aiohttp.ClientTimeout(total=5)
TIMES = {
    "zg_first_event_seconds": "first byte", "zg_first_thinking_seconds": "first thinking",
    "zg_first_text_seconds": "first text", "zg_turn_seconds": "whole turn", "zg_event_gap_seconds": "between events",
}  # fmt: skip
NOW = {
    "zg_turns_active": "running", "zg_queue_waiting": "waiting", "zg_readers": "readers",
    "zg_store_channels": "in memory", "zg_store_bytes": "bytes held", "zg_loop_lag_seconds": "loop lag",
}  # fmt: skip
TROUBLE = {
    "zg_retries_total": "asked once more", "zg_fallbacks_total": "moved to another model",
    "zg_cooldown_refusals_total": "refused in a cooldown", "zg_fail_open_total": "failed open",
    "zg_tap_errors_total": "unreadable answers",
    "zg_parse_failures_total": "parse failures", "zg_trace_dropped_total": "not traced",
}  # fmt: skip


@dataclass(slots=True)
class Figures:
    """``times``: name → (count, median, 95th percentile) in seconds, as upper bounds. ``now``, ``trouble`` by metric,
    ``turns`` by termination code, ``tokens`` by kind."""

    times: dict[str, tuple[int, float, float]] = field(default_factory=dict[str, tuple[int, float, float]])
    now: dict[str, float] = field(default_factory=dict[str, float])
    trouble: dict[str, int] = field(default_factory=dict[str, int])
    turns: dict[str, int] = field(default_factory=dict[str, int])
    tokens: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Status:
    """``checks``, ``cooldowns``: as ``GET /ready`` reports them; no checks: the gateway's key is needed for more than
    ``ready``. ``figures``: None if metrics are off. ``quota``: of the models of which the language server tells it.
    ``mcp_servers``: the configured ones, as ``GET /health`` lists them."""

    url: str
    ready: bool
    checks: list[Check]
    figures: Figures | None
    cooldowns: Sequence[Json] = ()
    quota: Sequence[Quota] = ()
    mcp_servers: Sequence[Json] = ()

    def as_json(self) -> dict[str, object]:
        figures = None if self.figures is None else asdict(self.figures)
        checks = [check.as_json() for check in self.checks]
        return {
            "url": self.url, "ready": self.ready, "checks": checks, "cooldowns": [dict(one) for one in self.cooldowns],
            "figures": figures, "quota": [each.as_json() for each in self.quota],
            "mcp_servers": [dict(one) for one in self.mcp_servers],
        }  # fmt: skip


async def fetch(url: str, key: str | None = None) -> Status:
    """Raises OSError if nothing answers there, or it is not zerogravity."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session:
        try:
            async with session.get(f"{url}/ready") as response:
                body = await response.json()
                ready, checks = bool(body["ready"]), [Check.from_json(check) for check in body.get("checks", ())]
                cooldowns = objects(body.get("cooldowns"))
            async with session.get(f"{url}/health") as response:
                health = members(await response.json())
            if not checks and health.get("server") != "zerogravity":
                raise stranger(url)
            async with session.get(f"{url}/metrics") as response:
                text = await response.text() if response.status == 200 else None
        except (aiohttp.ContentTypeError, ValueError, LookupError, TypeError) as error:
            raise stranger(url) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise nobody(url) from error
    known = None if text is None else figures(text)
    quota, servers = quotas.read(health.get("quota")), objects(health.get("mcp_servers"))
    return Status(url, ready, checks, known, cooldowns, quota, servers)


def figures(text: str) -> Figures:
    """The exposition text, added up over its labels."""
    found = Figures()
    buckets: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name, value = sample.name, sample.value
            if name.endswith("_bucket"):
                sums = buckets.setdefault(name.removesuffix("_bucket"), {})
                bound = float(sample.labels["le"])
                sums[bound] = sums.get(bound, 0) + value
            elif name in NOW:
                found.now[name] = found.now.get(name, 0) + value
            elif name in TROUBLE and value:
                found.trouble[name] = found.trouble.get(name, 0) + int(value)
            elif name == "zg_turns_total":
                _add(found.turns, sample.labels["code"], value)
            elif name == "zg_tokens_total":
                _add(found.tokens, sample.labels["kind"], value)
    for name in TIMES:
        sums = buckets.get(name, {})
        if count := int(sums.get(math.inf, 0)):
            found.times[name] = (count, quantile(sums, 0.5), quantile(sums, 0.95))
    return found


def quantile(buckets: Mapping[float, float], part: float) -> float:
    """The smallest bound that at least this part is within."""
    wanted = part * buckets[math.inf]
    return next(bound for bound, count in sorted(buckets.items()) if count >= wanted)


def _add(sums: dict[str, int], name: str, value: float) -> None:
    if value:
        sums[name] = sums.get(name, 0) + int(value)


# -- for the eye ---------------------------------------------------------------------------------------------------


def render(status: Status) -> RenderableType:
    head = Text.assemble(
        (f"{status.url}  ", "bold"), ("ready", "green") if status.ready else ("not ready", "red"),
    )  # fmt: skip
    parts: list[RenderableType] = [head]
    for check in status.checks:
        if check.fix or not check.ok:
            fix = f" → {check.fix}" if check.fix else ""
            parts.append(Text(f"  {check.name}: {describe(check)}{fix}", style="yellow" if check.ok else "red"))
    parts += [Text(f"  {words}", style="yellow") for words in left_alone(status.cooldowns, time.time())]
    now = time.time()
    known = {"quota": quotas.lines(status.quota, now), "mcp": mcp_servers.lines(status.mcp_servers, now)}
    parts += [_listed(title, lines) for title, lines in known.items() if lines]
    if not status.checks:
        parts.append(Text(f"nothing more is told: {NEEDS_KEY}", style="yellow"))
        return Group(*parts)
    if status.figures is None:
        parts.append(Text("no metrics: they are switched off", style="yellow"))
        return Group(*parts)
    parts += [_now(status.figures), _times(status.figures)]
    for title, counts in (("turns", status.figures.turns), ("tokens", status.figures.tokens)):
        text = " · ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))
        parts.append(Text(f"{title:<8} {text or 'none yet'}"))
    for name, count in status.figures.trouble.items():
        parts.append(Text(f"{TROUBLE[name]}: {count}", style="yellow"))
    return Group(*parts)


def _listed(title: str, lines: Sequence[str]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=8)
    for number, line in enumerate(lines):
        table.add_row("" if number else title, Text(line))
    return table


def _now(figures: Figures) -> Text:
    parts: list[str] = []
    for name, label in NOW.items():
        if (value := figures.now.get(name)) is None:
            continue
        match name:
            case "zg_loop_lag_seconds":
                parts.append(f"{label} {value * 1000:.0f} ms")
            case "zg_store_bytes":
                parts.append(f"{value / (1 << 20):.1f} MiB held")
            case _:
                parts.append(f"{value:.0f} {label}")
    return Text("now      " + " · ".join(parts))


def _times(figures: Figures) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for name in ("times", "half within", "95 % within"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, (count, half, most) in figures.times.items():
        table.add_row(TIMES[name], f"{count:,}", seconds(half), seconds(most))
    return table


def seconds(bound: float) -> str:
    if math.isinf(bound):
        return "longer"
    return f"{bound:g} s" if bound >= 1 else f"{bound * 1000:g} ms"

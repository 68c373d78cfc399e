"""Figures → one table: a line for each thing that was measured, with its goals and whether they were reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SYSTEMS = ("direct", "bare", "chat", "responses", "messages", "gemini")
JUDGED = "chat"  # goals and ratios are about this one
BEFORE = "before "  # begins the names of the systems of the other tree


@dataclass(frozen=True, slots=True)
class Goal:
    """``limit``: what a value must not exceed, or with ``at_least`` must reach. ``of``: how it came about."""

    limit: float
    of: str = ""
    at_least: bool = False

    def told(self, value: float) -> str:
        """The goal, and whether ``value`` reaches it."""
        reached = value >= self.limit if self.at_least else value <= self.limit
        verdict = "–" if math.isnan(value) or math.isnan(self.limit) else "yes" if reached else "no"
        return f"{'≥' if self.at_least else '≤'} {short(self.limit)}{f' ({self.of})' if self.of else ''}: {verdict}"


@dataclass(frozen=True, slots=True)
class Line:
    """``values``: system → figure."""

    row: str
    what: str
    unit: str
    values: Mapping[str, float]
    target: Goal | None = None
    moonshot: Goal | None = None

    @property
    def value(self) -> float:
        """What the goals are about."""
        return self.values.get(JUDGED, math.nan)


@dataclass(slots=True)
class Report:
    """All lines of a run, and what failed in it."""

    lines: list[Line] = field(default_factory=list[Line])
    notes: list[str] = field(default_factory=list[str])
    failures: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, row: str, what: str, unit: str, values: Mapping[str, float], *goals: Goal) -> None:
        """Goals: the target, then the moonshot."""
        self.lines.append(Line(row, what, unit, values, *goals))

    def failed(self, where: str, failures: Mapping[str, int]) -> None:
        for name, count in failures.items():
            self.failures[f"{where}: {name}"] = self.failures.get(f"{where}: {name}", 0) + count

    def table(self) -> str:
        """All of it. A second line shows the other tree, where there is one."""
        heads = ["", "", *SYSTEMS, "x bare", "target", "moonshot"]
        rows = [heads]
        for line in self.lines:
            rows += _rows(line)
        return "\n".join([*_aligned(rows), "", *self.notes, *self._failed()])

    def _failed(self) -> Iterable[str]:
        yield from (f"FAILED {name} ({count} times)" for name, count in self.failures.items())
        if not self.failures:
            yield "nothing failed, nothing was lost"


def _rows(line: Line) -> Iterable[list[str]]:
    values = line.values
    ratio = line.value / values["bare"] if values.get("bare") else math.nan
    goals = [goal.told(line.value) if goal is not None else "" for goal in (line.target, line.moonshot)]
    yield [line.row, f"{line.what}, {line.unit}", *(short(values.get(name)) for name in SYSTEMS), short(ratio), *goals]
    if any(name.startswith(BEFORE) for name in values):
        then = [short(values.get(BEFORE + name)) for name in SYSTEMS]
        change = line.value / values[BEFORE + JUDGED] if values.get(BEFORE + JUDGED) else math.nan
        yield ["", "   before", *then, "", f"now / before: {short(change)}", ""]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            text.rjust(width) if 2 <= place <= 2 + len(SYSTEMS) else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def short(value: float | None) -> str:
    """Three digits that matter."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"

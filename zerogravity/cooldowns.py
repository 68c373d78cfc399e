"""Models that Google has said to leave alone, and until when: in memory only, never shorter than it said.

A cooldown is about the model that was refused, unless the error names a quota that all models share: then it is about
all of them. Facts: language-server-and-google C.5; wire-gemini-and-mapping 1.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from zerogravity.core.turn import Target
from zerogravity.errors import Fault, Origin, Termination
from zerogravity.observe.moments import utc
from zerogravity.wire import narrow, reasons
from zerogravity.wire.narrow import Json
from zerogravity.wire.reasons import LASTING, span

ALL = ""  # in place of a model's identity
INSTEAD = "Name another model for such times: `fallbacks` in the configuration, or `models` in the request."


@dataclass(frozen=True, slots=True)
class Cooldown:
    """``model``: its name, also where it was refused for all. ``until``: wall-clock seconds. ``cause``: what Google
    said. ``shared``: all models are meant."""

    model: str
    until: float
    cause: Fault
    shared: bool = False


class Cooldowns:
    """``longest``: seconds that one lasts at most, whatever Google says; 0: there are none. ``wall``: wall-clock
    seconds, since quotas are reset by the clock on the wall, also while this machine sleeps."""

    def __init__(self, longest: float, wall: Callable[[], float] = time.time) -> None:
        self._longest = longest
        self._wall = wall
        self._by_model: dict[str, Cooldown] = {}

    def note(self, target: Target, fault: Fault) -> None:
        """A turn of that model has failed so."""
        delay = min(fault.retry_after or 0.0, self._longest)
        if delay <= 0 or fault.termination is not Termination.UPSTREAM_STATUS or fault.reason in LASTING:
            return
        shared = _is_shared(fault)
        key = ALL if shared else target.identity
        known, made = self._by_model.get(key), Cooldown(target.name, self._wall() + delay, fault, shared)
        if known is None or known.until < made.until:
            self._by_model[key] = made

    def of(self, target: Target) -> Cooldown | None:
        """The one that model is in; of several, the longest."""
        found = [one for key in (target.identity, ALL) if (one := self._by_model.get(key)) and self.left(one) > 0]
        return max(found, key=self.left, default=None)

    def clear(self) -> None:
        """Another account is asked from now on: what Google has said was about the former one."""
        self._by_model.clear()

    def left(self, cooldown: Cooldown) -> float:
        """Seconds, at most 0 when it is over."""
        return cooldown.until - self._wall()

    def refusal(self, target: Target, cooldown: Cooldown) -> Fault:
        """The 429 of a turn that Google is not asked for."""
        left, cause = self.left(cooldown), cooldown.cause
        about = "all models" if cooldown.shared else f"'{target.name}'"
        said = f"{cause.google_status}{f' ({cause.reason})' if cause.reason else ''}"
        return replace(
            cause, origin=Origin.UPSTREAM, status=429,
            code="rate_limit_exceeded" if cause.status != 429 else cause.code,
            message=f"Google was not asked: it answered {said}; {about} must be left alone for {span(left)} more",
            retry_after=left, upstream_status=None, rpc_status="RESOURCE_EXHAUSTED",
            remedy="" if cooldown.shared else INSTEAD, details=tuple(_details(cause, left)),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Cooldown]:
        """Those that last, the longest first. What is over is forgotten."""
        self._by_model = {key: one for key, one in self._by_model.items() if self.left(one) > 0}
        return iter(sorted(self._by_model.values(), key=self.left, reverse=True))

    def as_json(self) -> list[dict[str, object]]:
        """For ``/health`` and the like."""
        return [
            {
                "model": "all models" if one.shared else one.model, "shared": one.shared, "until": utc(one.until),
                "reason": one.cause.reason, "google": one.cause.google_status,
            }
            for one in self
        ]  # fmt: skip


def _is_shared(fault: Fault) -> bool:
    """Whether a quota is used up that all models share: one that is named, and names no model."""
    details = [narrow.members(detail) for detail in fault.details]
    violations = [one for detail in details for one in narrow.objects(detail.get("violations"))]
    return any(not _names_a_model(one) for one in violations if "quotaId" in one)


def _names_a_model(violation: Json) -> bool:
    """As ``…PerModel``, or Vertex's ``…PerBaseModel``."""
    dimensions = narrow.members(violation.get("quotaDimensions"))
    return "Model" in str(violation["quotaId"]) or any("model" in name.lower() for name in dimensions)


def _details(cause: Fault, left: float) -> Iterator[Any]:
    """Google's, with the time that is left: some clients wait as these say."""
    for detail in map(narrow.members, cause.details):
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            continue
        stale = {name: value for name, value in reasons.metadata(detail).items() if name != "quotaResetDelay"}
        yield {**detail, "metadata": stale} if "metadata" in detail else detail
    yield {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{left:.3f}s"}

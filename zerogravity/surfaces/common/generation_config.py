"""Limits, sampling and thinking as a client asks for them → generationConfig as the model's family takes it.

Facts: wire-gemini-and-mapping 2.4, 3, 6; wire-anthropic 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zerogravity.core.family import Family, lower_limit, rules
from zerogravity.core.turn import Target
from zerogravity.surfaces.common.fields import invalid_value
from zerogravity.surfaces.common.parameters import INT32

MEMBERS = (
    "maxOutputTokens", "temperature", "topP", "topK", "stopSequences", "seed", "presencePenalty", "frequencyPenalty",
    "responseModalities", "thinkingConfig",
)  # fmt: skip
LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")


@dataclass(frozen=True, slots=True)
class Effort:
    """What a word for the effort means: a level, or a budget in tokens (None: the model's maximum)."""

    level: str
    budget: int | None


EFFORTS = {
    "none": Effort("MINIMAL", 0),
    "minimal": Effort("MINIMAL", 512),
    "low": Effort("LOW", 1024),
    "medium": Effort("MEDIUM", 8192),
    "high": Effort("HIGH", 24576),
    "xhigh": Effort("XHIGH", None),
    "max": Effort("XHIGH", None),
}


def within_model(wanted: Mapping[str, Any], target: Target) -> tuple[dict[str, Any], list[str]]:
    """generationConfig, its members always in the same order, and notes on what was changed. None: not set."""
    config = {name: wanted[name] for name in MEMBERS if wanted.get(name) is not None}
    notes = lower_limit(config, target.family, target.output_limit)
    if "seed" in config and not -(2**31) <= config["seed"] < 2**31:
        config["seed"] &= INT32
        notes.append("seed reduced to 31 bits")
    if not rules(target.family).penalties:
        for name in ("presencePenalty", "frequencyPenalty"):
            if config.pop(name, 0):
                notes.append(f"{name} left out: this model does not support it")
    return config, notes


def thinking_config(
    effort: str | None,
    target: Target,
    *,
    summaries: bool | None,
    param: str = "reasoning.effort",
    budget: int | None = None,
) -> dict[str, Any] | None:
    """thinkingConfig with a level or a budget, whichever the family takes; None if nothing is to be sent.
    ``summaries``: whether thoughts are wanted (None: not stated). ``budget``: tokens, in place of an effort.

    Raises FaultError 400 for an unknown effort.
    """
    if effort is not None and effort not in EFFORTS:
        raise invalid_value(param, effort, tuple(EFFORTS))
    family = rules(target.family)
    if family.thinking == "none":
        return None
    config: dict[str, Any] = {}
    if budget is not None:
        effort = _effort_of(budget)
    if effort is not None:
        if family.thinking == "level":
            config["thinkingLevel"] = _level(effort, family)
        else:
            config["thinkingBudget"] = _budget(effort, family, budget)
    if effort == "none":
        config["includeThoughts"] = False
    elif summaries is not None:
        config["includeThoughts"] = summaries
    return config or None


def _level(effort: str, family: Family) -> str:
    """The effort's level, else the family's next higher one, else its highest."""
    lowest = LEVELS.index(EFFORTS[effort].level)
    return next((level for level in family.levels if LEVELS.index(level) >= lowest), family.levels[-1])


def _budget(effort: str, family: Family, tokens: int | None) -> int:
    """Tokens within the family's range; thinking that cannot be switched off gets the fewest."""
    lowest, highest = family.budget
    if effort == "none":
        return 0 if family.budget_off else lowest
    return min(max(tokens or EFFORTS[effort].budget or highest, lowest), highest)


def _effort_of(tokens: int) -> str:
    """The lowest effort whose budget is not below ``tokens``."""
    return next((word for word, effort in EFFORTS.items() if tokens <= (effort.budget or 0)), "high")

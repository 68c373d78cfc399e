"""Reasoning effort → Google's thinkingConfig: a level or a budget by model family, never both.

| effort        | level models                         | budget models (clamped to the model's range) |
|---------------|--------------------------------------|----------------------------------------------|
| none          | lowest level, no summaries           | 0, or the lowest budget where it cannot be 0 |
| minimal       | MINIMAL, or LOW where it is missing  | 512                                          |
| low           | LOW                                  | 1024                                         |
| medium        | MEDIUM, or HIGH where it is missing  | 8192                                         |
| high          | HIGH                                 | 24576                                        |
| xhigh, max    | XHIGH where listed, else HIGH        | the model's maximum                          |
| absent        | nothing: the model's default         | nothing                                      |
| a budget      | the level whose budget is not lower  | that budget                                  |

Facts: wire-gemini-and-mapping 3, 6.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.family import Family, rules
from zerogravity.core.turn import Target
from zerogravity.surfaces.openai.fields import invalid_value

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
_LADDER = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_RUNG = {"none": 0, "minimal": 0, "low": 1, "medium": 2, "high": 3, "xhigh": 4, "max": 4}


def thinking_config(
    effort: str | None,
    target: Target,
    *,
    summaries: bool | None,
    param: str = "reasoning.effort",
    budget: int | None = None,
) -> dict[str, Any] | None:
    """thinkingConfig, or None when nothing is to be said. ``summaries``: ask for thoughts (None: not decided).
    ``budget``: tokens, instead of an effort.

    Raises FaultError 400 on an unknown word.
    """
    if effort is not None and effort not in EFFORTS:
        raise invalid_value(param, effort, EFFORTS)
    family = rules(target.family)
    if family.thinking == "none":
        return None
    config: dict[str, Any] = {}
    if budget is not None:
        effort = _nearest(budget)
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
    """The wanted rung, or the nearest one above it, or the highest."""
    wanted = _RUNG[effort]
    above = [level for level in family.levels if _LADDER.index(level) >= wanted]
    return above[0] if above else family.levels[-1]


def _budget(effort: str, family: Family, tokens: int | None) -> int:
    lowest, highest = family.budget
    if effort == "none":
        return 0 if family.budget_off else lowest
    return min(max(tokens or _BUDGETS.get(effort, highest), lowest), highest)


def _nearest(tokens: int) -> str:
    """The effort whose budget holds so many tokens."""
    return next((word for word, most in _BUDGETS.items() if tokens <= most), "high")

"""``thinking`` and ``output_config.effort`` → thinkingConfig, and what of the thoughts the client is shown.

A budget comes before an effort; an effort alone says how hard to think and shows no thoughts. ``max_tokens`` includes
the thoughts, so it limits them: hard thinking under a low limit ends without an answer. Claude thinks only where
``thinking`` asks for it. Facts: wire-anthropic 8.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.family import Family, rules
from zerogravity.core.turn import Target
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.generation_config import EFFORTS as WORDS
from zerogravity.surfaces.common.generation_config import thinking_config
from zerogravity.surfaces.common.parameters import ignored
from zerogravity.surfaces.messages.details import Thoughts
from zerogravity.wire.narrow import Json

TYPES = ("enabled", "adaptive", "between_tools", "disabled")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
DISPLAYS = ("summarized", "omitted", "updates")
LEAST_BUDGET = 1024
CLAUDES = {"low": 4096, "medium": 10_000, "high": 16_000, "xhigh": 24_000, "max": 32_000}  # tokens to think
TOKENS = ((1024, "minimal"), (4096, "low"), (16_384, "medium"))  # up to so many: that effort; above: high
_ORDER = tuple(WORDS)


def thinking(
    given: Json | None, effort: str | None, limit: int, target: Target
) -> tuple[dict[str, Any] | None, Thoughts, list[str]]:
    """thinkingConfig, what is shown, and notes. ``limit``: of the whole answer, in tokens.

    Raises FaultError 400.
    """
    family = rules(target.family)
    limit = min(limit, target.output_limit or family.output_limit)
    kind, budget, shown, notes = _read(given or {})
    wanted = kind in TYPES[:-1]
    if kind == "disabled" or (family.anthropic and not wanted):
        effort, budget = "none", None
    elif family.thinking == "level":
        effort, budget = _effort(effort, budget, limit, target, wanted=wanted), None
    else:
        effort, budget = _budget(effort, budget, limit, family, wanted=wanted)
    config = thinking_config(effort, target, summaries=wanted, budget=budget)
    if config is None and wanted:
        notes.append("thinking left out: this model does not think")
    return config, shown, notes


def _read(given: Json) -> tuple[str | None, int | None, Thoughts, list[str]]:
    """(type, budget, what is shown, notes)."""
    if not given:
        return None, None, "hidden", []
    kind = fields.choice(given, "type", TYPES, path="thinking")
    if kind is None:
        raise fields.missing("thinking.type")
    display = fields.string(given, "display", path="thinking")
    budget = fields.integer(given, "budget_tokens", lo=LEAST_BUDGET, path="thinking") if kind == "enabled" else None
    if kind == "enabled" and budget is None:
        raise fields.missing("thinking.budget_tokens")
    notes = [] if display in (None, *DISPLAYS) else [ignored("thinking.display")]
    return kind, budget, "hidden" if kind == "disabled" else "omitted" if display == "omitted" else "shown", notes


def _effort(effort: str | None, budget: int | None, limit: int, target: Target, *, wanted: bool) -> str | None:
    """The effort as a word; None: the model's own."""
    most = _word(limit)
    if budget is not None:
        effort = _word(budget)
    elif effort is None and wanted:
        effort = "high"
    elif effort is None:  # a level in the model's name counts as said
        return None if most == "high" or target.level else most
    return min(effort, most if most != "high" else effort, key=_ORDER.index)


def _word(tokens: int) -> str:
    return next((word for most, word in TOKENS if tokens <= most), "high")


def _budget(
    effort: str | None, budget: int | None, limit: int, family: Family, *, wanted: bool
) -> tuple[str | None, int | None]:
    """(effort, tokens), of which one counts: a client's own budget stays below the limit; one that an effort stands for
    leaves half of it to the answer."""
    if budget is not None:
        return None, min(budget, max(limit - 1, 1))
    if effort is None and not wanted:
        tight = family.unasked and limit <= TOKENS[-1][0]
        return None, max(limit // 2, 1) if tight else None
    word = effort or "high"
    tokens = CLAUDES[word] if family.anthropic else WORDS[word].budget or family.budget[1]
    return None, min(tokens, max(limit // 2, 1))

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
LOWERED = "thinking lowered: max_tokens includes it, and leaves no room for more"
_ORDER = tuple(WORDS)


def thinking(
    given: Json | None, effort: str | None, limit: int, target: Target
) -> tuple[dict[str, Any] | None, Thoughts, list[str]]:
    """thinkingConfig, what is shown, and notes. ``limit``: of the whole answer, in tokens.

    Raises FaultError 400.
    """
    family = rules(target.family)
    limit = min(limit, target.output_limit or family.output_limit)
    kind, budget, shown, notes = _read(given)
    asked = kind in TYPES[:-1]
    if kind == "disabled" or (family.anthropic and not asked):
        effort, budget = "none", None
    elif effort is None and budget is None and not asked:
        effort, budget = _unasked(limit, target)
    elif family.thinking == "level":
        effort, budget = _effort(effort, budget, limit, notes), None
    else:
        effort, budget = None, _budget(effort, budget, limit, family, notes)
    config = thinking_config(effort, target, summaries=asked, budget=budget)
    if config is None and asked:
        notes.append("thinking left out: this model does not think")
    return config, shown, notes


def _read(given: Json | None) -> tuple[str | None, int | None, Thoughts, list[str]]:
    """(type, budget, what is shown, notes)."""
    if given is None:
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


def _unasked(limit: int, target: Target) -> tuple[str | None, int | None]:
    """(effort, tokens) where nothing is said: the model's own, unless the limit is low and it would think all the same.
    A level in the model's name counts as said."""
    family, most = rules(target.family), _word(limit)
    if most == "high" or target.level or not family.unasked:
        return None, None
    return (most, None) if family.thinking == "level" else (None, max(limit // 2, 1))


def _effort(effort: str | None, budget: int | None, limit: int, notes: list[str]) -> str:
    """The effort as a word."""
    wanted, most = _word(budget) if budget is not None else effort or "high", _word(limit)
    if most == "high" or _ORDER.index(wanted) <= _ORDER.index(most):
        return wanted
    notes.append(LOWERED)
    return most


def _word(tokens: int) -> str:
    return next((word for most, word in TOKENS if tokens <= most), "high")


def _budget(effort: str | None, budget: int | None, limit: int, family: Family, notes: list[str]) -> int:
    """Tokens: a client's own budget stays below the limit; one that an effort stands for leaves half of it to the
    answer."""
    word = effort or "high"
    meant = CLAUDES[word] if family.anthropic else WORDS[word].budget or family.budget[1]
    wanted, most = (meant, limit // 2) if budget is None else (budget, limit - 1)
    if wanted <= most:
        return wanted
    notes.append(LOWERED)
    return max(most, 1)

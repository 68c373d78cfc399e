"""generationConfig of the language server and of the turn → the one that is sent: every rule between a member of the
one and a member of the other, by family. Pure.

| rule                                           | families | what happens                                           |
|------------------------------------------------|----------|--------------------------------------------------------|
| the model does not think                       | without  | the language server's thinkingConfig goes              |
| it has no levels, or not that one              | all      | the language server's level goes                       |
| it takes no budget outside of its range        | budget   | the language server's is moved into it                 |
| a level and a budget exclude each other        | all      | the turn's thinkingConfig stands alone; of the language |
|                                                |          | server's the level stays, where there are levels       |
| it gives at most so many tokens                | all      | maxOutputTokens is lowered, whose ever it is           |
| it thinks only with a budget, 1024 at least    | Claude   | the language server's where the turn names none; raised |
| thinkingBudget < maxOutputTokens               | Claude   | the budget is lowered; without room: no thinking       |
| thinking that is off takes no thoughts back    | Claude   | they go out of the contents                            |

What the turn alone says wrong is Google's to judge. Facts: language-server-and-google C.3; wire-gemini-and-mapping 3;
wire-anthropic 1, 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from zerogravity.core.family import FAMILIES, THINKING_OFF, Family, lower_limit, rules
from zerogravity.wire import narrow

Json = Mapping[str, Any]


def fitted(left: Json, wanted: Json, family: str, notes: list[str]) -> dict[str, Any]:
    """``left``: what is taken over of the language server's. ``wanted``: the turn's. Adds to ``notes``."""
    known = rules(family)
    config = {**left, **wanted}
    thinking = config.pop("thinkingConfig", None)
    if "thinkingConfig" not in wanted and thinking is not None:
        thinking = _left(thinking, known, notes) if isinstance(thinking, dict) else None
    notes += lower_limit(config, family)
    if known.anthropic and isinstance(thinking, dict):
        given = cast("Json", thinking)
        limit = narrow.whole(config.get("maxOutputTokens"))
        thinking = _budgeted(given, left.get("thinkingConfig"), limit, known, notes)
    return config if thinking is None else {**config, "thinkingConfig": thinking}


def thoughtless(contents: Sequence[Json], config: Json, family: str) -> Sequence[Json]:
    """The contents, without thoughts where they may not come back."""
    thinking: Json = config.get("thinkingConfig") or {}
    if not rules(family).anthropic or narrow.whole(thinking.get("thinkingBudget")) != 0:
        return contents
    made = [
        {**content, "parts": [part for part in content["parts"] if not part.get("thought")]} for content in contents
    ]
    return [content for content in made if content["parts"]]


def _left(thinking: Json, family: Family, notes: list[str]) -> dict[str, Any] | None:
    """The language server's thinkingConfig, as far as this family takes it."""
    if family.thinking == "none":
        notes.append("the language server's thinkingConfig removed: this model does not think")
        return None
    made = dict(thinking)
    level = str(made.get("thinkingLevel", "")).upper()
    if level and level not in family.levels and family is not FAMILIES["gemini"]:
        notes.append(f"the language server's thinkingLevel {level} removed: this model does not have it")
        del made["thinkingLevel"]
    budget = narrow.whole(made.get("thinkingBudget"))
    if "thinkingLevel" in made:
        made.pop("thinkingBudget", None)
    elif budget is not None and family.thinking == "budget" and budget != (inside := _inside(budget, family)):
        notes.append(f"the language server's thinkingBudget {budget} is {inside} for this model")
        made["thinkingBudget"] = inside
    return made


def _inside(budget: int, family: Family) -> int:
    """Dynamic budgets are every family's; Anthropic names no highest one."""
    lowest, highest = family.budget
    if budget < 0 or (budget == 0 and family.budget_off):
        return budget
    return max(budget, lowest) if family.anthropic else min(max(budget, lowest), highest)


def _budgeted(thinking: Json, left: object, limit: int | None, family: Family, notes: list[str]) -> dict[str, Any]:
    """Anthropic's form of thinking: a budget, at least the lowest and below the limit, or none."""
    lowest = family.budget[0]
    budget = narrow.whole(thinking.get("thinkingBudget"))
    if budget is None or budget < 0:
        own = narrow.whole(cast("Json", left).get("thinkingBudget")) if isinstance(left, dict) else None
        budget = own if own is not None and own >= 0 else lowest
    if budget == 0:
        return {**thinking, **THINKING_OFF}
    if limit is not None and limit <= lowest:
        notes.append(f"thinking switched off: {limit} tokens leave no room for it")
        return dict(THINKING_OFF)
    fits = max(budget, lowest) if limit is None else min(max(budget, lowest), limit - 1)
    if fits != narrow.whole(thinking.get("thinkingBudget")):
        below = "" if limit is None else f", and below {limit} in all"
        notes.append(f"thinkingBudget {fits}: at least {lowest}{below}")
    return {**thinking, "thinkingBudget": fits}

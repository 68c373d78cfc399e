"""generationConfig of the language server and of the turn → the one that is sent, with every rule between a member of
the one and a member of the other, by family. Pure.

What the turn itself gets wrong is for Google to refuse. Facts: language-server-and-google C.3;
wire-gemini-and-mapping 3; wire-anthropic 1, 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zerogravity.core.family import FAMILIES, THINKING_OFF, Family, lower_limit, rules
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def merge_generation_config(ls: Json, wanted: Json, family: str, notes: list[str]) -> dict[str, Any]:
    """``ls``: the members kept of the language server's. ``wanted``: the turn's. Adds to ``notes``.

    maxOutputTokens is lowered to the model's own limit, whoever set it. The turn's thinkingConfig stands alone: a level
    and a budget exclude each other.
    """
    known = rules(family)
    config: dict[str, Any] = {**ls, **wanted}
    thinking = config.pop("thinkingConfig", None)
    found: Json | None = narrow.an_object(thinking)
    if "thinkingConfig" not in wanted:
        thinking = found = None if found is None else _ls_thinking(found, known, notes)
    notes += lower_limit(config, family)
    if known.anthropic and found is not None:
        limit = narrow.whole(config.get("maxOutputTokens"))
        thinking = _anthropic_thinking(found, ls.get("thinkingConfig"), limit, known, notes)
    return config if thinking is None else {**config, "thinkingConfig": thinking}


def public_config(ls: Json, family: str, notes: list[str]) -> Json:
    """The language server's generationConfig for Google's public API. There a model's own limit counts where a request
    names none: the language server's may be lower, or higher than the model has. A model that thinks unasked shows its
    thoughts, as an editor's language server wants them: that changes neither how much it thinks nor what it costs."""
    kept = {name: value for name, value in ls.items() if name != "maxOutputTokens"}
    if kept != ls:
        notes.append("maxOutputTokens of the language server's removed")
    return {"thinkingConfig": {"includeThoughts": True}, **kept} if rules(family).unasked else kept


def with_level(ls: Json, wanted: Json, level: str) -> Json:
    """The turn's generationConfig with the ``level`` of thinking that its model's name asks for, if any; the client's
    own words come before that. Whether thoughts are shown stays as it is."""
    thinking = narrow.members(wanted.get("thinkingConfig", ls.get("thinkingConfig")))
    said = "thinkingConfig" in wanted and ("thinkingLevel" in thinking or "thinkingBudget" in thinking)
    if not level or said:
        return wanted
    kept = {name: value for name, value in thinking.items() if name != "thinkingBudget"}
    return {**wanted, "thinkingConfig": {**kept, "thinkingLevel": level}}


def without_thoughts(contents: Sequence[Json], config: Json, family: str) -> Sequence[Json]:
    """The contents, without thoughts where they may not be sent back: to Anthropic, when thinking is off."""
    budget = narrow.whole(narrow.lookup(config, "thinkingConfig", "thinkingBudget"))
    if not rules(family).anthropic or budget != 0:
        return contents
    made = [
        {**content, "parts": [part for part in content["parts"] if not part.get("thought")]} for content in contents
    ]
    return [content for content in made if content["parts"]]


def _ls_thinking(thinking: Json, family: Family, notes: list[str]) -> dict[str, Any] | None:
    """The language server's thinkingConfig, as far as this family takes it: no level that it does not have, no budget
    beside a level or outside of its range."""
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
    elif budget is not None and family.thinking == "budget" and budget != (clamped := _clamped(budget, family)):
        notes.append(f"the language server's thinkingBudget {budget} is {clamped} for this model")
        made["thinkingBudget"] = clamped
    return made


def _clamped(budget: int, family: Family) -> int:
    """Every family takes dynamic budgets (below 0); Anthropic names no highest one."""
    lowest, highest = family.budget
    if budget < 0 or (budget == 0 and family.budget_off):
        return budget
    return max(budget, lowest) if family.anthropic else min(max(budget, lowest), highest)


def _anthropic_thinking(
    thinking: Json, ls_thinking: object, limit: int | None, family: Family, notes: list[str]
) -> dict[str, Any]:
    """Anthropic thinks only with a budget, at least the lowest and below the limit: the turn's, else the language
    server's, else the lowest. No thinking where the limit leaves no room."""
    lowest = family.budget[0]
    budget = narrow.whole(thinking.get("thinkingBudget"))
    if budget is None or budget < 0:
        own = narrow.whole(narrow.lookup(ls_thinking, "thinkingBudget"))
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

"""What a Chat request says of thinking → thinkingConfig, and under which names the answer shows thoughts.

| member                                | here                                                                     |
|---------------------------------------|--------------------------------------------------------------------------|
| reasoning_effort, reasoning.effort    | level or budget; the one as good as the other                            |
| reasoning.max_tokens                  | a budget, or the level nearest to it; not beside an effort               |
| reasoning.enabled: false              | effort ``none``; true: thoughts are asked for                            |
| reasoning.exclude: true, include_reasoning: false | no thoughts in the answer                                    |
| include_reasoning: true, any ``reasoning`` | thoughts also as ``reasoning``, the name that OpenRouter's clients read |
| extra_body.google, google             | ``thinking_config`` of Google's own bridge, which wins                   |

Facts: wire-openai 9, 10; wire-gemini-and-mapping 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zerogravity.core.family import rules
from zerogravity.core.turn import Target
from zerogravity.errors import bad_request
from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.parameters import INT32
from zerogravity.surfaces.openai.thinking import thinking_config

Json = Mapping[str, Any]
KNOWN = ("effort", "max_tokens", "exclude", "enabled", "summary")


@dataclass(frozen=True, slots=True)
class Wish:
    """``param``: where the effort stands. ``shown``: the answer's members that hold thoughts."""

    effort: str | None
    budget: int | None
    asked: bool
    param: str
    shown: tuple[str, ...]
    notes: tuple[str, ...]


def wish(body: Json) -> Wish:
    """What is said, by whatever name. Raises FaultError 400 where it contradicts itself."""
    given = fields.obj(body, "reasoning")
    both = fields.boolean(body, "include_reasoning") or bool(given)
    hidden = body.get("include_reasoning") is False
    given = given or {}
    effort, inner = fields.string(body, "reasoning_effort"), fields.string(given, "effort", path="reasoning")
    param = "reasoning_effort" if inner is None else "reasoning.effort"
    if effort is not None and inner is not None and effort != inner:
        raise bad_request(f"Invalid 'reasoning.effort': 'reasoning_effort' says '{effort}'.", param="reasoning.effort")
    effort = inner if effort is None else effort
    budget = fields.integer(given, "max_tokens", lo=0, hi=INT32, path="reasoning")
    if effort is not None and budget is not None:
        text = "Invalid 'reasoning.max_tokens': an effort and a budget exclude each other."
        raise bad_request(text, param="reasoning.max_tokens")
    fields.choice(given, "summary", ("auto", "concise", "detailed", "none"), path="reasoning")
    enabled = fields.boolean(given, "enabled", path="reasoning", default=True)
    if not enabled or budget == 0:
        effort, budget = "none", None
    hidden = hidden or effort == "none" or fields.boolean(given, "exclude", path="reasoning")
    asked = effort is not None or budget is not None or given.get("enabled") is True
    shown = () if hidden else ("reasoning_content", "reasoning") if both else ("reasoning_content",)
    notes = tuple(f"reasoning.{name}: no counterpart upstream" for name in given if name not in KNOWN)
    return Wish(effort, budget, asked, param, shown, notes)


def thinking(body: Json, target: Target) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """thinkingConfig, or None when nothing is to be said; and notes."""
    said = wish(body)
    summaries = bool(said.shown) if said.asked else None
    config = thinking_config(said.effort, target, summaries=summaries, param=said.param, budget=said.budget)
    given = fields.obj(google_extras(body), "thinking_config", path="extra_body.google")
    if given is not None:
        return _googles(given, target, "extra_body.google.thinking_config"), said.notes
    if said.asked and config is None:
        return None, (*said.notes, f"{said.param} left out: this model does not think")
    return config, said.notes


def google_extras(body: Json) -> Json:
    """Members that Google's OpenAI endpoint reads from ``extra_body.google``; some clients send them at the top."""
    extra = fields.obj(body, "extra_body") or {}
    return fields.obj(extra, "google", path="extra_body") or fields.obj(body, "google") or {}


def _googles(given: Json, target: Target, path: str) -> dict[str, Any]:
    """Google's own words: one of level and budget, and only what the model has."""
    family = rules(target.family)
    if family.thinking == "none":
        raise fields.unsupported(path, "is not supported: this model does not think")
    level = fields.string(given, "thinking_level", path=path)
    budget = fields.integer(given, "thinking_budget", lo=-1, hi=INT32, path=path)
    if level is not None and budget is not None:
        raise bad_request(f"Invalid '{path}': a level and a budget exclude each other.", param=path)
    if level is not None and level.upper() not in family.levels:
        raise fields.invalid_value(f"{path}.thinking_level", level, family.levels or ("none: send thinking_budget",))
    if unknown := [name for name in given if name not in ("include_thoughts", "thinking_level", "thinking_budget")]:
        raise fields.unsupported(f"{path}.{unknown[0]}", "is not known")
    shown = fields.boolean(given, "include_thoughts", path=path) if "include_thoughts" in given else None
    made = {"thinkingBudget": budget, "thinkingLevel": level, "includeThoughts": shown}
    return {name: value for name, value in made.items() if value is not None}

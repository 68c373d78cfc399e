"""What a Chat request says of thinking, in OpenAI's, OpenRouter's and Google's members → thinkingConfig, and the
members in which the answer shows thoughts. Google's own ``thinking_config`` takes precedence.

Facts: wire-openai 9, 10; wire-gemini-and-mapping 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from zerogravity.core.family import rules
from zerogravity.core.turn import Target
from zerogravity.errors import bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.generation_config import thinking_config
from zerogravity.surfaces.common.parameters import INT32, ignored
from zerogravity.wire.narrow import Json

KNOWN = ("effort", "max_tokens", "exclude", "enabled", "summary")


@dataclass(frozen=True, slots=True)
class Reasoning:
    """``requested``: the client asked for thinking. ``param``: of the effort, for errors. ``shown``: the answer's
    members that hold thoughts."""

    effort: str | None
    budget: int | None
    requested: bool
    param: str
    shown: tuple[str, ...]
    notes: tuple[str, ...]


def reasoning(body: Json) -> Reasoning:
    """All members but Google's. Raises FaultError 400 if they contradict each other."""
    given = fields.obj(body, "reasoning")
    openrouter = fields.boolean(body, "include_reasoning") or bool(given)
    hidden = body.get("include_reasoning") is False
    given = given or {}
    effort, inner = fields.string(body, "reasoning_effort"), fields.string(given, "effort", path="reasoning")
    param = "reasoning_effort" if inner is None else "reasoning.effort"
    if effort is not None and inner is not None and effort != inner:
        raise bad_request(
            f"Invalid 'reasoning.effort': it contradicts 'reasoning_effort', which is '{effort}'.",
            param="reasoning.effort",
        )
    effort = inner if effort is None else effort
    budget = fields.integer(given, "max_tokens", lo=0, hi=INT32, path="reasoning")
    if effort is not None and budget is not None:
        text = "Invalid 'reasoning.max_tokens': it cannot be combined with an effort."
        raise bad_request(text, param="reasoning.max_tokens")
    fields.choice(given, "summary", ("auto", "concise", "detailed", "none"), path="reasoning")
    enabled = fields.boolean(given, "enabled", path="reasoning", default=True)
    if not enabled or budget == 0:
        effort, budget = "none", None
    hidden = hidden or effort == "none" or fields.boolean(given, "exclude", path="reasoning")
    requested = effort is not None or budget is not None or given.get("enabled") is True
    shown = () if hidden else ("reasoning_content", "reasoning") if openrouter else ("reasoning_content",)
    notes = tuple(ignored(f"reasoning.{name}") for name in given if name not in KNOWN)
    return Reasoning(effort, budget, requested, param, shown, notes)


def thinking(body: Json, target: Target) -> tuple[dict[str, object] | None, tuple[str, ...]]:
    """thinkingConfig, or None if nothing is to be sent; and notes. Raises FaultError 400."""
    wanted = reasoning(body)
    summaries = bool(wanted.shown) if wanted.requested else None
    config = thinking_config(wanted.effort, target, summaries=summaries, param=wanted.param, budget=wanted.budget)
    given = fields.obj(google_extras(body), "thinking_config", path="extra_body.google")
    if given is not None:
        return _googles(given, target, "extra_body.google.thinking_config"), wanted.notes
    if wanted.requested and config is None:
        return None, (*wanted.notes, f"{wanted.param} left out: this model does not think")
    return config, wanted.notes


def google_extras(body: Json) -> Json:
    """Members that Google's OpenAI endpoint reads from ``extra_body.google``; some clients send them at the top."""
    extra = fields.obj(body, "extra_body") or {}
    return fields.obj(extra, "google", path="extra_body") or fields.obj(body, "google") or {}


def _googles(given: Json, target: Target, path: str) -> dict[str, object]:
    """Google's own ``thinking_config``: a level or a budget, whichever the model has."""
    family = rules(target.family)
    if family.thinking == "none":
        raise fields.unsupported(path, "is not supported: this model does not think")
    level = fields.string(given, "thinking_level", path=path)
    budget = fields.integer(given, "thinking_budget", lo=-1, hi=INT32, path=path)
    if level is not None and budget is not None:
        raise bad_request(f"Invalid '{path}': a level and a budget cannot be combined.", param=path)
    if level is not None and level.upper() not in family.levels:
        if family.levels:
            raise fields.invalid_value(f"{path}.thinking_level", level, family.levels)
        text = f"Invalid '{path}.thinking_level': this model has no levels. Send 'thinking_budget' instead."
        raise bad_request(text, param=f"{path}.thinking_level", code="invalid_value")
    if unknown := [name for name in given if name not in ("include_thoughts", "thinking_level", "thinking_budget")]:
        raise fields.unsupported(f"{path}.{unknown[0]}", "is not known")
    shown = fields.boolean(given, "include_thoughts", path=path) if "include_thoughts" in given else None
    made = {"thinkingBudget": budget, "thinkingLevel": level, "includeThoughts": shown}
    return {name: value for name, value in made.items() if value is not None}

"""Efforts, OpenRouter's ``reasoning`` and Google's ``thinking_config`` → thinkingConfig, and what is shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.chat.support import parse
from zerogravity.errors import FaultError

LOW = {"thinkingLevel": "LOW", "includeThoughts": True}
HIGH = {**LOW, "thinkingLevel": "HIGH"}
PRO, FLASH, CLAUDE = "gemini-2.5-pro", "gemini-2.5-flash", "claude-sonnet-4-6"


def budget(tokens: int, *, thoughts: bool = True) -> dict[str, Any]:
    return {"thinkingBudget": tokens, "includeThoughts": thoughts}


@pytest.mark.parametrize(
    ("body", "config", "shown"),
    [
        ({"reasoning": {"effort": "low"}}, LOW, 2), ({"reasoning": {}}, None, 1),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "low"}, LOW, 2),
        ({"reasoning": {"effort": "low", "exclude": True}}, {**LOW, "includeThoughts": False}, 0),
        ({"reasoning": {"effort": "low"}, "include_reasoning": False}, {**LOW, "includeThoughts": False}, 0),
        ({"reasoning": {"effort": "none"}}, {"thinkingLevel": "MINIMAL", "includeThoughts": False}, 0),
        ({"reasoning": {"enabled": False}}, {"thinkingLevel": "MINIMAL", "includeThoughts": False}, 0),
        ({"reasoning": {"enabled": True}}, {"includeThoughts": True}, 2),
        ({"reasoning": {"effort": "high", "summary": "auto"}}, HIGH, 2),
        ({"reasoning": {"max_tokens": 1000}}, LOW, 2), ({"reasoning": {"max_tokens": 9000}}, HIGH, 2),
        ({"reasoning": {"effort": "xhigh"}}, HIGH, 2),
        ({"model": "gemini-3-pro", "reasoning": {"effort": "medium"}}, HIGH, 2),
        ({"model": PRO, "reasoning": {"max_tokens": 2000}}, budget(2000), 2),
        ({"model": PRO, "reasoning": {"max_tokens": 0}}, budget(128, thoughts=False), 0),
        ({"model": FLASH, "reasoning": {"max_tokens": 99999}}, budget(24576), 2),
        ({"model": FLASH, "reasoning": {"enabled": False}}, budget(0, thoughts=False), 0),
        ({"model": CLAUDE, "reasoning": {"effort": "low"}}, budget(1024), 2),
    ],
)  # fmt: skip
def test_openrouters_form_of_reasoning(body: dict[str, Any], config: Any, shown: int) -> None:
    turn = parse(**body)
    assert turn.google_request.get("generationConfig", {}).get("thinkingConfig") == config
    assert turn.details.reasoning == ("reasoning_content", "reasoning")[:shown]
    assert turn.notes == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"reasoning": {"effort": 1}}, "reasoning.effort"),
        ({"reasoning": {"max_tokens": "many"}}, "reasoning.max_tokens"),
        ({"reasoning": {"max_tokens": -1}}, "reasoning.max_tokens"),
        ({"reasoning": {"exclude": "no"}}, "reasoning.exclude"),
        ({"reasoning": {"enabled": 1}}, "reasoning.enabled"),
        ({"reasoning": {"effort": "low", "max_tokens": 5}}, "reasoning.max_tokens"),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning.effort"),
    ],
)  # fmt: skip
def test_reasoning_is_checked_as_reasoning_effort_is(body: dict[str, Any], param: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(**body)
    assert (caught.value.fault.status, caught.value.fault.param) == (400, param)


def test_what_reasoning_cannot_do_is_noted() -> None:
    assert parse(reasoning={"effort": "low", "depth": 3}).notes == ("reasoning.depth: ignored, it has no effect here",)
    turn = parse(model="gemini-3-pro-image", reasoning={"effort": "low"})
    assert turn.notes == ("reasoning.effort left out: this model does not think",)


@pytest.mark.parametrize(
    ("body", "config"),
    [
        ({"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}),
        ({"reasoning_effort": "minimal"}, {"thinkingConfig": {"thinkingLevel": "MINIMAL", "includeThoughts": True}}),
        ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingLevel": "MINIMAL", "includeThoughts": False}}),
        ({"reasoning_effort": "high", "include_reasoning": False},
         {"thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": False}}),
        ({"model": "gemini-2.5-pro", "reasoning_effort": "medium"},
         {"thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": True}}),
        ({"extra_body": {"google": {"thinking_config": {"thinking_budget": 0, "include_thoughts": True}}}},
         {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True}}),
        ({"google": {"thinking_config": {"thinking_level": "low"}}, "reasoning_effort": "high"},
         {"thinkingConfig": {"thinkingLevel": "low"}}),
    ],
)  # fmt: skip
def test_an_effort_and_googles_own_form(body: dict[str, Any], config: dict[str, Any]) -> None:
    assert parse(**body).google_request["generationConfig"] == config


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"extra_body": {"google": {"thinking_config": {"thinking_level": "LOW", "thinking_budget": 1}}}},
         "extra_body.google.thinking_config", "invalid_value"),
        ({"extra_body": {"google": {"thinking_config": {"thinking_level": "ULTRA"}}}},
         "extra_body.google.thinking_config.thinking_level", "invalid_value"),
        ({"extra_body": {"google": {"thinking_config": {"thoughts": True}}}},
         "extra_body.google.thinking_config.thoughts", "unsupported_parameter"),
        ({"model": "gemini-2.5-flash", "google": {"thinking_config": {"thinking_level": "LOW"}}},
         "extra_body.google.thinking_config.thinking_level", "invalid_value"),
        ({"model": "gemini-3-pro-image", "google": {"thinking_config": {"include_thoughts": True}}},
         "extra_body.google.thinking_config", "unsupported_parameter"),
        ({"reasoning_effort": "lots"}, "reasoning_effort", "invalid_value"),
        ({"include_reasoning": "yes"}, "include_reasoning", "invalid_type"),
        ({"extra_body": {"google": {"thinking_config": 1}}}, "extra_body.google.thinking_config", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(**body)
    fault = caught.value.fault
    assert (fault.status, fault.param, fault.code) == (400, param, code)

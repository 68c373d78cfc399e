"""``thinking`` and effort → thinkingConfig, by family. Facts: wire-anthropic 8."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.cases import sent
from tests.judging import complaint
from tests.surfaces.messages.support import parse, refused
from zerogravity.core.family import rules
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.surfaces.messages.thinking import EFFORTS, LOWERED, thinking

FLASH, PRO, OLD, OLD_PRO, CLAUDE, GPT = (
    "gemini-3-flash", "gemini-3-pro", "gemini-2.5-flash", "gemini-2.5-pro", "claude-sonnet-4-6", "gpt-oss-120b"
)  # fmt: skip
ADAPTIVE, OFF = {"type": "adaptive"}, {"type": "disabled"}
LARGE = 64_000


def enabled(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


def shown(**config: Any) -> dict[str, Any]:
    return {**config, "includeThoughts": True}


def hidden(**config: Any) -> dict[str, Any]:
    return {**config, "includeThoughts": False}


def level(word: str) -> dict[str, Any]:
    return {"thinkingLevel": word}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinkingBudget": tokens}


ROWS: list[tuple[str, dict[str, Any] | None, str | None, int, dict[str, Any] | None]] = [
    # nothing said
    (FLASH, None, None, LARGE, hidden()),
    (OLD, None, None, LARGE, hidden()),
    (CLAUDE, None, None, LARGE, hidden(**budget(0))),
    (GPT, None, None, LARGE, hidden()),
    # switched off
    (FLASH, OFF, "high", LARGE, hidden(**level("MINIMAL"))),
    (PRO, OFF, None, LARGE, hidden(**level("LOW"))),
    (OLD, OFF, None, LARGE, hidden(**budget(0))),
    (OLD_PRO, OFF, None, LARGE, hidden(**budget(128))),
    (CLAUDE, OFF, None, LARGE, hidden(**budget(0))),
    # a budget, which comes before an effort
    (FLASH, enabled(1024), "max", LARGE, shown(**level("MINIMAL"))),
    (PRO, enabled(1024), None, LARGE, shown(**level("LOW"))),
    (FLASH, enabled(4096), None, LARGE, shown(**level("LOW"))),
    (FLASH, enabled(16_384), None, LARGE, shown(**level("MEDIUM"))),
    (FLASH, enabled(31_999), None, 32_000, shown(**level("HIGH"))),
    (OLD, enabled(5000), None, LARGE, shown(**budget(5000))),
    (OLD, enabled(60_000), None, LARGE, shown(**budget(24_576))),
    (OLD, enabled(5000), None, 4000, shown(**budget(3999))),
    (CLAUDE, enabled(5000), None, LARGE, shown(**budget(5000))),
    (CLAUDE, enabled(31_999), None, 32_000, shown(**budget(31_999))),
    (CLAUDE, enabled(5000), None, 4000, shown(**budget(3999))),
    # an effort, or none
    (FLASH, ADAPTIVE, None, LARGE, shown(**level("HIGH"))),
    (FLASH, {"type": "between_tools"}, None, LARGE, shown(**level("HIGH"))),
    (FLASH, ADAPTIVE, "low", LARGE, shown(**level("LOW"))),
    (FLASH, ADAPTIVE, "medium", LARGE, shown(**level("MEDIUM"))),
    (PRO, ADAPTIVE, "medium", LARGE, shown(**level("HIGH"))),
    (FLASH, ADAPTIVE, "max", LARGE, shown(**level("HIGH"))),
    (OLD, ADAPTIVE, "low", LARGE, shown(**budget(1024))),
    (OLD, ADAPTIVE, "medium", LARGE, shown(**budget(8192))),
    (OLD_PRO, ADAPTIVE, "max", 65_536, shown(**budget(32_768))),
    *((CLAUDE, ADAPTIVE, word, LARGE, shown(**budget(tokens)))
      for word, tokens in (("low", 4096), ("medium", 10_000), ("high", 16_000), ("xhigh", 24_000), ("max", 32_000))),
    (CLAUDE, ADAPTIVE, None, 128_000, shown(**budget(16_000))),
    # an effort alone
    (FLASH, None, "low", LARGE, hidden(**level("LOW"))),
    (OLD, None, "low", LARGE, hidden(**budget(1024))),
    (CLAUDE, None, "low", LARGE, hidden(**budget(0))),
    # a low limit
    (FLASH, ADAPTIVE, "high", 16_384, shown(**level("MEDIUM"))),
    (FLASH, ADAPTIVE, "high", 4096, shown(**level("LOW"))),
    (FLASH, ADAPTIVE, "low", 1000, shown(**level("MINIMAL"))),
    (FLASH, None, None, 4096, hidden(**level("LOW"))),
    (FLASH, None, None, 300, hidden(**level("MINIMAL"))),
    (OLD, None, None, 4096, hidden(**budget(2048))),
    (OLD, ADAPTIVE, "medium", 4096, shown(**budget(2048))),
    ("gemini-2.5-flash-lite", None, None, 4096, hidden()),
    (CLAUDE, ADAPTIVE, "max", 32_000, shown(**budget(16_000))),
    (CLAUDE, ADAPTIVE, None, 1024, hidden(**budget(0))),
]  # fmt: skip


@pytest.mark.parametrize(("model", "asked", "effort", "limit", "made"), ROWS)
def test_what_is_sent(
    model: str, asked: dict[str, Any] | None, effort: str | None, limit: int, made: dict[str, Any] | None
) -> None:
    """wire-anthropic 7.18: the effort that is asked for counts."""
    turn = parse(model=model, thinking=asked, output_config={"effort": effort}, max_tokens=limit)
    assert turn.google_request["generationConfig"].get("thinkingConfig") == made
    assert complaint(sent(turn)) is None


@pytest.mark.parametrize("model", [FLASH, OLD, CLAUDE])
@pytest.mark.parametrize("asked", [ADAPTIVE, enabled(20_000)])
def test_what_the_limit_takes_is_noted(model: str, asked: dict[str, Any]) -> None:
    """wire-anthropic 7.19: Claude refuses a budget that is not below the limit."""
    assert parse(model=model, thinking=asked, max_tokens=64_000).notes == ()
    assert LOWERED in parse(model=model, thinking=asked, max_tokens=4096).notes


def test_a_level_in_the_models_name_counts_as_said() -> None:
    named = replace(Catalogue().resolve(FLASH), level="HIGH")
    assert thinking(None, None, 300, named)[0] == hidden()


@pytest.mark.parametrize(
    ("asked", "thoughts"),
    [
        (None, "hidden"), (OFF, "hidden"), ({**OFF, "display": "summarized"}, "hidden"), (ADAPTIVE, "shown"),
        ({**ADAPTIVE, "display": None}, "shown"), ({**ADAPTIVE, "display": "summarized"}, "shown"),
        ({**ADAPTIVE, "display": "updates"}, "shown"), ({**ADAPTIVE, "display": "omitted"}, "omitted"),
    ],
)  # fmt: skip
def test_what_is_shown(asked: dict[str, Any] | None, thoughts: str) -> None:
    turn = parse(thinking=asked)
    assert turn.details_as(MessagesDetails).thoughts == thoughts
    wanted = turn.google_request["generationConfig"]["thinkingConfig"]["includeThoughts"]
    assert (wanted, turn.notes) == (thoughts != "hidden", ())


def test_a_display_of_tomorrow_is_noted() -> None:
    turn = parse(thinking={**ADAPTIVE, "display": "whispered"})
    assert turn.notes == ("thinking.display: ignored, it has no effect here",)


def test_a_model_that_does_not_think() -> None:
    turn = parse(model="gemini-3-pro-image", thinking=ADAPTIVE)
    assert "thinkingConfig" not in turn.google_request["generationConfig"]
    assert turn.notes[-1] == "thinking left out: this model does not think"
    assert parse(model="gemini-3-pro-image", thinking=OFF).notes == parse(model="gemini-3-pro-image").notes


@pytest.mark.parametrize(
    ("asked", "param", "code"),
    [
        ("high", "thinking", "invalid_type"), ({"x": 1}, "thinking.type", "missing_required_parameter"),
        ({}, "thinking.type", "missing_required_parameter"),
        ({"type": "on"}, "thinking.type", "invalid_value"), ({"type": 1}, "thinking.type", "invalid_type"),
        ({"type": "enabled"}, "thinking.budget_tokens", "missing_required_parameter"),
        (enabled(1023), "thinking.budget_tokens", "integer_below_min_value"),
        ({"type": "enabled", "budget_tokens": "x"}, "thinking.budget_tokens", "invalid_type"),
        ({**ADAPTIVE, "display": 1}, "thinking.display", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_refused(asked: Any, param: str, code: str) -> None:
    fault = refused(thinking=asked)
    assert (fault.param, fault.code) == (param, code)


@pytest.mark.parametrize("model", [FLASH, OLD, OLD_PRO])
def test_a_forced_call_leaves_gemini_its_thoughts(model: str) -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    turn = parse(model=model, thinking=ADAPTIVE, tools=tools, tool_choice={"type": "any"})
    assert turn.google_request["generationConfig"]["thinkingConfig"]["includeThoughts"] is True


def test_a_forced_call_takes_them_from_claude() -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    turn = parse(model=CLAUDE, thinking=ADAPTIVE, tools=tools, tool_choice={"type": "any"})
    assert turn.google_request["generationConfig"]["thinkingConfig"] == hidden(**budget(0))
    assert complaint(sent(turn)) is None


@given(
    st.sampled_from([FLASH, PRO, "gemini-3.1-pro", OLD, OLD_PRO, "gemini-2.5-flash-lite", CLAUDE, GPT]),
    st.sampled_from([None, ADAPTIVE, OFF, enabled(1024), enabled(20_000), enabled(10**6)]),
    st.sampled_from([None, *EFFORTS]),
    st.integers(0, 200_000),
)
def test_never_a_level_with_a_budget_or_outside_of_the_family(
    model: str, asked: dict[str, Any] | None, effort: str | None, limit: int
) -> None:
    target = Catalogue().resolve(model)
    family, (config, *_) = rules(target.family), thinking(asked, effort, limit, target)
    assert config is not None
    assert not {"thinkingLevel", "thinkingBudget"} <= config.keys()
    assert config.get("thinkingLevel", next(iter(family.levels), None)) in (*family.levels, None)
    tokens, (lowest, highest) = config.get("thinkingBudget", family.budget[0]), family.budget
    assert lowest <= tokens <= highest or (tokens == 0 and family.budget_off)

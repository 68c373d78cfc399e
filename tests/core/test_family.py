"""Families by name, their rules, and the limits of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.family import FAMILIES, Family, family_of, lower_limit, rules, unthinking


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gemini-2.5-pro", "gemini-2.5-pro"), ("gemini-2.5-flash-lite-preview", "gemini-2.5-flash-lite"),
        ("gemini-2.5-computer-use", "gemini-2.5"), ("gemini-2.0-flash", "gemini-2.0"), ("gemma-3-27b", "gemma"),
        ("gemini-3-pro-low", "gemini-3-pro"), ("gemini-3.1-pro-high", "gemini-3.1-pro"),
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite"), ("gemini-3.5-flash-low", "gemini-3.5-flash"),
        ("gemini-3.9-ultra", "gemini"), ("gemini-4-pro", "gemini-4"), ("gemini-3-pro-image", "gemini-3-image"),
        ("claude-sonnet-4-6", "claude"), ("gpt-oss-120b-medium", "gpt-oss"), ("something", "gemini"),
    ],
)  # fmt: skip
def test_families_by_name(name: str, family: str) -> None:
    assert family_of(name) == family


def test_an_unknown_gemini_gets_the_common_rules() -> None:
    assert rules("gemini-3") == rules("gemini") == Family()
    assert "MINIMAL" not in rules(family_of("gemini-3.9-pro")).levels


@pytest.mark.parametrize("family", FAMILIES)
def test_a_families_rules_agree_with_one_another(family: str) -> None:
    made = rules(family)
    assert bool(made.levels) == (made.thinking == "level")
    assert (made.budget[1] > 0) == (made.thinking == "budget") or made.thinking == "none"
    assert made.budget_off or made.budget[0] > 0 or made.thinking != "budget"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_limit_is_at_most_the_models_own(family: str) -> None:
    most = rules(family).output_limit
    for given in (1, most, None, "x"):
        config: dict[str, Any] = {"maxOutputTokens": given}
        assert lower_limit(config, family) == []
        assert config == {"maxOutputTokens": given}
    config = {"maxOutputTokens": 8193}
    assert lower_limit(config, family, 8192) == ["maxOutputTokens lowered to 8192: this model gives no more"]
    assert config == {"maxOutputTokens": 8192}
    config = {"maxOutputTokens": str(most + 1)}
    assert lower_limit(config, family) == [f"maxOutputTokens lowered to {most}: this model gives no more"]
    assert config == {"maxOutputTokens": most}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_does_not_think_keeps_the_other_rules(family: str) -> None:
    before, after = rules(family), rules(unthinking(family))
    assert (after.thinking, after.unasked) == ("none", False)
    if family.startswith("gemini"):
        assert (after.ids_on_calls, after.needs_signature) == (before.ids_on_calls, before.needs_signature)
    assert not before.unasked or before.thinking != "none"

"""Which family a model's name belongs to."""

from __future__ import annotations

import pytest

from zerogravity.testing.simulator.google.families import MODELS, PUBLIC_MODELS, answers_as, family_of


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-2.5-pro", "gemini-2.5-pro"), ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite"),
        ("gemini-2.5-flash-image", "gemini-2.5-flash"), ("gemini-2.0-flash", "gemini-2.0"), ("gemma-3", "gemini-2.0"),
        ("gemini-3-flash", "gemini-3-flash"), ("gemini-3.5-flash-low", "gemini-3-flash"),
        ("gemini-3.8-flash", "gemini-3.8-flash"), ("gemini-3-pro-high", "gemini-3-pro"),
        ("gemini-3.1-pro-low", "gemini-3.1-pro"), ("gemini-pro-agent", "gemini-3.1-pro"), ("gemini-4-x", "gemini-4"),
        ("claude-opus-4-6-thinking", "claude"), ("gpt-oss-120b-medium", "gpt-oss"),
        ("models/gemini-3-flash", "gemini-3-flash"), ("no-such-model", None), ("", None),
    ],
)  # fmt: skip
def test_the_family_of_a_model(model: str, family: str | None) -> None:
    found = family_of(model)
    assert (found and found.name) == family


def test_every_listed_model_has_a_family_and_public_ones_are_public() -> None:
    assert all(family_of(name) for name, _, _ in MODELS)
    assert all(family.public for one in PUBLIC_MODELS if (family := family_of(one.name)))


def test_agents_names_come_back_cut() -> None:
    assert (answers_as("gemini-3-flash-agent"), answers_as("gemini-3-flash")) == ("gemini-3-flash-a", "gemini-3-flash")

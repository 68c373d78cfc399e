"""Every effort for every family: a level or a budget, never both, within what the model has."""

from __future__ import annotations

from itertools import product

import pytest

from tests.judging import about, complaint
from zerogravity.core.family import FAMILIES, rules
from zerogravity.core.turn import Target
from zerogravity.errors import FaultError
from zerogravity.surfaces.common.generation_config import EFFORTS, thinking_config

# none, minimal, low, medium, high, xhigh, max
MIN_HIGH = ["MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"]
LOW_HIGH = ["LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"]
TABLE: dict[str, list[str] | list[int] | None] = {
    "gemini": LOW_HIGH, "gemini-1.5": None, "gemini-2.0": None, "gemma": None, "gemini-3-image": None,
    "gemini-2.5": [0, 512, 1024, 8192, 24576, 24576, 24576],
    "gemini-2.5-pro": [128, 512, 1024, 8192, 24576, 32768, 32768],
    "gemini-2.5-flash": [0, 512, 1024, 8192, 24576, 24576, 24576],
    "gemini-2.5-flash-lite": [0, 512, 1024, 8192, 24576, 24576, 24576],
    "gemini-3-pro": ["LOW", "LOW", "LOW", "HIGH", "HIGH", "HIGH", "HIGH"],
    "gemini-3.1-pro": LOW_HIGH, "gemini-3-flash": MIN_HIGH, "gemini-3.1-flash-lite": MIN_HIGH,
    "gemini-3.5-flash": MIN_HIGH, "gemini-3.5-flash-lite": MIN_HIGH, "gemini-3.6-flash": MIN_HIGH,
    "gemini-3.7-flash": LOW_HIGH, "gemini-3.8-flash": LOW_HIGH,
    "gemini-4": ["LOW", "LOW", "LOW", "MEDIUM", "HIGH", "XHIGH", "XHIGH"],
    "claude": [0, 1024, 1024, 8192, 24576, 32000, 32000],
    "gpt-oss": [0, 1024, 1024, 8192, 8192, 8192, 8192],
}  # fmt: skip
MODELS = {
    "gemini": "gemini-3.1-pro-high", "gemini-2.5": "gemini-2.5-flash", "claude": "claude-sonnet-4-6",
    "gpt-oss": "gpt-oss-120b-medium", "gemini-4": "gemini-4-pro",
}  # fmt: skip


def target(family: str) -> Target:
    return Target(MODELS.get(family, family), "M", None, family)


def test_the_table_is_whole() -> None:
    assert TABLE.keys() == FAMILIES.keys()


@pytest.mark.parametrize(("family", "effort"), list(product(FAMILIES, EFFORTS)))
def test_every_effort_of_every_family(family: str, effort: str) -> None:
    row = TABLE[family]
    config = thinking_config(effort, target(family), summaries=True)
    if row is None:
        assert config is None
        return
    wanted = row[list(EFFORTS).index(effort)]
    name = "thinkingLevel" if isinstance(wanted, str) else "thinkingBudget"
    assert config == {name: wanted, "includeThoughts": effort != "none"}
    assert complaint(about(target(family).name, generationConfig={"thinkingConfig": config})) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_without_effort_only_the_wish_for_thoughts_is_said(family: str) -> None:
    thinks = rules(family).thinking != "none"
    assert thinking_config(None, target(family), summaries=None) is None
    for wish in (True, False):
        expected = {"includeThoughts": wish} if thinks else None
        assert thinking_config(None, target(family), summaries=wish) == expected


@pytest.mark.parametrize("effort", ["lots", "LOW", "", "thinking"])
def test_an_unknown_word_is_refused_on_every_family(effort: str) -> None:
    for family in FAMILIES:
        with pytest.raises(FaultError) as caught:
            thinking_config(effort, target(family), summaries=None, param="reasoning_effort")
        assert caught.value.fault.param == "reasoning_effort"

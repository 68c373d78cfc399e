"""The catalogue: default names, aliases, what the language server says, families by name."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces import chat, gemini, responses
from zerogravity.surfaces.common.models import ALIASES, FAMILIES, Catalogue, Family, family_of, rules, slug

NAMES = (
    "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-3-pro", "gemini-3-flash", "gemini-3.1-pro",
    "gemini-3.5-flash", "gemini-3.8-flash", "claude-opus-4-6-thinking", "claude-sonnet-4-5-thinking",
    "gpt-oss-120b-medium",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_default_table(name: str) -> None:
    catalogue = Catalogue()
    assert catalogue.resolve(name).name == name
    assert catalogue.resolve(f"models/{name}").name == name
    assert catalogue.get(name).id in {info.id for info in catalogue.list()}


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_default_aliases_lead_somewhere(alias: str) -> None:
    assert Catalogue().resolve(alias).name in {info.id for info in Catalogue().list()}


def test_aliases_of_the_config() -> None:
    catalogue = Catalogue(
        {"gpt-5": "gemini-3-flash", "mine": "other", "other": "gpt-5", "loop": "pool", "pool": "loop"}
    )
    assert catalogue.resolve("gpt-5").name == "gemini-3-flash"
    assert catalogue.resolve("mine").name == "gemini-3-flash"
    with pytest.raises(FaultError):
        catalogue.resolve("loop")


@pytest.mark.parametrize(
    ("surface", "where", "what"),
    [
        (chat.surface, ("type", "code", "param"), ("invalid_request_error", "model_not_found", "model")),
        (responses.surface, ("type", "code", "param"), ("invalid_request_error", "model_not_found", "model")),
        (gemini.surface, ("code", "status"), (404, "NOT_FOUND")),
    ],
)  # fmt: skip
def test_an_unknown_model_is_a_404_in_each_surfaces_form(surface: Any, where: Any, what: Any) -> None:
    with pytest.raises(FaultError) as caught:
        Catalogue().resolve("gpt-2")
    answer = surface.error(caught.value.fault)
    assert answer.status == 404
    assert tuple(answer.body["error"][name] for name in where) == what
    assert answer.headers["x-should-retry"] == "false"


def config(label: Any, model: Any) -> dict[str, Any]:
    return {"label": label, "modelOrAlias": {"model": model}}


def test_what_the_language_server_says_counts() -> None:
    catalogue = Catalogue()
    count = catalogue.refresh([
        config("Gemini 3 Pro (High)", "MODEL_PLACEHOLDER_M99"),
        config("Gemini 5 Ultra (Low)", "MODEL_PLACEHOLDER_M500"),
        config("Claude Next 7 (Thinking)", "MODEL_PLACEHOLDER_M501"),
        config("Gemini 3.8 Flash", "MODEL_PLACEHOLDER_M502"),
        config(None, "M"), config("x", None), {"label": "y"}, {"label": "z", "modelOrAlias": 7},
    ])  # fmt: skip
    assert count == 4
    assert catalogue.resolve("gemini-3-pro").ls_model == "MODEL_PLACEHOLDER_M99"
    assert catalogue.resolve("gemini-3-pro-high").ls_model == "MODEL_PLACEHOLDER_M99"
    assert catalogue.resolve("gemini-3-pro-low").ls_model != "MODEL_PLACEHOLDER_M99"
    assert catalogue.resolve("gemini-3.8-flash").wire_model == "gemini-3.8-flash-medium"
    new = catalogue.resolve("gemini-5-ultra-low")
    assert (new.ls_model, new.family) == ("MODEL_PLACEHOLDER_M500", "gemini")
    assert catalogue.resolve("claude-next-7-thinking").family == "claude"
    assert catalogue.resolve("gemini-3-flash").ls_model == "MODEL_PLACEHOLDER_M18"


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


def test_a_new_gemini_gets_only_what_most_take() -> None:
    assert rules("gemini-3") == rules("gemini") == Family()
    assert "MINIMAL" not in rules(family_of("gemini-3.9-pro")).levels


@pytest.mark.parametrize("family", FAMILIES)
def test_a_families_rules_agree_with_one_another(family: str) -> None:
    made = rules(family)
    assert bool(made.levels) == (made.thinking == "level")
    assert (made.budget[1] > 0) == (made.thinking == "budget") or made.thinking == "none"
    assert made.budget_off or made.budget[0] > 0 or made.thinking != "budget"


def test_slugs() -> None:
    assert slug("Gemini 3.5 Flash (Low)") == "gemini-3.5-flash-low"
    assert slug("  GPT–OSS 120B ") == "gpt-oss-120b"

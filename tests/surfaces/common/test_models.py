"""The catalogue: default names, aliases, what the language server says."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.turn import Model
from zerogravity.errors import FaultError
from zerogravity.surfaces.common.models import ALIASES, Catalogue, slug

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


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("models/gemini-3-flash", "gemini-3-flash"), ("google/gemini-3-flash", "gemini-3-flash"),
        ("gemini/gemini-3-flash", "gemini-3-flash"), ("vertex_ai/gemini-2.5-pro", "gemini-2.5-pro"),
        ("openai/gemini-3-flash", "gemini-3-flash"), ("openrouter/google/gemini-3-flash-preview", "gemini-3-flash"),
        ("publishers/google/models/gemini-2.5-flash", "gemini-2.5-flash"), ("/gemini-3-flash", "gemini-3-flash"),
        ("projects/p/locations/global/publishers/google/models/gemini-3-flash", "gemini-3-flash"),
        ("tunedModels/gemini-3-flash", "gemini-3-flash"), ("models/models/gemini-3-flash", "gemini-3-flash"),
        ("anthropic/claude-sonnet-4-6", "claude-sonnet-4-6"), ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("openrouter/anthropic/claude-opus-4.6", "claude-opus-4-6-thinking"),
        ("openai/gpt-oss-120b", "gpt-oss-120b-medium"), ("openai/gpt-5", "gemini-3.1-pro"),
        ("gemini-3.1-pro-preview-customtools", "gemini-3.1-pro"),
        ("models/gemini-3.1-pro-preview-customtools", "gemini-3.1-pro"),
    ],
)  # fmt: skip
def test_a_providers_prefix_changes_nothing(asked: str, name: str) -> None:
    catalogue = Catalogue()
    assert catalogue.resolve(asked).name == name
    assert catalogue.get(asked).id == name


@pytest.mark.parametrize(
    "asked", ["", "/", "google/", "google/gemini-2", "gemini-3-flash/", "gemini-3-flash/x", "/" * 9999]
)
def test_unknown_names_with_prefixes_are_refused(asked: str) -> None:
    with pytest.raises(FaultError):
        Catalogue().resolve(asked)


def test_an_alias_may_have_slashes_and_its_target_a_prefix() -> None:
    catalogue = Catalogue({"openai/gemini-3-flash": "google/gemini-2.5-pro", "team/mine": "gemini-2.5-flash"})
    assert catalogue.resolve("openai/gemini-3-flash").name == "gemini-2.5-pro"
    assert catalogue.resolve("openrouter/openai/gemini-3-flash").name == "gemini-2.5-pro"
    assert catalogue.resolve("models/team/mine").name == "gemini-2.5-flash"
    assert catalogue.resolve("google/gemini-3-flash").name == "gemini-3-flash"


def test_aliases_of_the_config() -> None:
    catalogue = Catalogue(
        {"gpt-5": "gemini-3-flash", "mine": "other", "other": "gpt-5", "loop": "pool", "pool": "loop"}
    )
    assert catalogue.resolve("gpt-5").name == "gemini-3-flash"
    assert catalogue.resolve("mine").name == "gemini-3-flash"
    with pytest.raises(FaultError):
        catalogue.resolve("loop")


def config(label: str, model: str) -> Model:
    return Model(model, label)


def test_the_language_servers_list_of_models_wins() -> None:
    catalogue = Catalogue()
    count = catalogue.refresh([
        config("Gemini 3 Pro (High)", "MODEL_PLACEHOLDER_M99"),
        config("Gemini 5 Ultra (Low)", "MODEL_PLACEHOLDER_M500"),
        config("Claude Next 7 (Thinking)", "MODEL_PLACEHOLDER_M501"),
        config("Gemini 3.8 Flash", "MODEL_PLACEHOLDER_M502"),
        Model("M"),
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


M37, OTHER = "MODEL_PLACEHOLDER_M37", "MODEL_PLACEHOLDER_M999"


@pytest.mark.parametrize(
    ("said", "lost", "kept"),
    [
        ([], (), ("gpt-5", "gemini-3.1-pro")),
        ([("Gemini 3 Flash", "MODEL_PLACEHOLDER_M18")], (), ("gpt-5", "gemini-3.1-pro-high", "gpt-5-mini")),
        ([("Gemini 3.1 Pro (High)", M37)], (), ("gpt-5", "gemini-3.1-pro", "gemini-3.1-pro-high")),
        ([("gemini 3.1 pro high", M37)], (), ("gpt-5", "gemini-3.1-pro", "gemini-3.1-pro-high")),
        ([("Gemini 9 Ultra", M37)],
         ("gpt-5", "gpt-5-codex", "gemini-3.1-pro", "gemini-3.1-pro-high", "gemini-3.1-pro-preview",
          "gemini-pro-latest", "models/gemini-3.1-pro", "mine"),
         ("gemini-9-ultra", "gpt-5-mini", "gemini-3.1-pro-low")),
        ([("Gemini 3.1 Pro (Low)", M37)], ("gpt-5", "gemini-3.1-pro"), ("gemini-3.1-pro-low",)),
        ([("Gemini 9 Ultra", M37), ("Gemini 3.1 Pro (High)", OTHER)], (), ("gpt-5", "gemini-3.1-pro", "mine")),
        ([("Gemini 9 Ultra", M37), ("Gemini 3.1 Pro (High)", M37)], (), ("gpt-5", "gemini-9-ultra")),
        ([("Claude Sonnet 4.6", "MODEL_PLACEHOLDER_M35")], (), ("claude-sonnet-4-6", "sonnet-4.6")),
        ([("Claude Sonnet 5", "MODEL_PLACEHOLDER_M35")], ("claude-sonnet-4-6", "sonnet-4.6"), ("claude-sonnet-5",)),
        # Google is told these by name, whatever stands behind the placeholder.
        ([("Gemini 3.1 Flash Image", "MODEL_PLACEHOLDER_M21")], (), ("gemini-3-pro-image", "gemini-3.1-flash-image")),
        ([("Claude Haiku 5", "MODEL_PLACEHOLDER_M21")], ("gemini-3-pro-image", "gemini-3.1-flash-image"), ()),
        ([("Gemini 3.5 Flash (High)", "MODEL_PLACEHOLDER_M132")], (), ("gemini-3.8-flash", "gemini-flash-latest")),
        ([("Gemini 4 Flash", "MODEL_PLACEHOLDER_M132")], ("gemini-3.5-flash-high",), ("gemini-3.8-flash",)),
        ([("Claude Haiku 5", "MODEL_PLACEHOLDER_M132")], ("gemini-3.8-flash", "gemini-flash-latest"), ()),
    ],
)  # fmt: skip
def test_a_model_is_never_answered_by_another_one(said: Any, lost: Any, kept: Any) -> None:
    catalogue = Catalogue({"mine": "gpt-5"})
    catalogue.refresh([config(label, model) for label, model in said])
    listed = [info.id for info in catalogue.list()]
    labels = {model: {slug(label).replace(".", "-") for label, other in said if other == model} for _, model in said}
    for info in catalogue.list():  # the rule itself
        target = info.target
        if target.wire_model is None and target.ls_model in labels:
            names = {slug(text).replace(".", "-") for text in (info.id, info.display_name)}
            assert names & labels[target.ls_model], info
    for name in kept:
        assert catalogue.get(name).id in listed
    for name in lost:
        assert name not in listed
        with pytest.raises(FaultError) as caught:
            catalogue.resolve(name)
        fault = caught.value.fault
        assert (fault.status, fault.code, fault.param) == (404, "model_not_found", "model")
        assert f"There are: {', '.join(listed)}." in fault.message
        if name in ALIASES or name == "mine":
            assert f"It stands for '{'gemini' if 'sonnet' not in name else 'claude'}" in fault.message


@pytest.mark.parametrize("label", ["日本語", "", " ", "—", "***"])
def test_a_label_without_a_usable_name_is_not_listed(label: str) -> None:
    catalogue, fresh = Catalogue(), Catalogue()
    catalogue.refresh([config(label, OTHER), config("Gemini 3 Flash", M37)])
    fresh.refresh([config("Gemini 3 Flash", M37)])
    assert catalogue.list() == fresh.list()
    for name in ("nonsense", "google/nonsense", label, ""):
        with pytest.raises(FaultError):
            catalogue.resolve(name)


def test_a_later_list_of_models_replaces_the_earlier_one() -> None:
    """It is another build, or another one altogether: nothing is left of what the one before has said."""
    catalogue, fresh = Catalogue(), Catalogue()
    catalogue.refresh([config("Gemini 9 Ultra", M37), config("Gemini 3 Flash", OTHER)])
    later = [config("Gemini 3.1 Pro (High)", M37)]
    assert catalogue.refresh(later) == fresh.refresh(later) == 1
    assert catalogue.list() == fresh.list()
    assert catalogue.resolve("gpt-5").ls_model == M37
    assert catalogue.refresh([]) == catalogue.refresh([Model("M")]) == 0
    assert catalogue.list() == fresh.list(), "one that says nothing takes nothing away"


def test_without_interception_models_that_need_a_rewrite_are_not_offered() -> None:
    """A name that lives of the rewritten request would be answered by the model that its placeholder stands for."""
    catalogue = Catalogue(rewrites=False)
    for name in ("gemini-3.8-flash", "gemini-flash-latest", "gemini-3.5-flash-lite"):
        with pytest.raises(FaultError):
            catalogue.resolve(name)
    assert catalogue.resolve("gemini-3.5-flash").ls_model == "MODEL_PLACEHOLDER_M132"
    catalogue.refresh([config("Gemini 3.8 Flash", "MODEL_PLACEHOLDER_M502")])
    assert catalogue.resolve("gemini-3.8-flash").ls_model == "MODEL_PLACEHOLDER_M502"
    assert all(info.target.wire_model is None for info in catalogue.list())


def test_slugs() -> None:
    assert slug("Gemini 3.5 Flash (Low)") == "gemini-3.5-flash-low"
    assert slug("  GPT–OSS 120B ") == "gpt-oss-120b"

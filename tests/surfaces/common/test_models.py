"""The catalogue: default names, aliases, what the language server says."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.family import family_of, rules
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


CLAUDE = [
    ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"), ("claude-sonnet-4-5-latest", "claude-sonnet-4-5"),
    ("claude-opus-4-6", "claude-opus-4-6-thinking"), ("claude-opus-4.5", "claude-opus-4-5-thinking"),
    ("claude-opus-4-5-20251101", "claude-opus-4-5-thinking"), ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
    ("anthropic/claude-opus-4-6-20260205", "claude-opus-4-6-thinking"),
    ("claude-opus-5-5", None), ("claude-haiku-5-5", None), ("claude-sonnet-4", None), ("claude-sonnet-4-5-1", None),
    ("claude-3-5-sonnet-latest", None), ("claude-latest", None), ("claude-", None), ("gemini-3-flash-20250929", None),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "name"), CLAUDE)
def test_anthropics_own_names(asked: str, name: str | None) -> None:
    catalogue = Catalogue()
    if name is None:
        with pytest.raises(FaultError, match="model_not_found"):
            catalogue.resolve(asked)
    else:
        assert catalogue.resolve(asked).name == catalogue.get(asked).id == name


def test_anthropics_names_of_what_the_language_server_offers_and_of_aliases() -> None:
    catalogue = Catalogue({"claude-opus-5-5": "gemini-3.1-pro", "claude-haiku-5-5": "gemini-3-flash"})
    assert catalogue.resolve("claude-opus-5-5-20260915").name == "gemini-3.1-pro"
    assert catalogue.resolve("claude-haiku-5-5").name == "gemini-3-flash"
    catalogue.refresh([Model("MODEL_PLACEHOLDER_M77", "Claude Sonnet 6.2 (Thinking)")])
    assert catalogue.resolve("claude-sonnet-6-2-20270101").ls_model == "MODEL_PLACEHOLDER_M77"


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
    catalogue.refresh([Model("gemini-3.1-pro-preview", "G", wire="gemini-3.1-pro-preview")])
    assert catalogue.resolve("gemini-3.1-pro").ls_model == "gemini-3.1-pro-preview"
    with pytest.raises(FaultError):
        catalogue.resolve("gemini-3.1-pro-low")


# -- Google's own names --------------------------------------------------------------------------------------------


def googles(name: str, **more: Any) -> Model:
    return Model(name, more.pop("label", name), wire=name, **more)


LISTED = [
    googles("gemini-3-flash-preview", label="Gemini 3 Flash Preview", thinking=True),
    googles("gemini-3.1-pro-preview", label="Gemini 3.1 Pro Preview", thinking=True),
    googles("gemini-3.8-flash", label="Gemini 3.8 Flash", thinking=True, input_limit=2_000_000, output_limit=32_768),
    googles("gemini-3.5-flash-low", label="A model of that name", thinking=True),
    googles("gemini-3.5-flash", thinking=True), googles("gemini-2.5-pro", thinking=True),
    googles("gemini-flash-latest", thinking=True), googles("gemini-9-ultra", thinking=True), googles("gemma-3-27b-it"),
    googles("gemini-3-pro-image-preview", label="Nano Banana Pro"), googles("gemini-2.0-flash", label="One of Two"),
    googles("gemini-2.0-flash-lite", label="One of Two"), googles("gemini-2.0-odd", label="日本語"),
]  # fmt: skip
NO_LEVEL = ""


@pytest.mark.parametrize(
    ("asked", "wire", "level"),
    [
        *((model.wire, model.wire, NO_LEVEL) for model in LISTED),
        *((f"models/{model.wire}", model.wire, NO_LEVEL) for model in LISTED),
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro", NO_LEVEL),
        # the names of the table, and what stands for them
        ("gemini-3-flash", "gemini-3-flash-preview", NO_LEVEL), ("gpt-5-mini", "gemini-3-flash-preview", NO_LEVEL),
        ("gemini-3.1-pro", "gemini-3.1-pro-preview", NO_LEVEL), ("gpt-5", "gemini-3.1-pro-preview", NO_LEVEL),
        ("gemini-pro-latest", "gemini-3.1-pro-preview", NO_LEVEL), ("mine", "gemini-3-flash-preview", NO_LEVEL),
        ("gemini-3.1-pro-preview-customtools", "gemini-3.1-pro-preview", NO_LEVEL),
        ("gemini-3-pro-image", "gemini-3-pro-image-preview", NO_LEVEL),
        ("nano-banana-pro", "gemini-3-pro-image-preview", NO_LEVEL),
        # the level of thinking at the end of a name
        ("gemini-3.1-pro-high", "gemini-3.1-pro-preview", "HIGH"),
        ("gemini-3.1-pro-low", "gemini-3.1-pro-preview", "LOW"),
        ("gemini-3.8-flash-medium", "gemini-3.8-flash", "MEDIUM"),
        ("gemini-3.5-flash-high", "gemini-3.5-flash", "HIGH"),
        ("gemini-3.5-flash-minimal", "gemini-3.5-flash", "MINIMAL"),
        ("gemini-3.5-flash-low", "gemini-3.5-flash-low", NO_LEVEL),
    ],
)  # fmt: skip
def test_googles_list_is_offered_under_its_names(asked: str, wire: str, level: str) -> None:
    catalogue = Catalogue({"mine": "gpt-5-mini"})
    assert catalogue.refresh(LISTED) == len(LISTED)
    target = catalogue.resolve(asked)
    assert (target.name, target.ls_model, target.wire_model, target.level) == (wire, wire, None, level)
    assert target.family == family_of(wire)
    assert catalogue.get(asked).id == catalogue.resolve(target.name).name == wire
    assert [info.id for info in catalogue.list()] == [model.wire for model in LISTED]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("gemini-3-pro", ""), ("gemini-3-pro-high", ""), ("gemini-2.5-flash", ""), ("claude-sonnet-4-6", ""),
        ("sonnet-4.6", "claude-sonnet-4-6"), ("gpt-oss", "gpt-oss-120b-medium"), ("MODEL_PLACEHOLDER_M18", ""),
        ("gemini-3.8-flash-minimal", ""), ("gemini-2.5-pro-high", ""), ("gemma-3-27b-it-low", ""), ("models/", ""),
        ("one-of-two", ""), ("", ""), ("gemini-9-ultra-high", ""),
        ("gemini-3-pro-image-high", ""), ("gemini-2.5-pro-preview", ""),
    ],
)  # fmt: skip
def test_what_google_does_not_list_is_unknown(asked: str, meant: str) -> None:
    """No model answers under the name of another one, and no level is promised that a model may not have."""
    catalogue = Catalogue()
    catalogue.refresh(LISTED)
    with pytest.raises(FaultError) as caught:
        catalogue.resolve(asked)
    fault = caught.value.fault
    assert (fault.status, fault.code) == (404, "model_not_found")
    assert fault.message.endswith(f"There are: {', '.join(model.wire for model in LISTED)}.")
    assert (f"It stands for '{meant}'." in fault.message) is bool(meant)


def test_what_google_says_of_a_model_is_shown() -> None:
    catalogue = Catalogue()
    catalogue.refresh(LISTED)
    told, untold, gemma = (catalogue.get(name) for name in ("gemini-3.8-flash", "gemini-3.5-flash", "gemma-3-27b-it"))
    assert (told.display_name, told.input_limit, told.output_limit, told.thinking) == (
        "Gemini 3.8 Flash", 2_000_000, 32_768, True
    )  # fmt: skip
    assert (untold.display_name, untold.input_limit, untold.output_limit) == ("gemini-3.5-flash", 1_048_576, 65_536)
    assert gemma.thinking is False
    limits = [catalogue.resolve(name).output_limit for name in ("gemini-3.8-flash-high", "gemini-3.5-flash")]
    assert limits == [32_768, None]
    catalogue.refresh([googles("gemini-3.5-flash", thinking=False)])
    assert not catalogue.get("gemini-3.5-flash").thinking
    assert rules(catalogue.resolve("gemini-3.5-flash").family).thinking == "none", "nor is it asked to think"
    with pytest.raises(FaultError):
        catalogue.resolve("gemini-3.5-flash-low")


M20, M132, M187 = (f"MODEL_PLACEHOLDER_M{number}" for number in (20, 132, 187))
EDITORS = [
    Model("MODEL_PLACEHOLDER_M18", "Gemini 3 Flash", wire="gemini-3-flash"),
    Model(M132, "Gemini 3.5 Flash (High)", wire="gemini-3-flash-agent"),
    Model(M20, "Gemini 3.5 Flash (Medium)", wire="gemini-3.5-flash-low"),
    Model(M187, "Gemini 3.5 Flash (Low)", wire="gemini-3.5-flash-extra-low"),
    Model("MODEL_PLACEHOLDER_M900", "Gemini 9 Ultra", wire="gemini-9-ultra-agent"),
    Model("MODEL_PLACEHOLDER_M901", wire="gemini-9-nano"),
    Model("MODEL_PLACEHOLDER_M902", "Claude Next 7"),
]


@pytest.mark.parametrize(
    ("asked", "name", "ls_model", "wire"),
    [
        ("gemini-3-flash", "gemini-3-flash", "MODEL_PLACEHOLDER_M18", None),
        ("gemini-3-flash-agent", "gemini-3-flash-agent", M132, None),
        # names made from labels
        ("gemini-3.5-flash", "gemini-3-flash-agent", M132, None),
        ("gemini-3.5-flash-high", "gemini-3-flash-agent", M132, None),
        ("gemini-3.5-flash-medium", "gemini-3.5-flash-low", M20, None),
        ("gemini-9-ultra", "gemini-9-ultra-agent", "MODEL_PLACEHOLDER_M900", None),
        ("claude-next-7", "claude-next-7", "MODEL_PLACEHOLDER_M902", None),
        ("gemini-9-nano", "gemini-9-nano", "MODEL_PLACEHOLDER_M901", None),
        # Google's own name comes before the one that a label seems to say
        ("gemini-3.5-flash-low", "gemini-3.5-flash-low", M20, None),
        ("gemini-3.5-flash-extra-low", "gemini-3.5-flash-extra-low", M187, None),
        # what is not offered stays as it was
        ("gemini-3.8-flash", "gemini-3.8-flash", M132, "gemini-3.8-flash-medium"),
        ("gpt-5", "gemini-3.1-pro", M37, None),
    ],
)  # fmt: skip
def test_an_editors_models_are_listed_under_their_wire_names(asked: str, name: str, ls_model: str, wire: Any) -> None:
    catalogue = Catalogue()
    catalogue.refresh(EDITORS)
    target = catalogue.resolve(asked)
    assert (target.name, target.ls_model, target.wire_model, target.level) == (name, ls_model, wire, "")
    assert catalogue.get(asked).id == name
    assert name in [info.id for info in catalogue.list()]
    assert asked == name or asked not in [info.id for info in catalogue.list()] or asked in ALIASES


def test_nothing_that_was_accepted_gets_unknown_by_wire_names() -> None:
    """Each name leads to the same placeholder as before, except where it is Google's own name of another model."""
    before, after = Catalogue(), Catalogue()
    before.refresh([config(model.label, model.name) for model in EDITORS])
    after.refresh(EDITORS)
    wires = {model.wire for model in EDITORS}
    for name in [*(info.id for info in before.list()), *ALIASES]:
        assert name in wires or after.resolve(name).ls_model == before.resolve(name).ls_model, name


def test_two_models_of_one_wire_name_stay_two() -> None:
    catalogue = Catalogue()
    catalogue.refresh([
        Model(M37, "Gemini 3.1 Pro (High)", wire="gemini-3.1-pro-x"),
        Model(OTHER, "Gemini 3.1 Pro (Low)", wire="gemini-3.1-pro-x"),
    ])  # fmt: skip
    assert catalogue.resolve("gemini-3.1-pro-x").ls_model == catalogue.resolve("gemini-3.1-pro-high").ls_model == M37
    assert catalogue.resolve("gemini-3.1-pro-low").ls_model == OTHER
    assert "gemini-3.1-pro-low" in [info.id for info in catalogue.list()]


def test_the_quota_of_a_model_is_that_of_what_the_language_server_asks_for() -> None:
    catalogue = Catalogue()
    assert {(info.left, info.resets) for info in catalogue.list()} == {(None, None)}
    catalogue.refresh([
        Model("MODEL_PLACEHOLDER_M18", "Gemini 3 Flash", 0.25, resets=7.0), Model(M132, "Gemini 3.5 Flash (High)", 0.5),
        Model("MODEL_PLACEHOLDER_M35", "Claude Sonnet 4.6 (Thinking)"),
    ])  # fmt: skip
    known = {info.id: (info.left, info.resets) for info in catalogue.list() if info.left is not None}
    assert known["gemini-3-flash"] == (0.25, 7.0)
    assert known["gemini-3.5-flash"] == (0.5, None)
    assert "gemini-3.8-flash" not in known, "Google is told another model than M132's"
    assert "claude-sonnet-4-6" not in known


def test_slugs() -> None:
    assert slug("Gemini 3.5 Flash (Low)") == "gemini-3.5-flash-low"
    assert slug("  GPT–OSS 120B ") == "gpt-oss-120b"

"""Model names → what serves them.

The labels behind the LS's placeholders change, so this table is a default only; ``Catalogue.refresh`` takes what the
LS says at run time. Where it tells Google's own names, nothing is guessed from labels.
Facts: language-server-and-google B, E; language-server-schema A.12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from zerogravity.core.family import FAMILIES, family_of, rules, unthinking
from zerogravity.core.turn import Model, Target
from zerogravity.errors import bad_request

MAX_PREFIXES = 8
_DATE = re.compile(r"-(?:20\d{6}|latest)$")  # at the end of Anthropic's names

# name, the LS's name, family, label
_TABLE: tuple[tuple[str, str, str, str], ...] = (
    ("gemini-3-flash", "MODEL_PLACEHOLDER_M18", "gemini-3-flash", "Gemini 3 Flash"),
    ("gemini-3-pro", "MODEL_PLACEHOLDER_M8", "gemini-3-pro", "Gemini 3 Pro (High)"),
    ("gemini-3-pro-high", "MODEL_PLACEHOLDER_M8", "gemini-3-pro", "Gemini 3 Pro (High)"),
    ("gemini-3-pro-low", "MODEL_PLACEHOLDER_M7", "gemini-3-pro", "Gemini 3 Pro (Low)"),
    ("gemini-3.1-pro", "MODEL_PLACEHOLDER_M37", "gemini-3.1-pro", "Gemini 3.1 Pro (High)"),
    ("gemini-3.1-pro-high", "MODEL_PLACEHOLDER_M37", "gemini-3.1-pro", "Gemini 3.1 Pro (High)"),
    ("gemini-3.1-pro-low", "MODEL_PLACEHOLDER_M36", "gemini-3.1-pro", "Gemini 3.1 Pro (Low)"),
    ("gemini-3.1-flash-lite", "MODEL_PLACEHOLDER_M50", "gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite"),
    ("gemini-3-pro-image", "MODEL_PLACEHOLDER_M21", "gemini-3-image", "Gemini 3 Pro Image"),
    ("gemini-3.1-flash-image", "MODEL_PLACEHOLDER_M21", "gemini-3-image", "Gemini 3.1 Flash Image"),
    ("gemini-3.5-flash", "MODEL_PLACEHOLDER_M132", "gemini-3.5-flash", "Gemini 3.5 Flash (High)"),
    ("gemini-3.5-flash-high", "MODEL_PLACEHOLDER_M132", "gemini-3.5-flash", "Gemini 3.5 Flash (High)"),
    ("gemini-3.5-flash-medium", "MODEL_PLACEHOLDER_M20", "gemini-3.5-flash", "Gemini 3.5 Flash (Medium)"),
    ("gemini-3.5-flash-low", "MODEL_PLACEHOLDER_M187", "gemini-3.5-flash", "Gemini 3.5 Flash (Low)"),
    ("gemini-3.5-flash-lite", "MODEL_PLACEHOLDER_M187", "gemini-3.5-flash-lite", "Gemini 3.5 Flash Lite"),
    ("gemini-3.8-flash", "MODEL_PLACEHOLDER_M132", "gemini-3.8-flash", "Gemini 3.8 Flash"),
    ("gemini-2.5-pro", "MODEL_GOOGLE_GEMINI_2_5_PRO", "gemini-2.5-pro", "Gemini 2.5 Pro"),
    ("gemini-2.5-flash", "MODEL_GOOGLE_GEMINI_2_5_FLASH", "gemini-2.5-flash", "Gemini 2.5 Flash"),
    ("gemini-2.5-flash-lite", "MODEL_GOOGLE_GEMINI_2_5_FLASH_LITE", "gemini-2.5-flash-lite", "Gemini 2.5 Flash Lite"),
    ("claude-opus-4-6-thinking", "MODEL_PLACEHOLDER_M26", "claude", "Claude Opus 4.6 (Thinking)"),
    ("claude-opus-4-5-thinking", "MODEL_PLACEHOLDER_M12", "claude", "Claude Opus 4.5 (Thinking)"),
    ("claude-sonnet-4-6", "MODEL_PLACEHOLDER_M35", "claude", "Claude Sonnet 4.6 (Thinking)"),
    ("claude-sonnet-4-5", "MODEL_CLAUDE_4_5_SONNET", "claude", "Claude Sonnet 4.5"),
    ("claude-sonnet-4-5-thinking", "MODEL_CLAUDE_4_5_SONNET_THINKING", "claude", "Claude Sonnet 4.5 (Thinking)"),
    ("gpt-oss-120b-medium", "MODEL_OPENAI_GPT_OSS_120B_MEDIUM", "gpt-oss", "GPT-OSS 120B (Medium)"),
)

# Where the table's placeholder stands for another wire model, Google is told the name itself.
_WIRE = {
    "gemini-3.8-flash": "gemini-3.8-flash-medium", "gemini-3.5-flash-lite": "gemini-3.5-flash-lite",
    "gemini-3-pro-image": "gemini-3-pro-image",
}  # fmt: skip

ALIASES: dict[str, str] = {
    "opus-4.6": "claude-opus-4-6-thinking",
    "opus-4.5": "claude-opus-4-5-thinking",
    "sonnet-4.6": "claude-sonnet-4-6",
    "claude-sonnet-4-6-thinking": "claude-sonnet-4-6",
    "gpt-oss": "gpt-oss-120b-medium",
    "gpt-oss-120b": "gpt-oss-120b-medium",
    "gemini-3-flash-preview": "gemini-3-flash",
    "gemini-3-pro-preview": "gemini-3-pro",
    "gemini-3.1-pro-preview": "gemini-3.1-pro",
    "gemini-3.1-pro-preview-customtools": "gemini-3.1-pro",  # gemini-cli's own
    "gemini-3.8-flash-low": "gemini-3.8-flash",
    "gemini-3.8-flash-medium": "gemini-3.8-flash",
    "gemini-3.8-flash-high": "gemini-3.8-flash",
    "gemini-flash-latest": "gemini-3.8-flash",
    "gemini-pro-latest": "gemini-3.1-pro",
    # Agents that only let you pick among OpenAI's names still have to reach a Google model.
    "gpt-5": "gemini-3.1-pro",
    "gpt-5-mini": "gemini-3-flash",
    "gpt-5-codex": "gemini-3.1-pro",
}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One entry of the model lists; token limits are Google's usual ones where the LS does not say. ``left`` and
    ``resets`` of its quota: see ``Model``."""

    id: str
    display_name: str
    target: Target
    created: int = 1_767_225_600
    owned_by: str = "google"
    input_limit: int = 1_048_576
    output_limit: int = 65_536
    thinking: bool = True
    left: float | None = None
    resets: float | None = None


class Catalogue:
    """The models that can be asked for. ``aliases`` come before the default ones. ``rewrites``: Google can be told
    another wire model than the LS's."""

    def __init__(self, aliases: Mapping[str, str] | None = None, *, rewrites: bool = True) -> None:
        self._rewrites = rewrites
        self._models = _by_label((), rewrites)  # by every name that is accepted; an entry is listed under its id
        self._aliases = {**ALIASES, **(aliases or {})}

    def resolve(self, name: str) -> Target:
        """Whatever stands before a known name and a slash only says through whom clients think they reach it:
        ``models/``, ``google/``, ``openrouter/google/``. Raises FaultError 404 ``model_not_found``."""
        wanted, meant = name, ""
        for _ in range(4):  # an alias may name an alias; bounded, so a loop ends as unknown
            wanted = next((known for end in _ends(wanted) if (known := self._known(end))), "")
            if (found := self._models.get(wanted)) is not None:
                return found.target
            if wanted not in self._aliases:
                break
            wanted = meant = self._aliases[wanted]
        stands = f" It stands for '{meant}'." if meant else ""
        listed = ", ".join(info.id for info in self.list())
        raise bad_request(
            f"The model '{name}' does not exist or is not offered by the language server.{stands} "
            f"There are: {listed}.",
            param="model", code="model_not_found", status=404,
        )  # fmt: skip

    def _known(self, name: str) -> str:
        """Under what name that one is known here; empty: it is not.

        Anthropic dates its names, OpenRouter writes a dot, and the LS's models that think say so in theirs.
        """
        if name in self._models or name in self._aliases:
            return name
        if not name.startswith("claude-"):
            return ""
        plain = _DATE.sub("", _key(name))
        known = {_key(one): one for one in (*self._aliases, *self._models)}
        return known.get(plain) or known.get(f"{plain}-thinking") or ""

    def list(self) -> list[ModelInfo]:
        return [info for name, info in self._models.items() if name == info.id]

    def get(self, name: str) -> ModelInfo:
        """The entry behind a name or alias. Raises FaultError 404."""
        return self._models[self.resolve(name).name]

    def refresh(self, offered: Iterable[Model]) -> int:
        """Take what the back end offers: Google's names where it tells them, else what the labels say.

        Returns how many models it named; when it names none, what was known stays.
        """
        named = [model for model in offered if model.label or model.wire]
        if named:
            googles = all(model.name == model.wire for model in named)
            models = _googles(named, self._rewrites) if googles else _language_servers(named, self._rewrites)
            self._models = _with_quotas(models, {model.name: model for model in named})
        return len(named)


def _googles(offered: Sequence[Model], rewrites: bool) -> dict[str, ModelInfo]:
    """What Google itself lists, names as they are, and three ways of asking for it that leave no doubt what is meant:
    by a label that no other one has, a preview without that word, and with the level of thinking at the end of the
    name, which is put into the rewritten request."""
    models = {model.wire: _told(model) for model in offered}
    labels = [slug(info.display_name) for info in models.values()]
    for label, info in zip(labels, tuple(models.values()), strict=True):
        if label and labels.count(label) == 1:
            models.setdefault(label, info)
    for name, info in tuple(models.items()):
        models.setdefault(name.removesuffix("-preview"), info)
    for name, info in tuple(models.items()):
        family = rules(info.target.family)
        if rewrites and info.thinking and family is not FAMILIES["gemini"]:
            for level in family.levels:
                thinks = replace(info, target=replace(info.target, level=level))
                models.setdefault(f"{name}-{level.lower()}", thinks)
    return models


def _language_servers(offered: Sequence[Model], rewrites: bool) -> dict[str, ModelInfo]:
    """What an LS offers. One whose wire name it tells is listed under that; the names made from its label lead there.
    A second one of the same wire name keeps those of its label."""
    models = _by_label([(model.label or model.wire, model.name) for model in offered], rewrites)
    wires: dict[str, ModelInfo] = {}
    labels: dict[str, ModelInfo] = {}
    for model in offered:
        if model.wire and model.wire not in wires:
            info = wires[model.wire] = _told(model)
            key = _key(info.display_name)
            labels |= {
                name: info
                for name, known in models.items()
                if known.target.ls_model == model.name and key in (_key(name), _key(known.display_name))
            }
    return {**models, **labels, **wires}


def _by_label(offered: Sequence[tuple[str, str]], rewrites: bool) -> dict[str, ModelInfo]:
    """All models by name. ``offered``: label and placeholder of what the LS offers.

    A name of the table that it does not offer stays as long as its placeholder is nobody else's: what is requested
    by one name must never be answered by another model.
    """
    placeholders, labels = dict[str, str](), dict[str, list[str]]()
    for label, placeholder in offered:
        placeholders[_key(label)] = placeholder
        labels.setdefault(placeholder, []).append(label)
    models: dict[str, ModelInfo] = {}
    for name, placeholder, family, label in _TABLE:
        wire = _WIRE.get(name) if rewrites else None
        own = [placeholders[key] for key in (_key(name), _key(label)) if key in placeholders]
        if own or _serves(name, wire, labels.get(placeholder, ())):
            models[name] = _info(name, label, Target(name, own[-1] if own else placeholder, wire, family))
    ours = {key for name, _, _, label in _TABLE for key in (_key(name), _key(label))}
    for label, placeholder in offered:
        name = slug(label)
        if name and _key(label) not in ours:  # without a letter of ours there is no name to ask for it by
            models[name] = _info(name, label, Target(name, placeholder, None, family_of(name)))
    return models


def _serves(name: str, wire: str | None, others: Sequence[str]) -> bool:
    """Whether a name's own placeholder still leads to it; ``others``: the labels that the LS gives that placeholder."""
    if wire is not None:  # Google is told the name itself; the LS only has to write a request for a model of that kind
        return all(family_of(slug(label)).startswith("gemini") for label in others)
    return not others and name not in _WIRE


def _with_quotas(models: Mapping[str, ModelInfo], offered: Mapping[str, Model]) -> dict[str, ModelInfo]:
    """Where Google is told another model than the LS's own, its quota is not known."""
    made = dict(models)
    for name, info in models.items():
        model = offered.get(info.target.ls_model)
        if model is not None and info.target.wire_model is None:
            made[name] = replace(info, left=model.left, resets=model.resets)
    return made


def _key(text: str) -> str:
    """What labels and names of one model have in common: ``Claude Sonnet 4.6`` is ``claude-sonnet-4-6``."""
    return slug(text).replace(".", "-")


def _told(model: Model) -> ModelInfo:
    """The entry of a model whose wire name is known: the LS sends that by itself."""
    family = family_of(model.wire)
    target = Target(
        model.wire, model.name, None, unthinking(family) if model.thinking is False else family,
        output_limit=model.output_limit,
    )  # fmt: skip
    info = _info(model.wire, model.label or model.wire, target)
    return replace(
        info,
        input_limit=model.input_limit or info.input_limit,
        output_limit=model.output_limit or info.output_limit,
        thinking=info.thinking if model.thinking is None else model.thinking,
    )


def _info(name: str, label: str, target: Target) -> ModelInfo:
    family = rules(target.family)
    return ModelInfo(name, label, target, output_limit=family.output_limit, thinking=family.thinking != "none")


def _ends(name: str) -> Iterator[str]:
    """A name, and what is behind each of its slashes: the longest first, since an alias may hold some. Nobody nests
    deeper than Vertex (``projects/P/locations/L/publishers/google/models/M``)."""
    parts = name.split("/", MAX_PREFIXES)
    return ("/".join(parts[begin:]) for begin in range(len(parts)))


def slug(label: str) -> str:
    """``Gemini 3.5 Flash (Low)`` → ``gemini-3.5-flash-low``."""
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-")

"""Which models the Google stand-in knows, and what each family takes: a table instead of Google's catalogue.

Facts: language-server-and-google B; wire-gemini-and-mapping 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """``levels``: accepted thinkingLevel words (none: a level is refused). ``budget``: (least, most) or None.

    ``signed``: the first call of a step must come back signed. ``call_ids``: ids on calls on the public host.
    ``part_resolution``: mediaResolution on single parts. ``most_tokens``: the largest maxOutputTokens.
    """

    name: str
    thinking: Literal["level", "budget", "none"]
    levels: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    budget_off: bool = True
    signed: bool = False
    call_ids: bool = False
    mixed_tools: bool = False
    part_resolution: bool = False
    penalties: bool = True
    public: bool = True
    most_tokens: int = 65_536
    kind: Literal["gemini", "claude", "gpt-oss"] = "gemini"


_FLASH_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")


def _three(name: str, levels: tuple[str, ...]) -> Family:
    return Family(
        name, "level", levels, (-1, 32768), signed=True, call_ids=True, mixed_tools=True, part_resolution=True,
        penalties=False,
    )  # fmt: skip


_TABLE: tuple[tuple[str, Family], ...] = (
    (r"gemini-2\.5-pro.*", Family("gemini-2.5-pro", "budget", budget=(128, 32768), budget_off=False)),
    (r"gemini-2\.5-flash-lite.*", Family("gemini-2.5-flash-lite", "budget", budget=(512, 24576))),
    (r"gemini-2\.5-.*", Family("gemini-2.5-flash", "budget", budget=(0, 24576))),
    (r"gemini-(1\.5|2\.0)-.*|gemma-.*", Family("gemini-2.0", "none")),
    (r"gemini-3\.[78]-flash.*|gemini-flash-latest", _three("gemini-3.8-flash", ("LOW", "MEDIUM", "HIGH"))),
    (r"gemini-3(-|\.\d+-)(flash|flash-lite|flash-agent).*", _three("gemini-3-flash", _FLASH_LEVELS)),
    (r"gemini-3-pro.*", _three("gemini-3-pro", ("LOW", "HIGH"))),
    (r"gemini-3\.\d+-pro.*|gemini-pro-agent", _three("gemini-3.1-pro", ("LOW", "MEDIUM", "HIGH"))),
    (r"gemini-4.*", _three("gemini-4", ("LOW", "MEDIUM", "HIGH", "XHIGH"))),
    (r"claude-.*", Family("claude", "budget", budget=(0, 128000), public=False, most_tokens=64_000, kind="claude")),
    (r"gpt-oss-.*", Family("gpt-oss", "budget", budget=(0, 32768), public=False, kind="gpt-oss")),
)

MODELS: tuple[tuple[str, str, str], ...] = (
    ("gemini-3-flash-agent", "Gemini 3.5 Flash (High)", "MODEL_PLACEHOLDER_M132"),
    ("gemini-3.5-flash-low", "Gemini 3.5 Flash (Medium)", "MODEL_PLACEHOLDER_M20"),
    ("gemini-3.5-flash-extra-low", "Gemini 3.5 Flash (Low)", "MODEL_PLACEHOLDER_M187"),
    ("gemini-3-flash", "Gemini 3 Flash", "MODEL_PLACEHOLDER_M18"),
    ("gemini-3-pro-high", "Gemini 3 Pro (High)", "MODEL_PLACEHOLDER_M8"),
    ("gemini-3-pro-low", "Gemini 3 Pro (Low)", "MODEL_PLACEHOLDER_M7"),
    ("gemini-3.1-pro-high", "Gemini 3.1 Pro (High)", "MODEL_PLACEHOLDER_M37"),
    ("gemini-3.1-pro-low", "Gemini 3.1 Pro (Low)", "MODEL_PLACEHOLDER_M36"),
    ("gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite", "MODEL_PLACEHOLDER_M50"),
    ("gemini-3.1-flash-image", "Gemini 3.1 Flash Image", "MODEL_PLACEHOLDER_M21"),
    ("claude-opus-4-6-thinking", "Claude Opus 4.6 (Thinking)", "MODEL_PLACEHOLDER_M26"),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6 (Thinking)", "MODEL_PLACEHOLDER_M35"),
    ("gpt-oss-120b-medium", "GPT-OSS 120B (Medium)", "MODEL_OPENAI_GPT_OSS_120B_MEDIUM"),
    ("gemini-2.5-pro", "Gemini 2.5 Pro", "MODEL_GOOGLE_GEMINI_2_5_PRO"),
    ("gemini-2.5-flash", "Gemini 2.5 Flash", "MODEL_GOOGLE_GEMINI_2_5_FLASH"),
    ("gemini-2.5-flash-lite", "Gemini 2.5 Flash Lite", "MODEL_GOOGLE_GEMINI_2_5_FLASH_LITE"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of the public API's list of models."""

    name: str
    label: str
    methods: tuple[str, ...] = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")
    input_limit: int = 1_048_576
    output_limit: int = 65_536
    thinking: bool = True


_PLAIN = ("generateContent", "countTokens")
PUBLIC_MODELS: tuple[Listed, ...] = (
    Listed("gemini-2.5-flash", "Gemini 2.5 Flash"),
    Listed("gemini-2.5-pro", "Gemini 2.5 Pro"),
    Listed("gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite"),
    Listed("gemini-2.5-flash-image", "Nano Banana", _PLAIN, 32_768, 32_768, thinking=False),
    Listed("gemma-4-31b-it", "Gemma 4 31B IT", _PLAIN, 262_144, 32_768, thinking=False),
    Listed("gemini-flash-latest", "Gemini Flash Latest"),
    Listed("gemini-3-flash-preview", "Gemini 3 Flash Preview"),
    Listed("gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview"),
    Listed("gemini-3.1-pro-preview-customtools", "Gemini 3.1 Pro Preview Custom Tools"),
    Listed("gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite"),
    Listed("gemini-3.5-flash", "Gemini 3.5 Flash"),
    Listed("gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite"),
    Listed("gemini-3.8-flash", "Gemini 3.8 Flash"),
    Listed("gemini-4-argon", "Gemini 4 Argon"),
    Listed("gemini-3.8-flash-tts", "Gemini 3.8 Flash TTS", _PLAIN, 8192, 16_384, thinking=False),
    Listed("gemini-3.1-flash-live-preview", "Gemini 3.1 Flash Live Preview", ("bidiGenerateContent",), 131_072, 65_536),
    Listed("gemini-embedding-001", "Gemini Embedding 001", ("embedContent", "countTokens"), 2048, 1, thinking=False),
    Listed("imagen-4.0-generate-001", "Imagen 4", ("predict",), 480, 8192, thinking=False),
    Listed("veo-3.1-generate-preview", "Veo 3.1", ("predictLongRunning",), 480, 8192, thinking=False),
)

LISTED = {one.name: one for one in PUBLIC_MODELS}


def family_of(model: str) -> Family | None:
    """The family of a model name (with or without ``models/``); None for a model that does not exist."""
    name = model.removeprefix("models/")
    for pattern, family in _TABLE:
        if re.fullmatch(pattern, name):
            return family
    return None


def answers_as(model: str) -> str:
    """``modelVersion`` need not equal the requested model: agents' names come back truncated (B)."""
    return model.removesuffix("gent") if model.endswith("-agent") else model

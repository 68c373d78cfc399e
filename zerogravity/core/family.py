"""Model families: which rules Google has for each, in one table, and what every room asks of it.

Facts: wire-gemini-and-mapping 2.1, 2.3, 2.4, 3; wire-anthropic 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from zerogravity.wire import narrow

THINKING_OFF: Mapping[str, Any] = {"includeThoughts": False, "thinkingBudget": 0}
STAND_IN = "skip_thought_signature_validator"  # Google's own, for calls that Gemini did not make


@dataclass(frozen=True, slots=True)
class Family:
    """``levels`` from lowest to highest; ``budget`` (lowest, highest); ``budget_off``: thinking can be switched off.

    ``ids_on_calls``: ids go on functionCall and functionResponse. ``search_with_functions``: googleSearch with
    functions. ``media_in_results``: images inside functionResponse.parts. ``needs_signature``: an unsigned first call
    of a step is refused. ``penalties``: presence/frequencyPenalty are known. ``json_with_functions``: a JSON answer
    may be requested with functions. ``media_resolution``: parts say how closely to look at them; HIGH is what happens
    when they do not. ``json_schema``: responseJsonSchema is known to constrain the answer. ``output_limit``: the
    largest maxOutputTokens. ``unasked``: it thinks where a request says nothing of it. ``anthropic``: Google hands the
    request on to Anthropic's API, which has rules of its own (``surfaces/common/claude.py``; of the merged request,
    ``capture/generation_config.py``).
    """

    thinking: Literal["level", "budget", "none"] = "level"
    levels: tuple[str, ...] = ("LOW", "MEDIUM", "HIGH")
    budget: tuple[int, int] = (0, 0)
    budget_off: bool = False
    ids_on_calls: bool = True
    search_with_functions: bool = True
    media_in_results: bool = True
    needs_signature: bool = True
    penalties: bool = False
    json_with_functions: bool = True
    media_resolution: bool = True
    json_schema: bool = True
    output_limit: int = 65_536
    unasked: bool = True
    anthropic: bool = False


_FLASH = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
_GEMINI_2 = Family(
    "budget", (), (0, 24576), True, ids_on_calls=False, search_with_functions=False, media_in_results=False,
    needs_signature=False, penalties=True, json_with_functions=False, media_resolution=False,
)  # fmt: skip
_GEMINI_OLD = replace(_GEMINI_2, thinking="none", unasked=False, json_schema=False)
_OTHER = Family(
    "budget", (), (1024, 32000), True, search_with_functions=False, media_in_results=False, needs_signature=False,
    media_resolution=False, json_schema=False, unasked=False,
)  # fmt: skip

FAMILIES: dict[str, Family] = {
    "gemini": Family(),  # one that is newer than this table: what the most of them take
    "gemini-1.5": _GEMINI_OLD,
    "gemini-2.5": _GEMINI_2,
    "gemini-2.5-pro": replace(_GEMINI_2, budget=(128, 32768), budget_off=False),
    "gemini-2.5-flash": _GEMINI_2,
    "gemini-2.5-flash-lite": replace(_GEMINI_2, budget=(512, 24576), unasked=False),
    "gemini-2.0": _GEMINI_OLD,
    "gemini-3-pro": Family(levels=("LOW", "HIGH")),
    "gemini-3.1-pro": Family(),
    "gemini-3-flash": Family(levels=_FLASH),
    "gemini-3.1-flash-lite": Family(levels=_FLASH),
    "gemini-3.5-flash": Family(levels=_FLASH),
    "gemini-3.5-flash-lite": Family(levels=_FLASH),
    "gemini-3.6-flash": Family(levels=_FLASH),
    "gemini-3.7-flash": Family(),
    "gemini-3.8-flash": Family(),
    "gemini-3-image": Family("none", (), unasked=False),
    "gemini-4": Family(levels=("LOW", "MEDIUM", "HIGH", "XHIGH")),
    "gemma": _GEMINI_OLD,
    "claude": replace(_OTHER, output_limit=64_000, anthropic=True),
    "gpt-oss": replace(_OTHER, budget=(1024, 8192)),
}
_DEFAULT_FAMILY = "gemini"


def rules(family: str) -> Family:
    """The rules of a family; unknown ones are treated as a new Gemini."""
    return FAMILIES.get(family, FAMILIES[_DEFAULT_FAMILY])


def family_of(name: str) -> str:
    """The family of a model id, by its longest known beginning."""
    if "image" in name:
        return "gemini-3-image"
    found = [family for family in FAMILIES if name.startswith(family)]
    return max(found, key=len) if found else _DEFAULT_FAMILY


def unthinking(family: str) -> str:
    """The family with the same rules for a model that does not think."""
    known = rules(family)
    if known.thinking == "none":
        return family
    return "gemini-3-image" if known.ids_on_calls else "gemini-2.0"


def lower_limit(config: dict[str, object], family: str, told: int | None = None) -> list[str]:
    """A limit that no answer of this model can reach is the model's own (``told``, else its family's): Google refuses
    it instead. In place."""
    given, most = narrow.whole(config.get("maxOutputTokens")), told or rules(family).output_limit
    if given is None or given <= most:
        return []
    config["maxOutputTokens"] = most
    return [f"maxOutputTokens lowered to {most}: this model gives no more"]

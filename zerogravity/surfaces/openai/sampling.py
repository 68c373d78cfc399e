"""Numbers of generationConfig as a client wishes them → as the family takes them, with notes on what was changed.

| member                            | where the family does not take it                             |
|-----------------------------------|---------------------------------------------------------------|
| maxOutputTokens                   | lowered to the most that the model gives                      |
| seed                              | folded into Google's 31 bits                                  |
| presencePenalty, frequencyPenalty | left out                                                      |

Facts: wire-gemini-and-mapping 2.4; wire-anthropic 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.core.family import lower_limit, rules
from zerogravity.surfaces.openai.parameters import INT32

MEMBERS = (
    "maxOutputTokens", "temperature", "topP", "topK", "stopSequences", "seed", "presencePenalty", "frequencyPenalty",
    "responseModalities", "thinkingConfig",
)  # fmt: skip


def within_family(wanted: Mapping[str, Any], family: str) -> tuple[dict[str, Any], list[str]]:
    """generationConfig, its members always in one order, and notes. None is a value that was not set."""
    config = {name: wanted[name] for name in MEMBERS if wanted.get(name) is not None}
    notes = lower_limit(config, family)
    if "seed" in config and not -(2**31) <= config["seed"] < 2**31:
        config["seed"] &= INT32
        notes.append("seed folded into 31 bits")
    if not rules(family).penalties:
        for name in ("presencePenalty", "frequencyPenalty"):
            if config.pop(name, 0):
                notes.append(f"{name} left out: this model does not know it")
    return config, notes

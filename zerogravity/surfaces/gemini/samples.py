"""A sample request of the Gemini API, and what an event of its stream tells a reader."""

from __future__ import annotations

import json
from typing import Any

from zerogravity.surfaces.base import StreamSummary
from zerogravity.surfaces.common.samples import QUESTION, TOOL


def sample(model: str, prompt: str) -> dict[str, Any]:
    """The model is in the URL."""
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}


DEMO = (
    QUESTION,
    {
        "tools": [{"functionDeclarations": [TOOL]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    },
)


def read(event: dict[str, Any], summary: StreamSummary) -> list[tuple[str, str]]:
    if usage := event.get("usageMetadata"):
        summary.usage = (
            f"{usage.get('promptTokenCount', 0)} in, {usage.get('candidatesTokenCount', 0)} out "
            f"(+ {usage.get('thoughtsTokenCount', 0)} thinking)"
        )
    found: list[tuple[str, str]] = []
    for candidate in event.get("candidates", []):
        for part in candidate.get("content", {}).get("parts", []):
            if part.get("text"):
                found.append(("thinking" if part.get("thought") else "text", part["text"]))
            if call := part.get("functionCall"):
                summary.calls.append(f"{call['name']} {json.dumps(call.get('args', {}))}")
    return found

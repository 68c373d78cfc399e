"""A sample request of the Chat API, and what an event of its stream tells a reader."""

from __future__ import annotations

from typing import Any

from zerogravity.surfaces.base import StreamSummary


def sample(model: str, prompt: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}


DEMO = (
    "Say in two sentences why the sky is blue.",
    {
        "reasoning_effort": "low",
        "stream_options": {"include_usage": True},
    },
)


def read(event: dict[str, Any], summary: StreamSummary) -> list[tuple[str, str]]:
    if usage := event.get("usage"):
        reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
        summary.usage = f"{usage['prompt_tokens']} in, {usage['completion_tokens']} out ({reasoning} thinking)"
    found: list[tuple[str, str]] = []
    for choice in event.get("choices", []):
        delta = choice["delta"]
        if text := delta.get("reasoning_content"):
            found.append(("thinking", text))
        if text := delta.get("content"):
            found.append(("text", text))
        for call in delta.get("tool_calls", []):
            if call["function"].get("name"):
                summary.calls.append(call["function"]["name"] + " ")
            if arguments := call["function"].get("arguments"):
                summary.calls[-1] += arguments
    return found

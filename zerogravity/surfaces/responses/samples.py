"""A sample request of the Responses API, and what an event of its stream tells a reader."""

from __future__ import annotations

from typing import Any

from zerogravity.surfaces.base import StreamSummary
from zerogravity.surfaces.common.samples import QUESTION, TOOL


def sample(model: str, prompt: str) -> dict[str, Any]:
    return {"model": model, "input": prompt, "stream": True}


DEMO = QUESTION, {"tools": [{"type": "function", **TOOL}], "reasoning": {"effort": "low", "summary": "auto"}}


def read(event: dict[str, Any], summary: StreamSummary) -> list[tuple[str, str]]:
    match event["type"]:
        case "response.reasoning_summary_text.delta":
            return [("thinking", event["delta"])]
        case "response.output_text.delta":
            return [("text", event["delta"])]
        case "response.output_item.done" if event["item"]["type"] == "function_call":
            summary.calls.append(f"{event['item']['name']} {event['item']['arguments']}")
        case "response.completed" | "response.incomplete" | "response.failed":
            usage: dict[str, Any] = event["response"]["usage"] or {}
            reasoning = usage.get("output_tokens_details", {}).get("reasoning_tokens")
            summary.usage = f"{usage.get('input_tokens')} in, {usage.get('output_tokens')} out ({reasoning} thinking)"
        case _:
            pass
    return []

"""A sample request of the Messages API, and what an event of its stream tells a reader."""

from __future__ import annotations

from typing import Any

from zerogravity.surfaces.base import StreamSummary


def sample(model: str, prompt: str) -> dict[str, Any]:
    return {"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": prompt}], "stream": True}


DEMO = ("Say in two sentences why the sky is blue.", {"thinking": {"type": "adaptive"}})


def read(event: dict[str, Any], summary: StreamSummary) -> list[tuple[str, str]]:
    block, delta = event.get("content_block", {}), event.get("delta", {})
    if usage := event.get("usage"):
        thinking = usage["output_tokens_details"]["thinking_tokens"]
        summary.usage = f"{usage['input_tokens']} in, {usage['output_tokens']} out ({thinking} thinking)"
    if block.get("type") in ("tool_use", "server_tool_use"):
        summary.calls.append(f"{block['name']} ")
    match delta.get("type"):
        case "text_delta":
            return [("text", delta["text"])]
        case "thinking_delta":
            return [("thinking", delta["thinking"])]
        case "input_json_delta" if summary.calls:
            summary.calls[-1] += delta["partial_json"]
        case _:
            pass
    return []

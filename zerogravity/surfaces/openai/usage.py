"""Google's token counts → OpenAI's. Prompt includes cached; OpenAI's output includes thinking; totals add up.

| OpenAI            | from                                  |
|-------------------|---------------------------------------|
| input / prompt    | promptTokenCount + toolUsePromptTokenCount |
| cached            | cachedContentTokenCount (subtracted nowhere) |
| output / completion | candidatesTokenCount + thoughtsTokenCount |
| reasoning         | thoughtsTokenCount                    |
| total             | input + output                        |

Facts: wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.events import Usage


def responses_usage(usage: Usage) -> dict[str, Any]:
    """The ``usage`` object of the Responses API."""
    sent, received = usage.prompt + usage.tool_use, usage.candidates + usage.thoughts
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": received,
        "output_tokens_details": {"reasoning_tokens": usage.thoughts},
        "total_tokens": sent + received,
    }


def chat_usage(usage: Usage) -> dict[str, Any]:
    """The ``usage`` object of Chat Completions."""
    sent, received = usage.prompt + usage.tool_use, usage.candidates + usage.thoughts
    return {
        "prompt_tokens": sent,
        "completion_tokens": received,
        "total_tokens": sent + received,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.thoughts,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }

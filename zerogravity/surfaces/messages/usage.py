"""Token counts in Anthropic's form: input without cached tokens, output with thinking. Facts: wire-anthropic 3."""

from __future__ import annotations

from zerogravity.core.events import Usage


def usage_object(usage: Usage, searches: int = 0) -> dict[str, object]:
    """The cumulative figures at the end of an answer."""
    return {
        "input_tokens": max(usage.prompt + usage.tool_use - usage.cached, 0),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.candidates + usage.thoughts,
        "output_tokens_details": {"thinking_tokens": usage.thoughts},
        "server_tool_use": {"web_search_requests": searches} if searches else None,
    }


def first_usage(estimate: int) -> dict[str, object]:
    """Those of ``message_start``, where Google has counted nothing yet."""
    return {
        "input_tokens": estimate,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    }

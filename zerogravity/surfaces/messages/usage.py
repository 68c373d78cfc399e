"""Token counts in Anthropic's form: input without cached tokens, output with thinking. Facts: wire-anthropic 3."""

from __future__ import annotations

from typing import Any

from zerogravity.core.events import Usage
from zerogravity.core.turn import Turn
from zerogravity.surfaces.messages.details import MessagesDetails

Json = dict[str, Any]


def first_usage(turn: Turn) -> Json:
    """That of ``message_start``: the request is estimated, since Google counts last, and nothing is written yet."""
    estimate = turn.details_as(MessagesDetails).input_tokens
    return whole_usage({
        "input_tokens": estimate, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1,
        "output_tokens_details": None, "server_tool_use": None,
    })  # fmt: skip


def last_usage(turn: Turn, usage: Usage, searches: int) -> Json:
    """That of ``message_delta``, cumulative. Input that Google has not counted stays estimated: clients compact their
    history by it."""
    sent = max(usage.sent - usage.cached, 0) if usage.sent else turn.details_as(MessagesDetails).input_tokens
    return {
        "input_tokens": sent,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.made,
        "output_tokens_details": {"thinking_tokens": usage.thoughts},
        "server_tool_use": {"web_search_requests": searches, "web_fetch_requests": 0} if searches else None,
    }


def whole_usage(counts: Json) -> Json:
    """That of a Message, which says more than counts."""
    return {**counts, "cache_creation": None, "service_tier": "standard", "inference_geo": None, "speed": None}

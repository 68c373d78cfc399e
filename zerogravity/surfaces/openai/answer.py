"""What answers of Chat and Responses are made of: how the turn ended, refusals, media, token counts.

Facts: wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from zerogravity.core.events import Failed, Finished, Terminal, Usage
from zerogravity.core.fold import Media
from zerogravity.errors import Termination

# of Chat
FINISH_REASONS = {
    "stop": "stop", "stop_sequence": "stop", "tool": "tool_calls", "length": "length", "filtered": "content_filter",
}  # fmt: skip
INCOMPLETE_REASONS = {"length": "max_output_tokens", "filtered": "content_filter"}  # of Responses; others completed


def responses_status(terminal: Terminal) -> tuple[str, str | None]:
    """``status`` and ``incomplete_details.reason`` of a Response."""
    match terminal:
        case Failed(fault):
            return ("cancelled" if fault.termination is Termination.CANCELLED else "failed"), None
        case Finished(reason):
            incomplete = INCOMPLETE_REASONS.get(reason)
            return ("completed" if incomplete is None else "incomplete"), incomplete


def refusal(terminal: Terminal, *, shown: bool) -> str | None:
    """The text that stands in for an answer of which the provider's filter left nothing. ``shown``: something of the
    answer has been shown."""
    if shown or not isinstance(terminal, Finished) or terminal.reason != "filtered":
        return None
    return f"The answer was withheld by the provider's filter ({terminal.detail or 'unspecified'})."


# -- media -------------------------------------------------------------------------------------------------------


def is_picture(media: Media) -> bool:
    return media.mime.startswith("image/")


def data_uri(media: Media) -> str:
    return f"data:{media.mime};base64,{media.data}"


# -- token counts ------------------------------------------------------------------------------------------------
# OpenAI's input includes cached tokens and its output includes reasoning; the total is their sum.


def responses_usage(usage: Usage) -> dict[str, object]:
    """The ``usage`` object of the Responses API."""
    sent, received = usage.sent, usage.made
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": received,
        "output_tokens_details": {"reasoning_tokens": usage.thoughts},
        "total_tokens": sent + received,
    }


def chat_usage(usage: Usage) -> dict[str, object]:
    """The ``usage`` object of Chat Completions."""
    sent, received = usage.sent, usage.made
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

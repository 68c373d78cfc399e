"""``Fault`` → Anthropic's error: ``{"type": "error", "error": {type, message}, "request_id"}``.

The type goes by the status; the message begins with the path of the member (``messages.3.content.0``).
Facts: wire-anthropic 4.
"""

from __future__ import annotations

from zerogravity.errors import Fault, join_sentences
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.common.errors import fault_headers

TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def messages_error(fault: Fault, request_id: str = "") -> Answer:
    """A whole HTTP answer."""
    body = {"type": "error", "error": error_object(fault)}
    return Answer(fault.status, {**body, "request_id": request_id} if request_id else body, fault_headers(fault))


def error_object(fault: Fault) -> dict[str, object]:
    """``{type, message}``."""
    return {"type": _type(fault), "message": message_of(fault)}


def message_of(fault: Fault) -> str:
    return join_sentences(fault.message, fault.remedy)


def _type(fault: Fault) -> str:
    kind = TYPES.get(fault.status)
    return kind or ("invalid_request_error" if fault.status < 500 else "api_error")

"""``Fault`` → OpenAI's error: ``{"error": {message, type, param, code}}``, without internals.

Facts: wire-openai 11.
"""

from __future__ import annotations

from zerogravity.errors import Fault, Origin, join_sentences
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.common.errors import fault_headers, whole_seconds


def openai_error_object(fault: Fault) -> dict[str, object]:
    """``{message, type, param, code}``, all four always there; an empty code is null."""
    return {"message": message_of(fault), "type": _type(fault), "param": fault.param, "code": fault.code or None}


def openai_error(fault: Fault, request_id: str = "") -> Answer:
    """A whole HTTP answer in OpenAI's form, which names the request in a header only."""
    return Answer(fault.status, {"error": openai_error_object(fault)}, fault_headers(fault))


def message_of(fault: Fault) -> str:
    """The message and the remedy; for rate limits with the delay, which Codex parses."""
    wait = fault.status == 429 and fault.retry_after is not None and "try again in" not in fault.message
    delay = f"Please try again in {whole_seconds(fault.retry_after or 0)}s." if wait else ""
    return join_sentences(fault.message, delay, fault.remedy)


def _type(fault: Fault) -> str:
    match fault.status:
        case 429:
            return "rate_limit_error" if fault.code != "insufficient_quota" else "insufficient_quota"
        case 401 if fault.origin is Origin.CLIENT:
            return "authentication_error"
        case 403 if fault.origin is Origin.CLIENT:
            return "permission_error"
        case 424:
            return "external_connector_error"
        case status if status < 500:
            return "invalid_request_error"
        case _:
            return "server_error"

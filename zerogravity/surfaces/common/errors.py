"""``Fault`` → each surface's error object, status and headers: the one table.

OpenAI form: ``{"error": {message, type, param, code}}``; Google form: ``{"error": {code, message, status, details}}``
with a numeric code. Nothing internal is told. Facts: wire-openai 11; wire-gemini-and-mapping 1.4, 7.
"""

from __future__ import annotations

import math
from typing import Any

from zerogravity.errors import Fault, Origin, joined
from zerogravity.surfaces.base import Answer

_RPC = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT",
    421: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED",
    502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def openai_error_object(fault: Fault) -> dict[str, Any]:
    """``{message, type, param, code}``, all four always there; an empty code is null (an unknown response has none)."""
    return {"message": message_of(fault), "type": _type(fault), "param": fault.param, "code": fault.code or None}


def openai_error(fault: Fault) -> Answer:
    """A whole HTTP answer in OpenAI's form."""
    return Answer(fault.status, {"error": openai_error_object(fault)}, fault_headers(fault))


def google_error_object(fault: Fault) -> dict[str, Any]:
    """``{code, message, status, details}``; the upstream's own status word and details are kept."""
    details = list(fault.details)
    if not details and fault.param is not None and fault.status == 400:
        violation = {"field": fault.param, "description": fault.message}
        details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    status = (
        fault.rpc_status if fault.rpc_status and fault.code != "upstream_auth" else _RPC.get(fault.status, "UNKNOWN")
    )
    error: dict[str, Any] = {"code": fault.status, "message": fault.told, "status": status}
    if details:
        error["details"] = details
    return error


def google_error(fault: Fault) -> Answer:
    """A whole HTTP answer in Google's form."""
    return Answer(fault.status, {"error": google_error_object(fault)}, fault_headers(fault))


def fault_headers(fault: Fault) -> dict[str, str]:
    """``Retry-After`` in whole seconds, at least 1; ``x-should-retry: false`` when a retry can not help."""
    headers: dict[str, str] = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(fault.retry_after)))
    if not fault.retryable:
        headers["x-should-retry"] = "false"
    return headers


def message_of(fault: Fault) -> str:
    """The message and what to do; for rate limits with the delay in words, which Codex reads."""
    wait = fault.status == 429 and fault.retry_after is not None and "try again in" not in fault.message
    delay = f"Please try again in {_seconds(fault.retry_after or 0)}s." if wait else ""
    return joined(fault.message, delay, fault.remedy)


def _seconds(delay: float) -> str:
    """Plain digits: clients read the number with a pattern that knows no exponent."""
    return f"{math.ceil(delay)}" if delay >= 10 else f"{max(delay, 0.001):.3f}".rstrip("0").rstrip(".")


def _type(fault: Fault) -> str:
    match fault.status:
        case 429:
            return "rate_limit_error" if fault.code != "insufficient_quota" else "insufficient_quota"
        case 401 if fault.origin is Origin.CLIENT:
            return "authentication_error"
        case 403 if fault.origin is Origin.CLIENT:
            return "permission_error"
        case status if status < 500:
            return "invalid_request_error"
        case _:
            return "server_error"

"""``Fault`` → Google's error: ``{"error": {code, message, status, details}}`` with a numeric code. Nothing internal is
told. Facts: wire-gemini-and-mapping 1.4, 7.
"""

from __future__ import annotations

from typing import Any

from zerogravity.errors import Fault
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.common.errors import fault_headers

_RPC = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT",
    421: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED",
    502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def google_error_object(fault: Fault) -> dict[str, Any]:
    """``{code, message, status, details}``; the upstream's own status word and details are kept."""
    details = list(fault.details)
    if not details and fault.param is not None and fault.status == 400:
        violation = {"field": fault.param, "description": fault.message}
        details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    status = (
        fault.rpc_status if fault.rpc_status and fault.code != "upstream_auth" else _RPC.get(fault.status, "UNKNOWN")
    )
    error: dict[str, Any] = {"code": fault.status, "message": fault.full_message, "status": status}
    if details:
        error["details"] = details
    return error


def google_error(fault: Fault, request_id: str = "") -> Answer:
    """A whole HTTP answer in Google's form, which names the request in a header only."""
    return Answer(fault.status, {"error": google_error_object(fault)}, fault_headers(fault))

"""Google's refusals before a stream: status, message and google.rpc details as they are seen on the wire (C.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zerogravity.testing.simulator.google.generate_request import Ask
from zerogravity.testing.simulator.google.scenarios import Scenario, failure

RPC = "type.googleapis.com/google.rpc."
PUBLIC_DOMAIN = "googleapis.com"
INTERNAL_DOMAIN = "cloudcode-pa.googleapis.com"


def error_info(reason: str, *, internal: bool = True, **metadata: str) -> dict[str, Any]:
    return {
        "@type": RPC + "ErrorInfo",
        "reason": reason,
        "domain": INTERNAL_DOMAIN if internal else PUBLIC_DOMAIN,
        "metadata": metadata,
    }


def retry_info(delay: str) -> dict[str, Any]:
    return {"@type": RPC + "RetryInfo", "retryDelay": delay}


def bad_request(*violations: tuple[str, str]) -> dict[str, Any]:
    fields = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
    return {"@type": RPC + "BadRequest", "fieldViolations": fields}


def _invalid(ask: Ask) -> Scenario:
    text = "Request contains an invalid argument."
    return failure(400, "INVALID_ARGUMENT", text, [bad_request(("request.contents", text))])


def _too_long(ask: Ask) -> Scenario:
    text = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    return failure(400, "INVALID_ARGUMENT", text)


def _unauthenticated(ask: Ask) -> Scenario:
    text = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    info = error_info("ACCESS_TOKEN_EXPIRED", internal=False, service="cloudcode-pa.googleapis.com")
    return failure(401, "UNAUTHENTICATED", text, [info])


def _forbidden(ask: Ask) -> Scenario:
    text = "Permission denied on resource project invented-project-1."
    return failure(403, "PERMISSION_DENIED", text, [error_info("CONSUMER_INVALID", internal=False)])


def _verify(ask: Ask) -> Scenario:
    info = error_info("VALIDATION_REQUIRED", validation_url="https://accounts.example.org/verify")
    return failure(403, "PERMISSION_DENIED", "Verify your account to continue.", [info])


def _not_found(ask: Ask) -> Scenario:
    return failure(404, "NOT_FOUND", "Requested entity was not found.")


def _rate_limited(ask: Ask) -> Scenario:
    if not ask.internal:
        quota = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "quotaDimensions": {"model": ask.model, "location": "global"},
            "quotaValue": "10",
        }
        help_links = {"@type": RPC + "Help", "links": [{"description": "quota help", "url": "https://example.org/q"}]}
        details = [{"@type": RPC + "QuotaFailure", "violations": [quota]}, help_links, retry_info("27s")]
        return failure(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", details)
    text = "You have exhausted your capacity on this model. Your quota will reset after 0s."
    stamp = {"quotaResetDelay": "479.417207ms", "quotaResetTimeStamp": "2026-03-01T10:00:01Z"}
    info = error_info("RATE_LIMIT_EXCEEDED", model=ask.model, uiMessage="true", internal=True, **stamp)
    return failure(429, "RESOURCE_EXHAUSTED", text, [info, retry_info("0.479417207s")])


def _quota_exhausted(ask: Ask) -> Scenario:
    text = "You have exhausted your capacity on this model. Your quota will reset after 143h4m52s."
    info = error_info("QUOTA_EXHAUSTED", model=ask.model, uiMessage="true", quotaResetDelay="143h4m52.73s")
    return failure(429, "RESOURCE_EXHAUSTED", text, [info, retry_info("515092.73s")])


def _bare(ask: Ask) -> Scenario:
    return failure(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")


def _internal(ask: Ask) -> Scenario:
    return failure(500, "INTERNAL", "Internal error encountered.")


def _unavailable(ask: Ask) -> Scenario:
    return failure(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def _capacity(ask: Ask) -> Scenario:
    text = f"No capacity available for model {ask.model} on the server"
    return failure(503, "UNAVAILABLE", text, [error_info("MODEL_CAPACITY_EXHAUSTED", model=ask.model)])


def _deadline(ask: Ask) -> Scenario:
    return failure(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.")


FAILURES: dict[str, Callable[[Ask], Scenario]] = {
    "400": _invalid,
    "400-long": _too_long,
    "401": _unauthenticated,
    "403": _forbidden,
    "403-verify": _verify,
    "404": _not_found,
    "429": _rate_limited,
    "429-quota": _quota_exhausted,
    "429-bare": _bare,
    "500": _internal,
    "503": _unavailable,
    "503-capacity": _capacity,
    "504": _deadline,
}

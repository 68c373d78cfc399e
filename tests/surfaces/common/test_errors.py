"""What Google answered → each surface's error: status, code, delay."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from zerogravity.errors import Fault, Origin, bad_request, internal
from zerogravity.surfaces.gemini.errors import google_error
from zerogravity.surfaces.openai.errors import openai_error
from zerogravity.wire.google_errors import decode_error

CODEX = re.compile(r"(?i)try again in\s*(\d+(?:\.\d+)?)\s*(s|ms|seconds?)")


def google(code: int, status: str, message: str = "m", *details: dict[str, Any]) -> Fault:
    body = {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    return decode_error(code, {}, json.dumps(body).encode())


def retry(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def quota(delay: str) -> dict[str, Any]:
    info = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": info, "reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quotaResetDelay": delay}}


@pytest.mark.parametrize(
    ("code", "status", "openai", "kind", "name", "gemini_status"),
    [
        (400, "INVALID_ARGUMENT", 400, "invalid_request_error", "invalid_argument", "INVALID_ARGUMENT"),
        (400, "FAILED_PRECONDITION", 400, "invalid_request_error", "invalid_argument", "FAILED_PRECONDITION"),
        (400, "OUT_OF_RANGE", 400, "invalid_request_error", "invalid_argument", "OUT_OF_RANGE"),
        (401, "UNAUTHENTICATED", 502, "server_error", "upstream_auth", "UNAVAILABLE"),
        (403, "PERMISSION_DENIED", 502, "server_error", "upstream_auth", "UNAVAILABLE"),
        (404, "NOT_FOUND", 404, "invalid_request_error", "model_not_found", "NOT_FOUND"),
        (409, "ABORTED", 409, "invalid_request_error", "upstream_error", "ABORTED"),
        (413, "INVALID_ARGUMENT", 413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED", 429, "rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL", 500, "server_error", "upstream_error", "INTERNAL"),
        (501, "UNIMPLEMENTED", 501, "server_error", "upstream_error", "UNIMPLEMENTED"),
        (503, "UNAVAILABLE", 503, "server_error", "upstream_error", "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED", 504, "server_error", "upstream_error", "DEADLINE_EXCEEDED"),
    ],
)  # fmt: skip
def test_google_statuses(code: int, status: str, openai: int, kind: str, name: str, gemini_status: str) -> None:
    fault = google(code, status)
    answer = openai_error(fault)
    error = answer.body["error"]
    assert (answer.status, error["type"], error["code"]) == (openai, kind, name)
    assert error.keys() == {"message", "type", "param", "code"}
    mine = google_error(fault)
    assert mine.body["error"]["code"] == mine.status == openai
    assert mine.body["error"]["status"] == gemini_status


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(("delay", "header"), [(0, "1"), (0.0, "1"), (0.2, "1"), (1, "1"), (1.1, "2"), (None, None)])
def test_retry_after_is_at_least_a_second(status: int, delay: float | None, header: str | None) -> None:
    """``Retry-After: 0`` makes clients ask again without a pause."""
    fault = Fault(Origin.UPSTREAM, status, "overloaded", "Slow down", retry_after=delay)
    for answer in (openai_error(fault), google_error(fault)):
        assert answer.headers.get("Retry-After") == header


@pytest.mark.parametrize(
    ("details", "message", "header"),
    [
        ([retry("22s")], "m", "22"),
        ([retry("0s")], "m", "1"),
        ([retry("0.479s")], "m", "1"),
        ([retry("45.837906927s")], "m", "46"),
        ([quota("1h"), retry("3s")], "m", "3"),
        ([], "Your quota will reset after 2m5s.", "125"),
        ([], "m", None),
    ],
)
def test_delays(details: list[dict[str, Any]], message: str, header: str | None) -> None:
    fault = google(429, "RESOURCE_EXHAUSTED", message, *details)
    for answer in (openai_error(fault), google_error(fault)):
        assert answer.headers.get("Retry-After") == header
    assert google_error(fault).body["error"].get("details", []) == details
    said = openai_error(fault).body["error"]["message"]
    if header is None:
        assert "try again in" not in said
    elif fault.retry_after is not None:
        found = CODEX.search(said)
        assert found is not None
        assert abs(float(found.group(1)) - fault.retry_after) <= 1
        assert found.group(0) in said.rstrip(".")


def test_a_quota_of_hours_is_insufficient_quota() -> None:
    error = openai_error(google(429, "RESOURCE_EXHAUSTED", "m", quota("3h"))).body["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")


def test_context_too_long() -> None:
    fault = google(400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens")
    assert openai_error(fault).body["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("fault", "retry"),
    [
        (bad_request("m").fault, "false"),
        (google(401, "UNAUTHENTICATED"), "false"),
        (google(503, "UNAVAILABLE"), None),
        (google(429, "RESOURCE_EXHAUSTED"), None),
        (internal(), None),
    ],
)
def test_whether_a_retry_helps(fault: Fault, retry: str | None) -> None:
    assert openai_error(fault).headers.get("x-should-retry") == retry


def test_the_remedy_follows_the_delay_on_every_surface():
    body = {"error": {"code": 429, "message": "You have exhausted your capacity", "status": "RESOURCE_EXHAUSTED"}}
    fault = decode_error(429, {"retry-after": "22"}, json.dumps(body).encode())
    told = "Send fewer requests at a time, or use another model."
    assert openai_error(fault).body["error"]["message"] == (
        f"You have exhausted your capacity. Please try again in 22s. {told}"
    )
    assert google_error(fault).body["error"]["message"] == f"You have exhausted your capacity. {told}"

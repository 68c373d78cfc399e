"""What the language server answers when it refuses → the client's fault, and what to do about it."""

from __future__ import annotations

import json

import pytest

from zerogravity.backends.antigravity.errors import OTHERWISE, ROWS, error_of, stream_error
from zerogravity.errors import Origin, Termination


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, b'{"code":"invalid_argument","message":"cascade_id is required"}', (502, "ls_refused", False)),
        (400, b'{"code":"failed_precondition","message":"x"}', (502, "ls_refused", False)),
        (401, b'{"code":"unauthenticated"}', (502, "ls_refused", True)),
        (403, b"Invalid CSRF token", (502, "ls_refused", True)),
        (404, b'{"code":"not_found","message":"cascade x not found"}', (502, "ls_refused", True)),
        (404, b"404 page not found", (502, "ls_refused", False)),
        (429, b'{"code":"resource_exhausted","message":"quota"}', (429, "rate_limit_exceeded", True)),
        (500, b'{"code":"resource_exhausted","message":"quota"}', (429, "rate_limit_exceeded", True)),
        (499, b'{"code":"canceled"}', (502, "ls_refused", True)),
        (500, b'{"code":"unknown","message":"model not found"}', (502, "ls_refused", True)),
        (501, b'{"code":"unimplemented"}', (502, "ls_refused", False)),
        (503, b'{"code":"unavailable"}', (503, "ls_refused", True)),
        (504, b'{"code":"deadline_exceeded"}', (504, "ls_refused", True)),
        (502, b"<html>", (503, "ls_refused", True)),
        (302, b"", (502, "ls_refused", True)),
    ],
)
def test_what_a_refusal_becomes(status: int, body: bytes, fault: tuple[int, str, bool]) -> None:
    found = error_of(status, body).fault
    assert (found.status, found.code, found.retryable) == fault
    assert found.origin is Origin.LS
    assert found.termination is Termination.LS_REFUSED


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (403, b"Invalid CSRF token", "--ls-csrf"),
        (401, b"", "--ls-csrf"),
        (500, {"code": "unknown", "message": "model not found"}, "Log in to Google"),
        (404, {"code": "not_found", "message": "x"}, "Log in to Google"),
        (501, {"code": "unimplemented"}, "Update the editor"),
        (429, {"code": "resource_exhausted", "message": "quota"}, "fewer requests"),
        (500, {"code": "unknown", "message": "RESOURCE_EXHAUSTED (code 429): You have exhausted your capacity on this "
               "model. Your quota will reset after 143h4m52s."}, "resets in 5 d 23 h"),
        (500, {"code": "unknown", "message": 'request failed: {"error": {"code": 403, "status": "PERMISSION_DENIED", '
               '"message": "m", "details": [{"reason": "SUBSCRIPTION_REQUIRED"}]}}'}, "licence"),
        (403, {"code": "permission_denied", "message": "PERMISSION_DENIED (code 403): This version of Antigravity is "
               "no longer supported. Please update to receive the latest features!"}, "Update the editor"),
        (403, {"code": "permission_denied", "message": "rpc error: code = Unauthenticated desc = Request had invalid "
               "authentication credentials."}, "Log in again"),
        (503, {"code": "unavailable", "message": "UNAVAILABLE (code 503): No capacity available for model x"},
         "no room"),
        (400, {"code": "invalid_argument", "message": "cascade_id is required"}, ""),
        (500, {"code": "unknown", "message": "x"}, ""),
    ],
)  # fmt: skip
def test_what_to_do_about_a_refusal(status: int, body: object, remedy: str) -> None:
    found = error_of(status, body if isinstance(body, bytes) else json.dumps(body).encode()).fault
    assert remedy in found.remedy
    assert bool(remedy) == bool(found.remedy)
    assert ("CSRF" in found.message) == ("csrf" in found.remedy)
    assert ".." not in found.full_message


def test_every_row_decides_something() -> None:
    """None stands behind another that takes all of its answers."""
    decided = set[str]()
    for status in (302, 400, 401, 403, 404, 429, 500, 501, 503, 504):
        for word in ("unknown", *(word for row in ROWS for word in row.words)):
            for message in ("", "PERMISSION_DENIED (code 403): This version of Antigravity is no longer supported."):
                found = error_of(status, json.dumps({"code": word, "message": message}).encode())
                given = {"status": status, "word": word, "message": message or "no message"}
                decided |= {
                    row.message for row in (*ROWS, OTHERWISE) if row.message.format(**given) == found.fault.message
                }
    assert decided == {row.message for row in (*ROWS, OTHERWISE)}


@pytest.mark.parametrize(
    ("message", "remedy"),
    [("reactive state is disabled", False), ("RESOURCE_EXHAUSTED (code 429): quota", True)],
)
def test_a_stream_that_ends_with_an_error(message: str, remedy: bool) -> None:
    found = stream_error("unknown", message)
    assert (found.status, found.word, found.fault.code) == (200, "unknown", "ls_refused")
    assert message in found.fault.message
    assert bool(found.fault.remedy) is remedy

"""Google's errors (facts C.5) → faults, in every form they come in; what cannot be read never raises."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from zerogravity.errors import Origin, Termination
from zerogravity.wire import google_errors
from zerogravity.wire.google import GoogleDecoder


def decoder() -> GoogleDecoder:
    return GoogleDecoder(lambda number: f"call_{number}")


def error(code: object = 429, status: str | None = None, message: str = "m", **info: Any) -> dict[str, Any]:
    details = []
    if delay := info.pop("retry", None):
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    if info:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info})
    found = {"code": code, "message": message, "status": status, "details": details}
    return {"error": {key: value for key, value in found.items() if value not in (None, [])}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error(400, "INVALID_ARGUMENT"), (400, "invalid_argument", None, False)),
        (400, error(400, message="The input token count (9) exceeds the maximum number of tokens allowed (8)."),
         (400, "context_length_exceeded", None, False)),
        (401, error(401, "UNAUTHENTICATED"), (502, "upstream_auth", None, False)),
        (403, error(403, "PERMISSION_DENIED"), (502, "upstream_auth", None, False)),
        (404, error(404, "NOT_FOUND"), (404, "model_not_found", None, False)),
        (409, error(409, "ABORTED"), (409, "upstream_error", None, True)),
        (413, error(413), (413, "request_too_large", None, False)),
        (418, error(418), (418, "upstream_error", None, False)),
        (429, error(retry="0.479417207s", reason="RATE_LIMIT_EXCEEDED", metadata={"quotaResetDelay": "1h"}),
         (429, "rate_limit_exceeded", 0.479417207, True)),
        (429, error(reason="RATE_LIMIT_EXCEEDED", metadata={"quotaResetDelay": "250ms"}),
         (429, "rate_limit_exceeded", 0.25, True)),
        (429, error(retry="515092.73s", reason="QUOTA_EXHAUSTED", metadata={"quotaResetDelay": "143h4m52.73s"}),
         (429, "insufficient_quota", 515092.73, False)),
        (429, error(reason="QUOTA_EXHAUSTED"), (429, "insufficient_quota", None, False)),
        (429, error(reason="INSUFFICIENT_G1_CREDITS_BALANCE"), (429, "insufficient_quota", None, False)),
        (429, error(message="Resource has been exhausted."), (429, "rate_limit_exceeded", None, True)),
        (429, error(message="Your quota will reset after 156h14m36s."), (429, "insufficient_quota", 562476.0, False)),
        (429, error(message="Your quota will reset after 2s."), (429, "rate_limit_exceeded", 2.0, True)),
        (429, error(message="Please retry in 45.5s."), (429, "rate_limit_exceeded", 45.5, True)),
        (499, error(499, "CANCELLED"), (502, "upstream_error", None, True)),
        (500, error(500, "INTERNAL"), (500, "upstream_error", None, True)),
        (503, error(503, "UNAVAILABLE", retry="30s"), (503, "upstream_error", 30.0, True)),
        (504, error(504, "DEADLINE_EXCEEDED"), (504, "upstream_error", None, True)),
        (302, {}, (502, "upstream_error", None, True)),
    ],
)  # fmt: skip
def test_error_table(status: int, body: dict[str, Any], expected: tuple[int, str, float | None, bool]) -> None:
    for shown in (body, [body]):
        fault = google_errors.decode_error(status, {}, json.dumps(shown, indent=2).encode())
        assert (fault.status, fault.code, fault.retry_after, fault.retryable) == expected
        assert (fault.origin, fault.termination) == (Origin.UPSTREAM, Termination.UPSTREAM_STATUS)
        assert fault.rpc_status == body.get("error", {}).get("status")
        assert list(fault.details) == body.get("error", {}).get("details", [])
    fresh = decoder()
    assert fresh.decode(json.dumps(body).encode()) == ()
    if body:
        assert fresh.fault == fault


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (error("503"), 503), (error(14, "UNAVAILABLE"), 503), (error(None, "RESOURCE_EXHAUSTED"), 429),
        (error(None), 500), (error(200), 500), ({"error": "it broke"}, 500), (error(None, "SOMETHING_NEW"), 500),
    ],
)  # fmt: skip
@pytest.mark.parametrize("frame", ["%s", "[%s]", '{"response": %s}', "\n%s\n"])
def test_errors_inside_a_200(frame: str, body: dict[str, Any], status: int) -> None:
    fresh = decoder()
    assert fresh.decode((frame % json.dumps(body, indent=1)).encode()) == ()
    assert fresh.fault is not None
    assert fresh.fault.status == status
    assert fresh.fault.message in ("m", "it broke")


def test_the_first_error_is_kept() -> None:
    fresh = decoder()
    fresh.decode(json.dumps(error(503)).encode())
    fresh.decode(json.dumps(error(500)).encode())
    assert fresh.fault is not None
    assert fresh.fault.status == 503


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[]", b"null", b'{"error": 1}', b"[[]]", b"\xff"])
def test_error_bodies_that_say_nothing(body: bytes) -> None:
    fault = google_errors.decode_error(502, {}, body)
    assert (fault.status, fault.message) == (502, "Google answered 502 without a message")


def test_a_refused_login_says_what_to_do() -> None:
    fault = google_errors.decode_error(401, {}, json.dumps(error(401, message="Token expired")).encode())
    assert fault.message == "Google refused the language server's login (401): Token expired"
    assert (
        fault.full_message
        == "Google refused the language server's login (401): Token expired. Log in again in the editor."
    )


ANSWERED = "Sun, 01 Mar 2026 10:00:01 GMT"


@pytest.mark.parametrize(
    ("headers", "code", "delay"),
    [
        ({"Retry-After": "7"}, "rate_limit_exceeded", 7.0),
        ({"retry-after": " 3600 "}, "insufficient_quota", 3600.0),
        ({"RETRY-AFTER": "soon"}, "rate_limit_exceeded", None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "rate_limit_exceeded", None),
        ({"Retry-After": "Sun, 01 Mar 2026 10:00:41 GMT", "Date": ANSWERED}, "rate_limit_exceeded", 40.0),
        ({"Retry-After": "Sun, 01 Mar 2026 10:00:01 GMT", "Date": ANSWERED}, "rate_limit_exceeded", None),  # it is over
        ({"Retry-After": "Sun, 99 Mar 2026 10:00:01 GMT", "Date": ANSWERED}, "rate_limit_exceeded", None),
        ({"Retry-After": "Sun, 01 Mar 2026 10:00:41 GMT", "Date": "now"}, "rate_limit_exceeded", None),
        ({"Retry-After": "٣"}, "rate_limit_exceeded", None),
        ({"Retry-After": "9" * 400}, "rate_limit_exceeded", None),
        ({}, "rate_limit_exceeded", None),
    ],
)
def test_the_retry_after_header(headers: dict[str, str], code: str, delay: float | None) -> None:
    fault = google_errors.decode_error(429, headers, b"{}")
    assert (fault.code, fault.retry_after) == (code, delay)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("Your quota will reset after 0s.", "Your quota will reset after 1s."),
        ("Please retry in 53ms", "Please retry in 1s"),
        ("Your quota will reset after 0.4s. Wait.", "Your quota will reset after 1s. Wait."),
        ("Your quota will reset after 1s.", "Your quota will reset after 1s."),
        ("Your quota will reset after 2h3s.", "Your quota will reset after 2h3s."),
        ("Your quota will reset after a while.", "Your quota will reset after a while."),
    ],
)
def test_the_message_names_no_time_shorter_than_the_header_can(told: str, shown: str) -> None:
    body = json.dumps(error(message=told)).encode()
    assert google_errors.decode_error(429, {}, body).message == shown
    assert google_errors.inside(error(message=told)["error"]).message == shown


def test_a_delay_in_the_body_wins_over_the_header() -> None:
    assert (
        google_errors.decode_error(503, {"retry-after": "7"}, json.dumps(error(503, retry="2s")).encode()).retry_after
        == 2.0
    )


@pytest.mark.parametrize(
    ("metadata", "message", "code", "delay"),
    [
        ({"quotaResetTimeStamp": "2026-03-01T10:00:31Z"}, "m", "rate_limit_exceeded", 30.0),
        ({"quotaResetTimeStamp": "2026-03-01T10:00:31.500000000Z"}, "m", "rate_limit_exceeded", 30.5),
        ({"quotaResetTimeStamp": "2026-13-01T10:00:31Z"}, "m", "rate_limit_exceeded", None),
        ({"quotaResetTimeStamp": "2026-03-07T10:00:01Z"}, "m", "insufficient_quota", 6 * 86400.0),
        ({"quotaResetTimeStamp": "2026-03-07T10:00:01Z", "quotaResetDelay": "2s"}, "m", "rate_limit_exceeded", 2.0),
        ({"quotaResetTimeStamp": "2026-03-01T10:00:31Z"}, "Please retry in 5s.", "rate_limit_exceeded", 30.0),
        ({"quotaResetTimeStamp": "2026-03-01T10:00:01Z"}, "m", "rate_limit_exceeded", None),  # it is over
        ({"quotaResetTimeStamp": "2026-02-01T10:00:01Z"}, "Please retry in 5s.", "rate_limit_exceeded", 5.0),
        ({"quotaResetTimeStamp": "2026-03-07T10:00:01"}, "m", "rate_limit_exceeded", None),  # of which zone?
        ({"quotaResetTimeStamp": "soon"}, "m", "rate_limit_exceeded", None),
        ({"quotaResetTimeStamp": 1772359301}, "m", "rate_limit_exceeded", None),
        ({"quotaResetTimeStamp": ""}, "m", "rate_limit_exceeded", None),
    ],
)  # fmt: skip
def test_the_moment_of_the_reset_says_how_long_to_wait(
    metadata: dict[str, object], message: str, code: str, delay: float | None
) -> None:
    body = error(429, "RESOURCE_EXHAUSTED", message, reason="RATE_LIMIT_EXCEEDED", metadata=metadata)
    fault = google_errors.decode_error(429, {"date": ANSWERED}, json.dumps(body).encode())
    assert (fault.code, fault.retry_after) == (code, delay)


@pytest.mark.parametrize("date", ["", "now", "Sun, 99 Mar 2026", "Sun, 01 Mar 99999999 10:00:01 GMT"])
def test_without_the_moment_of_the_answer_that_of_the_reset_says_nothing(date: str) -> None:
    body = error(reason="RATE_LIMIT_EXCEEDED", metadata={"quotaResetTimeStamp": "2026-03-01T10:00:31Z"})
    assert google_errors.decode_error(429, {"Date": date}, json.dumps(body).encode()).retry_after is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("22s", 22.0), ("0.479s", 0.479), ("479.4ms", 0.4794), ("1h2m3.5s", 3723.5), ("143h4m52.73s", 515092.73),
        ("1m", 60.0), ("1ms", 0.001), ("5us", 5e-6), ("5µs", 5e-6), ("100ns", 1e-7), ("0s", 0.0),
        ("45.837906927s", 45.837906927),
        ("", None), ("22", None), ("s", None), ("-5s", None), ("1h junk", None), ("1,5s", None), ("1e3s", None),
        ("9" * 400 + "s", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    found = google_errors.parse_duration(text)
    assert found == (None if seconds is None else pytest.approx(seconds))
    assert found is None or math.isfinite(found)

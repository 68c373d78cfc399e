"""What the language server says about its login → why there is none, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.backends.antigravity.login import ROWS, fault_of

URL = "https://accounts.google.com/signin/continue?x=1"
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"verificationRequired": {"verificationUrl": URL}}, "Google wants this account verified", f"account at {URL} and"),
    ({"verificationRequired": {}}, "Google wants this account verified", "Open the editor, which shows how"),
    ({"tosViolation": {"message": "m", "appealUrl": URL}}, "its terms of service: m", f"Appeal at {URL}"),
    ({"tosViolation": {}}, "for its terms of service", "Appeal to Google"),
    ({"licenseRequired": {}}, "this account has no licence for Antigravity", "administrator"),
    ({"projectRequired": {}}, "this account needs a Google Cloud project", "Choose the project"),
    ({"ineligible": {"reason": "too young"}}, "may not use Antigravity: too young", "another account"),
    ({"ineligible": {"verificationUrl": URL}}, "may not use Antigravity", f"account at {URL}"),
    ({"headlessAuthRequired": {"authUrl": URL}}, "made in a browser", f"Log in at {URL}"),
    ({"headlessAuthRequired": {}}, "made in a browser", "Open the editor, log in"),
    ({"generalError": {"reason": "token expired"}}, "the login failed: token expired", "log out and in again"),
    ({"generalError": {}, "uiMessage": "Sign in again"}, "the login failed: Sign in again", "log out and in again"),
    ({"uiMessage": "Please sign in"}, "not logged in to Google: Please sign in", "Open the editor, log in"),
    ({}, "the language server is not logged in to Google", "Open the editor, log in"),
    ({"hasValidAuth": False, "authMode": "AUTH_MODE_GEMINI_API_KEY"}, "not logged in to Google", "Open the editor"),
    ({"licenseRequired": "odd"}, "not logged in to Google", "Open the editor, log in"),
    ({"verificationRequired": {"verificationUrl": "javascript:x"}}, "verified", "Open the editor, which shows how"),
    ({"headlessAuthRequired": {"authUrl": "https://a b"}}, "made in a browser", "Open the editor, log in"),
]


@pytest.mark.parametrize(("result", "message", "remedy"), CASES)
def test_why_there_is_no_login(result: dict[str, Any], message: str, remedy: str) -> None:
    fault = fault_of(result)
    assert fault is not None
    assert (fault.status, fault.code, fault.retryable) == (401, "ls_not_logged_in", False)
    assert message in fault.message
    assert remedy in fault.remedy


def test_a_login_that_is_there() -> None:
    assert fault_of({"hasValidAuth": True, "uiMessage": "Welcome"}) is None


def test_every_row_is_tried() -> None:
    assert {row.member for row in ROWS} <= {name for result, _, _ in CASES for name in result}

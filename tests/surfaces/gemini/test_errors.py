"""Faults of our own in Google's form."""

from __future__ import annotations

import pytest

from zerogravity.errors import Fault, Origin, bad_request
from zerogravity.surfaces.gemini.errors import google_error


def test_a_clients_fault_names_the_field_in_googles_form() -> None:
    error = google_error(bad_request("Bad", param="contents[0]").fault).body["error"]
    assert error == {
        "code": 400, "message": "Bad", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.BadRequest",
                     "fieldViolations": [{"field": "contents[0]", "description": "Bad"}]}],
    }  # fmt: skip
    assert "details" not in google_error(bad_request("No", param="model", status=404).fault).body["error"]


@pytest.mark.parametrize(("status", "word"), [(408, "DEADLINE_EXCEEDED"), (415, "INVALID_ARGUMENT"), (599, "UNKNOWN")])
def test_statuses_of_our_own(status: int, word: str) -> None:
    assert google_error(Fault(Origin.INTERNAL, status, "c", "m")).body["error"]["status"] == word

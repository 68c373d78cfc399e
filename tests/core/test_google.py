"""A request keeps what no type here knows."""

from __future__ import annotations

import pytest

from zerogravity.core.google import NO_SESSION, GenerateContentRequest, as_request, session_of


def test_a_request_is_the_same_mapping() -> None:
    value = {"contents": [], "labels": {"a": "b"}}
    assert as_request(value) is value


def test_no_member_is_demanded() -> None:
    assert not GenerateContentRequest.__required_keys__
    assert as_request({}) == {}


@pytest.mark.parametrize(
    ("request_", "session"),
    [
        ({"sessionId": "-42"}, "-42"), ({"session_id": "6f1c"}, "6f1c"), ({"sessionId": "", "session_id": "6"}, "6"),
        ({}, ""), ({"sessionId": None}, ""), ({"sessionId": 7}, ""), ({"sessionId": NO_SESSION}, ""),
        ({"sessionId": "7" * 999}, "7" * 200),
    ],
)  # fmt: skip
def test_the_session_that_a_request_names(request_: dict[str, object], session: str) -> None:
    assert session_of(request_) == session

"""A request keeps what no type here knows."""

from __future__ import annotations

from zerogravity.core.google import GenerateContentRequest, as_request


def test_a_request_is_the_same_mapping() -> None:
    value = {"contents": [], "labels": {"a": "b"}}
    assert as_request(value) is value


def test_no_member_is_demanded() -> None:
    assert not GenerateContentRequest.__required_keys__
    assert as_request({}) == {}

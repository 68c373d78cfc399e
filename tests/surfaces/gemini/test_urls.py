"""Whose a path is, and what URL, query and headers say besides the body."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.gemini.urls import also_owns, from_url, is_client

KEYS = [({"x-goog-api-key": "k"}, {}), ({"x-goog-api-client": "genai"}, {}), ({}, {"key": "k"})]
TURN = {"model": "gemini-3-flash", "method": "generateContent"}


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/v1beta", True),
        ("/v1beta/models", True),
        ("/v1alpha/anything/else", True),
        ("/v1/models/gemini-3-flash:generateContent", True),
        ("/v1/models/gemini-3-flash%3AstreamGenerateContent", True),
        ("/v1/models/gemini-3-flash%3acountTokens", True),
        ("/v1/tunedModels/mine:generateContent", True),
        ("/v1betatest/models", False),
        ("/v1/models", False),
        ("/v1/models/gemini-3-flash", False),
        ("/v1/models/:generateContent", False),
        ("/v1/responses", False),
        ("/x/v1beta/models", False),
    ],
)
def test_paths_of_its_own(path: str, own: bool) -> None:
    assert also_owns(path) is own


@pytest.mark.parametrize(
    ("headers", "query", "googles"),
    [*((headers, query, True) for headers, query in KEYS), ({"authorization": "Bearer k"}, {"fields": "a"}, False)],
)
def test_whose_clients_they_are(headers: dict[str, str], query: dict[str, str], googles: bool) -> None:
    assert is_client(headers, query) is googles


@pytest.mark.parametrize(
    ("method", "query", "members"),
    [
        ("generateContent", {}, {"stream": False, "alt": "json"}),
        ("streamGenerateContent", {}, {"stream": True, "alt": "json"}),
        ("streamGenerateContent", {"alt": "sse"}, {"stream": True, "alt": "sse"}),
    ],
)
def test_method_and_form(method: str, query: dict[str, str], members: dict[str, Any]) -> None:
    made = from_url({"model": "gemini-3-flash", "method": method}, query, {})
    assert made == {"model": "gemini-3-flash", "fields": "", **members}


@pytest.mark.parametrize(
    ("query", "headers", "fields"),
    [
        ({"fields": "a", "$fields": "b"}, {"X-Goog-FieldMask": "c"}, "a"),
        ({"$fields": "b"}, {"X-Goog-FieldMask": "c"}, "b"),
        ({}, {"X-Goog-FieldMask": "c"}, "c"),
        ({"fields": ""}, {"X-Goog-FieldMask": "c"}, "c"),
    ],
)
def test_where_the_field_mask_stands(query: dict[str, str], headers: dict[str, str], fields: str) -> None:
    assert from_url(TURN, query, headers)["fields"] == fields


def test_another_form_is_refused_by_name_and_not_repeated_at_length() -> None:
    with pytest.raises(FaultError) as raised:
        from_url(TURN, {"alt": "x" * 500}, {})
    fault = raised.value.fault
    assert (fault.status, fault.param, fault.code) == (400, "alt", "invalid_argument")
    assert "x" * 41 not in fault.message

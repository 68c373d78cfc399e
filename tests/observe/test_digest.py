"""What counts for the digest of a request."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.strategies import json_objects
from zerogravity.core.turn import Target
from zerogravity.observe import digest
from zerogravity.testing.builders import google_request as ask


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-e89b-12d3-a456-426614174000"),
        ("call_0123456789abcdef failed", "call_fedcba9876543210 failed"),
        ("today is 2026-11-24", "today is 2026-11-25"),
        ("at 2026-11-24T10:00:00Z", "at 2025-01-01T23:59:59.123Z"),
        ("at 10:00:00", "at 11:22:33.5"),
        ("cwd /tmp/pytest-of-me/1 ok", "cwd /tmp/pytest-of-me/27/x ok"),
        ("ts 1770000000", "ts 1770000999"),
        ("key sk-abcdefgh12", "key sk-hgfedcba21"),
    ],
)
def test_what_changes_from_run_to_run_does_not_count(make_turn, one, other):
    digests = {digest.digest(digest.normalised(make_turn(google_request=ask(text)))) for text in (one, other)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"google_request": ask("a")}, {"google_request": ask("b")}),
        ({"google_request": ask("a")}, {"google_request": ask("a", tools=[])}),
        ({"google_request": ask("a", generationConfig={"temperature": 0})}, {"google_request": ask("a")}),
        ({"stops": ("a",)}, {}),
        ({"stops": ("a", "b")}, {"stops": ("a",)}),
        ({"at_once": True}, {}),
        ({"target": Target("m1", "M")}, {"target": Target("m2", "M")}),
        ({"google_request": {"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"id": 1}}}]}]}},
         {"google_request": {"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"id": 2}}}]}]}}),
    ],
)  # fmt: skip
def test_what_means_something_counts(make_turn, one, other):
    assert digest.digest(digest.normalised(make_turn(**one))) != digest.digest(digest.normalised(make_turn(**other)))


def test_ids_and_signatures_of_calls_do_not_count(make_turn):
    def round_(call_id, signature):
        call = {"functionCall": {"id": call_id, "name": "f", "args": {}}, "thoughtSignature": signature}
        result = {"functionResponse": {"id": call_id, "name": "f", "response": {"a": 1}}}
        return {"contents": [{"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]}

    one, other = (digest.normalised(make_turn(google_request=round_(*pair))) for pair in (("a", "s"), ("b", "t")))
    assert digest.digest(one) == digest.digest(other)
    assert one["contents"][0]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]


@given(json_objects)
def test_a_digest_does_not_depend_on_the_order_of_members(value):
    swapped = dict(reversed(list(value.items())))
    assert digest.digest(digest.normalised_request("m", value)) == digest.digest(
        digest.normalised_request("m", swapped)
    )


def test_the_surface_does_not_count(make_turn):
    one, other = (
        digest.normalised(make_turn(surface=surface, stream=surface == "chat")) for surface in ("chat", "gemini")
    )
    assert one == other

"""The Gemini surface: what the URL says, and when there is something for the client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.gemini.support import chunk, turn
from tests.surfaces.playing import HELLO, context, refused
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini import parse_request, surface
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.testing import builders

CONTEXT = Context("turn_" + "5" * 32, 1_770_000_000, Catalogue().resolve, owner="someone")


@pytest.mark.parametrize("model", ["gemini-3-flash", "models/gemini-3-flash"])
def test_the_url_names_model_and_form(model: str) -> None:
    made = parse_request(HELLO["gemini"], CONTEXT, model=model, stream=True, sse=False)
    assert (made.surface, made.target.name, made.stream) == ("gemini", "gemini-3-flash", True)
    assert (made.id, made.owner, made.created) == (CONTEXT.turn_id, "someone", 1_770_000_000)
    assert made.details_as(GeminiDetails).alt == "json"
    assert surface.parse({**HELLO["gemini"], "model": model, "stream": True, "alt": "json"}, CONTEXT) == made


@pytest.mark.parametrize("model", [None, "", 7])
def test_without_a_url_the_model_must_be_in_the_body(model: Any) -> None:
    assert refused("gemini", model=model).param == "model"


def test_members_of_the_url_are_not_sent_to_google() -> None:
    body = {**HELLO["gemini"], "model": "gemini-3-flash", "stream": True, "alt": "sse", "fields": "*"}
    assert surface.parse(body, context()).google_request == HELLO["gemini"]


@pytest.mark.parametrize(
    ("chunks", "thoughts", "shown"),
    [
        ([chunk({"text": "a"}, finish="STOP")], False, True),
        ([chunk({"text": "hm", "thought": True}, finish="MAX_TOKENS")], True, True),
        ([chunk({"text": "hm", "thought": True}, finish="MAX_TOKENS")], False, False),
        ([chunk(finish="MALFORMED_RESPONSE")], False, True),
        ([chunk(finish="STOP")], False, False),
    ],
)
def test_when_there_is_something_for_the_client(chunks: list[Any], thoughts: bool, shown: bool) -> None:
    """Google's own word for a failure is an answer, too."""
    assert surface.has_output(builders.captured(turn(GeminiDetails(thoughts=thoughts)), chunks)) is shown

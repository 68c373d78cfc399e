"""The Chat surface: when there is something for the client, and where its pictures stand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.chat.support import parse
from zerogravity.core.events import Event, FunctionCall, TextDelta, ThinkingDelta
from zerogravity.surfaces.chat import surface
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.testing import builders


@pytest.mark.parametrize(
    ("reasoning", "event", "shown"),
    [
        ((), TextDelta("a"), True),
        ((), FunctionCall("c", "f", "{}"), True),
        ((), ThinkingDelta("hm"), False),
        (("reasoning_content",), ThinkingDelta("hm"), True),
    ],
)
def test_when_there_is_something_for_the_client(reasoning: tuple[str, ...], event: Event, shown: bool) -> None:
    turn = builders.turn(surface="chat", details=ChatDetails(reasoning=reasoning))
    assert surface.has_output(builders.channel(turn, event)) is shown
    assert not surface.has_output(builders.channel(turn))


def test_thoughts_are_shown_unless_the_request_says_otherwise() -> None:
    assert surface.has_output(builders.channel(parse(), ThinkingDelta("hm")))


def test_pictures_of_messages_are_fetched() -> None:
    url = "https://good.test/x"
    picture: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}}
    (found,) = surface.media({"messages": [{"role": "user", "content": [picture]}]})
    assert (found.url, found.picture, found.param) == (url, True, "messages[0].content[0].image_url.url")

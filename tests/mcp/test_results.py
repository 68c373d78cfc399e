"""Results of tools, as recorded and as the model gets them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mcp.serving import PNG, text
from tests.strategies import json_values
from zerogravity.core.events import CallReturned
from zerogravity.mcp.failures import ServerError, gone
from zerogravity.mcp.results import failed, returned

DATA = base64.b64encode(PNG).decode()
PICTURE = {"type": "image", "mimeType": "image/png", "data": DATA}
PART = {"inlineData": {"mimeType": "image/png", "data": DATA}}


@pytest.mark.parametrize(
    ("content", "output", "media"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb", ()),
        ([], "", ()),
        ([PICTURE], "", (PART,)),
        ([{"type": "text", "text": "see"}, PICTURE], "see", (PART,)),
        ([{"type": "image", "mimeType": "image/svg+xml", "data": "AAAA"}], "(image/svg+xml left out)", ()),
        ([{**PICTURE, "data": "no base64!"}], "(image/png left out)", ()),
        ([{"type": "audio", "mimeType": "audio/wav", "data": "AAAA"}], "(audio/wav left out)", ()),
        ([{"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}}], "inside", ()),
        ([{"type": "resource", "resource": {"uri": "a", "mimeType": "image/png", "blob": DATA}}], "", (PART,)),
        ([{"type": "resource", "resource": {"uri": "a", "mimeType": "x/y", "blob": DATA}}], "(x/y left out)", ()),
        ([{"type": "resource_link", "uri": "https://e.example/a", "name": "a"}], "https://e.example/a", ()),
        ([{"type": "new"}], "(new left out)", ()),
    ],
)
def test_content(content: list[dict[str, Any]], output: str, media: tuple[Any, ...]) -> None:
    assert returned("c", {"content": content}, 1 << 20) == CallReturned("c", output, media=media)


def test_structured_content_stands_in_for_a_text_that_is_missing() -> None:
    assert returned("c", {"content": [], "structuredContent": {"a": 1}}, 1000).output == '{"a":1}'
    assert returned("c", text("said", structuredContent={"a": 1}), 1000).output == "said"


@pytest.mark.parametrize(
    ("result", "kind", "message"),
    [
        (text("broken", isError=True), "mcp_tool_execution_error", "broken"),
        ({"content": [], "isError": True}, "mcp_tool_execution_error", "the tool failed, and did not say why"),
        (text("x" * 1000), "http_error", "more than the 1000 that are taken"),
    ],
)
def test_what_is_no_result(result: dict[str, Any], kind: str, message: str) -> None:
    with pytest.raises(ServerError, match=message) as caught:
        returned("c", result, 1000)
    assert caught.value.error["type"] == kind


@pytest.mark.parametrize(
    "result",
    [text("it is t0ken"), text("t0ken", isError=True), {"content": [], "structuredContent": {"t0ken": "a"}}],
)
def test_what_must_not_be_seen_is_masked_in_every_part_of_a_result(result: dict[str, Any]) -> None:
    try:
        made = str(returned("c", result, 1000, lambda words: words.replace("t0ken", "***")))
    except ServerError as error:
        made = f"{error.error} {error.message}"
    assert "t0ken" not in made
    assert "***" in made


def test_a_failure_is_told_in_words_and_recorded_as_an_object() -> None:
    error = gone("away")
    assert failed("c", error) == CallReturned("c", "away", error.error)


@given(st.dictionaries(st.sampled_from(["content", "structuredContent", "isError", "_meta"]), json_values))
def test_whatever_a_server_sends_is_a_result_or_a_failure(result: dict[str, Any]) -> None:
    try:
        made = returned("c", result, 1 << 20)
    except ServerError as error:
        assert error.message
    else:
        assert isinstance(made.output, str)

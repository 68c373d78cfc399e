"""The URLs of pictures and documents in a body."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.messages.support import PDF, PIXEL, Block, parse, text, user
from zerogravity.server.fetch import put
from zerogravity.surfaces.messages import surface


def at(kind: str, url: str = "https://a.b/c") -> Block:
    return {"type": kind, "source": {"type": "url", "url": url}}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([text("a"), at("image")], [("messages[0].content[1].source.url", True)]),
        ([at("document")], [("messages[0].content[0].source.url", False)]),
        ([{"type": "tool_result", "content": [text("a"), at("image")]}],
         [("messages[0].content[0].content[1].source.url", True)]),
        ([{"type": "document", "source": {"type": "content", "content": [at("image")]}}],
         [("messages[0].content[0].source.content[0].source.url", True)]),
        ([at("image", "data:image/png;base64,x"), at("image", "ftp://a.b")], []),
        ([{"type": "image", "source": {"type": "base64", "url": "https://a.b"}}], []),
        ("https://a.b", []), ([5, {"type": "image", "source": 5}, {"type": "tool_result", "content": "x"}], []),
    ],
)  # fmt: skip
def test_where_urls_are(content: Any, found: list[tuple[str, bool]]) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": content}]}
    assert [(url.param, url.picture) for url in surface.media(body)] == found


def test_what_was_fetched_is_read() -> None:
    message = user(at("image"), at("document", "https://a.b/d"))
    for url, data in zip(surface.media({"messages": [message]}), (b"\x89PNG\r\n\x1a\n", b"%PDF-1.4\n"), strict=True):
        put(url, data)
    parts: Any = parse(messages=[message]).google_request["contents"][0]["parts"]
    assert [part["inlineData"]["data"] for part in parts] == [PIXEL, PDF]

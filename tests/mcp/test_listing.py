"""Lists of tools: page by page, bounded in every way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from zerogravity.config import Limits
from zerogravity.mcp.failures import ServerError
from zerogravity.mcp.listing import MAX_PAGES, tools_of
from zerogravity.mcp.servers import Endpoint

ANY = Endpoint("s")


class Pages:
    """``page``: the tools of a page; ``count``: how many pages."""

    def __init__(self, page: list[dict[str, Any]], count: int = 1, hangs: bool = False) -> None:
        self.page, self.count, self.hangs = page, count, hangs
        self.cursors: list[str | None] = []

    async def list_tools(self, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
        self.cursors.append(cursor)
        if self.hangs:
            await asyncio.Event().wait()
        number = len(self.cursors)
        return self.page, str(number) if number < self.count else None


def tools(count: int) -> list[dict[str, Any]]:
    return [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(count)]


async def test_all_pages_are_read() -> None:
    pages = Pages(tools(2), count=3)
    assert len(await tools_of(pages, ANY, Limits())) == 6
    assert pages.cursors == [None, "1", "2"]


async def test_only_what_is_allowed_counts() -> None:
    endpoint = Endpoint("s", allowed=(["t7", "t9999"],))
    found = await tools_of(Pages(tools(10_000)), endpoint, Limits())
    assert [tool["name"] for tool in found] == ["t7", "t9999"]


@pytest.mark.parametrize(
    ("pages", "limits", "words"),
    [
        (Pages(tools(10_000)), Limits(), "more than 512 tools: allowed_tools can say which"),
        (Pages([], count=10**9), Limits(), f"more than {MAX_PAGES} pages"),
        (Pages([{"name": "t", "description": "x" * 2000}], count=3), Limits(mcp_bytes=5000), "more than 5000 bytes"),
        (Pages([], hangs=True), Limits(mcp_seconds=0.01), "it did not answer within 0.01 s"),
    ],
)
async def test_lists_that_are_not_taken(pages: Pages, limits: Limits, words: str) -> None:
    with pytest.raises(ServerError, match=words):
        await tools_of(pages, ANY, limits)

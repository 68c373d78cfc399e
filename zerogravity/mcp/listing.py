"""The tools of a server, page by page: those that the model may call."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from zerogravity.config import Limits
from zerogravity.mcp.failures import http, slow
from zerogravity.mcp.servers import Endpoint
from zerogravity.surfaces.common.functions import MAX_FUNCTIONS
from zerogravity.wire import jsonio

MAX_PAGES = 100


class Pages(Protocol):
    """A session with a server. ``list_tools``: a page, and the cursor of the next one, if there is one. Raises
    ServerError."""

    async def list_tools(self, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]: ...


async def tools_of(session: Pages, endpoint: Endpoint, limits: Limits) -> list[dict[str, Any]]:
    """Raises ServerError, also for a list that does not end or is too large."""
    try:
        async with asyncio.timeout(limits.mcp_seconds):
            return await _all_pages(session, endpoint, limits)
    except TimeoutError:
        raise slow(limits.mcp_seconds) from None


async def _all_pages(session: Pages, endpoint: Endpoint, limits: Limits) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor, size = None, 0
    for _ in range(MAX_PAGES):
        page, cursor = await session.list_tools(cursor)
        for tool in filter(endpoint.allows, page):
            found.append(tool)
            size += len(jsonio.dumps(tool))
        if len(found) > MAX_FUNCTIONS:
            raise http(502, f"it has more than {MAX_FUNCTIONS} tools: allowed_tools can say which are wanted")
        if size > limits.mcp_bytes:
            raise http(
                502, f"its tools have more than {limits.mcp_bytes} bytes: allowed_tools can say which are wanted"
            )
        if cursor is None:
            return found
    raise http(502, f"its list of tools has more than {MAX_PAGES} pages")

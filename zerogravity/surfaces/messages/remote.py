"""Where a Messages body names pictures and documents by URL. Total: what has another shape holds none."""

from __future__ import annotations

from collections.abc import Iterator

from zerogravity.surfaces.base import MediaUrl
from zerogravity.surfaces.common.remote import content_parts, media_url
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def media_urls(body: Json) -> Iterator[MediaUrl]:
    """Those of all messages, also inside results and documents."""
    for path, block in content_parts(body, "messages", "content"):
        yield from _of_block(block, path)


def _of_block(block: dict[str, object], path: str) -> Iterator[MediaUrl]:
    match block.get("type"):
        case "image" | "document" as kind:
            source, place = narrow.members(block.get("source")), f"{path}.source"
            if source.get("type") == "url":
                yield from media_url(source, "url", f"{place}.url", picture=kind == "image")
            elif source.get("type") == "content":
                yield from _inside(source, place)
        case "tool_result":
            yield from _inside(block, path)
        case _:
            pass


def _inside(holder: dict[str, object], path: str) -> Iterator[MediaUrl]:
    for number, block in narrow.numbered(holder.get("content")):
        yield from _of_block(block, f"{path}.content[{number}]")

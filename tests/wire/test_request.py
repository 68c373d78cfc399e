"""What goes out for a request, by either protocol."""

from __future__ import annotations

import pytest

from zerogravity.wire.request import Request

HEADERS = ((b"Host", b"a.com"), (b"X-Goog-Api-Key", b" k "), (b"Connection", b"keep-alive"), (b"TE", b"trailers"))
LENGTH, CHUNKED = (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")


@pytest.mark.parametrize(
    ("more", "body", "sent"),
    [
        (LENGTH, [b"hel", b"lo"], [b"Content-Length: 5\r\n\r\n", b"hel", b"lo"]),
        (CHUNKED, [b"hel", b"", b"lo"],
         [b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\n", b"hel", b"\r\n", b"2\r\n", b"lo", b"\r\n", b"0\r\n\r\n"]),
        ((b"Transfer-Encoding", b"identity"), [b"hello"], [b"Transfer-Encoding: identity\r\n\r\n", b"hello"]),
        ((b"transfer-encoding", b"gzip, Chunked"), [b"hello"],
         [b"transfer-encoding: gzip, Chunked\r\n\r\n", b"5\r\n", b"hello", b"\r\n", b"0\r\n\r\n"]),
        (CHUNKED, [], [b"Transfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"]),
    ],
)  # fmt: skip
def test_http1_frames_the_body_as_its_headers_say(
    more: tuple[bytes, bytes], body: list[bytes], sent: list[bytes]
) -> None:
    head, *rest = Request(b"POST", b"/p?q", ((b"Host", b"a.com"), more), body).http1()
    assert [head.removeprefix(b"POST /p?q HTTP/1.1\r\nHost: a.com\r\n"), *rest] == sent


@pytest.mark.parametrize("more", [LENGTH, CHUNKED])
def test_http2_has_what_belongs_to_the_request_alone(more: tuple[bytes, bytes]) -> None:
    made = Request(b"POST", b"/p?q", (*HEADERS, more), [b"hello"])
    length = ((b"content-length", b"5"),) if more is LENGTH else ()
    first = ((b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a.com"), (b":path", b"/p?q"))
    assert made.http2() == (*first, (b"x-goog-api-key", b"k"), *length)
    assert made.size == 5


@pytest.mark.parametrize("ends", [b"\r\nX: b", b"\n", b"\0"])
@pytest.mark.parametrize("where", ["method", "path", "name", "value"])
def test_a_header_is_one_line(ends: bytes, where: str) -> None:
    method, path, name, value = (b"a" + ends * (each == where) for each in ("method", "path", "name", "value"))
    with pytest.raises(ValueError, match="the end of a line inside a header"):
        Request(method, path, ((name, value),), ())

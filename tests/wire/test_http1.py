"""Answers as they come over a connection, in any pieces: their bodies, their ends, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.wire.http1 import MAX_HEAD, MAX_LINE, AnswerReader, Head

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
# name: (bytes, body, the connection goes on)
ANSWERS = {
    "chunks": (CHUNKED + b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", b"hello!", True),
    "sizes in any form": (CHUNKED + b"0005 \r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n", b"hello0123456789", True),
    "a chunk that holds ends of lines": (CHUNKED + b"6\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n\r\n", True),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\nGrpc-Status: 0\r\nX: y\r\n\r\n", b"x", True),
    "bare ends of lines": (CHUNKED.replace(b"\r\n", b"\n") + b"1\nx\n0\n\n", b"x", True),
    "a length": (SIZED + b"hello", b"hello", True),
    "the same length twice": (SIZED[:-2] + b"content-length: 5\r\n\r\nhello", b"hello", True),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "an empty body": (b"HTTP/1.1 404\r\ncontent-length: 0\r\n\r\n", b"", True),
    "asks to close": (SIZED[:-2] + b"Connection: x, Close\r\n\r\nhello", b"hello", False),
    "an old server": (SIZED.replace(b"1.1", b"1.0") + b"hello", b"hello", False),
    "more than was asked for": (SIZED + b"hello" + SIZED, b"hello", False),
    "chunks and a length": (
        CHUNKED[:-2] + b"Content-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", False,
    ),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + SIZED + b"hello", b"hello", True,
    ),
}  # fmt: skip
TO_THE_END = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"


def read(pieces: list[bytes], reader: AnswerReader | None = None) -> bytes:
    reader = reader or AnswerReader()
    return b"".join([reader.feed(piece) for piece in pieces])


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("split", [lambda data: [data], bytewise], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("data", "body", "keeps"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read(data: bytes, body: bytes, keeps: bool, split) -> None:
    reader = AnswerReader()
    assert read(split(data), reader) == body
    assert reader.done
    assert reader.keeps is keeps
    reader.end()  # a connection that closes now takes nothing away


@given(pieces=st.lists(st.binary(min_size=1, max_size=30)), cuts=st.lists(st.integers(0, 400)))
def test_chunks_may_be_cut_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    data = CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = AnswerReader()
    assert read([data[a:b] for a, b in pairwise(places)], reader) == b"".join(pieces)
    assert reader.done


def test_a_body_may_last_until_the_connection_ends() -> None:
    reader = AnswerReader()
    assert read(bytewise(TO_THE_END), reader) == b"hello"
    assert not reader.done
    reader.end()
    assert reader.done
    assert not reader.keeps


def test_the_head_is_kept_as_it_came() -> None:
    reader = AnswerReader()
    reader.feed(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After:  3 \r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n")
    headers = ((b"Retry-After", b"3"), (b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Length", b"0"))
    assert reader.head == Head("1.1", 429, b"Too Many Requests", headers)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP/1.1 answer: 'SSH-2.0-OpenSSH'"),
        (b"HTTP/2 200\r\n\r\n", "no HTTP/1.1 answer"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "no header: 'no colon'"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "no header"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "switched protocols"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "unknown transfer coding 'gzip, chunked'"),
        (CHUNKED.replace(b"1.1", b"1.0"), "a transfer coding, which HTTP/1.0 does not have"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "invalid content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "invalid content-length"),
        (CHUNKED + b"5\r\nhello!\r\n", "longer than its size"),
        (CHUNKED + b"xyz\r\n", "has the size 'xyz'"),
        (CHUNKED + b"-1\r\n", "has the size '-1'"),
        (CHUNKED + b"\r\n", "has the size ''"),
        (CHUNKED + b"1" * (MAX_LINE + 1), "has no size"),
    ],
)
def test_what_cannot_be_read_for_certain_is_refused(data: bytes, why: str) -> None:
    for split in (lambda data: [data], bytewise):
        reader = AnswerReader()
        for piece in split(data):
            reader.feed(piece)
            if reader.error is not None:
                break
        assert why in (reader.error or "")
        assert not reader.done


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "server closed connection"),
        (b"HTTP/1.1 200 O", "server closed connection"),
        (SIZED + b"hell", "without sending complete message body"),
        (CHUNKED + b"5\r\nhel", "without sending complete message body"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "without sending complete message body"),
    ],
)
def test_an_answer_that_stops_is_not_whole(data: bytes, why: str) -> None:
    reader = AnswerReader()
    reader.feed(data)
    reader.end()
    assert why in (reader.error or "")
    assert not reader.done


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["without end", "at once"])
def test_a_head_that_is_too_long_is_refused(end: bytes) -> None:
    reader = AnswerReader()
    reader.feed(b"HTTP/1.1 200 OK\r\nx: " + b"y" * MAX_HEAD + end)
    assert reader.error == "the head of the answer is too long"


def test_what_came_before_an_error_is_not_lost() -> None:
    reader = AnswerReader()
    assert reader.feed(CHUNKED + b"5\r\nhello\r\nxyz\r\n5\r\nhello\r\n") == b"hello"
    assert reader.error is not None

"""Event streams: the standard's own rules, every split of the bytes, limits, and the encoder's refusals."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.wire import sse
from zerogravity.wire.sse import SseError, SseEvent, SseParser


def parse(*chunks: bytes, **limits: int) -> list[SseEvent]:
    parser = SseParser(**limits)
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.end()


def payloads(*chunks: bytes, **limits: int) -> list[tuple[bytes, str | None]]:
    return [(event.data, event.event) for event in parse(*chunks, **limits)]


TABLE = [
    ("google", b'data: {"a": 1}\r\n\r\ndata: {"a": 2}\r\n\r\n', [(b'{"a": 1}', None), (b'{"a": 2}', None)]),
    ("LF", b"data: a\n\ndata: b\n\n", [(b"a", None), (b"b", None)]),
    ("lone CR", b"data: a\r\rdata: b\r\r", [(b"a", None), (b"b", None)]),
    ("mixed line ends", b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\r", [
        (b"a", None), (b"b", None), (b"c", None), (b"d", None)]),
    ("no blank after data:", b"data:a\n\n", [(b"a", None)]),
    ("one blank only is taken away", b"data:  a \n\n", [(b" a ", None)]),
    ("a tab is none", b"data:\ta\n\n", [(b"\ta", None)]),
    ("several lines", b"data: a\ndata:\ndata: b\n\n", [(b"a\n\nb", None)]),
    ("data without colon", b"data\n\n", [(b"", None)]),
    ("empty data", b"data:\n\n", [(b"", None)]),
    ("last event without blank line", b"data: a\n\ndata: b\n", [(b"a", None), (b"b", None)]),
    ("last event without line end", b"data: a\n\ndata: b", [(b"a", None), (b"b", None)]),
    ("last event ends in CR", b"data: a\r", [(b"a", None)]),
    ("event name", b"event: error\ndata: a\n\ndata: b\n\n", [(b"a", "error"), (b"b", None)]),
    ("event name without data", b"event: error\n\ndata: b\n\n", [(b"b", None)]),
    ("comments", b": ping\n\n:\ndata: a\n: in the middle\ndata: b\n\n", [(b"a\nb", None)]),
    ("id, retry, unknown fields", b"id: 7\nretry: 10\nfoo: bar\ndata: a\nbaz\n\n", [(b"a", None)]),
    ("not data", b"data : a\n\nDATA: b\n\n data: c\n\n", []),
    ("byte order mark", b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", [(b"a", None), (b"b", None)]),
    ("only a first line has a mark", b"data: a\n\xef\xbb\xbfdata: b\n\n", [(b"a", None)]),
    ("blank lines", b"\n\r\n\rdata: a\n\n\n\n", [(b"a", None)]),
    ("other separators are no line ends", "data: a\u2028b\x85c\x0bd\x0ce\x1cf\n\n".encode(), [
        ("a\u2028b\x85c\x0bd\x0ce\x1cf".encode(), None)]),
    ("colon in data", b"data: a: b\n\n", [(b"a: b", None)]),
    ("raw error at the start", b'{\n  "error": {\n    "code": 429\n  }\n}\n', [
        (b'{\n  "error": {\n    "code": 429\n  }\n}', "raw")]),
    ("raw error in mid-stream", b'data: {"a":1}\r\n\r\n{\r\n  "error": {"data": 1}\r\n}', [
        (b'{"a":1}', None), (b'{\n  "error": {"data": 1}\n}', "raw")]),
    ("raw error after an event without its blank line", b'data: {"a":1}\n[{\n"error":1}]\n\ndata: b\n\n', [
        (b'{"a":1}', None), (b'[{\n"error":1}]', "raw"), (b"b", None)]),
    ("an event right after something raw", b"<html>\n</html>\ndata: a\n\n", [
        (b"<html>\n</html>", "raw"), (b"a", None)]),
    ("nothing", b"", []),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_h01_h02_table_at_every_split(body: bytes, expected: list[tuple[bytes, str | None]]) -> None:
    whole = parse(body)
    assert [(event.data, event.event) for event in whole] == expected
    assert parse(*(body[at : at + 1] for at in range(len(body)))) == whole
    for at in range(len(body) + 1):
        assert parse(body[:at], body[at:]) == whole


def reference(body: bytes) -> list[tuple[bytes, str | None]]:
    """The standard's algorithm on the whole text, with the last event kept."""
    events: list[tuple[bytes, str | None]] = []
    data: list[bytes] = []
    name: str | None = None
    for line in [*re.split(rb"\r\n|\r|\n", body.removeprefix(b"\xef\xbb\xbf")), b""]:
        if not line:
            if data:
                events.append((b"\n".join(data), name))
            data, name = [], None
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event" and b":" in line:
            name = value.decode("utf-8", "replace")
    return events


pieces = st.sampled_from([
    b"data", b"data:", b"data: ", b"data: {}", b":", b" ", b"\n", b"\r", b"\r\n", b"\r\n\r\n", b"event:", b"event: x",
    b"id: 1", b"a", "ä\u2028".encode(), b"\x00", b"\xff", b": c", b"\n\n", b"data: x\n\n", b"data: y\r\n\r\n",
])  # fmt: skip


@given(st.lists(pieces, max_size=20), st.lists(st.integers(0, 120), max_size=6))
def test_any_split_equals_the_standard(parts: list[bytes], cuts: list[int]) -> None:
    body = b"".join(parts)
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    chunks = [body[start:end] for start, end in itertools.pairwise(edges)]
    events = parse(*chunks)
    assert [(event.data, event.event) for event in events] == reference(body)
    assert events == parse(body)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_any_bytes_at_any_split(body: bytes, cut: int) -> None:
    events = parse(body[:cut], body[cut:])
    assert events == parse(body)
    spans = [event.span for event in events]
    assert all(start < end <= len(body) for start, end in spans)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))


def test_spans_cover_the_whole_event() -> None:
    body = b"data: a\r\n\r\n: note\ndata: b\n\n\nevent: c\ndata: c"
    first, second, third = parse(body)
    assert body[slice(*first.span)] == b"data: a\r\n\r\n"
    assert body[slice(*second.span)] == b": note\ndata: b\n\n"
    assert body[slice(*third.span)] == b"event: c\ndata: c"


@pytest.mark.parametrize(
    ("chunk", "boundary"),
    [
        (b"data: a\n\n", 9), (b"data: a\n\ndata: b\n", 9), (b"data: a\n\r", 8 - 8), (b": ping\n\n", 8), (b"da", 0),
        (b"data: a\r\n\r\nd", 11), (b"data: a\n\n\n", 10), (b"event: x\n", 0),
    ],
)  # fmt: skip
def test_boundary_is_the_end_of_the_last_whole_block(chunk: bytes, boundary: int) -> None:
    parser = SseParser()
    parser.feed(chunk)
    assert parser.boundary == boundary
    parser.end()
    assert parser.boundary == len(chunk)


def test_an_event_is_given_out_with_its_last_byte() -> None:
    parser = SseParser()
    assert [event.data for event in parser.feed(b"data: a\r\n\r\n")] == [b"a"]
    assert parser.feed(b"data: b\r\n\r") == []
    assert [event.data for event in parser.feed(b"\ndata: c\n\n")] == [b"b", b"c"]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 100],
        [b"data: " + b"x" * 100 + b"\n\n"],
        [b"data: ", b"x" * 100 + b"\n\n"],
        [b"data: xxxxxxxxxxxx\n"] * 9,
        [b'{"aaaaaaaaaaaaaaa":\n', *[b'"aaaaaaaaaaaaaaaa",\n'] * 9],
    ],
)
def test_limits(chunks: list[bytes]) -> None:
    with pytest.raises(SseError, match="more than"):
        parse(*chunks, max_line=64, max_event=100)


def test_within_the_limits() -> None:
    assert payloads(b"data: " + b"x" * 58 + b"\n\n", max_line=64, max_event=58) == [(b"x" * 58, None)]
    body = b"data: 123456789\n\n" * 50
    assert len(parse(body, max_line=64, max_event=58)) == 50


@pytest.mark.parametrize(
    ("data", "event", "eol", "frame"),
    [
        (b"{}", None, b"\n", b"data: {}\n\n"),
        (b"{}", None, b"\r\n", b"data: {}\r\n\r\n"),
        (b"{}", "response.created", b"\n", b"event: response.created\ndata: {}\n\n"),
    ],
)
def test_encode(data: bytes, event: str | None, eol: bytes, frame: bytes) -> None:
    assert sse.encode(data, event=event, eol=eol) == frame
    assert payloads(frame) == [(data, event)]


@pytest.mark.parametrize(("data", "event"), [(b"a\nb", None), (b"a\rb", None), (b"a", "b\nc"), (b"a", "b\r")])
def test_encode_refuses_line_ends(data: bytes, event: str | None) -> None:
    with pytest.raises(ValueError, match="line end"):
        sse.encode(data, event=event)


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_separators_are_escaped_and_mean_the_same(text: str) -> None:
    data = json.dumps(text + "\u2028\u2029\x85", ensure_ascii=False).encode()
    escaped = sse.escape_separators(data)
    assert json.loads(escaped) == json.loads(data)
    assert len(escaped.decode().splitlines()) == 1


def test_plain_text_is_left_as_it_is() -> None:
    data = b'{"a": "b"}'
    assert sse.escape_separators(data) is data

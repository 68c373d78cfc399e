"""Connect's envelopes and errors (facts A.5, A.13): however the bytes are cut, whatever they hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.wire import connect
from zerogravity.wire.connect import ConnectError, Envelope, EnvelopeParser

REQUEST = b'{"protocolVersion":1,"id":"c1","subscriberId":"s1"}'
FAILED = b'{"error":{"code":"unknown","message":"reactive state is disabled"}}'

envelopes = st.lists(
    st.builds(Envelope, st.integers(0, 255).map(lambda flags: flags & ~connect.COMPRESSED), st.binary(max_size=40)),
    max_size=8,
)


def test_the_bytes_of_the_facts_sheet() -> None:
    assert connect.envelope(REQUEST) == bytes.fromhex("00 00 00 00 33 7b 22 70")[:8] + REQUEST[3:]
    assert connect.envelope(b"{}", connect.END).hex(" ") == "02 00 00 00 02 7b 7d"
    assert connect.envelope(FAILED, 2)[:5].hex(" ") == "02 00 00 00 43"


def test_data_frames_then_the_end() -> None:
    parser = EnvelopeParser()
    found = parser.feed(connect.envelope(b'{"a":1}') + connect.envelope(b"") + connect.envelope(b"{}", connect.END))
    assert [(one.end, one.payload) for one in found] == [(False, b'{"a":1}'), (False, b""), (True, b"{}")]


@given(envelopes, st.lists(st.integers(0, 400), max_size=12), st.binary(max_size=4))
def test_any_cut_gives_the_same_frames(sent: list[Envelope], cuts: list[int], rest: bytes) -> None:
    data = b"".join(connect.envelope(one.payload, one.flags) for one in sent) + rest
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parser = EnvelopeParser()
    found = [one for start, end in pairwise(places) for one in parser.feed(data[start:end])]
    assert found == sent


def test_byte_by_byte_a_frame_comes_with_its_last_byte() -> None:
    data = connect.envelope(REQUEST)
    parser = EnvelopeParser()
    assert [parser.feed(data[at : at + 1]) for at in range(len(data) - 1)] == [[]] * (len(data) - 1)
    assert parser.feed(data[-1:]) == [Envelope(0, REQUEST)]


@pytest.mark.parametrize("flags", [0x01, 0x03])
def test_a_compressed_frame_is_refused_before_its_payload(flags: int) -> None:
    with pytest.raises(ConnectError, match="compressed"):
        EnvelopeParser().feed(bytes((flags, 0, 0, 0, 9)))


@pytest.mark.parametrize(("size", "fits"), [(0, True), (16, True), (17, False), (0xFFFFFFFF, False)])
def test_a_frame_has_its_limit(size: int, fits: bool) -> None:
    parser, head = EnvelopeParser(max_size=16), b"\0" + size.to_bytes(4, "big")
    if fits:
        assert parser.feed(head + bytes(size)) == [Envelope(0, bytes(size))]
    else:
        with pytest.raises(ConnectError, match=f"a frame of {size} bytes"):
            parser.feed(head)


def test_the_default_limit() -> None:
    parser = EnvelopeParser()
    assert parser.feed(b"\0" + (64 << 20).to_bytes(4, "big")) == []
    with pytest.raises(ConnectError):
        EnvelopeParser().feed(b"\0" + ((64 << 20) + 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"", None),
        (b"{}", None),
        (b'{"metadata":{"a":["b"]}}', None),
        (b'{"error":null}', None),
        (b"[]", None),
        (FAILED, ("unknown", "reactive state is disabled")),
        (b'{"error":{},"metadata":{}}', ("unknown", "")),
        (b'{"error":{"code":"unimplemented"}}', ("unimplemented", "")),
    ],
)
def test_end_frames(payload: bytes, error: tuple[str, str] | None) -> None:
    assert connect.end_error(payload) == error


def test_an_end_frame_that_is_no_json() -> None:
    with pytest.raises(ValueError):
        connect.end_error(b"{")


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (400, b'{"code":"invalid_argument","message":"cascade_id is required"}',
         ("invalid_argument", "cascade_id is required")),
        (400, b'{"code":"failed_precondition"}', ("failed_precondition", "")),
        (401, b"", ("unauthenticated", "")),
        (403, b"Invalid CSRF token\n", ("permission_denied", "Invalid CSRF token")),
        (404, b'{"code":"not_found","message":"no cascade"}', ("not_found", "no cascade")),
        (404, b"404 page not found\n", ("unimplemented", "404 page not found")),
        (429, b'{"code":"resource_exhausted","message":"quota","details":[{"type":"google.rpc.X","value":"AA=="}]}',
         ("resource_exhausted", "quota")),
        (429, b"", ("unavailable", "")),
        (499, b"", ("canceled", "")),
        (500, b'{"code":"unknown","message":"model not found"}', ("unknown", "model not found")),
        (501, b"", ("unimplemented", "")),
        (503, b"<html>", ("unavailable", "<html>")),
        (504, b'{"code":"deadline_exceeded","message":null}', ("deadline_exceeded", "")),
        (418, b"tea", ("unknown", "tea")),
        (500, b'{"code":12,"message":"numeric"}', ("unknown", "numeric")),
        (502, b'"a string"', ("unavailable", '"a string"')),
        (500, b"\xff" + b"x" * 300, ("unknown", "\N{REPLACEMENT CHARACTER}" + "x" * 199)),
        (500, b"[" * 100_000, ("unknown", "[" * 200)),
    ],
)  # fmt: skip
def test_unary_errors(status: int, body: bytes, found: tuple[str, str]) -> None:
    assert connect.decode_error(status, body) == found


@given(st.integers(100, 599), st.binary(max_size=80))
def test_any_answer_is_some_error(status: int, body: bytes) -> None:
    code, message = connect.decode_error(status, body)
    assert code
    assert len(message) <= 200

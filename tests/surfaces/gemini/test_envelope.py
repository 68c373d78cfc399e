"""Envelopes opened: the chunk is Google's own bytes, whatever stands around it; the second is not gone through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.surfaces.gemini.envelope import OUTSIDE, Envelopes
from zerogravity.wire import jsonio, narrow

INNER = b'{ "a": "%b", "n": 1.10, "traceId": {"response": 1} }'
PLAIN = b'{"a": "%b", "n": 1.10}'


@pytest.mark.parametrize("size", [1, OUTSIDE])
@pytest.mark.parametrize("inner", [INNER, PLAIN])
@pytest.mark.parametrize(
    "envelope",
    [
        b'{"response":%b}', b' { "response" : %b } ', b'{"response":%b,"traceId":"x","metadata":{}}',
        b'{"response":%b , "traceId" : "x"}\n', b'{"traceId":"x","response":%b}', b'{"response":1,"response":%b}',
        b'{"response":%b,"traceId":1,"traceId":2}', b'{"response":%b,"metadata":{"traceId":1},"traceId":"metadata"}',
        b'{"response":%b,"metadata":{"x":"traceId"}}', b'{"response":%b,"\\u0061":1}', b'{"response":%b,"a":2}',
    ],
)  # fmt: skip
def test_opened(envelope: bytes, inner: bytes, size: int) -> None:
    wanted = inner % (b'x, \\"traceId\\": ' * size)
    text = envelope % wanted
    assert Envelopes().opened(text, narrow.members(jsonio.loads(text))) == wanted == jsonio.at(text, ("response",))


ENVELOPE = b'{"response": %b,"traceId": "x","metadata": {}}'
CHUNK = b'{"a": "%b", "n": 1.10}'


@pytest.mark.parametrize(
    ("first", "second", "chunk"),
    [
        (ENVELOPE % b'{"a":1}', ENVELOPE % CHUNK, CHUNK),
        (ENVELOPE % b'{"a":1}', ENVELOPE % b"{}", b"{}"),
        (b'{"traceId":"x","response":{}}', b'{"traceId":"x","response":{"a":{}}}', b'{"a":{}}'),
        (ENVELOPE % b"{}", ENVELOPE.replace(b"x", b"y") % CHUNK, None),
        (ENVELOPE % b"{}", ENVELOPE % b' {"a":1}', None),
        (ENVELOPE % b"{}", ENVELOPE % b'{"a":1} ', None),
        (ENVELOPE % b"{}", ENVELOPE % b"[]", None),
        (ENVELOPE % b"{}", ENVELOPE % b'{"a":1},"b":{"c":2}', None),
        (ENVELOPE % b"{}", ENVELOPE % b'{"a":', None),
        (ENVELOPE % b"{}", ENVELOPE % b'{"response":{}}', None),
        (ENVELOPE % b"{}", b'{"response": ,"traceId": "x","metadata": {}}', None),
        (ENVELOPE % b"{}", b'{"response": {"traceId": "x","metadata": {}}', None),
        (ENVELOPE % b"{}", b'{"a":1}', None),
        (ENVELOPE % b'{"response":1}', ENVELOPE % CHUNK, None),
        (b'{"response":{},"usageMetadata":{}}', b'{"response":{"a":1},"usageMetadata":{}}', None),
        (b'{"response":{},"error":{}}', b'{"response":{"a":1},"error":{}}', None),
        (b'{"response":1,"response":{}}', b'{"response":1,"response":{"a":1}}', None),
    ],
)  # fmt: skip
def test_a_second_one_like_the_first(first: bytes, second: bytes, chunk: bytes | None) -> None:
    envelopes = Envelopes()
    envelopes.opened(first, narrow.members(jsonio.loads(first)))
    assert envelopes.glance(second) == (None if chunk is None else (chunk, jsonio.loads(chunk)))


@pytest.mark.parametrize(
    ("text", "found"),
    [(CHUNK, True), (b"{}", True), (ENVELOPE % b"{}", False), (b"[]", False), (b"7", False), (b"{", False),
     (b"\xef\xbb\xbf{}", False), (b'{"a":1e999}', False)],
)  # fmt: skip
def test_a_chunk_without_one(text: bytes, found: bool) -> None:
    assert Envelopes().glance(text) == ((text, jsonio.loads(text)) if found else None)


@given(
    st.binary(max_size=30),
    st.sampled_from([b"{%b}", b'{"a":%b}', b'{"a":"%b"}', b"%b", b'{"a":1}%b{}', b'{},%b,{"a":{}']),
)
def test_whatever_stands_in_a_second_one_is_read_as_by_a_parser(inside: bytes, form: bytes) -> None:
    envelopes = Envelopes()
    first, second = ENVELOPE % b"{}", ENVELOPE % (form % inside)
    envelopes.opened(first, narrow.members(jsonio.loads(first)))
    found = envelopes.glance(second)
    if found is not None:
        text, value = found
        assert text == form % inside == jsonio.at(second, ("response",))
        assert jsonio.glance(second) == {"response": value, "traceId": "x", "metadata": {}}

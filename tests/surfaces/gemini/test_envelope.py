"""Envelopes opened: the chunk is Google's own bytes, whatever stands around it; the second is not gone through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.surfaces.gemini.envelope import OUTSIDE, Envelopes
from zerogravity.wire import jsonio

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
    found = Envelopes().opened(text)
    assert found == (wanted, jsonio.loads(wanted), True)
    assert wanted == jsonio.at(text, ("response",))


ENVELOPE = b'{"response": %b,"traceId": "x","metadata": {}}'
FIRST = ENVELOPE % b'{"a":1}'
COUNTED = b'{"b":1,"usageMetadata":1}'
NONE = [ENVELOPE % b'{"b":', b'{"response": ,"traceId": "x","metadata": {}}', b"[]", b"7", b""]


@pytest.mark.parametrize(
    ("first", "second", "chunk"),
    [
        (FIRST, ENVELOPE % b'{"b": 1.10}', b'{"b": 1.10}'),
        (FIRST, ENVELOPE % b"{}", b"{}"),
        (FIRST, ENVELOPE.replace(b"x", b"y") % b'{"b":1}', b'{"b":1}'),
        (FIRST, ENVELOPE % b' {"b":1} ', b'{"b":1}'),
        (FIRST, ENVELOPE % b'{"response":{"b":1}}', b'{"response":{"b":1}}'),
        (FIRST, ENVELOPE % b'{"b":1},"c":{"d":2}', b'{"b":1}'),
        (FIRST, ENVELOPE % b'{"b":1},"response":{"d":2}', b'{"d":2}'),
        (FIRST, b'{"b":1}', None),
        (FIRST, ENVELOPE % b"[]", None),
        (b'{"traceId":"x","response":{}}', b'{"traceId":"x","response":{"b":{}}}', b'{"b":{}}'),
        (b'{"response":1,"response":{}}', b'{"response":1,"response":{"b":1}}', b'{"b":1}'),
        (b'{"response":{"response":{}}}', b'{"response":{"b":1}}', b'{"b":1}'),
        (b'{"response":{},"usageMetadata":1}', b'{"response":{"b":1},"usageMetadata":1}', COUNTED),
        (b'{"response":{"usageMetadata":{}},"usageMetadata":1}', b'{"response":{"b":1},"usageMetadata":1}', COUNTED),
    ],
)  # fmt: skip
def test_a_second_one(first: bytes, second: bytes, chunk: bytes | None) -> None:
    """It is read as if it were the first."""
    envelopes = Envelopes()
    envelopes.opened(first)
    wanted = (second, jsonio.loads(second), False) if chunk is None else (chunk, jsonio.loads(chunk), True)
    assert envelopes.opened(second) == Envelopes().opened(second) == wanted


@pytest.mark.parametrize(
    "text", [ENVELOPE % b'{"b":', b'{"response": ,"traceId": "x","metadata": {}}', b"[]", b"7", b""]
)
def test_what_holds_no_chunk(text: bytes) -> None:
    envelopes = Envelopes()
    envelopes.opened(FIRST)
    assert envelopes.opened(text) is Envelopes().opened(text) is None


FORMS = [b"{%b}", b'{"b":%b}', b'{"b":"%b"}', b"%b", b'{"b":1}%b{}', b'{},%b,{"b":{}']


@given(st.binary(max_size=30), st.sampled_from(FORMS))
def test_whatever_stands_in_a_second_one_is_read_as_in_a_first(inside: bytes, form: bytes) -> None:
    envelopes = Envelopes()
    envelopes.opened(FIRST)
    second = ENVELOPE % (form % inside)
    assert envelopes.opened(second) == Envelopes().opened(second)

"""A large envelope is opened without going through it, with the same outcome."""

from __future__ import annotations

import pytest

from zerogravity.surfaces.gemini.json_edit import LARGE, unwrapped
from zerogravity.wire import jsonio

INNER = b'{ "a": "%b", "n": 1.10, "traceId": {"response": 1} }'
PLAIN = b'{"a": "%b", "n": 1.10}'


@pytest.mark.parametrize("size", [1, LARGE])
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
def test_unwrapped(envelope: bytes, inner: bytes, size: int) -> None:
    wanted = inner % (b'x, \\"traceId\\": ' * size)
    text = envelope % wanted
    assert unwrapped(text, jsonio.loads(text)) == wanted == jsonio.at(text, ("response",))

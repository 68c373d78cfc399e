"""JSON texts edited in place, and envelopes opened; a large one without going through it, with the same outcome."""

from __future__ import annotations

import pytest

from zerogravity.surfaces.gemini.json_edit import LARGE, edited, unwrapped
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


@pytest.mark.parametrize(
    ("text", "path", "new", "made"),
    [
        (b'{"a": {}, "b": {}}', ("b",), b"1", b'{"a":{},"b":1}'),
        (b'{"a": 1.0}', ("b",), b"2", b'{"a":1.0,"b":2}'),
        (b'{"a": 1.0, "b": 2}', ("b",), None, b'{"a":1.0}'),
        (b'{"a": 1.0}', ("b",), None, b'{"a":1.0}'),
        (b'[{"x": 1}, {"x": 1}]', (1, "x"), b"2", b'[{"x": 1},{"x":2}]'),
        (b'[1, 2, 3]', (1,), None, b"[1,3]"),
    ],
)  # fmt: skip
def test_edited(text: bytes, path: tuple[str | int, ...], new: bytes | None, made: bytes) -> None:
    assert edited(text, path, new) == made

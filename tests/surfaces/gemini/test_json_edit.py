"""JSON texts edited in place."""

from __future__ import annotations

import pytest

from zerogravity.surfaces.gemini.json_edit import edited


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

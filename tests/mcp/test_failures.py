"""Failures in the shapes of OpenAI's schema (McpToolCallError)."""

from __future__ import annotations

import pytest

from zerogravity.mcp.failures import LONGEST, ServerError, execution, gone, http, protocol, slow


@pytest.mark.parametrize(
    ("error", "shape"),
    [
        (protocol(-32602, "no"), {"type": "mcp_protocol_error", "code": -32602, "message": "no"}),
        (http(401, "it answered 401"), {"type": "http_error", "code": 401, "message": "it answered 401"}),
        (gone("away"), {"type": "http_error", "code": 503, "message": "away"}),
        (slow(1.5), {"type": "http_error", "code": 504, "message": "it did not answer within 1.5 s"}),
        (execution([{"type": "text", "text": "x"}], "x"),
         {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "x"}]}),
    ],
)  # fmt: skip
def test_shapes(error: ServerError, shape: dict[str, object]) -> None:
    assert error.error == shape


def test_a_server_s_own_words_are_short_and_without_secrets() -> None:
    assert protocol(0, "Bearer abcdef123456 " + "x" * 10_000).message == "Bearer [redacted] " + "x" * (LONGEST - 20)

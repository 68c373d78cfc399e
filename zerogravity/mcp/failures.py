"""What can go wrong with an MCP server, in the shapes that the Responses API has for ``error`` of an ``mcp_call``."""

from __future__ import annotations

from typing import Any

from zerogravity import redact

INVALID_PARAMS = -32602
LONGEST = 2000  # characters of a server's words


class ServerError(Exception):
    """``error``: the JSON object; ``message``: the same in words."""

    def __init__(self, error: dict[str, Any], message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


def protocol(code: int, message: str) -> ServerError:
    """The server refuses a call, or its answer is none. ``message`` may be the server's own."""
    text = redact.text(message[:LONGEST])
    return ServerError({"type": "mcp_protocol_error", "code": code, "message": text}, text)


def http(status: int, message: str) -> ServerError:
    """The server cannot be asked, or does not answer as it should."""
    return ServerError({"type": "http_error", "code": status, "message": message}, message)


def gone(message: str) -> ServerError:
    return http(503, message)


def slow(seconds: float) -> ServerError:
    return http(504, f"it did not answer within {seconds:g} s")


def execution(content: list[dict[str, Any]], message: str) -> ServerError:
    """The tool says itself that it has failed. ``content``: its result."""
    return ServerError({"type": "mcp_tool_execution_error", "content": content}, message)

"""The SDK's own server over standard input and output: run as a program by tests. It is noisy on its error output."""

from __future__ import annotations

import os
import sys
import time

from mcp.server.mcpserver import MCPServer

server = MCPServer("by command")


@server.tool()
def greet(name: str) -> str:
    """Greets somebody"""
    return f"{os.environ.get('GREETING', 'hello')} {name}"


@server.tool()
def pid() -> str:
    return str(os.getpid())


@server.tool()
def die() -> str:
    os._exit(3)


@server.tool()
def sleep() -> str:
    time.sleep(600)
    return "never"


if __name__ == "__main__":
    print("secret noise", file=sys.stderr)
    server.run("stdio")

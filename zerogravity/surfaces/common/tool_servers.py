"""MCP servers in the words of an API that has no such tools: a tool of the name ``mcp:NAME`` stands for the server of
that name in the configuration. Its calls are run without asking, since there is nobody who could be asked.
"""

from __future__ import annotations

import re

from zerogravity.core.turn import ToolServer

LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_NAME = re.compile(rf"mcp:({LABEL.pattern})")


def configured(name: object, param: str) -> ToolServer | None:
    """The server that a tool's name stands for; None: it is a tool like any other. ``param``: where the name is."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return None if found is None else ToolServer(found[1], approval="never", param=param)

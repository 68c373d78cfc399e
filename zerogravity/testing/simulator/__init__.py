"""Stand-ins over real sockets: Google, the language server, a bad network, and the whole path (``stack.Stack``)."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]  # JSON that a stand-in writes
Object = dict[str, object]  # a JSON object that has come in

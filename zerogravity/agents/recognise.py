"""A request's headers → who sent it, and what it calls the conversation. Pure.

Facts: real-clients; wire-anthropic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# beginning of the user agent, in lower case → the program's name here
AGENTS = {
    "codex": "codex",
    "claude-cli": "claude-code",
    "geminicli": "gemini-cli",
}


class Caller(NamedTuple):
    """``client``: the program, in a word; ``conversation``: what it calls the conversation; empty: it does not say."""

    client: str = ""
    conversation: str = ""


def recognise(headers: Mapping[str, str]) -> Caller:
    """``headers``: names in any case where the mapping allows for it, as aiohttp's does."""
    product = headers.get("User-Agent", "").lower()
    client = next((name for beginning, name in AGENTS.items() if product.startswith(beginning)), "")
    return Caller(client, headers.get("X-Claude-Code-Session-Id", ""))

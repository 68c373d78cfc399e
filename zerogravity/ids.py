"""Identifiers: random ones for new things, derived ones for everything that must be the same on each read.

Ids are matched by pattern before they are used for anything (threat T18).
"""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b

_ID = re.compile(r"[a-z]{2,16}_[0-9a-zA-Z]{8,64}")


def new(prefix: str) -> str:
    """A fresh random id, e.g. ``turn_5f…`` (128 bits)."""
    return f"{prefix}_{secrets.token_hex(16)}"


def derive(prefix: str, seed: str, *parts: object, size: int = 24) -> str:
    """An id that depends only on ``seed`` (itself random) and ``parts``: equal on every read of a channel."""
    digest = blake2b("\x1f".join((seed, *map(str, parts))).encode(), digest_size=size // 2)
    return f"{prefix}_{digest.hexdigest()}"


def valid(text: str, prefix: str | None = None) -> bool:
    """Whether ``text`` has the form of an id of ours (with that prefix)."""
    return bool(_ID.fullmatch(text)) and (prefix is None or text.startswith(prefix + "_"))

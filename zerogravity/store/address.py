"""What the setting ``store`` names: ``memory``, an SQLite file, or the address of a Redis server, which may hold a
password. Quick to import.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

MEMORY = "memory"
SCHEMES = ("redis", "rediss", "unix")
INSTALL = "pip install 'zerogravity[redis]'"  # without it there is no client
FORMS = "redis://:PASSWORD@HOST:PORT/DATABASE, rediss://… or unix://:PASSWORD@/PATH?db=DATABASE"


# An address in a text, however odd it is: with a password, which may hold anything, without a host, or with parameters.
_SECRET = re.compile(r"(\b(?:rediss?|unix):/++)(?!:PASSWORD@|\[redacted\]|…)(?:[^\n]*(?=@)|:\S+|[^\s?]*\?\S+)")


def checked(store: str) -> str:
    """Raises ValueError, without the value: it may hold a password."""
    if "://" not in store:
        return store
    try:
        parts = urlsplit(store)
        place = parts.path if parts.scheme == "unix" else parts.hostname if parts.port != 0 else None
    except ValueError:
        place = None
    else:
        if parts.scheme not in SCHEMES or parts.fragment or "@" in parts.query + parts.path:
            place = None
    if not place:
        raise ValueError(f"must be memory, a file, or look like {FORMS}; special characters of a password as %XX")
    return store


def is_redis(store: str) -> bool:
    """Whether it is a Redis server."""
    return urlsplit(store).scheme in SCHEMES if "://" in store else False


def shown(store: str) -> str:
    """Without credentials: ``redis://host:6379/0``; a file as it is."""
    if not is_redis(store):
        return store
    parts = urlsplit(store)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_secrets(text: str) -> str:
    """A text for people in which somebody may have put such an address where none belongs."""
    return _SECRET.sub(r"\1[redacted]", text)


def with_a_strange_parameter(store: str) -> str:
    """What is wrong with an address behind whose question mark stands what Redis clients do not know."""
    return f"store is {shown(store)}, with a parameter that Redis clients do not know"

"""What the front server is handed: secrets stay hidden, and nothing is shared by default."""

from __future__ import annotations

from typing import Any

from zerogravity.server.services import Bearer, Services

REQUIRED = ("store", "engine", "catalogue", "config", "responses", "health", "metrics", "surfaces")


def services() -> Services:
    parts: dict[str, Any] = dict.fromkeys(REQUIRED)
    return Services(**parts)


def test_a_bearer_is_never_shown() -> None:
    assert [repr(Bearer(value)) for value in (None, "", "ya29.secret")] == ["Bearer(unset)"] * 2 + ["Bearer(set)"]


def test_two_servers_of_one_process_share_nothing() -> None:
    one, other = services(), services()
    assert len(one.secret) == 32
    for name in ("secret", "bearer", "budget", "parses"):
        assert getattr(one, name) is not getattr(other, name)
        assert getattr(one, name) != getattr(other, name)

"""``name`` of messages → words that the model reads: who said what among several of one role.

Google has no place for it. A name stands before the words, ``Sam: I am from Tacoma``, as in any transcript: models read
that without being told, and the first words of a message are where they look for its speaker. What the assistant
said is the pattern of what it says next, so a name there would come back in its answers: a single one is told in the
system instruction instead, and several stand before their words with the request not to go on so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

Part = Mapping[str, Any]
SEVERAL = (
    "Several assistants take part in this conversation; the name before a message says who wrote it. "
    "Do not put a name before your own answers."
)


def assistants(messages: Sequence[Any]) -> tuple[str, ...]:
    """The names of all assistants, each once. Total: what is malformed is another's to refuse."""
    found = [
        spoken(cast("Mapping[str, Any]", message).get("name"))
        for message in messages
        if isinstance(message, dict) and cast("Mapping[str, Any]", message).get("role") == "assistant"
    ]
    return tuple(dict.fromkeys(name for name in found if name))


def introduced(names: Sequence[str]) -> str:
    """What the system instruction says of the assistants' names."""
    if len(names) > 1:
        return SEVERAL
    return f"In this conversation you answer under the name {names[0]}." if names else ""


def spoken(name: object) -> str:
    """A name on one line; "" for none."""
    return " ".join(name.split()) if isinstance(name, str) else ""


def by(name: object, parts: Sequence[Part]) -> list[Part]:
    """The parts of a message with its speaker's name before their first text, or before all where there is none."""
    who = spoken(name)
    if not who or not parts:
        return [*parts]
    at = next((index for index, part in enumerate(parts) if "text" in part), None)
    if at is None:
        return [{"text": f"{who}:"}, *parts]
    return [*parts[:at], {**parts[at], "text": f"{who}: {parts[at]['text']}"}, *parts[at + 1 :]]

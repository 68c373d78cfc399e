"""``name`` of messages → text for the model: who said what among several participants of one role.

Google has no member for it. As in a transcript, the name goes before the text: ``Sam: I am from Tacoma``. A model
imitates its earlier answers, so a name in them would appear in the next one: a single assistant's name goes into the
system instruction instead; several go before their texts, with an instruction not to continue that way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zerogravity.wire import narrow

Part = Mapping[str, Any]
SEVERAL = (
    "Several assistants take part in this conversation; the name before a message says who wrote it. "
    "Do not put a name before your own answers."
)


def assistants(messages: Sequence[object]) -> tuple[str, ...]:
    """The names of all assistants, each once; what is malformed is skipped."""
    found = [one_line(each.get("name")) for each in narrow.objects(messages) if each.get("role") == "assistant"]
    return tuple(dict.fromkeys(name for name in found if name))


def instruction(names: Sequence[str]) -> str:
    """The system instruction on the assistants' names."""
    if len(names) > 1:
        return SEVERAL
    return f"In this conversation you answer under the name {names[0]}." if names else ""


def one_line(name: object) -> str:
    """A name on one line; "" for none."""
    return " ".join(name.split()) if isinstance(name, str) else ""


def with_name(name: object, parts: Sequence[Part]) -> list[Part]:
    """The parts of a message, with its speaker's name before the first text, or before all if there is no text."""
    speaker = one_line(name)
    if not speaker or not parts:
        return [*parts]
    at = next((index for index, part in enumerate(parts) if "text" in part), None)
    if at is None:
        return [{"text": f"{speaker}:"}, *parts]
    return [*parts[:at], {**parts[at], "text": f"{speaker}: {parts[at]['text']}"}, *parts[at + 1 :]]

"""How much one request may hold, with what it pulls in from what is stored: as much as a body may.

A few bytes can name a long history or a large item, and name it again and again. So what is looked up is counted as if
the client had sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import cast

from zerogravity.config import Limits
from zerogravity.core.store import RememberedCall
from zerogravity.errors import FaultError, bad_request

NUMBER = 8  # bytes of a number, true, false or null, about
MEMBER, ELEMENT = 200, 70  # bytes that a member of a parsed body, an element of a structure costs beside its text


class Room:
    """``size``: bytes so far, of the body and of what came with it. Raises FaultError 400 naming the parameter."""

    def __init__(self, body: bytes, limits: Limits) -> None:
        self.size = len(body)
        self._members = body.count(b":")
        self._structure = 0
        self._limits = limits

    @property
    def memory(self) -> int:
        """Bytes that all of it takes as objects, about (measured: one to five times its JSON)."""
        return self.size + MEMBER * self._members + ELEMENT * self._structure

    def take(self, value: object, param: str) -> None:
        """``value`` becomes part of the request."""
        size, structure = weight(value, self._limits.body_bytes - self.size, self._limits.json_structure)
        self._add(size, structure, param)

    def recalling(
        self, recall: Callable[[str], RememberedCall | None], param: str
    ) -> Callable[[str], RememberedCall | None]:
        """``recall``, counted: with a call comes what Google's own tools did around it."""

        def counted(call_id: str) -> RememberedCall | None:
            call = recall(call_id)
            if call is not None and (call.before or call.after):
                self._add(sum(map(len, call.before)) + sum(map(len, call.after)), 0, param)
            return call

        return counted

    def _add(self, size: int, structure: int, param: str) -> None:
        self.size += size
        self._structure += structure
        if self.size > self._limits.body_bytes:
            raise too_long(param, f"{self._limits.body_bytes} bytes")
        if self._structure > self._limits.json_structure:
            raise too_long(param, f"{self._limits.json_structure} JSON elements")


def too_long(param: str, limit: str) -> FaultError:
    """In the words that agents know: some shorten their history by themselves then."""
    return bad_request(
        f"Your input exceeds the context window: with what '{param}' brings in, it has more than {limit}. Shorten it, "
        "for example with POST /v1/responses/compact, or begin a new conversation.",
        param=param,
        code="context_length_exceeded",
    )


def weight(value: object, most_bytes: float = inf, most_structure: float = inf) -> tuple[int, int]:
    """About (bytes, brackets with commas and colons) of a value as JSON; counting ends where it is too much anyway."""
    size = structure = 0
    left: list[object] = [value]
    while left and size <= most_bytes and structure <= most_structure:
        match left.pop():
            case str(text):
                size += 2 + (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))
            case bytes(data):
                size += len(data)
            case Mapping() as members:
                members = cast("Mapping[str, object]", members)
                structure += 1 + 2 * len(members)
                size += 2 + 2 * len(members)
                left.extend(members)
                left.extend(members.values())
            case list() | tuple() as elements:
                elements = cast("Sequence[object]", elements)
                structure += 1 + len(elements)
                size += 2 + len(elements)
                left.extend(elements)
            case _:
                size += NUMBER
    return size, structure

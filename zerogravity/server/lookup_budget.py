"""What a request may hold together with what it pulls in from stored responses: as much as a body may.

A few bytes can name a long history or a large item, again and again, so what is looked up counts as if the client had
sent it.
"""

from __future__ import annotations

from collections.abc import Callable

from zerogravity.config import Limits
from zerogravity.core.registry import RememberedCall, size_around
from zerogravity.errors import FaultError, bad_request
from zerogravity.server.body import structure_of
from zerogravity.wire import jsonio

MEMBER, ELEMENT = 200, 70  # bytes of memory for each member of a parsed body, each looked-up element, beside its text


class LookupBudget:
    """``size``: bytes of the body and of what was looked up so far. Raises FaultError 400 naming the parameter."""

    def __init__(self, body: bytes, limits: Limits) -> None:
        self.size = len(body)
        self._members = body.count(b":")
        self._structure = 0
        self._limits = limits

    def replace(self, body: object) -> None:
        """The body is now this: media have replaced their URLs. Fetching has limits of its own, so none is checked."""
        self.size = len(jsonio.dumps(body))

    @property
    def memory(self) -> int:
        """Bytes that all of it takes as objects, roughly (measured: one to five times its JSON)."""
        return self.size + MEMBER * self._members + ELEMENT * self._structure

    def take(self, value: object, param: str) -> None:
        """``value`` becomes part of the request."""
        self._add(*weight(value), param)

    def counting(
        self, recall: Callable[[str], RememberedCall | None], param: str
    ) -> Callable[[str], RememberedCall | None]:
        """``recall``, counted: a call brings its thoughts and what Google's own tools did around it."""

        def counted(call_id: str) -> RememberedCall | None:
            call = recall(call_id)
            if call is not None and (size := size_around(call)):
                self._add(size, 0, param)
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
    """In the words that agents know: some then shorten their history by themselves."""
    return bad_request(
        f"Your input exceeds the context window: with what '{param}' brings in, it has more than {limit}. Shorten it, "
        "for example with POST /v1/responses/compact, or begin a new conversation.",
        param=param,
        code="context_length_exceeded",
    )


def weight(value: object) -> tuple[int, int]:
    """(bytes, structure) of a value as JSON. Structure in strings counts as well: an upper bound, as for bodies."""
    data = jsonio.dumps(value)
    return len(data), structure_of(data)

"""What the server knows of a surface: how to read a request, how to render a turn, how to say a fault.

Everything here is pure: lookups come in through ``Context``, bytes go out; no clock, no randomness, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import Fault


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """What a stored response contributes to a turn that continues it.

    ``contents``: Google-shaped history up to and including its answer (signatures in place).
    ``items``: the surface's own output items by id, for ``item_reference``.
    ``family``: of the model that answered; signatures are bound to it.
    ``system``: texts of system and developer items, which carry over (instructions do not).
    ``tools``: declarations that came inside the input, which stay declared.
    ``users``: the user's own messages, of the whole chain. ``summary``: the item that, with them, stands for a dialogue
    that has been compacted; ``contents`` are empty then.
    """

    contents: tuple[Mapping[str, Any], ...]
    items: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    family: str = ""
    system: tuple[str, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    users: tuple[Mapping[str, Any], ...] = ()
    summary: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a request parser may look up.

    ``target``   model name → Target; raises FaultError 404 ``model_not_found``.
    ``recall``   call id → the call as Google made it, or None (foreign, expired).
    ``stored``   (response id) → StoredTurn or None, already scoped to the owner.
    ``item``     (output item id) → the stored item or None, for ``item_reference``.
    ``secret``   key that authenticates ``encrypted_content`` (32 bytes).
    """

    turn_id: str
    created: int
    target: Callable[[str], Target]
    owner: str = ""
    recall: Callable[[str], RememberedCall | None] = lambda _: None
    stored: Callable[[str], StoredTurn | None] = lambda _: None
    item: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    secret: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer: ``body`` is JSON-ready."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Emitter(Protocol):
    """Renders one turn's records as one stream. Total: any legal record sequence gives a legal stream, and the same
    records always give the same bytes."""

    content_type: str
    heartbeat: bytes
    """What to send after 15 s of silence; ``b""`` on surfaces whose clients accept nothing but data."""

    def begin(self) -> list[bytes]:
        """Frames that stand before the first record."""
        ...

    def feed(self, record: Record) -> list[bytes]:
        """Frames that ``record`` causes. After the terminal record the stream is complete."""
        ...


class Surface(Protocol):
    """One API. Implemented by the packages ``surfaces.responses``, ``surfaces.chat`` and ``surfaces.gemini``."""

    name: str
    ends_failed: bool
    """Whether its streams have an event that properly ends a failed turn; else the body breaks off behind the error."""

    def parse(self, body: Mapping[str, Any], context: Context) -> Turn:
        """Client request → Turn. Raises FaultError naming the parameter."""
        ...

    def emitter(self, channel: CascadeChannel, secret: bytes) -> Emitter:
        """A renderer of that turn's stream."""
        ...

    def answer(self, channel: CascadeChannel, secret: bytes) -> Answer:
        """The non-streamed answer of a closed channel: the finished object, or the fault's error."""
        ...

    def shows(self, channel: CascadeChannel) -> bool:
        """Whether there is something for the client yet: a failure before that is a plain HTTP status."""
        ...

    def error(self, fault: Fault) -> Answer:
        """A fault in this surface's form, with its status and headers (Retry-After, x-should-retry)."""
        ...

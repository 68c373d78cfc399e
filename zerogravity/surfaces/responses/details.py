"""What a Response, what is stored of it and the turn that continues it need of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zerogravity.core.turn import NOTHING, Details
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


@dataclass(frozen=True, slots=True)
class ResponsesDetails(Details):
    """
    ``echo``        the members of the Response object that do not depend on the answer, complete.
    ``include``     what the request asks to see besides.
    ``namespaces``  key of a tool → {``namespace``, ``name``}, which a call of it shows.
    ``compacts``    the answer is a summary of the dialogue.
    ``input``       this request's own items with ids, oldest first.
    ``users``       the user's messages of the responses before.
    ``system``, ``tools``  what a continuing turn takes over (``StoredTurn``).
    ``dialogue``    the contents without what only Google's rules demand; None where they hold nothing of that kind.
    ``listings``    what the dialogue knows of MCP servers' tools: {server_label, of, tools, at}: ``of`` marks the
                    place, if we have listed them; the tools as MCP lists them; ``at`` in wall-clock seconds.
    ``known``       labels of the servers whose tools are not listed again.
    ``approved``    ids of the calls that the client has approved → ids of the items that asked.
    """

    echo: Json = field(default_factory=lambda: NOTHING)
    include: tuple[str, ...] = ()
    namespaces: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    compacts: bool = False
    input: tuple[Json, ...] = ()
    users: tuple[Json, ...] = ()
    system: tuple[str, ...] = ()
    tools: tuple[Json, ...] = ()
    dialogue: tuple[Json, ...] | None = None
    listings: tuple[Json, ...] = ()
    known: tuple[str, ...] = ()
    approved: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    @property
    def one_call(self) -> bool:
        """Only the first call of an answer is handed on."""
        return self.echo.get("parallel_tool_calls") is False

    @property
    def conversation(self) -> str:
        """The id of the conversation that the turn belongs to; empty: none."""
        return narrow.text(narrow.lookup(self.echo, "conversation", "id"))

    @property
    def seals_thinking(self) -> bool:
        """Whether the answer holds what the model thinks, for the next request alone."""
        return "reasoning.encrypted_content" in self.include

    @property
    def shows_thinking(self) -> bool:
        """Whether the request asks to see what the model thinks."""
        return narrow.lookup(self.echo, "reasoning", "summary") is not None

"""``Turn``: the whole meaning of one request, in Google's own shape, since there is one upstream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Self, cast

from zerogravity.core.google import GenerateContentRequest
from zerogravity.errors import Fault
from zerogravity.wire.narrow import Json

NOTHING: Mapping[str, Any] = MappingProxyType({})
PASSIVE = "passive"  # in place of a surface: recorded, answered by nobody


@dataclass(frozen=True, slots=True)
class Target:
    """The model a turn is served by.

    ``name``    the id that clients see, e.g. ``gemini-3-flash``.
    ``ls_model``  the language server's name for it: enum name (``MODEL_PLACEHOLDER_M18``) or number as text.
    ``wire_model``  Google's name for it, in place of the LS's own choice; None keeps the LS's.
    ``family``  ``gemini-2.5``, ``gemini-3``, ``claude``, ``gpt-oss`` …: decides thinking fields and ids on calls.
    ``level``  how hard the model thinks where the client does not say: a thinkingLevel, from the name asked for.
    ``output_limit``  the largest maxOutputTokens, where the back end tells it.
    """

    name: str
    ls_model: str
    wire_model: str | None = None
    family: str = "gemini-3"
    level: str = ""
    output_limit: int | None = None

    @property
    def identity(self) -> str:
        """What is the same for all names of one model."""
        return self.wire_model or self.ls_model


@dataclass(frozen=True, slots=True)
class Model:
    """One that a back end offers. ``name``: its own; ``label``: for people, if there is one; ``left``: the fraction of
    its quota that remains, None when that is unknown (which can mean none); ``resets``: when it is full again, in
    wall-clock seconds, if that is known. ``wire``: Google's name, where the back
    end tells it; ``input_limit``, ``output_limit`` (tokens) and ``thinking`` likewise, None where it does not."""

    name: str
    label: str = ""
    left: float | None = None
    wire: str = ""
    input_limit: int | None = None
    output_limit: int | None = None
    thinking: bool | None = None
    resets: float | None = None

    @property
    def shown(self) -> str:
        """What people read, in any case."""
        return self.label or self.name


def plain(value: object) -> object:
    """A read-only mapping or a tuple as the dict or list that JSON has."""
    match value:
        case Mapping():
            return dict(cast("Mapping[str, object]", value))
        case tuple():
            return list(cast("tuple[object, ...]", value))
        case _:
            return value


def _frozen(value: object) -> object:
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Details:
    """What a surface keeps of a request to render its answer. Each surface has a kind of its own, of plain JSON values,
    each with a default."""

    def as_json(self) -> dict[str, object]:
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def of_json(cls, members: Json) -> Self:
        """What ``as_json`` has made, here or in another version: unknown members are ignored."""
        return cls(**{each.name: _frozen(members[each.name]) for each in fields(cls) if each.name in members})


@dataclass(frozen=True, slots=True)
class RecordedDetails(Details):
    """Details read from a trace, or redacted: JSON until the surface asks for its own kind."""

    members: Json = field(default_factory=lambda: NOTHING)

    def as_json(self) -> dict[str, object]:
        return dict(self.members)


@dataclass(frozen=True, slots=True)
class ToolServer:
    """An MCP server whose tools are offered to the model; the gateway runs their calls.

    ``label``     its name in this turn. ``url``: where it is; empty: the configuration's server of that name.
    ``allowed``   JSON as the Responses API has it: null, a list of names, or {tool_names, read_only}.
    ``approval``  likewise ``require_approval``: ``always``, ``never``, or {always, never} of such filters.
    ``headers``   of each request to it, its authorization among them: secret, in no trace.
    ``description``  what it is good for, for the model.
    ``chosen``    what the tool choice names of it: its tools, ``()``: all; None: nothing. Where a server is chosen, its
                  tools are allowed besides the functions that the request's toolConfig names.
    ``listed``    its tools as MCP lists them, where the dialogue knows them: they are not listed again.
    ``param``     where the request names it, for errors.
    """

    label: str
    url: str = ""
    allowed: Any = None
    approval: Any = "always"
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
    description: str = ""
    chosen: tuple[str, ...] | None = None
    listed: tuple[Json, ...] | None = None
    param: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """What the client says to a call that an earlier turn asked about. ``request_id``: of the item that asked.

    The contents hold the call. Its result there is what the client has said if that is no; else it is ``pending(id)``,
    in whose place the real one has to be put before anything is sent.
    """

    request_id: str
    call_id: str
    server: str
    tool: str
    args_json: str
    approve: bool


def pending(call_id: str) -> dict[str, object]:
    """Stands for the ``response`` of a call that the client has approved, until it has been run."""
    return {"pending": call_id}


@dataclass(frozen=True, slots=True)
class Fallback:
    """A model that may be asked in a turn's place. ``ask`` gives the turn as it is for that model: the same request,
    read again, since each family has its own rules. It is called only where the turn moves there, and raises FaultError
    when the request cannot be said to that model."""

    target: Target
    ask: Callable[[], Turn] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request, translated once, or once more for each model that it moves to.

    ``surface``     the name of the API it came by; or ``PASSIVE``.
    ``model``       as the client named it. ``served_by``: the model that is asked in its place, by the name that the
                    client or the configuration gives it; empty: none. ``models``: those that the client names besides.
    ``google_request``  in Google's form: contents, systemInstruction, tools, toolConfig, generationConfig,
                    safetySettings.
    ``details``     what only its surface understands; see ``details_as``.
    ``tool_names``  upstream function name → the client's tool name, only where they differ.
    ``tool_kinds``  client's tool name → kind where it is not ``function`` (``custom`` …).
    ``client``      the program that sent it, in a word (``codex``, ``claude-code``); empty: it did not say.
    ``conversation``  what its program's turns of one conversation share, as the program names it; empty: it does not.
    ``agent``       which sub-agent of the conversation it comes from, as the program names it; empty: none, or it does
                    not say.
    ``run``         the ``zerogravity run`` whose program sent it; empty: none's.
    ``owner``       a hash of the key that made it: stored responses and replays are scoped to it (T21).
    ``created``     wall-clock seconds of arrival, to the millisecond; display only, all timing is monotonic.
    ``stops``       stop sequences that we watch for ourselves, none of them empty: Google ends at one of its own in
                    silence, and does not say which.
    ``servers``     MCP servers whose tools the model may call. ``approvals``: what the client says to calls of theirs.
    ``max_calls``   how many of such calls are run at most; None: as many as the configuration allows.
    ``fallbacks``   models that may be asked in its place, in this order; none once the turn is over.
    ``refusal``     why its own model is not asked: what the client gets where no other can take the request either.
    ``at_once``     nothing is to be generated: the turn ends without a call to Google, as one that has hit its length.
    ``size``        bytes of memory that the request takes, about, with what it has pulled in; 0: not known.
    ``notes``       what translation changed or lost (dropped schema keywords …): for a header of the answer, the trace.
    """

    id: str
    surface: str
    model: str
    target: Target
    google_request: GenerateContentRequest
    stream: bool = False
    store: bool = False
    background: bool = False
    previous_id: str | None = None
    details: Details = field(default_factory=Details)
    tool_names: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    tool_kinds: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    client: str = ""
    conversation: str = ""
    agent: str = ""
    run: str = ""
    owner: str = ""
    created: float = 0
    size: int = field(default=0, compare=False)
    notes: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    servers: tuple[ToolServer, ...] = ()
    approvals: tuple[Approval, ...] = ()
    max_calls: int | None = None
    fallbacks: tuple[Fallback, ...] = ()
    refusal: Fault | None = None
    served_by: str = ""
    models: tuple[str, ...] = ()
    at_once: bool = False

    @property
    def answering(self) -> str:
        """The name of who answers, for the client."""
        return self.served_by or self.model

    @property
    def approved(self) -> set[str]:
        """Ids of the calls that an earlier turn has asked about."""
        return {approval.call_id for approval in self.approvals}

    def client_name(self, upstream_name: str) -> str:
        """The client's name of a function that Google calls ``upstream_name``."""
        return self.tool_names.get(upstream_name, upstream_name)

    def details_as[D: Details](self, kind: type[D]) -> D:
        """The details as the surface's own kind. Raises TypeError when they are another surface's."""
        if isinstance(self.details, kind):
            return self.details
        if isinstance(self.details, RecordedDetails):
            return kind.of_json(self.details.members)
        raise TypeError(f"turn {self.id} has {type(self.details).__name__}, not {kind.__name__}")

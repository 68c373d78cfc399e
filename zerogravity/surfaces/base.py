"""``Surface``: all that the other rooms know of one API: where it is spoken, how to read a request, how to render a
turn, how to say a fault, what a request and a stream of it look like.

Everything here is pure: lookups come in through ``Context``, bytes go out; no clock, no randomness, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import Fault
from zerogravity.surfaces.common.models import ModelInfo
from zerogravity.surfaces.openai import models as openai_models
from zerogravity.wire.narrow import Json


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """What a stored response contributes to a turn that continues it.

    ``contents``: Google-shaped history up to and including its answer (signatures in place).
    ``items``: the surface's own output items by id, for ``item_reference``.
    ``family``: of the model that answered; signatures are bound to it.
    ``system``: texts of system and developer items, which carry over (instructions do not).
    ``tools``: declarations that came inside the input, which stay declared.
    ``listings``: what it knows of the tools of MCP servers, which are not listed again while that is fresh.
    ``users``: the user's own messages, of the whole chain. ``summary``: the item that, with them, stands for a dialogue
    that has been compacted; ``contents`` are empty then.
    """

    contents: tuple[Json, ...]
    items: Mapping[str, Json] = field(default_factory=dict[str, Json])
    family: str = ""
    system: tuple[str, ...] = ()
    tools: tuple[Json, ...] = ()
    users: tuple[Json, ...] = ()
    listings: tuple[Json, ...] = ()
    summary: Json | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a request parser may look up.

    ``created``  wall-clock seconds of arrival, to the millisecond; what an API shows of it is whole.
    ``target``   model name → Target; raises FaultError 404 ``model_not_found``.
    ``recall``   call id → the call as Google made it, or None (foreign, expired).
    ``stored``   (response id) → StoredTurn or None, already scoped to the owner.
    ``item``     (output item id) → the stored item or None, for ``item_reference``.
    ``conversation``  (its id) → what a conversation has of its history, oldest first, or None; likewise.
    ``fresh_from``  wall-clock seconds: lists of MCP servers' tools that are older are made again.
    ``secret``   key that authenticates ``encrypted_content`` (32 bytes).
    """

    turn_id: str
    created: float
    target: Callable[[str], Target]
    owner: str = ""
    recall: Callable[[str], RememberedCall | None] = lambda _: None
    stored: Callable[[str], StoredTurn | None] = lambda _: None
    item: Callable[[str], Json | None] = lambda _: None
    conversation: Callable[[str], Sequence[Json] | None] = lambda _: None
    fresh_from: float = 0.0
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


@dataclass(frozen=True, slots=True)
class ModelList:
    """How an API lists the models. Both functions get the query and the headers, and raise FaultError 400.

    ``listing``  (models, query, headers) → the list, or a page of it.
    ``entry``    (model, the name it was asked for by, query, headers) → one entry.
    """

    listing: Callable[[Sequence[ModelInfo], Mapping[str, str], Mapping[str, str]], object]
    entry: Callable[[ModelInfo, str, Mapping[str, str], Mapping[str, str]], object]


@dataclass(frozen=True, slots=True)
class Counting:
    """How an API counts the tokens of a request.

    ``path``    where the request is POSTed to: a template as ``Surface.paths`` has them.
    ``parse``   as the surface's own: the turn that the request would be. Raises FaultError.
    ``answer``  (turn, Google's own count; None: there is none) → the answer, which marks an estimate as one.
    ``any_model``  the body need not name a model.
    """

    path: str
    parse: Callable[[Json, Context], Turn]
    answer: Callable[[Turn, int | None], Answer]
    any_model: bool = False


class ErrorForm(Protocol):
    """A fault in an API's form, with its status and headers (Retry-After, x-should-retry). ``request_id``: of the
    request that it answers."""

    def __call__(self, fault: Fault, request_id: str = "") -> Answer: ...


class StoredForm(Protocol):
    """A turn as it is stored: ``as_json`` with the ids of its items, by which it can be found, and its frames."""

    @property
    def id(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def created(self) -> float: ...
    @property
    def items(self) -> Mapping[str, Json]: ...
    @property
    def frames(self) -> tuple[bytes, ...]: ...
    @property
    def running(self) -> bool: ...
    def as_json(self) -> Json: ...


@dataclass(frozen=True, slots=True)
class Storing:
    """How the turns of an API are stored that ask for it.

    ``id``        turn id → the id that its client knows it by.
    ``at_start``  (channel, secret) → what is stored of a background turn when it starts.
    ``at_end``    (closed channel, secret, frames) → what is stored at the end; frames only of a background turn.
    """

    id: Callable[[str], str]
    at_start: Callable[[CascadeChannel, bytes], StoredForm]
    at_end: Callable[[CascadeChannel, bytes, Sequence[bytes]], StoredForm]


@dataclass(frozen=True, slots=True)
class Lookups:
    """What a request refers to and the server fetches before it is parsed. ``items``: (path, item id) each."""

    previous_response_id: str | None = None
    items: tuple[tuple[str, str], ...] = ()
    conversation: str | None = None


@dataclass(slots=True)
class MediaUrl:
    """A URL of media in a body: ``holder[member]``. ``picture``: only a picture may stand there. ``blob``: its data
    goes into ``inlineData`` instead (Gemini)."""

    holder: dict[str, object]
    member: str
    url: str
    param: str
    picture: bool = True
    blob: bool = False


@dataclass(slots=True)
class StreamSummary:
    """What a stream held besides its text: complete function calls, and the tokens in words."""

    calls: list[str] = field(default_factory=list[str])
    usage: str = ""


FieldNames = Container[str]


def _nothing(*_: object) -> Iterator[Any]:
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One API. To add one is to make a package with such a value, and a line in ``surfaces.REGISTRY``.

    ``name``          in metrics, logs and traces; ``title``: for people.
    ``paths``         where a turn is POSTed to: templates as aiohttp's router reads them.
    ``urls``          the same of a whole answer and of a stream, with ``{model}``; by default the first of ``paths``.
    ``root``          every path below it is this API's, served or not. ``also_owns``: whether another path is.
    ``is_client``     (names of the headers, of the query) → whether the client is this API's: decides the form of what
                      is at no API's own path (the list of models, errors). The first surface that says so counts.
    ``models``        the list of models, by default in OpenAI's form. ``counting``: None: it has no count of tokens.
    ``from_url``      (parts of the path, query, headers) → members that they add to the body. Raises FaultError.
    ``input``         the member of a body that holds the conversation.
    ``media``         the http(s) URLs at the places where media stand. What has another shape is the parser's.
    ``tools``         (name, schema) of each tool that a body declares, as it stands there. Total, too.
    ``lookups``       what of the stored responses the parser will look up. Total, too.
    ``parse``         client request → Turn. Raises FaultError naming the parameter.
    ``schema_param``  the parameter that asks for an answer by a schema.
    ``emitter``       (channel, secret) → a renderer of that turn's stream.
    ``answer``        the non-streamed answer of a closed channel: the finished object, or the fault's error.
    ``storing``       how its turns are stored; None: they are not, whatever they ask for.
    ``has_output``    whether there is something for the client yet: a failure before that is a plain HTTP status.
    ``has_answer``    whether some of that is the model's, so that no other one may go on; None: all of it is.
    ``error``         a fault in this API's form.
    ``has_failure_event``  whether its streams end a failed turn with an event; else the body breaks off behind the
                      error.
    ``assigns_call_ids``  whether each call has an id for the client, even if Google gave it none.
    ``operation``     OpenTelemetry's name for what a turn does (``gen_ai.operation.name``).
    ``sample``        (model, prompt) → the body of a small streamed request. ``demo``: a prompt for it, and members by
                      which it shows more.
    ``check``         holds a whole stream against the API's grammar. Raises GrammarError.
    ``table``         (parameter, what it takes, what becomes of it) of each, for people.
    ``describe_event``  (event, summary) → ("thinking" or "text", words) of a stream's event; ``summary`` gets the rest.
    """

    name: str
    title: str
    paths: tuple[str, ...]
    root: str
    input: str
    parse: Callable[[Json, Context], Turn]
    emitter: Callable[[CascadeChannel, bytes], Emitter]
    answer: Callable[[CascadeChannel, bytes], Answer]
    error: ErrorForm
    sample: Callable[[str, str], dict[str, Any]]
    check: Callable[[bytes], object]
    table: Callable[[], Sequence[tuple[str, str, str]]] = tuple
    urls: tuple[str, str] | None = None
    also_owns: Callable[[str], bool] = lambda path: False
    is_client: Callable[[FieldNames, FieldNames], bool] = lambda headers, query: False
    models: ModelList = ModelList(openai_models.listing, openai_models.entry)
    counting: Counting | None = None
    from_url: Callable[[Mapping[str, str], Mapping[str, str], Mapping[str, str]], Json] = lambda url, query, headers: {}
    media: Callable[[Json], Iterator[MediaUrl]] = _nothing
    tools: Callable[[Json], Iterator[tuple[str, object]]] = _nothing
    lookups: Callable[[Json], Lookups] = lambda body: Lookups()
    has_output: Callable[[CascadeChannel], bool] = lambda channel: channel.state.has_output(thinking=False)
    has_answer: Callable[[CascadeChannel], bool] | None = None
    storing: Storing | None = None
    demo: tuple[str, Json] = ("Say in two sentences why the sky is blue.", MappingProxyType({}))
    describe_event: Callable[[dict[str, Any], StreamSummary], Iterable[tuple[str, str]]] = _nothing
    schema_param: str | None = None
    operation: str = "chat"
    has_failure_event: bool = False
    assigns_call_ids: bool = True

    def owns(self, path: str) -> bool:
        """Whether a path is this API's, served or not: decides the form of its errors."""
        return path in self.paths or path.startswith(f"{self.root}/") or self.also_owns(path)

    def answers(self, channel: CascadeChannel) -> bool:
        """Whether the client can have seen some of what the model answers."""
        return (self.has_answer or self.has_output)(channel)

    def url(self, model: str, *, stream: bool) -> str:
        """Path and query to which a turn of that model is POSTed."""
        return (self.urls or self.paths[:1] * 2)[stream].replace("{model}", model)


Surfaces = Mapping[str, Surface]
"""Surfaces by name. At paths of no surface the client's own form is used, else the first one's."""

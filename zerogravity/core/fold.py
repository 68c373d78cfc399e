"""The one assembler: events in order → items. Streams are rendered from its steps, finished objects from its
state, so a streamed and a final object cannot disagree.

``fold(records)`` is the whole; ``Assembler`` the same thing one event at a time, which is what emitters use.
Cost is constant per event: texts are kept as pieces and joined on demand.
"""

# long: one assembler, and what it assembles
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Self

from zerogravity.core.events import (
    SOURCES,
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    RoundOpened,
    ServerTool,
    Signature,
    Terminal,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
    Usage,
)
from zerogravity.core.values import value
from zerogravity.wire.narrow import items


@dataclass(slots=True)
class Reasoning:
    """A run of thinking. ``signature`` came on a thought part; ``carries``: the signed call that followed
    it directly, known before the item closes. ``whole``: a signature behind it has ended it, since that holds for these
    words only; more thinking is another thought."""

    index: int
    pieces: list[str] = field(default_factory=list[str])
    signature: str | None = None
    carries: Call | None = None
    whole: bool = field(default=False, compare=False)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(slots=True)
class Message:
    """A run of answer text. ``signature`` belongs to its last part; ``grounding`` to its whole text. ``cut``: the turn
    ended in the middle of it."""

    index: int
    pieces: list[str] = field(default_factory=list[str])
    signature: str | None = None
    grounding: dict[str, Any] | None = None
    cut: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(slots=True)
class Call:
    """A function call, complete when opened. ``late``: its signature came behind it, in a part of its own.

    ``before``: what Google's own tools did before the first call of an answer; ``after``: what they did behind this
    one, which may still grow. Source texts of parts.

    ``server``: the label of the MCP server whose ``tool`` is called, by us; empty: the client's own. ``asks``: only
    with the client's approval. ``returned``: what such a call has come to, once it has.
    """

    index: int
    call_id: str
    name: str
    args_json: str
    signature: str | None = None
    upstream_id: str | None = None
    late: bool = False
    before: list[str] = field(default_factory=list[str])
    after: list[str] = field(default_factory=list[str])
    server: str = ""
    tool: str = ""
    asks: bool = False
    returned: CallReturned | None = None


@dataclass(slots=True)
class Media:
    """A blob of the answer (base64). ``lent``: a call that follows would take its signature, so nobody shows it yet."""

    index: int
    mime: str
    data: str
    signature: str | None = None
    lent: bool = field(default=False, compare=False)


Item = Reasoning | Message | Call | Media


@dataclass(slots=True)
class Round:
    """What one round of a turn has brought so far. ``begins_at``: the index of its first item. ``instead``: it stands
    for one that failed."""

    begins_at: int = 0
    instead: bool = False
    attempts: int = 0
    has_thinking: bool = False
    has_text: bool = False
    has_calls: bool = False
    has_media: bool = False


@dataclass(slots=True)
class Attempt:
    """What is known of one upstream call, beside its figures.

    ``asked``   who was asked, as clients name it; empty: the model that the turn names. ``model``: Google's name, if it
                told one. ``status``: of its answer.
    ``begins_at``  the index of its first item. ``searches``: what Google searched for.
    ``whole``   Google has said how it ended, so that its figures are final.
    """

    asked: str
    model: str
    begins_at: int
    status: int = 200
    searches: int = 0
    whole: bool = False


@dataclass(slots=True)
class TurnState:
    """Everything that has arrived so far, as objects.

    ``usage``: the last figures of each attempt, added up: Google bills each. ``tried``: the attempts by their numbers.
    ``finish``/``finish_message``: Google's words of the
    newest attempt; ``broken``: why a call in it cannot be run. ``terminal``: set once, at the end.
    ``answer_at``: the index of the first item of the newest attempt. ``round``: the newest; ``begins``: the index of
    the first item of each round.
    ``served_by``: the model that is asked since the turn has gone on with another; empty: the one that it names.
    ``has_…``: in all; ``has_calls``: of the client's own tools.
    ``began_ns``/``ended_ns``: arrival of the first and last record.
    """

    items: list[Item] = field(default_factory=list[Item])
    listings: list[ToolsListed] = field(default_factory=list[ToolsListed])
    usage_by_attempt: dict[int, Usage] = field(default_factory=dict[int, Usage])
    tried: dict[int, Attempt] = field(default_factory=dict[int, Attempt])
    grounding: dict[str, Any] | None = None
    notices: list[Notice] = field(default_factory=list[Notice])
    attempts: int = 0
    answer_at: int = 0
    model: str | None = None
    round: Round = field(default_factory=Round)
    begins: list[int] = field(default_factory=lambda: [0])
    served_by: str = ""
    finish: str | None = None
    finish_message: str | None = None
    broken: str | None = None
    terminal: Terminal | None = None
    began_ns: int | None = field(default=None, compare=False)
    ended_ns: int | None = field(default=None, compare=False)
    has_thinking: bool = False
    has_text: bool = False
    has_calls: bool = False
    has_media: bool = False

    @property
    def rounds(self) -> int:
        return len(self.begins)

    @property
    def usage(self) -> Usage:
        total = Usage()
        for usage in tuple(self.usage_by_attempt.values()):  # other threads ask, too
            total = total + usage
        return total

    @property
    def text(self) -> str:
        return "".join(item.text for item in self.items if isinstance(item, Message))

    @property
    def thinking(self) -> str:
        return "".join(item.text for item in self.items if isinstance(item, Reasoning))

    @property
    def function_calls(self) -> list[Call]:
        """All of them, the gateway's own among them."""
        return [item for item in self.items if isinstance(item, Call)]

    @property
    def client_calls(self) -> list[Call]:
        """The ones of the client's own tools."""
        return [call for call in self.function_calls if not call.server]

    def brought(self) -> dict[int, list[Item]]:
        """Number of an attempt → its items, in their order. Any thread may ask."""
        tried = self.tried.copy()
        bounds = pairwise((*(attempt.begins_at for attempt in tried.values()), len(self.items)))
        return {number: self.items[begin:end] for number, (begin, end) in zip(tried, bounds, strict=True)}

    def listing(self, server: str) -> ToolsListed | None:
        """The tools of the MCP server of that label, once they are listed."""
        return next((listing for listing in self.listings if listing.server == server), None)

    def call(self, call_id: str) -> Call | None:
        """The newest call of that id."""
        return next((item for item in reversed(self.items) if isinstance(item, Call) and item.call_id == call_id), None)

    @property
    def emitted(self) -> bool:
        """Whether anything has arrived that a client on any surface would show."""
        return self.has_output(thinking=True)

    def has_output(self, *, thinking: bool) -> bool:
        """The same for a client that wants thinking, or does not, and does not see what the gateway runs."""
        return self.has_text or self.has_calls or self.has_media or (thinking and self.has_thinking)


@value
class Opened:
    item: Item


@value
class Closed:
    """``cut``: the turn ended (length, filter, failure) while the item was still growing."""

    item: Item
    cut: bool = False


@value
class Listed:
    """Before the first item: the tools of an MCP server."""

    listing: ToolsListed


@value
class Returned:
    """A call that the gateway runs has its result: ``call.returned``."""

    call: Call


@value
class Ended:
    terminal: Terminal


# A delta is itself the step by which its item grows: most events are deltas, and a wrapper for each would cost.
Step = Opened | TextDelta | ThinkingDelta | Closed | Listed | Returned | Ended


class Assembler:
    """Feeds on events, gives the steps an emitter renders. At most one item is open at a time."""

    __slots__ = ("_around", "_attempt_no", "_before", "_lent", "_open", "_pending", "_servers", "state")

    def __init__(self) -> None:
        self.state = TurnState()
        self._open: Reasoning | Message | None = None
        self._pending: Signature | None = None  # for an item that has not come yet
        self._lent: Message | Media | None = None  # holds the pending one until a call wants it
        self._before: list[str] = []  # what Google's tools did, until a call comes
        self._around = self._before  # where to put it: there, or behind the last call of this answer
        self._attempt_no = 0
        self._servers: dict[str, tuple[str, str, bool]] = {}  # name for Google → server, tool, asks

    def feed(self, record: Record) -> list[Step]:
        """The steps that ``record`` causes."""
        self._attempt_no = record.attempt_no
        state = self.state
        steps: list[Step] = []
        if state.began_ns is None:
            state.began_ns = record.t_ns
        state.ended_ns = record.t_ns
        for event in record.events:
            self._TAKE[type(event)](self, event, steps)
        return steps

    # -- event by event ------------------------------------------------------------------------------------------

    def _text(self, event: TextDelta, steps: list[Step]) -> None:
        if not (text := event.text):
            return
        item = self._open
        if not isinstance(item, Message):
            self._close(steps)
            item = Message(len(self.state.items))
            self._start(item, steps)
            self.state.has_text = self.state.round.has_text = True
        item.pieces.append(text)
        steps.append(event)

    def _thinking(self, event: ThinkingDelta, steps: list[Step]) -> None:
        if not (text := event.text):
            return
        item = self._open
        if not isinstance(item, Reasoning) or item.whole:
            self._close(steps)
            item = Reasoning(len(self.state.items), signature=self._thought_signature())
            self._start(item, steps)
            self.state.has_thinking = self.state.round.has_thinking = True
        item.pieces.append(text)
        steps.append(event)

    def _media(self, event: InlineData, steps: list[Step]) -> None:
        self._close(steps)
        self._keep_lent()
        media = Media(len(self.state.items), event.mime, event.data)
        self.state.items.append(media)
        self.state.has_media = self.state.round.has_media = True
        steps += Opened(media), Closed(media)

    def _server_tool(self, event: ServerTool, _: list[Step]) -> None:
        self._around.append(event.part)

    def _grounding(self, event: Grounding, _: list[Step]) -> None:
        self.state.grounding = event.data
        if (attempt := self.state.tried.get(self._attempt_no)) is not None:
            attempt.searches = len(items(event.data.get("webSearchQueries")))
        if isinstance(self._open, Message):
            self._open.grounding = event.data

    def _usage(self, event: Usage, _: list[Step]) -> None:
        known = self.state.usage_by_attempt.get(self._attempt_no)
        if (
            event.source == "captured"  # the most certain, and what each event of an answer brings
            or known is None
            or not known.told
            or SOURCES.index(event.source) <= SOURCES.index(known.source)
        ):
            self.state.usage_by_attempt[self._attempt_no] = event

    def _notice(self, event: Notice, _: list[Step]) -> None:
        self.state.notices.append(event)

    def _attempt_opened(self, event: AttemptOpened, steps: list[Step]) -> None:
        state = self.state
        self._close(steps)
        self._new_answer()
        state.attempts += 1
        state.round.attempts += 1
        state.answer_at = len(state.items)
        state.tried[self._attempt_no] = Attempt(state.served_by, event.model or "", state.answer_at, event.status)
        state.model = event.model or state.model
        state.finish = state.finish_message = state.broken = None

    def _round_opened(self, event: RoundOpened, steps: list[Step]) -> None:
        state = self.state
        if event.why:  # it failed, and nobody has seen what it brought
            self._withdraw(state.round.begins_at)
        self._close(steps)
        self._new_answer()
        state.round = Round(len(state.items), bool(event.why))
        state.begins.append(len(state.items))
        if event.former:  # from now on the turn names another model than it did when they were asked
            for attempt in state.tried.values():
                attempt.asked = attempt.asked or event.former
        state.served_by = event.model
        state.finish = state.finish_message = state.broken = None

    def _tools_listed(self, event: ToolsListed, steps: list[Step]) -> None:
        listings = self.state.listings
        known = next((index for index, each in enumerate(listings) if each.server == event.server), None)
        if known is None:
            listings.append(event)
            steps.append(Listed(event))
        else:  # another model is asked, which has other names for them
            listings[known] = event
        self._servers = {
            name: (each.server, str(tool.get("name", "")), name in each.asks)
            for each in listings
            for tool, name in zip(each.tools, each.names, strict=True)
        }

    def _call_returned(self, event: CallReturned, steps: list[Step]) -> None:
        if (call := self.state.call(event.call_id)) is not None and call.returned is None:
            call.returned = event
            steps.append(Returned(call))

    def _attempt_closed(self, event: AttemptClosed, _: list[Step]) -> None:
        state = self.state
        state.finish, state.finish_message, state.broken = event.finish, event.message, event.broken
        if (attempt := state.tried.get(self._attempt_no)) is not None:
            attempt.whole = event.finish is not None

    def _end(self, event: Terminal, steps: list[Step]) -> None:
        self._close(steps, cut=isinstance(event, Failed) or event.reason in ("length", "filtered"))
        self.state.terminal = event
        steps.append(Ended(event))

    # -- items ---------------------------------------------------------------------------------------------------

    def _withdraw(self, begins_at: int) -> None:
        """The items from there on are no part of the answer."""
        state = self.state
        if len(state.items) == begins_at:
            return
        self._open = state.grounding = None
        del state.items[begins_at:]
        for attempt in state.tried.values():
            attempt.begins_at = min(attempt.begins_at, begins_at)
        kinds = {type(item) for item in state.items}
        state.has_thinking, state.has_text, state.has_media = (kind in kinds for kind in (Reasoning, Message, Media))
        state.has_calls = any(not call.server for call in state.function_calls)

    def _new_answer(self) -> None:
        """What the answer before left without an item gets none."""
        self._pending = self._lent = None
        self._before = self._around = []

    def _start(self, item: Reasoning | Message, steps: list[Step]) -> None:
        self._keep_lent()
        self.state.items.append(item)
        self._open = item
        steps.append(Opened(item))

    def _keep_lent(self) -> None:
        """Something else than a call follows: the signature stays where it is."""
        if self._lent is not None:
            if isinstance(self._lent, Media):
                self._lent.lent = False
            self._pending = self._lent = None

    def _close(self, steps: list[Step], *, cut: bool = False) -> None:
        if (item := self._open) is not None:
            self._open = None
            if isinstance(item, Message):
                item.cut = cut
            steps.append(Closed(item, cut))

    def _call(self, event: FunctionCall, steps: list[Step]) -> None:
        signature, pending, lent = event.signature, self._pending, self._lent
        if not signature and pending is not None:
            signature = pending.data
            if lent is not None and lent.signature == signature:
                lent.signature = None
        self._pending = self._lent = None
        server, tool, asks = self._servers.get(event.name, ("", "", False))
        call = Call(
            len(self.state.items), event.call_id, event.name, event.args_json, signature, event.upstream_id,
            before=self._before, server=server, tool=tool, asks=asks,
        )  # fmt: skip
        self._before, self._around = [], call.after
        if signature and isinstance(self._open, Reasoning):
            self._open.carries = call
        self._close(steps)
        self.state.items.append(call)
        self.state.has_calls = self.state.has_calls or not server
        self.state.round.has_calls = True
        steps += Opened(call), Closed(call)

    def _sign(self, event: Signature, _: list[Step]) -> None:
        """Put a signature where it belongs: on the open text or thought, or on the neighbouring call."""
        match event.target:
            case "thought" if isinstance(thought := self._open, Reasoning):
                thought.whole = True
                if thought.signature is None:
                    thought.signature = event.data
                elif thought.signature != event.data:  # it stands before the next one
                    self._pending, self._lent = event, None
            case "text" if (last := self._signable(event.data)) is not None:
                last.signature = event.data
            case "text" if isinstance(self._open, Reasoning):
                self._open.signature = event.data
            case "alone" | "call" if (call := self._unsigned_call()) is not None:
                call.signature, call.late = event.data, True
            case "alone" | "call" if (last := self._signable(event.data)) is not None:
                last.signature = event.data  # unless a call follows: then it was meant for that (facts C.4)
                self._pending, self._lent = event, last
                if isinstance(last, Media):
                    last.lent = True
            case _:
                self._pending, self._lent = event, None

    def _signable(self, signature: str) -> Message | Media | None:
        """The text that is open, or the blob that came last, unless it has one of its own. A text that is closed has
        been shown as it is."""
        last = self.state.items[-1] if self.state.items else None
        if isinstance(last, Media):
            return last if last.signature in (None, signature) else None
        return last if isinstance(last, Message) and last is self._open else None

    def _thought_signature(self) -> str | None:
        """A signature that came before its thinking (Claude), once."""
        pending = self._pending
        if pending is None or pending.target != "thought":
            return None
        self._pending = None
        return pending.data

    def _unsigned_call(self) -> Call | None:
        """The first call of the trailing run of calls, if it has no signature yet (only the first one gets one)."""
        first: Call | None = None
        for item in reversed(self.state.items):
            if not isinstance(item, Call):
                break
            first = item
        return first if first is not None and first.signature is None else None

    _TAKE: ClassVar[Mapping[type[Event], Callable[[Self, Any, list[Step]], None]]] = {
        TextDelta: _text, ThinkingDelta: _thinking, FunctionCall: _call, Signature: _sign, InlineData: _media,
        ServerTool: _server_tool, Grounding: _grounding, Usage: _usage, Notice: _notice,
        AttemptOpened: _attempt_opened, AttemptClosed: _attempt_closed, Finished: _end, Failed: _end,
        RoundOpened: _round_opened, ToolsListed: _tools_listed, CallReturned: _call_returned,
    }  # fmt: skip


def fold(records: Iterable[Record]) -> TurnState:
    """All records of a channel → its finished objects."""
    assembler = Assembler()
    for record in records:
        assembler.feed(record)
    return assembler.state

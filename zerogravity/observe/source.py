"""``TurnSource``: one turn without secrets, growing in memory (``replica``) or read from disk (``trace_reader``).
Exports, the inspector's page and the terminal read nothing else. Times count from the request's arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from zerogravity.core.channel import CascadeChannel, ChannelWriter, Snapshot
from zerogravity.core.events import Record, RequestLine
from zerogravity.core.fold import Call, Item, Media, Reasoning, TurnState
from zerogravity.core.turn import Turn
from zerogravity.observe.sessions import Placement
from zerogravity.wire import jsonio

BEFORE = -1  # the "record" that causes the frames which stand before the first one
INDENTED = 200_000


@dataclass(frozen=True, slots=True)
class Emitted:
    """A frame of the client's stream, or the whole answer of a turn that was not streamed. Record ``seq`` caused it."""

    seq: int
    t_ms: float
    frame: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: object = None

    @property
    def text(self) -> str:
        return self.frame if self.frame is not None else jsonio.text(self.body)

    def as_json(self) -> dict[str, object]:
        """A line of ``emitted.jsonl``."""
        line: dict[str, object] = {"seq": max(0, self.seq), "t_ms": self.t_ms}
        if self.frame is not None:
            return {**line, "frame": self.frame}
        return {**line, "status": self.status, "headers": dict(self.headers), "body": self.body}


class TurnSource(Protocol):
    """``info``     the contents of ``turn.json``.
    ``emitted``  what the client got. ``frames``: the stream as it went out, or as it would have.
    ``trouble``  why frames are missing.
    ``placed``   where the turn stands among the others, as far as is known.
    """

    @property
    def id(self) -> str: ...
    @property
    def info(self) -> Mapping[str, object]: ...
    @property
    def channel(self) -> CascadeChannel: ...
    @property
    def google_request(self) -> Mapping[str, object]: ...
    @property
    def records(self) -> Sequence[Record]: ...
    @property
    def state(self) -> TurnState: ...
    @property
    def emitted(self) -> Sequence[Emitted]: ...
    @property
    def frames(self) -> Sequence[Emitted]: ...
    @property
    def trouble(self) -> str | None: ...
    @property
    def placed(self) -> Placement: ...
    def lines(self) -> Mapping[int, RequestLine]:
        """The request line of each call to Google."""
        ...

    def body(self, name: str, attempt_no: int = 0) -> Mapping[str, object] | None:
        """One of ``requests.BODIES``: ``{"headers": …, "body": …}``."""
        ...


class ShownItem(NamedTuple):
    """An item of an answer, for people. ``text``: the words; a call's arguments, indented; a blob's type and size.
    ``name``: of a call, as the client knows it. ``size``: bytes of a blob. ``server``: the label of the MCP server
    whose tool the gateway calls; ``result``: what that has come to, once it has; ``failed``: not well."""

    kind: Literal["thinking", "text", "call", "media"]
    text: str
    signed: bool
    name: str = ""
    call_id: str = ""
    mime: str = ""
    size: int = 0
    server: str = ""
    result: str | None = None
    failed: bool = False


def shown_items(items: Iterable[Item], tool_names: Mapping[str, str]) -> list[ShownItem]:
    """``tool_names``: upstream function name → the client's, where they differ."""
    return [_shown(item, tool_names) for item in items]


def _shown(item: Item, tool_names: Mapping[str, str]) -> ShownItem:
    signed = item.signature is not None
    match item:
        case Call():
            name = tool_names.get(item.name, item.name)
            shown = ShownItem("call", indented(item.args_json), signed, name, item.call_id, server=item.server)
            if (returned := item.returned) is None:
                return shown
            return shown._replace(result=returned.output, failed=returned.error is not None)
        case Media():
            size = len(item.data) * 3 // 4
            return ShownItem("media", f"{item.mime}, {size} bytes", signed, mime=item.mime, size=size)
        case _:
            return ShownItem("thinking" if isinstance(item, Reasoning) else "text", item.text, signed)


def indented(text: str) -> str:
    """JSON with a member per line; other text, and JSON of more than 200,000 characters, as it is."""
    try:
        return text if len(text) > INDENTED else jsonio.text(jsonio.loads(text.encode("utf-8", "replace")), indent=True)
    except (ValueError, RecursionError):
        return text


class ChannelCopy:
    """A channel that is filled with existing records, which keep their times."""

    def __init__(self, turn: Turn) -> None:
        self._now = 0
        self._writer = ChannelWriter(turn, lambda: self._now, max_bytes=1 << 62)
        self.channel = self._writer.channel

    def add(self, record: Record) -> Record:
        self._now = record.t_ns
        if record.terminal is not None:
            self._writer.close(record.terminal)
        else:
            self._writer.append(record.attempt_no, record.data, record.events, record.span)
        return self.channel.records[-1]

    def adopt(self, snapshot: Snapshot) -> None:
        """Take over what records do not hold."""
        self._writer.adopt(snapshot)

"""A turn → what is stored of it: what GET, ``input_items``, ``previous_response_id`` and ``item_reference`` need.

A background response is stored when it starts and when it ends; if the process stops in between, it is shown as failed.
Other responses end with their client's connection and are only stored at their end.
Facts: wire-openai 1, 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import takewhile
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Finished
from zerogravity.core.fold import Item, Media, Message, Reasoning, TurnState
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination, internal
from zerogravity.surfaces.base import StoredTurn
from zerogravity.surfaces.common.answer_contents import NOT_RUN, filled, with_answer
from zerogravity.surfaces.common.history import CONTINUE
from zerogravity.surfaces.common.sealed_state import TEXT, Carried, seal, state_of_call, state_of_thought
from zerogravity.surfaces.openai.answer import is_picture
from zerogravity.surfaces.responses import response
from zerogravity.surfaces.responses.breaking_off import closing
from zerogravity.surfaces.responses.compaction import outcome, users
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.emit import ResponsesEmitter, frame
from zerogravity.surfaces.responses.server_calls import call_id, gone
from zerogravity.surfaces.responses.server_input import listing
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

CUT_OFF = "zerogravity stopped while this response was running"
NOT_KEPT = "the end of this response could not be stored and is lost"


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One response.

    ``response``     the Response object. ``input_items``: the request's own items with ids, oldest first.
    ``contents``     history in Google's form up to and including its answer, signatures in place, without fillers.
                     Empty after a compaction: the users' messages and the summary replace it.
    ``sealed``       item id → ``encrypted_content`` that a reference to the item restores, shown or not.
    ``family, system, tools``  see ``StoredTurn``.
    ``frames``       the SSE frames of a background stream, for byte-for-byte replay.
    ``running``      not over; the process is still working on it.
    ``cut_off``      its end is not known: the process stopped before it, it could not be stored, or it was ended from
                     outside. So is what was shown beyond ``frames``.
    ``earlier``      the user's messages of the responses that it continues, oldest first.
    ``listings``     what the dialogue knows of MCP servers' tools.
    """

    id: str
    owner: str
    created: float
    response: Json
    input_items: tuple[Json, ...] = ()
    contents: tuple[Json, ...] = ()
    sealed: Mapping[str, str] = field(default_factory=dict[str, str])
    family: str = ""
    system: tuple[str, ...] = ()
    tools: tuple[Json, ...] = ()
    frames: tuple[bytes, ...] = ()
    running: bool = False
    cut_off: bool = False
    earlier: tuple[Json, ...] = ()
    listings: tuple[Json, ...] = ()

    @property
    def items(self) -> dict[str, Json]:
        """Every input and output item by id, as ``item_reference`` finds it."""
        every: list[Json] = [*self.input_items, *narrow.objects(self.response.get("output"))]
        return {
            item["id"]: {**item, "encrypted_content": self.sealed[item["id"]]} if item["id"] in self.sealed else item
            for item in every
        }

    @property
    def is_bare(self) -> bool:
        """Whether nothing is left of its dialogue, which so cannot be continued."""
        return self.cut_off and not self.contents

    def frames_from(self, number: int) -> tuple[bytes, ...]:
        """The frames from that number on. A client that saw more of a response than was stored, or than the store has
        kept, still gets its end."""
        if (self.cut_off and number >= len(self.frames)) or self.stream_lost:
            status = self.response["status"]
            return (frame(f"response.{ENDS.get(status, status)}", number, response=self.response),)
        return self.frames[number:]

    @property
    def stream_lost(self) -> bool:
        """Whether the store has lost frames of a background response that is over: the last one does not end it, or has
        a higher number than its place."""
        last = self.frames[-1] if self.frames else b""
        return not last.startswith(LAST) or not _numbered(last, len(self.frames) - 1)

    @property
    def turn(self) -> StoredTurn:
        """What a turn that continues this one needs."""
        messages = (*self.earlier, *users(self.input_items))
        output = narrow.objects(self.response.get("output"))
        summary = next((item for item in output if item["type"] == "compaction"), None)
        return StoredTurn(
            self.contents, self.items, self.family, self.system, self.tools, messages, self.listings, summary
        )

    def as_json(self) -> dict[str, Any]:
        """Everything but the frames and the state, which are stored separately."""
        return {name: getattr(self, name) for name in MEMBERS}

    @classmethod
    def of_json(cls, data: Json, frames: tuple[bytes, ...] = (), *, running: bool = False) -> StoredResponse:
        """From what ``as_json`` made, in this or an earlier version. Raises LookupError or TypeError for all else."""
        members = {name: data[name] for name in MEMBERS if name in data}
        for name, kind in _KINDS.items():
            if name in members and not isinstance(members[name], kind):
                raise TypeError(name)
        for name in _TUPLES:
            members[name] = _each(members.get(name, ()), str if name == "system" else Mapping)
        made = cls(**members, frames=frames, running=running)
        if not made.response.keys() >= {"status", "background"} or not all(map(narrow.text, made.items)):
            raise TypeError("response")
        return made


_SEPARATE = ("frames", "running")
QUEUED = 2  # frames of a background stream before its first record
BEGIN = (("created", "queued"), ("queued", "queued"), ("in_progress", "in_progress"))  # event and status
ENDS = {"cancelled": "failed"}  # status → event, where they differ
LAST = tuple(f"event: response.{end}\n".encode() for end in ("completed", "incomplete", "failed"))
_KINDS: Mapping[str, Any] = {
    "id": str, "owner": str, "created": int | float, "response": Mapping, "sealed": Mapping, "family": str,
    "cut_off": bool,
}  # fmt: skip
NAME = 200  # bytes of a frame, in which its event and number are
_TUPLES = ("input_items", "contents", "earlier", "system", "tools", "listings")
MEMBERS = tuple(field.name for field in fields(StoredResponse) if field.name not in _SEPARATE)


def _each(given: Any, kind: type) -> tuple[Any, ...]:
    """Raises TypeError where it is none of these."""
    if isinstance(given, str | Mapping) or not all(isinstance(one, kind) for one in given):
        raise TypeError(kind.__name__)
    return tuple(given)


# -- a channel → what is stored ------------------------------------------------------------------------------


def stored_at_start(channel: CascadeChannel, secret: bytes) -> StoredResponse:
    """What is stored of a turn at its start."""
    turn = channel.turn
    made = response.unfinished(turn, "queued" if turn.background else "in_progress")
    return replace(_kept(turn, made, tuple(ResponsesEmitter(turn, secret).begin())), running=True)


def stored_at_end(channel: CascadeChannel, secret: bytes, frames: Sequence[bytes] = ()) -> StoredResponse:
    """What is stored of a turn at its end. The channel must be closed."""
    turn, state = channel.turn, channel.state
    made = response.render(turn, state, secret)
    stored = replace(_kept(turn, made, tuple(frames)), sealed=_sealed(turn, state, made["output"], secret))
    assert state.terminal is not None, "the turn is not over"
    if not isinstance(outcome(turn, state, state.terminal), Finished):
        return replace(stored, contents=tuple(_answered(turn, state)))
    details = turn.details_as(ResponsesDetails)
    if details.compacts:
        return replace(stored, contents=())
    before, answer = dialogue_of(turn, state)
    if not answer:
        return stored
    return replace(stored, contents=(*before, *answer), listings=(*details.listings, *_listings(turn, state)))


def dialogue_of(turn: Turn, state: TurnState) -> tuple[list[Json], list[Json]]:
    """The contents of a turn that is over: those that it has answered, and the answer's. No answer: a summary."""
    assert state.terminal is not None, "the turn is not over"
    details = turn.details_as(ResponsesDetails)
    before = _answered(turn, state)
    if before and before[-1]["role"] == "model":
        before.append(CONTINUE)
    if details.compacts:
        return before, []
    contents = with_answer(
        before, state, turn.target, one_call=details.one_call, known=details.approved,
        refusal=response.refusal(state, state.terminal),
    )  # fmt: skip
    return before, contents[len(before) :]


def _listings(turn: Turn, state: TurnState) -> list[Json]:
    """What this turn has learnt of MCP servers' tools."""
    servers = {server.label: server for server in turn.servers if server.listed is None}
    return [
        listing(servers[each.server], each.tools, turn.created)
        for each in state.listings
        if each.server in servers and not each.error
    ]


def so_far(stored: StoredResponse) -> StoredResponse:
    """A response that is running, as it is after its ``frames``."""
    status = "in_progress" if len(stored.frames) > QUEUED else stored.response["status"]
    return replace(stored, response={**stored.response, "status": status})


def cut_off(stored: StoredResponse, why: str = CUT_OFF) -> StoredResponse:
    """A response whose end is not known, as a failed one."""
    return _ended(stored, "failed", response.error(internal(why, Termination.SHUTDOWN)))


def remains(turn: Turn) -> StoredResponse:
    """What is known of a background response of which nothing could be stored: that it has failed. Small, whatever was
    asked."""
    large: Json = {"instructions": None, "tools": [], "text": {"format": {"type": "text"}}, "tool_choice": "auto"}
    begun = {**response.unfinished(turn, "queued"), **large}
    frames = (frame("response.created", 0, response=begun), frame("response.queued", 1, response=begun))
    return cut_off(StoredResponse(begun["id"], turn.owner, turn.created, begun, frames=frames), NOT_KEPT)


def withdrawn(stored: StoredResponse) -> StoredResponse:
    """A response that was deleted while it was running, as those see it who follow it."""
    return _ended(stored, "cancelled", None)


def _ended(stored: StoredResponse, status: str, error: Json | None) -> StoredResponse:
    frames, output = in_a_row(stored.frames), list[Json]()
    if len(frames) <= QUEUED:
        for kind, so_far in BEGIN[len(frames) :]:
            frames.append(frame(f"response.{kind}", len(frames), response={**stored.response, "status": so_far}))
    else:
        more, output = closing(frames)
        frames += more
    over = {**stored.response, "status": status, "error": error, "output": output, "usage": None}
    frames.append(frame("response.failed", len(frames), response=over))
    return replace(stored, response=over, frames=tuple(frames), running=False, cut_off=True)


def in_a_row(frames: Sequence[bytes]) -> list[bytes]:
    """Those before the first that the store has lost."""
    return [each for _, each in takewhile(lambda one: _numbered(one[1], one[0]), enumerate(frames))]


def _numbered(frame: bytes, number: int) -> bool:
    return b'"sequence_number":%d,' % number in frame[:NAME]


def _kept(turn: Turn, made: Json, frames: tuple[bytes, ...]) -> StoredResponse:
    """What the request alone determines."""
    details = turn.details_as(ResponsesDetails)
    return StoredResponse(
        id=made["id"],
        owner=turn.owner,
        created=turn.created,
        response=made,
        input_items=details.input,
        contents=tuple(_asked(turn)),
        earlier=details.users,
        listings=details.listings,
        family=turn.target.family,
        system=details.system,
        tools=details.tools,
        frames=frames,
    )


def _asked(turn: Turn) -> Sequence[Json]:
    """The contents of the request, without fillers."""
    dialogue = turn.details_as(ResponsesDetails).dialogue
    return turn.google_request.get("contents", ()) if dialogue is None else dialogue


def _answered(turn: Turn, state: TurnState) -> list[Json]:
    """The same of a turn that is over, with what the calls have come to that the client has approved."""
    if not turn.approvals:
        return list(_asked(turn))
    results = {approval.call_id: NOT_RUN for approval in turn.approvals}
    missing = (call for listing in state.listings for call in gone(turn.approvals, listing))
    results |= {call.call_id: call.returned for call in (*missing, *state.function_calls) if call.returned is not None}
    return filled(_asked(turn), results, turn.target.family)


def _sealed(turn: Turn, state: TurnState, output: Sequence[Json], secret: bytes) -> dict[str, str]:
    """Signatures of thoughts and calls by the item that shows them."""
    thoughts = [item for item in state.items if isinstance(item, Reasoning)]
    shown = [item for item in output if item["type"] == "reasoning" and item["summary"]]
    found: dict[str, list[Carried]] = {}
    for thought, item in zip(thoughts, shown, strict=False):
        if carried := state_of_thought(thought, turn.target.family, shown=True):
            found[item["id"]] = carried
    messages = [item for item in state.items if isinstance(item, Message) or _shown_as_message(item)]
    for text, item in zip(messages, [item for item in output if item["type"] == "message"], strict=False):
        if text.signature and isinstance(text, Message):
            found[item["id"]] = [Carried(text.signature, turn.target.family, TEXT)]
    signed = {call.call_id: call for call in state.function_calls if call.signature}
    for item in output:
        if (call := signed.get(item.get("call_id") or call_id(item["type"], item["id"]))) is not None:
            found[item["id"]] = state_of_call(call, turn.target.family)
    return {item_id: seal(secret, carried) for item_id, carried in found.items()}


def _shown_as_message(item: Item) -> bool:
    """Whether it is a medium that is shown as a message."""
    return isinstance(item, Media) and not is_picture(item)

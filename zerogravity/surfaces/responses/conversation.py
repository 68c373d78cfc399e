"""Conversations: items that clients add and that turns read and add to (``conversation`` of a Responses request).

The items are kept as their clients have seen them, with what Google wants back of them in ``encrypted_content``, shown
or not. What a turn adds, it adds whole, when it is over and has not failed; beside the items of its answer stands the
answer in Google's form, which the model gets back as it was. Once one of those items is deleted, the others go to the
model as they would from a client that keeps its items itself; what makes no sense without it is left out.

Facts: the SDK's ``types/conversations``; errors as the API gives them (seen 2025-10 to 2026-09).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Finished
from zerogravity.core.turn import Target
from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.base import Context, StoredTurn
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.history import History
from zerogravity.surfaces.common.sealed_state import Carried
from zerogravity.surfaces.responses.compaction import TRIGGER, outcome
from zerogravity.surfaces.responses.cross_family import for_target
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.ids import PREFIXES
from zerogravity.surfaces.responses.items import SKIPPED, Entry, Items, reference
from zerogravity.surfaces.responses.listed import listed
from zerogravity.surfaces.responses.loose_ends import without
from zerogravity.surfaces.responses.server_calls import CALL, LIST, RESPONSE
from zerogravity.surfaces.responses.server_input import answer_of, ends_a_turn
from zerogravity.surfaces.responses.stored import stored_at_end
from zerogravity.surfaces.responses.tools import read_tools
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

MAX_ITEMS = 20  # in one request
ENCRYPTED = "reasoning.encrypted_content"
SUMMARIES = ("compaction", "compaction_summary")
LISTED_AT = "listed_at"  # of a list of tools that a client has added: wall-clock seconds; no client sees it
TYPES = tuple(kind for kind in (*PREFIXES, "item_reference", *SKIPPED) if kind != TRIGGER)


@dataclass(frozen=True, slots=True)
class Conversation:
    """``created``: wall-clock seconds. ``items``: oldest first; one without an id is the *answer* of a ``turn``, in
    front of the items that show it: ``contents`` in Google's form, the ``family`` of the model, and ``shown_as``, their
    ids, none of a thought that no item shows; both empty where the items stand for themselves; and ``listings``, what
    its turn has learnt of MCP servers' tools."""

    id: str
    owner: str
    created: float
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    items: tuple[Json, ...] = ()

    @property
    def resource(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": int(self.created),
            "metadata": dict(self.metadata),
        }

    @property
    def visible(self) -> dict[str, Json]:
        """By id, oldest first."""
        return {narrow.text(item["id"]): _without(item, LISTED_AT) for item in self.items if "id" in item}

    @property
    def history(self) -> tuple[Json, ...]:
        """Without what a summary has replaced: all before it, but for what people said and what is known of tools."""
        at = max((index for index, item in enumerate(self.items) if item.get("type") in SUMMARIES), default=0)
        return (*_outliving(self.items[:at]), *self.items[at:])

    @property
    def sent(self) -> list[Json]:
        """Of its history, what goes to the model: each answer once."""
        answered = {item_id for item in self.history if "id" not in item for item_id in item["shown_as"]}
        return [item for item in self.history if item.get("id") not in answered]

    def adding(self, items: Sequence[Json]) -> Conversation:
        """With these at its end, but for those that it has already."""
        known = {identity for item in self.items for identity in _ids(item)}
        return replace(self, items=(*self.items, *(item for item in items if known.isdisjoint(_ids(item)))))

    def without(self, item_id: str) -> Conversation:
        """Without that item; the answer that it was part of is not whole any more."""
        return replace(self, items=without(self.items, (item_id,)))

    def as_json(self) -> dict[str, Any]:
        """What ``of_json`` takes, besides id and owner."""
        return {"created": self.created, "metadata": dict(self.metadata), "items": list(self.items)}

    @classmethod
    def of_json(cls, identity: str, owner: str, data: Json) -> Conversation:
        """Raises LookupError or TypeError for what that has not made."""
        created, items = data["created"], narrow.objects(data["items"])
        metadata = {name: narrow.text(value) for name, value in narrow.members(data["metadata"]).items()}
        if not isinstance(created, int | float) or (metadata, items) != (data["metadata"], data["items"]):
            raise TypeError("no conversation")
        if not all(map(_is_kept_so, items)):
            raise TypeError("no items")
        return cls(identity, owner, created, metadata, tuple(items))


def _is_kept_so(item: Json) -> bool:
    return isinstance(item["id"], str) if "id" in item else isinstance(item["shown_as"], list)


def _ids(item: Json) -> Sequence[str]:
    return [item["id"]] if "id" in item else [item.get("turn", ""), *item["shown_as"]]


def _outliving(items: Sequence[Json]) -> Iterator[Json]:
    """What a summary behind them does not replace."""
    for item in items:
        kind = item.get("type")
        if "id" not in item:
            if item.get("listings"):
                yield {**item, "contents": [], "shown_as": []}
        elif kind == "additional_tools" or LISTED_AT in item or (kind == "message" and item.get("role") != "assistant"):
            yield item


def _without(item: Json, unwanted: str) -> Json:
    return {name: value for name, value in item.items() if name != unwanted} if unwanted in item else item


def shown(item: Json, include: Collection[str] = ()) -> Json:
    """An item as a client sees it: what is sealed in it only where it asks for that, or where it is the item."""
    kind = item.get("type")
    if kind in SUMMARIES or (kind == "reasoning" and ENCRYPTED in include):
        return item
    return _without(item, "encrypted_content")


# -- what a request names ------------------------------------------------------------------------------------------


def named(body: Json) -> str | None:
    """The conversation of a Responses request: its id, or an object with it. Raises FaultError 400."""
    given = body.get("conversation")
    if given is None:
        return None
    if (whole := narrow.an_object(given)) is not None:
        path, identity = "conversation.id", fields.required_string(whole, "id", path="conversation")
    elif isinstance(given, str):
        path, identity = "conversation", given
    else:
        raise fields.invalid_type("conversation", "an id or an object with an id", given)
    check_id(identity, path)
    if body.get("previous_response_id") is not None:
        text = (
            "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or "
            "'conversation'."
        )
        raise bad_request(text, code="mutually_exclusive_parameters")
    return identity


def looked_up(body: Json) -> str | None:
    """What ``named`` finds, of any body: never raises."""
    given = body.get("conversation")
    return given if isinstance(given, str) else narrow.a_string(narrow.lookup(given, "id"))


def check_id(identity: str, param: str) -> None:
    """Raises FaultError 400 for what is no conversation's id."""
    if not identity.startswith("conv"):
        text = f"Invalid '{param}': '{identity[:80]}'. Expected an ID that begins with 'conv'."
        raise bad_request(text, param=param)


def not_found(identity: str) -> FaultError:
    return bad_request(f"Conversation with id '{identity[:80]}' not found.", code="", status=404)


def item_not_found(identity: str) -> FaultError:
    return bad_request(f"Item with id '{identity[:80]}' not found.", code="", status=404)


def locked() -> FaultError:
    """Something else is changing the conversation, or has changed it since it was read."""
    text = "Another process is currently operating on this conversation. Please retry in a few seconds."
    return bad_request(text, param="conversation", code="conversation_locked")


def check_new(items: Sequence[Json], known: Collection[object], param: str) -> None:
    """Each item is there once. Raises FaultError 400."""
    seen = set(known)
    for item in items:
        identity = item.get("id")
        if isinstance(identity, str) and identity in seen:
            text = f"Duplicate item found with id {identity[:80]}."
            raise bad_request(f"{text} Remove duplicate items from your input and try again.", param=param)
        if isinstance(identity, str):
            seen.add(identity)


# -- items that clients add ----------------------------------------------------------------------------------------


def references(body: Json) -> Iterator[tuple[str, str]]:
    """(path, item id) of each reference among the new items. Total."""
    for index, item in narrow.numbered(body.get("items")):
        if (wanted := reference(item)) is not None:
            yield f"items[{index}]", wanted


def new_items(body: Json, context: Context) -> tuple[Json, ...]:
    """``items`` of a request as the conversation keeps them, each checked as that of a Responses request would be.
    ``context.turn_id`` makes their ids. Raises FaultError 400, or 404 for a reference to nothing."""
    given = fields.array(body, "items") or []
    if len(given) > MAX_ITEMS:
        text = (
            f"Invalid 'items': array too long. Expected an array with maximum length {MAX_ITEMS}, "
            f"but got an array with length {len(given)} instead."
        )
        raise bad_request(text, param="items", code="array_above_max_length")
    entries = [Entry(path, _resolved(item, path, context)) for item, path in fields.each_object(given, "items")]
    target = Target("", "")
    reader = Items(_Nowhere(context.recall, NameMap(), target), context, target, read_tools([], pictures=False))
    for entry in entries:
        if entry.kind not in TYPES:
            raise fields.invalid_value(f"{entry.path}.type", entry.kind, TYPES)
        if entry.kind == RESPONSE:
            answer_of(entry.item, entry.path)  # to a request that need not be here
        else:
            reader.read([entry])
    made = kept(listed(entries, context.turn_id))
    check_new(made, (), "items")
    return tuple({**item, LISTED_AT: context.created} if item["type"] == LIST else item for item in made)


def _resolved(item: Json, path: str, context: Context) -> Json:
    if fields.string(item, "type", path=path) == "item_reference":
        fields.required_string(item, "id", path=path)
    if (wanted := reference(item)) is None:
        return item
    if (found := context.item(wanted)) is None:
        raise item_not_found(wanted)
    return found


def kept(items: Sequence[Json]) -> list[Json]:
    """Without what only asks for something."""
    return [item for item in items if item["type"] != TRIGGER]


class _Nowhere(History):
    """Takes entries that are read to be checked, each by itself: a result without its call, too."""

    def user(self, parts: Sequence[Json]) -> None: ...
    def model_part(self, part: Json) -> None: ...
    def model_call(
        self,
        call_id: str,
        name: str,
        args_json: str,
        *,
        carried: Carried | None = None,
        param: str = "input",
        joins: bool = False,
    ) -> None: ...
    def result(
        self, call_id: str, output: str | Sequence[Json] | dict[str, Any], *, error: bool = False,
        verbatim: bool = False, param: str = "input",
    ) -> None: ...  # fmt: skip


# -- what a turn adds ----------------------------------------------------------------------------------------------


def added_by(channel: CascadeChannel, secret: bytes) -> tuple[Json, ...]:
    """What a turn that is over adds, its input first; of one that has failed, only the calls that it has run because
    the conversation held an approval, which is used up."""
    turn, state = channel.turn, channel.state
    assert state.terminal is not None, "the turn is not over"
    details = turn.details_as(ResponsesDetails)
    stored = stored_at_end(channel, secret)
    output = narrow.objects(stored.response["output"])
    end: dict[str, Any] = {"turn": turn.id, "contents": [], "family": stored.family, "shown_as": []}
    if not isinstance(outcome(turn, state, state.terminal), Finished):
        given = {item.get("approval_request_id") for item in details.input}
        used = [item for item in output if item["type"] == CALL and item["approval_request_id"] not in (None, *given)]
        return (end, *used) if used else ()
    shown_as = [narrow.text(item["id"]) for item in output]
    before: Sequence[Json] = turn.google_request.get("contents", ()) if details.dialogue is None else details.dialogue
    learnt = [each for each in stored.listings if each["at"] == turn.created]
    end |= {"listings": learnt} if learnt else {}
    if answer := list(stored.contents[len(before) :]):
        end |= {"contents": answer, "shown_as": shown_as}
    return (*kept(details.input), end, *(stored.items[item_id] for item_id in shown_as))


# -- what the next turn reads --------------------------------------------------------------------------------------


def entries_of(items: Sequence[Json]) -> list[Entry]:
    """The items that clients know, each at its path."""
    return [Entry(f"conversation.items[{index}]", item) for index, item in enumerate(items) if "id" in item]


def read(items: Sequence[Json], reader: Items, history: History, target: Target) -> None:
    """Items with their answers → the history of a turn. Raises FaultError 400. A list of tools says neither where nor
    when it was made: those count that an answer has, or that a client has added."""
    noted = len(reader.notes)
    by_id = {entry.item["id"]: entry for entry in entries_of(items)}
    answered: set[str] = set()
    waiting: list[Entry] = []
    for item in items:
        if ends_a_turn(item):
            reader.servers.listings += item.get("listings", ())
            if not item["contents"]:
                continue
            reader.read(waiting)
            waiting = []
            answered.update(item["shown_as"])
            shown = [by_id[item_id].item for item_id in item["shown_as"]]
            reader.remember_calls(shown)
            reader.servers.ran(shown)
            reader.servers.settle()
            contents = item["contents"] if item["family"] == target.family else _identified(item["contents"])
            history.extend(for_target(StoredTurn(tuple(contents), family=item["family"]), target))
            reader.servers.asked(shown)
        elif LISTED_AT in item:
            reader.servers.lists(item, item[LISTED_AT])
        elif item["id"] not in answered and item["type"] != LIST:
            waiting.append(by_id[item["id"]])
    reader.read(waiting)
    del reader.notes[noted:]  # they are for those who send the items
    reader.servers.approvals[:] = [approval for approval in reader.servers.approvals if approval.approve]


def _identified(contents: Sequence[Json]) -> tuple[Json, ...]:
    """With an id for each call, since only the models of some families give them one, and another may go on."""
    return tuple({**content, "parts": [_with_id(part) for part in content["parts"]]} for content in contents)


def _with_id(part: Json) -> Json:
    call = narrow.an_object(part.get("functionCall"))
    if call is None or "id" in call or "zgCallId" not in part:
        return part
    return {**part, "functionCall": {**call, "id": part["zgCallId"]}}

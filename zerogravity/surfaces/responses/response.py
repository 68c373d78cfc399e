"""A turn's state → the Response object and its output items, which the stream builds with the same ``Output``.

A web search is shown before the message that it served; where the answer is streamed, or may be (background), it comes
after the message, since no stream knows it sooner. Images are items of their own, other media messages with a data URI.

Reasoning items are there only if the request asks for them: with a summary for ``reasoning.summary``, with
``encrypted_content`` for ``include: reasoning.encrypted_content``. The latter holds the signatures that stateless
clients must send back: of the thought, and of the call after it with what Google's own tools did before that call. A
call that is signed without a thought gets an empty reasoning item before it; a signed text gets one after it, since a
stream learns the signature last; images hold their own. A thought whose text is not shown is sealed with its signature.
Facts: wire-openai 5, 6; wire-gemini-and-mapping 4, 5, 7.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zerogravity import ids
from zerogravity.core.events import Failed, Finished, Terminal, ToolsListed
from zerogravity.core.fold import Call, Item, Media, Message, Reasoning, TurnState
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.common.grounding import citations, queries, sources
from zerogravity.surfaces.common.sealed_state import TEXT, Carried, seal, state_of_call, state_of_thought
from zerogravity.surfaces.openai import answer as shared
from zerogravity.surfaces.openai.answer import data_uri, is_picture, responses_status, responses_usage
from zerogravity.surfaces.openai.errors import message_of, openai_error
from zerogravity.surfaces.openai.tools import custom_input
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS, call_members
from zerogravity.surfaces.responses.compaction import outcome, summary
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.ids import PREFIXES, response_id
from zerogravity.surfaces.responses.server_calls import call_item as server_call_item
from zerogravity.surfaces.responses.server_calls import gone, list_item, request_item

Json = dict[str, Any]


def answer(turn: Turn, state: TurnState, secret: bytes) -> Answer:
    """The HTTP answer of a finished turn: the Response; of a failed one the error, unless it ran in the background."""
    assert state.terminal is not None, "the turn is not over"
    terminal = outcome(turn, state, state.terminal)
    if isinstance(terminal, Failed) and not turn.background:
        return openai_error(terminal.fault)
    return Answer(200, render(turn, state, secret))


def render(turn: Turn, state: TurnState, secret: bytes, *, status: str = "in_progress") -> Json:
    """The Response as it is now. ``status``: of a turn that is not over (``queued``, ``in_progress``)."""
    if state.terminal is None:
        return unfinished(turn, status)
    output = Output(turn, secret)
    streamed = turn.stream or turn.background
    last = next((item for item in reversed(state.items) if isinstance(item, Message)), None)
    for listing in state.listings:
        output.listed(listing)
    for item in state.items:
        output.opened(item)
        if isinstance(item, Message) and not streamed:
            output.add_search(item.grounding)
            if item is last:
                output.add_search(state.grounding)
        output.closed(item)
    for call in state.function_calls:
        if call.returned is not None:
            output.returned(call)
    output.ended(state, state.terminal)
    return finished(turn, state, state.terminal, output.items)


NEED_USAGE = ("completed", "incomplete")  # clients fail without integers there; elsewhere 0 would be a figure


def unfinished(turn: Turn, status: str) -> Json:
    """A Response without output and usage."""
    return _object(turn, status, [])


def finished(turn: Turn, state: TurnState, terminal: Terminal, output: list[Json]) -> Json:
    """The Response of a finished turn."""
    terminal = outcome(turn, state, terminal)
    status, reason = responses_status(terminal)
    return _object(
        turn,
        status,
        output,
        completed_at=_completed_at(turn, state) if status == "completed" else None,
        error=error(terminal.fault) if isinstance(terminal, Failed) and status == "failed" else None,
        incomplete_details={"reason": reason} if reason else None,
        usage=responses_usage(state.usage) if state.usage.told or status in NEED_USAGE else None,
    )


def refusal(state: TurnState, terminal: Terminal) -> str | None:
    """The text of an answer of which the provider's filter left nothing."""
    return shared.refusal(terminal, shown=state.has_text or state.has_calls or state.has_media)


def error(fault: Fault) -> Json:
    """``{code, message}``; typed clients only accept the codes of the API's closed list."""
    if fault.status == 429:
        code = "rate_limit_exceeded"
    elif 400 <= fault.status < 500 and fault.status not in (408, 409, 424, 499):
        code = "invalid_prompt"
    else:
        code = "server_error"
    return {"code": code, "message": message_of(fault)}


def _object(turn: Turn, status: str, output: list[Json], **known: Any) -> Json:
    """All members, null if there is nothing: strict clients demand every one."""
    return {
        "id": response_id(turn.id),
        "object": "response",
        "created_at": int(turn.created),
        "status": status,
        "completed_at": known.get("completed_at"),
        "error": known.get("error"),
        "incomplete_details": known.get("incomplete_details"),
        "model": turn.answering,
        "output": output,
        "usage": known.get("usage"),
        **turn.details_as(ResponsesDetails).echo,
    }


def _completed_at(turn: Turn, state: TurnState) -> int:
    """In seconds since the epoch, from the times of the records: the same on every read."""
    return int(turn.created + ((state.ended_ns or 0) - (state.began_ns or 0)) / 1e9)


# -- output items --------------------------------------------------------------------------------------------


class Output:
    """Builds the output items as the items of the turn open and close; each method returns those that it completed,
    and the calls that the gateway begins to run: they are in progress until they are returned once more.

    ``items``: all so far, by ``output_index``. ``thinks``: thoughts are shown as text. ``compacts``: the answer is a
    summary, which is shown at its end.
    """

    def __init__(self, turn: Turn, secret: bytes) -> None:
        self.items: list[Json] = []
        details = turn.details_as(ResponsesDetails)
        self.shows_thinking = details.shows_thinking
        self.compacts = details.compacts
        self._turn = turn
        self._secret = secret
        self._encrypted = details.seals_thinking
        self._with_sources = "web_search_call.action.sources" in details.include
        self._one_call = details.one_call
        self._known = details.known
        self._approved = details.approved
        self._called = False
        self._running: dict[str, tuple[int, Call]] = {}  # call id → index of its item, and the call that is run here
        self._carried: set[str] = set()  # ids of calls whose signature is in a reasoning item
        self._searches: list[list[str]] = []
        self._held: Media | None = None  # until something else begins: its signature comes after it

    def next_id(self, kind: str) -> str:
        """The id of the next item, which is of that type: the same on every read."""
        return ids.derive(PREFIXES[kind], self._turn.id, len(self.items))

    def grows(self, item: Item) -> bool:
        """Whether it is streamed in deltas."""
        return isinstance(item, Message) or (isinstance(item, Reasoning) and self.shows_thinking)

    def opened(self, item: Item) -> list[Json]:
        """The items that are complete when ``item`` begins."""
        if self.compacts:
            return []
        begin = len(self.items)
        self._add_held()
        match item:
            case Call(server=server) if server or not (self._one_call and self._called):
                self._called |= not server
                if self._encrypted and item.signature and not item.late and item.call_id not in self._carried:
                    self._reasoning(None, item)
                self._add(self._server_call(item) if server else call_item(self._turn, item))
            case Media():
                self._held = item
            case _:
                pass
        return self.items[begin:]

    def closed(self, item: Item) -> list[Json]:
        """The items that are complete when ``item`` ends."""
        if self.compacts:
            return []
        begin = len(self.items)
        match item:
            case Message():
                text = item.text
                part = text_part(text, [{"type": "url_citation", **each} for each in citations(text, item.grounding)])
                self._add(message_item([part], "incomplete" if item.cut else "completed"))
                if self._encrypted and item.signature:
                    self._add({"type": "reasoning", "summary": [], "encrypted_content": self._signed(item, TEXT)})
                self.add_search(item.grounding)
            case Reasoning() if self.shows_thinking or self._encrypted:
                self._reasoning(item, item.carries)
            case _:
                pass
        return self.items[begin:]

    def listed(self, listing: ToolsListed) -> list[Json]:
        """The tools of a server, unless the dialogue has them already, and what has been approved and is not among
        them: each call at its beginning and at its end."""
        if self.compacts:
            return []
        begin = len(self.items)
        if listing.server not in self._known:
            self._add(list_item(listing))
        made = self.items[begin:]
        for call in gone(self._turn.approvals, listing):
            self._add(self._server_call(replace(call, returned=None)))
            made += self.items[-1], self._over(call)
        return made

    def returned(self, call: Call) -> list[Json]:
        """A call that the gateway has run."""
        return [self._over(call)] if call.call_id in self._running else []

    def _server_call(self, call: Call) -> Json:
        request_id = self._approved.get(call.call_id)
        if call.asks and request_id is None:
            return request_item(call)
        self._running[call.call_id] = len(self.items), call
        return server_call_item(call, request_id)

    def _over(self, call: Call, status: str = "") -> Json:
        index, _ = self._running.pop(call.call_id)
        item = self.items[index] = server_call_item(call, self._approved.get(call.call_id), status)
        return item

    def ended(self, state: TurnState, terminal: Terminal) -> list[Json]:
        """The last items: calls without a result, a search that belongs to no message, a refusal, or the summary."""
        if self.compacts:
            if isinstance(outcome(self._turn, state, terminal), Finished):
                self._add(summary(state, self._secret))
            return self.items
        unfinished = [self._over(call, "incomplete") for _, call in tuple(self._running.values())]
        begin = len(self.items)
        self._add_held()
        self.add_search(state.grounding)
        if why := refusal(state, terminal):
            self._add(message_item([{"type": "refusal", "refusal": why}], "completed"))
        return [*unfinished, *self.items[begin:]]

    def _add(self, item: Json) -> None:
        self.items.append({"id": self.next_id(item["type"]), **item})

    def _add_held(self) -> None:
        """Add the image or file that came last."""
        held, self._held = self._held, None
        if held is not None:
            item = media_item(held)
            if self._encrypted and held.signature and item["type"] == "image_generation_call":
                item["encrypted_content"] = self._signed(held, None)
            self._add(item)

    def _reasoning(self, own: Reasoning | None, call: Call | None) -> None:
        """Add a reasoning item of a thought, of the call after it, or of both."""
        shown = own is not None and self.shows_thinking
        item: Json = {"type": "reasoning", "summary": [summary_part(own.text)] if own is not None and shown else []}
        if self._encrypted:
            family = self._turn.target.family
            carried = state_of_thought(own, family, shown=shown) if own is not None else []
            if call is not None:
                carried += state_of_call(call, family)
                self._carried.add(call.call_id)
            item["encrypted_content"] = seal(self._secret, carried)
        self._add(item)

    def _signed(self, item: Message | Media, mark: str | None) -> str:
        return seal(self._secret, [Carried(item.signature or "", self._turn.target.family, mark)])

    def add_search(self, grounding: Json | None) -> None:
        """Add an item for each search; repeated queries are the same search."""
        if self.compacts:
            return
        searched = queries(grounding)
        if not searched or searched in self._searches:
            return
        self._searches.append(searched)
        action: Json = {"type": "search", "query": searched[0], "queries": searched}
        if self._with_sources:
            action["sources"] = [{"type": "url", "url": url} for url in sources(grounding)]
        self._add({"type": "web_search_call", "status": "completed", "action": action})


def unsealed(item: Json) -> Json:
    """An item as it is when it is added: what it seals is only known when it is done."""
    return {name: value for name, value in item.items() if name != "encrypted_content"}


def message_item(parts: list[Json], status: str) -> Json:
    return {"type": "message", "status": status, "role": "assistant", "content": parts}


def text_part(text: str, annotations: list[Json]) -> Json:
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def summary_part(text: str) -> Json:
    return {"type": "summary_text", "text": text}


def media_item(item: Media) -> Json:
    """Images have an item type of their own in this API; other media are shown as a data URI."""
    if is_picture(item):
        form = item.mime.removeprefix("image/")
        return {"type": "image_generation_call", "status": "completed", "output_format": form, "result": item.data}
    return message_item([text_part(data_uri(item), [])], "completed")


def call_item(turn: Turn, call: Call) -> Json:
    """A whole call, with the name and type that the client declared."""
    key = turn.client_name(call.name)
    base: Json = {"status": "completed", "call_id": call.call_id}
    kind = turn.tool_kinds.get(key)
    if kind in CLIENT_TOOLS:
        return {**call_members(kind, call.args_json), **base}
    named = turn.details_as(ResponsesDetails).namespaces.get(key) or {"name": key}
    if kind == "custom":
        return {"type": "custom_tool_call", **base, **named, "input": custom_input(call.args_json)}
    return {"type": "function_call", **base, **named, "arguments": call.args_json}

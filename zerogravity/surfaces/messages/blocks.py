"""The content blocks of an answer, which its stream and its whole Message build with the same ``Blocks``.

A call's signature travels on a thinking block directly before its ``tool_use``, the only place that every client
returns: on the thought's own, or on one without text. A signature that comes behind its call is not shown, since its
block is over; nor is a text's. Each thinking block is signed, if with nothing: clients take one without a signature for
text. This API has no block for media: a note says that there were some.

Where the request is a web search and nothing else, texts wait for the search that they stand on and come last, cut into
blocks where a citation begins or ends. Beside other tools a text is streamed, with its citations behind it and the
search after it; citations that come when the next block has begun are not shown. A client that declared no search gets
the text alone: Claude Code takes a search that it did not ask for as an error. Facts: wire-anthropic 2.3, 2.4.
"""

from __future__ import annotations

from zerogravity.core.events import Failed, Terminal
from zerogravity.core.fold import Call, Item, Media, Message, Reasoning, TurnState
from zerogravity.core.turn import Turn
from zerogravity.surfaces.common.sealed_state import seal, state_of_call, state_of_thought
from zerogravity.surfaces.messages.citations import cut_text, search_blocks, search_query, text_block
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.surfaces.messages.identifiers import tool_use_id
from zerogravity.surfaces.messages.usage import Json
from zerogravity.wire import narrow


class Blocks:
    """Builds the blocks as the items of the turn open and close; each method returns those that it completed.

    ``made``: all so far, by index; the ``input`` of a call is the source text of its arguments. ``searches``: how many
    of them are searches. ``called``: one is a call of the client's tools; those that the gateway runs have no block.
    """

    def __init__(self, turn: Turn, secret: bytes) -> None:
        self.made: list[Json] = []
        self.searches = 0
        self.called = False
        self._turn = turn
        self._secret = secret
        self._details = turn.details_as(MessagesDetails)
        self._carried: set[str] = set()  # ids of calls whose signature is on the thought before them
        self._searched: set[str] = set()

    def grows(self, item: Item) -> bool:
        """Whether it is sent as it comes: its block is the first of those that ``closed`` completes."""
        match item:
            case Message():
                return self._details.search != "alone"
            case Reasoning():
                return self._details.thoughts != "hidden"
            case _:
                return False

    def opened(self, item: Item) -> list[Json]:
        """The blocks that are complete when ``item`` begins."""
        begin = len(self.made)
        match item:
            case Call() if self._wanted(item):
                self._call(item)
            case Media():
                self.made.append(text_block(f"[{item.mime}: this API cannot show it]"))
            case _:
                pass
        return self.made[begin:]

    def closed(self, item: Item) -> list[Json]:
        """The blocks that are complete when ``item`` ends."""
        begin = len(self.made)
        match item:
            case Message() if self.grows(item):
                self.made.append(text_block(item.text, None if self._details.search == "none" else item.grounding))
                self._search(item.grounding)
            case Reasoning() if self.grows(item):
                self._thought(item)
            case _:
                pass
        return self.made[begin:]

    def ended(self, state: TurnState, terminal: Terminal) -> list[Json]:
        """The last blocks: a search that no text has shown, and texts that waited for theirs."""
        begin = len(self.made)
        if isinstance(terminal, Failed):
            return []
        texts = [item for item in state.items if isinstance(item, Message)] if self._details.search == "alone" else []
        for item in texts:
            self._search(item.grounding)
        self._search(state.grounding)
        for item in texts:
            grounding = state.grounding if item is texts[-1] else None
            self.made += cut_text(item.text, item.grounding or grounding)
        return self.made[begin:]

    def _wanted(self, call: Call | None) -> bool:
        return call is not None and not call.server and not (self._details.one_call and self.called)

    def _call(self, call: Call) -> None:
        if not call.late and call.call_id not in self._carried:
            carried = state_of_call(call, self._turn.target.family)
            if carried:
                self.made.append(thinking_block("", seal(self._secret, carried)))
        self.called = True
        name = self._turn.client_name(call.name)
        self.made.append({"type": "tool_use", "id": tool_use_id(call.call_id), "name": name, "input": call.args_json})

    def _thought(self, thought: Reasoning) -> None:
        family, shown = self._turn.target.family, self._details.thoughts == "shown"
        carried = state_of_thought(thought, family, shown=shown)
        if (call := thought.carries) is not None and self._wanted(call):
            carried += state_of_call(call, family)
            self._carried.add(call.call_id)
        self.made.append(thinking_block(thought.text if shown else "", seal(self._secret, carried)))

    def _search(self, grounding: narrow.Json | None) -> None:
        """Add a search and its result; the same words are the same search."""
        query = None if self._details.search == "none" else search_query(grounding)
        if query is None or query in self._searched:
            return
        self._searched.add(query)
        self.made += search_blocks(self._turn.id, self.searches, query, grounding)
        self.searches += 1


def thinking_block(text: str, signature: str) -> Json:
    return {"type": "thinking", "thinking": text, "signature": signature}

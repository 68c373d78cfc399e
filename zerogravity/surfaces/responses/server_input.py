"""What the input says of MCP servers: their tools, calls that were run here, calls that asked and what the client says.

A call and its result go to Google like those of a function. A request that nobody answers was not approved. Of one that
is approved the result is left open, unless the input has it already, as a client that keeps no response sends it. An
approval is used once: where a turn has been answered since, its call is not run, whatever has become of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from zerogravity.core.turn import Approval, ToolServer, pending
from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.declarations import server_tool
from zerogravity.surfaces.common.history import History
from zerogravity.surfaces.responses.server_calls import CALL, LIST, REQUEST, RESPONSE, call_id, listed_tools
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

ITEMS = (LIST, CALL, REQUEST, RESPONSE)
NOT_APPROVED = "the user has not approved this call, so it was not run"
USED = "what this call has come to is not known any more, and it is not run again"
BROUGHT = ("image_generation_call", "web_search_call", "compaction", "compaction_summary")  # no turn waits behind these
NOT_RUN = "this call has no result: it was not run to its end"


class ServerInput:
    """``model_call``: (call id, key, arguments) of a call of the model. ``notes``: gets what is ignored.
    ``approvals``: what the client says in this input. ``listings``: what it knows of tools. ``now``: wall-clock
    seconds."""

    def __init__(
        self,
        history: History,
        servers: Sequence[ToolServer],
        model_call: Callable[[str, str, str], None],
        notes: list[str],
        now: float,
    ) -> None:
        self.approvals: list[Approval] = []
        self.listings: list[Json] = []
        self._now = now
        self._history = history
        self._labels = {server.label for server in servers}
        self._model_call = model_call
        self._notes = notes
        self._requests: dict[str, Json] = {}  # by id: those that may be answered
        self._answered: set[str] = set()  # ids of the requests that this input answers
        self._passed: set[str] = set()  # … of those that nobody had answered when the dialogue went on
        self._used: set[str] = set()  # … of those whose answers an earlier turn has had
        self._run: set[str] = set()  # ids of the calls that it has as items
        self._due: list[str] = []  # ids of the calls whose results are to come with such items

    @property
    def approved(self) -> dict[str, str]:
        """Ids of the approved calls → ids of the items that asked."""
        return {each.call_id: each.request_id for each in self.approvals if each.approve}

    def begin(self, items: Iterable[Json]) -> None:
        """Look through the input, and the conversation before it, before anything is read."""
        waiting: set[str] = set()
        for item in items:
            if _is(item, REQUEST):
                waiting.add(narrow.text(item.get("id")))
            elif _is(item, RESPONSE):
                self._answered.add(asked := narrow.text(item.get("approval_request_id")))
                waiting.discard(asked)
            elif _is(item, CALL):
                self._run.add(call_id(CALL, narrow.text(item.get("id"))))
            elif ends_a_turn(item):
                self._used |= self._answered
                self._passed |= waiting
                waiting.clear()
            elif item.get("type") in BROUGHT or item.get("role") == "assistant":
                self._used |= self._answered

    def ran(self, items: Iterable[Json]) -> None:
        """Items of an answer that the history gets in Google's form: their results belong to calls that were approved
        before it."""
        for item in items:
            if _is(item, CALL) and self._history.expects(call_id(CALL, narrow.text(item.get("id")))):
                self._called(item, "")

    def asked(self, items: Iterable[Json]) -> None:
        """Items of an answer that the history has in Google's form: their requests may be answered."""
        for item in items:
            if _is(item, REQUEST) and self._history.expects(call_id(REQUEST, narrow.text(item.get("id")))):
                self._ask(item)

    def settle(self) -> None:
        """The dialogue goes on with another answer: by now all calls before it have come to something."""
        for called in self._due:
            if self._history.expects(called):
                self._history.result(called, NOT_RUN, error=True)
        self._due.clear()

    def read(self, kind: str, item: Json, path: str) -> None:
        """Raises FaultError 400 naming the member."""
        match kind:
            case "mcp_list_tools":
                self._list(item, path)
            case "mcp_call":
                self._called(item, path)
            case "mcp_approval_request":
                self._model_call(call_id(REQUEST, fields.required_string(item, "id", path=path)), *_named(item, path))
                self._ask(item)
            case _:
                self._answer(item, path)

    def _list(self, item: Json, path: str) -> None:
        label = fields.required_string(item, "server_label", path=path)
        tools = fields.array(item, "tools", path=path)
        for _ in fields.each_object(tools, f"{path}.tools"):
            pass
        self.lists({**item, "server_label": label, "tools": tools}, self._now)

    def lists(self, item: Json, at: float) -> None:
        """The tools of a server, as they were at that time (wall-clock seconds)."""
        if item["tools"] and not item.get("error"):
            self.listings.append({"server_label": item["server_label"], "tools": listed_tools(item), "at": at})

    def _called(self, item: Json, path: str) -> None:
        called = call_id(CALL, fields.required_string(item, "id", path=path))
        named = _named(item, path)
        if not self._history.expects(called):
            self._model_call(called, *named)
        output = fields.string(item, "output", path=path)
        if item.get("error") is not None or output is None:
            self._history.result(called, _why(item.get("error")), error=True)
        else:
            self._history.result(called, output)

    def _ask(self, item: Json) -> None:
        asked, called = item["id"], call_id(REQUEST, item["id"])
        if called in self._run:
            self._due.append(called)
        if asked in self._answered and asked not in self._passed:
            self._requests[asked] = item
        elif called not in self._run:
            self._history.result(called, NOT_APPROVED, error=True)

    def _answer(self, item: Json, path: str) -> None:
        asked, approve, reason = answer_of(item, path)
        if (request := self._requests.pop(asked, None)) is None:
            raise _unknown(f"No MCP approval request with id '{asked}' waits for an answer.", path)
        called = call_id(REQUEST, asked)
        if approve and called in self._run:
            return
        used = asked in self._used
        if approve and used:
            self._notes.append(f"{path}: an earlier turn has had this approval, so the call is not run")
            self._history.result(called, USED, error=True)
            return
        label = narrow.text(request.get("server_label"))
        if approve and label not in self._labels:
            raise _unknown(f"The MCP server '{label}' of this request is not among the declared tools.", path)
        approval = Approval(
            asked,
            called,
            label,
            narrow.text(request.get("name")),
            narrow.text(request.get("arguments")),
            approve,
        )
        if not used:
            self.approvals.append(approval)
        if approve:
            self._history.result(called, pending(called))
        else:
            self._history.result(called, ". Reason: ".join(filter(None, (NOT_APPROVED, reason))), error=True)


def ends_a_turn(item: Json) -> bool:
    """Whether it is no item but tells, in a conversation, where a turn has ended."""
    return "shown_as" in item and "id" not in item


def answer_of(item: Json, path: str) -> tuple[str, bool, str]:
    """(id of the request, whether it is approved, why) of what the client says. Raises FaultError 400."""
    asked = fields.required_string(item, "approval_request_id", path=path)
    if item.get("approve") is None:
        raise fields.missing(f"{path}.approve")
    return asked, fields.boolean(item, "approve", path=path), fields.string(item, "reason", path=path) or ""


def _is(item: Json, kind: str) -> bool:
    return item.get("type") == kind and isinstance(item.get("id", ""), str)


def _named(item: Json, path: str) -> tuple[str, str]:
    """(key, arguments)"""
    label = fields.required_string(item, "server_label", path=path)
    name = fields.required_string(item, "name", path=path)
    return server_tool(label, name), fields.string(item, "arguments", path=path) or ""


def _why(error: object) -> str:
    """What went wrong, in words."""
    if (given := narrow.an_object(error)) is None:
        return narrow.text(error) or NOT_RUN
    texts = [narrow.text(block.get("text")) for block in narrow.objects(given.get("content"))]
    return narrow.text(given.get("message")) or "\n".join(filter(None, texts)) or jsonio.text(given)


def _unknown(text: str, path: str) -> FaultError:
    return bad_request(text, param=f"{path}.approval_request_id", code="invalid_value")


# -- what is known of tools ----------------------------------------------------------------------------------


def with_listings(servers: Iterable[ToolServer], known: Sequence[Json]) -> tuple[ToolServer, ...]:
    """The servers with what the dialogue knows of their tools; the newest counts."""
    return tuple(replace(server, listed=_listed(server, known)) for server in servers)


def listing(server: ToolServer, tools: Sequence[dict[str, Any]], at: float) -> dict[str, Any]:
    """What a later turn of the dialogue has to know of them. ``at``: wall-clock seconds."""
    return {"server_label": server.label, "of": _mark(server), "tools": list(tools), "at": at}


def fresh(known: Iterable[Json], since: float) -> tuple[Json, ...]:
    """What still counts of it. Earlier versions did not keep when a list was made: that is not known to be fresh."""
    return tuple(entry for entry in known if entry.get("at", 0) >= since)


def _listed(server: ToolServer, known: Sequence[Json]) -> tuple[Json, ...] | None:
    for entry in reversed(known):
        if entry["server_label"] == server.label and entry.get("of", "") in ("", _mark(server)):
            return tuple(entry["tools"])
    return None


def _mark(server: ToolServer) -> str:
    """What the list depends on: the place, and which tools are wanted. A hash, since a URL may be secret."""
    return blake2b(jsonio.dumps([server.url, server.allowed]), digest_size=16).hexdigest()

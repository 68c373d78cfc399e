"""``ServerTools``: how a turn goes on whose model may call MCP tools that the gateway runs.

Before the first round the servers' tools are listed and declared, and the calls are run that the client has approved. A
round that ends with calls of servers' tools is followed by running them, all at once, and by another round with their
results; unless the client has to act first, on calls of its own tools or on calls that ask for its approval: then the
turn ends. Where that is an API without items of such calls, what has been run returns to the model with the client's
next request: the memory of calls keeps it beside the client's own call (``RanCalls``). A server whose tools cannot be
listed ends the turn with 424, as OpenAI's API does; a call that fails does not, and the model is told. Calls beyond
``max_calls`` are not run, and a last round may not make any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from zerogravity.config import Config
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    CallReturned,
    Failed,
    Finished,
    FunctionCall,
    Notice,
    RoundOpened,
    Terminal,
    ToolsListed,
)
from zerogravity.core.fold import Call, TurnState
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import ToolServer, Turn
from zerogravity.errors import Fault, Origin, Termination
from zerogravity.mcp.failures import INVALID_PARAMS, ServerError, protocol
from zerogravity.mcp.listing import tools_of
from zerogravity.mcp.next_request import answered, filled, withdrawn
from zerogravity.mcp.offer import Listed, offer
from zerogravity.mcp.results import failed, returned
from zerogravity.mcp.servers import Endpoint, endpoints
from zerogravity.mcp.sessions import ServerSessions
from zerogravity.rounds import Rule
from zerogravity.surfaces.common.answer_contents import GONE
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

IGNORED = "this call was not run: the limit of calls in one turn has been reached"
LOST = "what MCP tools returned in this answer will not be known to the next one: Google gave its calls no ids"
OF_A_REQUEST = "request"  # in place of a server's name in metrics: only configured ones are a closed set


class ServerTools(Rule):
    """``count``: is told of each call that was run: the server's name, and what it came to. ``assigns_call_ids``: of a
    surface, as ``Surface`` has it."""

    def __init__(
        self,
        config: Config,
        sessions: ServerSessions,
        count: Callable[[str, str], object] = lambda server, outcome: None,
        assigns_call_ids: Callable[[str], bool] = lambda surface: True,
    ) -> None:
        self._config = config
        self._limits = config.limits
        self._sessions = sessions
        self._count = count
        self._assigns_call_ids = assigns_call_ids

    def first(self, turn: Turn) -> Turn:
        self._endpoints(turn)
        return turn

    def _endpoints(self, turn: Turn) -> list[Endpoint]:
        return endpoints(turn.servers, self._config, turn.surface)

    def before(self, turn: Turn) -> Following | None:
        return Following(partial(self._begin, turn)) if turn.servers or turn.approvals else None

    def after(self, running: RunningTurn, terminal: Terminal) -> Following | None:
        if terminal != Finished("tool"):
            return None
        ran = any(call.server for call in _newest_calls(running))
        return Following(self._go_on) if ran or self._is_lost(running) else None

    # -- before the first round of a model -------------------------------------------------------------------

    async def _begin(self, turn: Turn, running: RunningTurn) -> Turn | Terminal:
        where = self._endpoints(turn)
        lists = await asyncio.gather(*map(partial(self._list, running), turn.servers, where))
        if wrong := [(server.label, found) for server, found in zip(turn.servers, lists, strict=True)
                     if isinstance(found, ServerError)]:  # fmt: skip
            running.add(*(ToolsListed(label, error=error.message) for label, error in wrong))
            return Failed(_unlisted(*wrong[0]))
        listed = [
            Listed(server, endpoint, found)
            for server, endpoint, found in zip(turn.servers, where, lists, strict=True)
            if not isinstance(found, ServerError)
        ]
        offered = await asyncio.to_thread(offer, turn, listed)
        known = running.channel.state.listings  # where another model is asked; it may have other names for them
        running.add(*(each for each in offered.listings if each not in known), *offered.notices)
        made = offered.turn
        if turn.approvals:
            results = await self._approved(running, turn)
            made = await asyncio.to_thread(filled, made, results)
        return made if self._left(running) else withdrawn(made, _names(running.channel.state))

    async def _list(self, running: RunningTurn, server: ToolServer, endpoint: Endpoint) -> Sequence[Json] | ServerError:
        if server.listed is not None:
            return list(filter(endpoint.allows, server.listed))
        if (known := running.channel.state.listing(server.label)) is not None:
            return known.tools
        try:
            return await tools_of(await self._sessions.of(running.channel, endpoint), endpoint, self._limits)
        except ServerError as error:
            return error

    async def _approved(self, running: RunningTurn, turn: Turn) -> dict[str, CallReturned]:
        """Run what the client has approved; what each has come to, by call id. An item shows each that is run; once,
        also where another model gets its result."""
        names = {
            (listing.server, tool["name"]): name
            for listing in running.channel.state.listings
            for tool, name in zip(listing.tools, listing.names, strict=True)
        }
        results = dict[str, CallReturned]()
        wanted = [approval for approval in turn.approvals if approval.approve]
        for approval in wanted:
            if (name := names.get((approval.server, approval.tool))) is None:
                results[approval.call_id] = failed(approval.call_id, protocol(INVALID_PARAMS, GONE))
            elif running.channel.state.call(approval.call_id) is None:
                running.add(FunctionCall(approval.call_id, name, approval.args_json))
        state = running.channel.state
        calls = [call for approval in wanted if (call := state.call(approval.call_id)) is not None]
        due = [call for call in calls if call.returned is None]
        await self._run(running, due)
        if due:
            running.add(RoundOpened(turn.target.name))  # what comes now is no part of that answer
        return results | {call.call_id: call.returned for call in calls if call.returned is not None}

    # -- behind a round --------------------------------------------------------------------------------------

    async def _go_on(self, running: RunningTurn) -> Turn | Terminal:
        state = running.channel.state
        items = state.items[state.round.begins_at :]
        calls = [item for item in items if isinstance(item, Call)]
        spent = self._left(running) == 0
        await self._run(running, [call for call in calls if call.server and not call.asks])
        if any(not call.server for call in calls):
            if self._is_lost(running):
                running.add(Notice("mcp_results", LOST))
            return Finished("tool")
        if spent or any(call.returned is None for call in calls):
            return Finished("stop")
        turn = await asyncio.to_thread(answered, running.turn, items)
        last = self._left(running) == 0 or state.rounds >= self._limits.mcp_rounds
        return withdrawn(turn, _names(state)) if last else turn

    def _is_lost(self, running: RunningTurn) -> bool:
        """Whether what has been run here cannot be found again by the client's own call, with which the turn ends."""
        first = next((call for call in _newest_calls(running) if not call.server), None)
        if first is None or first.upstream_id or not any(call.server for call in running.channel.state.function_calls):
            return False
        return not self._assigns_call_ids(running.turn.surface)

    def _left(self, running: RunningTurn) -> int:
        """How many calls may still be run."""
        state, wanted = running.channel.state, running.turn.max_calls
        most = self._limits.mcp_calls if wanted is None else min(wanted, self._limits.mcp_calls)
        ran = sum(call.returned is not None for call in state.function_calls)
        return max(most - ran, 0) if state.rounds <= self._limits.mcp_rounds else 0

    async def _run(self, running: RunningTurn, calls: Iterable[Call]) -> None:
        """Run them, some at a time, and record what each comes to; what is beyond the limit is not run."""
        calls = list(calls)
        left = self._left(running)
        for call in calls[left:]:
            running.add(failed(call.call_id, protocol(INVALID_PARAMS, IGNORED)))
        places = asyncio.Semaphore(self._limits.mcp_parallel)
        where = {endpoint.label: endpoint for endpoint in self._endpoints(running.turn)}

        async def run(call: Call) -> None:
            async with places:
                running.add(await self._call(running.channel, call, where[call.server]))

        async with asyncio.TaskGroup() as group:
            for call in calls[:left]:
                group.create_task(run(call))

    async def _call(self, channel: CascadeChannel, call: Call, endpoint: Endpoint) -> CallReturned:
        try:
            session = await self._sessions.of(channel, endpoint)
            result = await session.call_tool(call.tool, _arguments(call))
            made = await asyncio.to_thread(returned, call.call_id, result, self._limits.mcp_bytes, endpoint.masked)
        except ServerError as error:
            made = failed(call.call_id, error)
        outcome = "ok" if made.error is None else made.error["type"]
        self._count(endpoint.label if endpoint.configured else OF_A_REQUEST, outcome)
        return made


def _newest_calls(running: RunningTurn) -> list[Call]:
    state = running.channel.state
    return [item for item in state.items[state.round.begins_at :] if isinstance(item, Call)]


def _names(state: TurnState) -> set[str]:
    """What Google calls the servers' tools."""
    return {name for listing in state.listings for name in listing.names}


def _arguments(call: Call) -> dict[str, Any]:
    """Raises ServerError for those that are no object."""
    text = call.args_json.strip() or "{}"
    try:
        value = jsonio.loads(text.encode("utf-8", "replace"))
    except ValueError:
        value = None
    if (arguments := narrow.an_object(value)) is None:
        raise protocol(INVALID_PARAMS, "the arguments are not a JSON object")
    return arguments


def _unlisted(label: str, error: ServerError) -> Fault:
    """With the status, the code, the parameter and the beginning of the message that OpenAI's API has for it."""
    text = f"Error retrieving tool list from MCP server: '{label}': {error.message}"
    return Fault(Origin.CLIENT, 424, "http_error", text, param="tools", termination=Termination.REJECTED)

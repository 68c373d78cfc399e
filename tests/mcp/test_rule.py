"""Turns whose model calls MCP tools: what is listed, run, asked and sent next, and how such turns end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from tests.mcp.serving import ECHO, LOOK, Fakes, text
from tests.test_engine import Bench, fault_of, matched, settled
from zerogravity.config import Config, Limits
from zerogravity.cooldowns import Cooldowns
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    RoundOpened,
    Signature,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
)
from zerogravity.core.turn import Approval, Fallback, Target, ToolServer, Turn, pending
from zerogravity.errors import FaultError, Termination, upstream
from zerogravity.failover import Failover
from zerogravity.mcp.failures import gone
from zerogravity.mcp.rule import GONE, IGNORED, LOST, ServerTools
from zerogravity.mcp.sessions import ServerSessions
from zerogravity.surfaces import REGISTRY

NEVER = ToolServer("s", "https://s.example/mcp", approval="never")
ASKS = ToolServer("s", "https://s.example/mcp")
ASKED = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


class Turns(Bench):
    """The engine with the rule; servers made by hand, unless there are other ``sessions``."""

    def __init__(self, limits: Limits | None = None, sessions: ServerSessions | None = None, **config: Any) -> None:
        self.fakes = Fakes()
        self.counted: list[tuple[str, str]] = []
        self.sessions = sessions or ServerSessions(limits or Limits(), self.fakes.connect)
        settings = Config(mcp=True, limits=limits or Limits(), **config)
        rule = ServerTools(
            settings, self.sessions, lambda *call: self.counted.append(call),
            lambda surface: REGISTRY[surface].assigns_call_ids,
        )  # fmt: skip
        super().__init__(rules=[rule], limits=limits)
        self.store.on_closed.append(self.sessions.turn_closed)

    def begin(
        self,
        family: str = "gemini-3-flash",
        request: dict[str, Any] | None = None,
        surface: str = "responses",
        **fields: Any,
    ) -> CascadeChannel:
        number = len(self.channels)
        target = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18", family=family)
        turn = Turn(f"turn_{number:032x}", surface, "gemini-3-flash", target, request or ASKED, **fields)
        channel = self.engine.run(turn)
        self.channels.append(channel)
        return channel

    async def begun(self, *servers: ToolServer, **fields: Any) -> CascadeChannel:
        channel = self.begin(servers=servers or (NEVER,), **fields)
        await self.until(lambda: self.ls.sent or channel.closed)
        return channel

    async def until(self, condition: Any) -> None:
        """Threads take their time."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0)
        await settled()

    async def answers(self, channel: CascadeChannel, *events: Any, end: str = "tool") -> None:
        """Google's answer in the newest round; then what follows."""
        sent = len(self.ls.sent)
        await self.ends(channel, *events, end=end)
        if end == "tool":
            await self.until(lambda: channel.closed or len(self.ls.sent) > sent)
        await settled()

    async def ends(self, channel: CascadeChannel, *events: Any, end: Any = "tool") -> None:
        """Google's answer alone."""
        running = self.inside(channel)
        matched(running)
        running.append(0, b"{}", (AttemptOpened(), *events, AttemptClosed("STOP")))
        running.close(Finished(end))

    def request(self) -> dict[str, Any]:
        """The newest that was sent."""
        return dict(self.ls.sent[-1].google_request)


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Turns]:
    made = Turns()
    yield made
    await over(made)


async def over(bench: Turns) -> None:
    await bench.engine.close(timeout=1)
    await bench.sessions.close()
    assert not bench.tasks
    assert not bench.sessions._open
    assert all(session.closed for session in bench.fakes.made)


def call(number: int = 1, name: str = "s.echo", args: str = '{"text": "x"}', **more: Any) -> FunctionCall:
    return FunctionCall(f"call_{number}", name, args, **more)


def events(channel: CascadeChannel, *kinds: type[Event]) -> list[Any]:
    return [event for record in channel.records for event in record.events if isinstance(event, kinds)]


# -- the loop --------------------------------------------------------------------------------------------------------


async def test_tools_are_listed_offered_called_and_answered(bench: Turns) -> None:
    channel = await bench.begun()
    assert events(channel, ToolsListed)[0].names == ("s.echo", "s.look")
    [tool] = bench.request()["tools"]
    assert [declared["name"] for declared in tool["functionDeclarations"]] == ["s.echo", "s.look"]
    assert tool["functionDeclarations"][0]["parameters"]["properties"] == {"text": {"type": "string"}}
    await bench.answers(channel, ThinkingDelta("hm"), call(signature="sig", upstream_id="up"))
    assert bench.fakes.called == [("echo", {"text": "x"})]
    assert bench.request()["contents"] == [
        *ASKED["contents"],
        {"role": "model", "parts": [
            {"functionCall": {"name": "s.echo", "args": {"text": "x"}, "id": "up"}, "thoughtSignature": "sig"}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "s.echo", "response": {"output": "echo: {'text': 'x'}"}, "id": "up"}}]},
    ]  # fmt: skip
    await bench.answers(channel, TextDelta("done"), end="stop")
    assert (channel.termination, channel.state.text, channel.state.rounds) == (Termination.OK, "done", 2)
    assert events(channel, CallReturned) == [CallReturned("call_1", "echo: {'text': 'x'}")]
    assert bench.counted == [("request", "ok")]
    assert [session.endpoint.label for session in bench.fakes.made] == ["s"]


async def test_a_turn_without_servers_is_as_ever(bench: Turns) -> None:
    channel, running = await bench.turn()
    matched(running)
    running.append(0, b"{}", (AttemptOpened(), FunctionCall("c", "mine", "{}"), AttemptClosed("STOP")))
    running.close(Finished("tool"))
    await settled()
    assert (channel.termination, len(bench.ls.sent)) == (Termination.TOOL, 1)
    assert bench.fakes.made == []


async def test_calls_of_one_answer_run_together_but_not_too_many() -> None:
    bench = Turns(Limits(mcp_parallel=2))
    bench.fakes.hold["echo"] = asyncio.Event()
    channel = await bench.begun()
    answering = asyncio.create_task(bench.answers(channel, *(call(number) for number in range(5))))
    await bench.until(lambda: bench.fakes.made[0].running == 2)
    assert len(bench.ls.sent) == 1
    bench.fakes.hold["echo"].set()
    await answering
    assert (bench.fakes.made[0].most, len(bench.fakes.called)) == (2, 5)
    results = [part["functionResponse"]["id"] for part in bench.request()["contents"][-1]["parts"]]
    assert results == [f"call_{number}" for number in range(5)]
    await over(bench)


@pytest.mark.parametrize(
    ("made", "answer", "error", "said"),
    [
        (call(), text("no such file", isError=True),
         {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "no such file"}]}, "no such file"),
        (call(), gone("it cannot be reached"),
         {"type": "http_error", "code": 503, "message": "it cannot be reached"}, "it cannot be reached"),
        (call(args='{"text": '), text("x"),
         {"type": "mcp_protocol_error", "code": -32602, "message": "the arguments are not a JSON object"},
         "the arguments are not a JSON object"),
        (call(args="[1]"), text("x"),
         {"type": "mcp_protocol_error", "code": -32602, "message": "the arguments are not a JSON object"},
         "the arguments are not a JSON object"),
        (call(), text("x" * (5 << 20)),
         {"type": "http_error", "code": 502}, "its result has"),
    ],
)  # fmt: skip
async def test_a_call_that_fails_is_told_to_the_model(
    bench: Turns, made: FunctionCall, answer: Any, error: dict[str, Any], said: str
) -> None:
    bench.fakes.answers["echo"] = answer
    channel = await bench.begun()
    await bench.answers(channel, made)
    [returned] = events(channel, CallReturned)
    assert returned.error is not None
    assert returned.error | error == returned.error
    [part] = bench.request()["contents"][-1]["parts"]
    assert part["functionResponse"]["response"]["error"].startswith(said)
    assert bench.counted == [("request", error["type"])]
    await bench.answers(channel, TextDelta("sorry"), end="stop")
    assert channel.termination is Termination.OK


async def test_arguments_may_be_missing(bench: Turns) -> None:
    channel = await bench.begun()
    await bench.answers(channel, call(name="s.look", args=""))
    assert bench.fakes.called == [("look", {})]


@pytest.mark.parametrize("family", ["gemini-2.5-flash", "gemini-3-flash", "claude"])
async def test_thoughts_go_back_as_the_family_wants_them(bench: Turns, family: str) -> None:
    channel = await bench.begun(family=family)
    signature = Signature("RXJVQg==" if family == "claude" else "sig", "thought")
    await bench.answers(channel, ThinkingDelta("hm"), signature, TextDelta("I look"), call(upstream_id="up"))
    [_, model, user] = bench.request()["contents"]
    thoughts = [part for part in model["parts"] if part.get("thought")]
    [made] = [part["functionCall"] for part in model["parts"] if "functionCall" in part]
    [response] = [part["functionResponse"] for part in user["parts"]]
    assert bool(made.get("id")) == bool(response.get("id")) == (family != "gemini-2.5-flash")
    if family == "claude":
        assert bench.request()["tools"][0]["functionDeclarations"][1]["parameters"]
    assert thoughts


# -- when the client has to act --------------------------------------------------------------------------------------

MINE = {**ASKED, "tools": [{"functionDeclarations": [{"name": "mine"}]}]}


async def test_a_call_of_the_client_s_own_ends_the_turn_once_the_others_have_run(bench: Turns) -> None:
    channel = await bench.begun(request=MINE)
    await bench.answers(channel, call(), call(2, "mine", "{}"))
    assert (channel.termination, len(bench.ls.sent)) == (Termination.TOOL, 1)
    assert [returned.call_id for returned in events(channel, CallReturned)] == ["call_1"]


@pytest.mark.parametrize("surface", ["gemini", "chat"])
@pytest.mark.parametrize("known", ["up", None])
async def test_what_the_next_request_cannot_bring_back_is_noticed(
    bench: Turns, surface: str, known: str | None
) -> None:
    channel = await bench.begun(request=MINE, surface=surface)
    await bench.answers(channel, call(), call(2, "mine", "{}", upstream_id=known))
    remembered = bench.store.calls.get("call_2")
    assert remembered is not None
    assert remembered.ran is not None
    assert [one.call_id for one in remembered.ran.before] == ["call_1"]
    lost = surface == "gemini" and known is None
    assert [notice.text for notice in channel.state.notices if notice.code == "mcp_results"] == [LOST] * lost


async def test_nor_what_earlier_rounds_have_run(bench: Turns) -> None:
    channel = await bench.begun(request=MINE, surface="gemini")
    await bench.answers(channel, call())
    await bench.answers(channel, call(2, "mine", "{}"))
    assert (channel.termination, channel.state.notices[-1].text) == (Termination.TOOL, LOST)


async def test_a_call_that_asks_ends_the_turn(bench: Turns) -> None:
    rule = ToolServer("s", "https://s.example/mcp", approval={"never": {"read_only": True}})
    channel = await bench.begun(rule)
    assert events(channel, ToolsListed)[0].asks == ("s.echo",)
    await bench.answers(channel, call(), call(2, "s.look", "{}"))
    assert (channel.termination, len(bench.ls.sent)) == (Termination.OK, 1)
    assert bench.fakes.called == [("look", {})]
    assert [(one.tool, one.returned is None) for one in channel.state.function_calls] == [
        ("echo", True),
        ("look", False),
    ]


def asked_before(call_id: str, name: str = "s.echo") -> dict[str, Any]:
    response = {"name": name, "id": call_id, "response": pending(call_id)}
    return {"contents": [
        *ASKED["contents"],
        {"role": "model", "parts": [{"functionCall": {"name": name, "args": {"text": "x"}, "id": call_id}}]},
        {"role": "user", "parts": [{"functionResponse": response}]},
    ]}  # fmt: skip


def approval(tool: str = "echo", approve: bool = True) -> Approval:
    return Approval("mcpr_1", "call_1", "s", tool, '{"text": "x"}', approve)


async def test_an_approved_call_is_run_before_anything_is_sent(bench: Turns) -> None:
    channel = await bench.begun(ASKS, request=asked_before("call_1"), approvals=(approval(),))
    [part] = bench.request()["contents"][-1]["parts"]
    assert part["functionResponse"]["response"] == {"output": "echo: {'text': 'x'}"}
    assert events(channel, ToolsListed, FunctionCall, CallReturned, RoundOpened)[1:] == [
        FunctionCall("call_1", "s.echo", '{"text": "x"}'),
        CallReturned("call_1", "echo: {'text': 'x'}"),
        RoundOpened("gemini-3-flash"),
    ]
    await bench.answers(channel, TextDelta("done"), end="stop")
    assert (channel.termination, channel.state.has_calls) == (Termination.OK, False)


@pytest.mark.parametrize("servers", [(ASKS,), ()])
async def test_an_approved_call_whose_tool_has_gone_is_told_to_the_model(
    bench: Turns, servers: tuple[ToolServer, ...]
) -> None:
    bench.fakes.tools["s"] = [LOOK]
    channel = bench.begin(servers=servers, request=asked_before("call_1"), approvals=(approval(),))
    await bench.until(lambda: bench.ls.sent)
    [part] = bench.request()["contents"][-1]["parts"]
    assert part["functionResponse"]["response"] == {"error": GONE}
    assert bench.fakes.called == []
    assert events(channel, FunctionCall) == []


async def test_a_denied_call_is_not_run(bench: Turns) -> None:
    request = asked_before("call_1")
    request["contents"][-1]["parts"][0]["functionResponse"]["response"] = {"error": "the user said no"}
    await bench.begun(ASKS, request=request, approvals=(approval(approve=False),))
    assert bench.fakes.called == []
    assert bench.request()["contents"] == request["contents"]


# -- limits ------------------------------------------------------------------------------------------------------


def mode(bench: Turns) -> Any:
    return bench.request().get("toolConfig", {}).get("functionCallingConfig")


@pytest.mark.parametrize(
    ("request_", "last"),
    [
        (ASKED, {"mode": "NONE"}),
        (MINE, {"mode": "VALIDATED", "allowedFunctionNames": ["mine"]}),
    ],
)
async def test_calls_beyond_the_limit_are_not_run(bench: Turns, request_: dict[str, Any], last: dict[str, Any]) -> None:
    channel = await bench.begun(request=request_, max_calls=1)
    assert mode(bench) is None
    await bench.answers(channel, call(), call(2))
    assert len(bench.fakes.called) == 1
    ignored = events(channel, CallReturned)
    assert [one.call_id for one in ignored if one.output == IGNORED] == ["call_2"]
    assert mode(bench) == last
    await bench.answers(channel, call(3))
    assert (channel.termination, len(bench.ls.sent), len(bench.fakes.called)) == (Termination.OK, 2, 1)
    assert events(channel, CallReturned)[-1].output == IGNORED


async def test_a_turn_without_any_call_offers_none(bench: Turns) -> None:
    await bench.begun(max_calls=0)
    assert mode(bench) == {"mode": "NONE"}


async def test_an_approved_call_is_one_of_the_turn_s(bench: Turns) -> None:
    await bench.begun(ASKS, request=asked_before("call_1"), approvals=(approval(),), max_calls=1)
    assert len(bench.fakes.called) == 1
    assert mode(bench) == {"mode": "NONE"}


async def test_a_turn_has_so_many_rounds() -> None:
    bench = Turns(Limits(mcp_rounds=2))
    channel = await bench.begun()
    await bench.answers(channel, call(1))
    assert mode(bench) is None
    await bench.answers(channel, call(2))
    assert mode(bench) == {"mode": "NONE"}
    await bench.answers(channel, call(3))
    assert (channel.termination, len(bench.ls.sent), len(bench.fakes.called)) == (Termination.OK, 3, 2)
    await over(bench)


async def test_a_forced_call_is_forced_once(bench: Turns) -> None:
    request = {**ASKED, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}
    channel = await bench.begun(request=request)
    assert mode(bench) == {"mode": "ANY"}
    await bench.answers(channel, call())
    assert mode(bench) == {"mode": "VALIDATED"}


# -- listing -----------------------------------------------------------------------------------------------------


async def test_a_server_whose_tools_cannot_be_listed_ends_the_turn(bench: Turns) -> None:
    bench.fakes.tools["b"] = gone("it cannot be reached")
    channel = await bench.begun(NEVER, ToolServer("b", "https://b.example/mcp"))
    fault = fault_of(channel)
    assert (fault.status, fault.code, fault.param) == (424, "http_error", "tools")
    assert fault.message == "Error retrieving tool list from MCP server: 'b': it cannot be reached"
    assert [(listing.server, listing.error) for listing in channel.state.listings] == [("b", "it cannot be reached")]
    assert bench.ls.calls == []


async def test_tools_that_the_dialogue_knows_are_not_listed_again(bench: Turns) -> None:
    known = ToolServer("s", "https://s.example/mcp", approval="never", listed=(ECHO, LOOK), allowed=["echo"])
    channel = await bench.begun(known)
    assert bench.fakes.made == []
    assert channel.state.listings[0].names == ("s.echo",)
    await bench.answers(channel, call())
    assert [session.listed for session in bench.fakes.made] == [0]


async def test_several_servers_have_their_tools_side_by_side(bench: Turns) -> None:
    other = ToolServer("t", "https://t.example/mcp", approval="never")
    channel = await bench.begun(NEVER, other, request=MINE)
    [tool] = bench.request()["tools"]
    assert [one["name"] for one in tool["functionDeclarations"]] == ["mine", "s.echo", "s.look", "t.echo", "t.look"]
    await bench.answers(channel, call(1, "t.echo"), call(2, "s.echo"))
    assert [(session.endpoint.label, len(session.called)) for session in bench.fakes.made] == [("s", 1), ("t", 1)]


async def test_functions_with_too_many_others_are_refused(bench: Turns) -> None:
    many = [{"name": f"f{number}"} for number in range(511)]
    channel = await bench.begun(request={**ASKED, "tools": [{"functionDeclarations": many}]})
    fault = fault_of(channel)
    assert (fault.status, fault.param) == (400, "tools")


# -- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "shutdown"])
async def test_what_is_being_run_ends_with_the_turn(bench: Turns, how: str) -> None:
    bench.fakes.hold["echo"] = asyncio.Event()
    channel = await bench.begun()
    answering = asyncio.create_task(bench.answers(channel, call()))
    await bench.until(lambda: bench.fakes.called)
    if how == "cancel":
        assert bench.engine.cancel(channel)
    else:
        await bench.engine.close(timeout=1)
    await answering
    await bench.until(lambda: bench.fakes.made[0].closed)
    assert channel.termination is (Termination.CANCELLED if how == "cancel" else Termination.SHUTDOWN)
    assert bench.fakes.made[0].running == 0
    assert events(channel, CallReturned) == []


async def test_a_round_that_fails_ends_the_turn(bench: Turns) -> None:
    channel = await bench.begun()
    await bench.answers(channel, call(), end="length")
    assert (channel.termination, bench.fakes.called) == (Termination.LENGTH, [])


# -- what is refused before there is a turn --------------------------------------------------------------------------


def test_servers_of_requests_are_off_unless_they_are_allowed() -> None:
    rule = ServerTools(Config(), ServerSessions(Limits()))
    turn = Turn(
        "t", "responses", "m", Target("m", "m"), {}, servers=(ToolServer("s", "https://s.example", param="tools[0]"),)
    )
    with pytest.raises(FaultError) as caught:
        rule.first(turn)
    assert (caught.value.fault.status, caught.value.fault.param) == (400, "tools[0]")


# -- another model -------------------------------------------------------------------------------------------------

PRO, OLD = Target("gemini-3.1-pro", "M37", family="gemini-3.1-pro"), Target("old", "M25", family="gemini-2.5")
ROOMLESS = upstream(429, "rate_limit_exceeded", "no room", retry_after=30.0, upstream_status=429)
FORM = {**ASKED, "generationConfig": {"responseMimeType": "application/json"}}


class Moving(Turns):
    """Turns that may move to the models that are named."""

    def __init__(self) -> None:
        super().__init__()
        cooldowns = Cooldowns(3600, lambda: self.clock.now / 1e9)
        failover = Failover(
            cooldowns, clock=self.clock, seen=lambda channel: channel.state.has_text, pause=0, turn_seconds=600
        )
        self.engine._rules = [failover, *self.engine._rules]

    def others(self, request: dict[str, Any], *targets: Target, **fields: Any) -> tuple[Fallback, ...]:
        def ask(target: Target) -> Turn:
            turn = Turn(f"turn_{len(self.channels) - 1:032x}", "responses", "m", target, request)  # type: ignore[arg-type]
            return replace(turn, servers=(NEVER,), served_by=target.name, **fields)

        return tuple(Fallback(target, partial(ask, target)) for target in targets)

    async def fails(self, channel: CascadeChannel) -> None:
        sent = len(self.ls.sent)
        running = self.inside(channel)
        matched(running)
        running.close(Failed(ROOMLESS))
        await self.until(lambda: channel.closed or len(self.ls.sent) > sent)


@pytest_asyncio.fixture
async def moving() -> AsyncIterator[Moving]:
    made = Moving()
    yield made
    await over(made)


async def test_another_model_is_offered_the_same_tools(moving: Moving) -> None:
    """The tools are not listed again."""
    channel = await moving.begun(fallbacks=moving.others(ASKED, PRO))
    first = moving.request()
    await moving.fails(channel)
    assert (moving.ls.sent[-1].target, moving.request()["tools"]) == (PRO, first["tools"])
    assert len(events(channel, ToolsListed)) == len(moving.fakes.made) == 1


async def test_an_approved_call_is_run_once_whichever_model_gets_its_result(moving: Moving) -> None:
    """The client sees it, but the model has said nothing so far."""
    asked = asked_before("call_1")
    channel = await moving.begun(
        ASKS, request=asked, approvals=(approval(),), fallbacks=moving.others(asked, PRO, approvals=(approval(),))
    )
    first = moving.request()["contents"]
    await moving.fails(channel)
    assert (moving.ls.sent[-1].target, moving.request()["contents"]) == (PRO, first)
    assert "pending" not in str(first)
    assert (moving.fakes.called, len(events(channel, FunctionCall))) == ([("echo", {"text": "x"})], 1)
    await moving.answers(channel, TextDelta("It is x."), end="stop")
    assert channel.state.text == "It is x."


async def test_a_model_that_the_back_end_cannot_serve_does_not_have_it_run_again(moving: Moving) -> None:
    asked = asked_before("call_1")
    moving.ls.admits = lambda turn: turn.target != OLD
    channel = await moving.begun(
        ASKS, request=asked, approvals=(approval(),), fallbacks=moving.others(asked, OLD, PRO, approvals=(approval(),))
    )
    await moving.fails(channel)
    assert [turn.target.name for turn in moving.ls.sent] == ["gemini-3-flash", PRO.name]
    assert moving.fakes.called == [("echo", {"text": "x"})]


@pytest.mark.parametrize("others", [(OLD,), (OLD, PRO)], ids=["none is left", "another is left"])
async def test_a_model_that_takes_no_tools_with_the_form_is_passed_over(
    moving: Moving, others: tuple[Target, ...]
) -> None:
    channel = await moving.begun(request=FORM, fallbacks=moving.others(FORM, *others))
    await moving.fails(channel)
    if len(others) == 1:
        assert (fault_of(channel), len(moving.ls.sent)) == (ROOMLESS, 1)
    else:
        assert [turn.target.name for turn in moving.ls.sent] == ["gemini-3-flash", PRO.name]
        assert channel.turn.notes[0].startswith("model: old cannot be asked: This model cannot answer with JSON")


@pytest.mark.parametrize(
    ("first", "second", "name"), [(ASKED, "s.echo", "s.echo_"), ("s.echo", ASKED, "s.echo")], ids=["longer", "shorter"]
)
async def test_a_tool_is_known_by_the_name_that_the_model_has_for_it(
    moving: Moving, first: Any, second: Any, name: str
) -> None:
    """The request for another model may declare other functions of the client's, which have a name first."""
    first, second = (
        each if each is ASKED else {**ASKED, "tools": [{"functionDeclarations": [{"name": each}]}]}
        for each in (first, second)
    )
    channel = await moving.begun(request=first, fallbacks=moving.others(second, PRO))
    await moving.fails(channel)
    [tool] = moving.request()["tools"]
    assert name in [declared["name"] for declared in tool["functionDeclarations"]]
    await moving.answers(channel, call(name=name))
    assert moving.fakes.called == [("echo", {"text": "x"})]
    [listing] = channel.state.listings
    assert listing.names == (name, "s.look")
    if name == "s.echo_":  # the other name is the client's own now
        await moving.answers(channel, call(2, "s.echo"))
        assert (channel.termination, len(moving.fakes.called)) == (Termination.TOOL, 1)

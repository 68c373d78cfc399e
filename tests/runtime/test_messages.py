"""Every message between us and a language server, by the schema inside of Google's binary: what our client sends, in
both forms, and what the stand-in answers."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.runtime.recorded import Kept, Recorder, deprecated, faults
from tests.runtime.schema import Schema
from tests.testing.simulator.ls_support import Ls, RpcFailed, marker, until_idle
from tests.waiting import until
from zerogravity.backends.antigravity import repoint
from zerogravity.backends.antigravity.client import LsClient
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.login import ROWS
from zerogravity.backends.polling.polling import Polling
from zerogravity.config import Limits
from zerogravity.core.registry import MitmStore
from zerogravity.engine import Engine
from zerogravity.errors import FaultError
from zerogravity.testing import builders
from zerogravity.testing.simulator.google import GoogleSimulator, Scenario, call, calls, say
from zerogravity.testing.simulator.language_server import BUILDS, LsOptions
from zerogravity.testing.simulator.language_server.request_members import MEMBERS, OF_2026_09

FLASH = "MODEL_PLACEHOLDER_M18"
PNG = "iVBORw0KGgo="
RUNS = {"runCommand": {"autoCommandConfig": {"autoExecutionPolicy": "CASCADE_COMMANDS_AUTO_EXECUTION_EAGER"}}}
PICTURE = {"mimeType": "image/png", "data": PNG}
IMAGES = ({"base64Data": PNG, "mimeType": "image/png"},)
NOT_SENDING = {"close", "find_better", "call"}  # of LsClient: what makes no request of its own

# What is deprecated and sent to a build by this schema all the same, with the reason
EXCEPTIONS = {
    "StreamCascadeReactiveUpdates": "second choice, once StreamAgentStateUpdates is refused or over: some builds run "
    "no model without a subscriber (F4)",
}


@pytest.fixture(scope="module")
def schema(binary: Path) -> Schema:
    return Schema.of(binary)


@pytest.fixture
async def google() -> AsyncIterator[GoogleSimulator]:
    async with GoogleSimulator(pace=0.0) as running:
        yield running


@pytest.fixture
async def record(google: GoogleSimulator, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Recorder]]]:
    """``await record(build, **habits)`` → a running stand-in in front of the Google stand-in."""
    authority = tmp_path / "google.pem"
    authority.write_bytes(google.ca_pem)
    async with AsyncExitStack() as stack:

        async def make(build: str, **habits: Any) -> Recorder:
            fast = {"endpoint": google.url, "proxy_ca": authority, "retry_s": 0.0, "background": False}
            options = LsOptions(**{**BUILDS.get(build, {}), "one_connection": False, **fast, **habits})
            return await stack.enter_async_context(Recorder(options))

        yield make


@asynccontextmanager
async def client_of(ls: Recorder) -> AsyncIterator[LsClient]:
    client = LsClient(Endpoint(ls.url, ls.csrf))
    yield client
    await client.close()


# -- what our client sends -----------------------------------------------------------------------------------------


async def _follow(client: LsClient, cascade: str) -> None:
    """The streams to their end, which is the cascade's."""
    changes = asyncio.Queue[None]()
    following = asyncio.create_task(client.follow(cascade, lambda: changes.put_nowait(None)))
    await changes.get()
    await client.delete(cascade)
    await following


async def _send(client: LsClient, cascade: str) -> None:
    for model in (FLASH, "1018"):
        await client.send_message(cascade, "sim:text", model=model, images=IMAGES)
    with suppress(FaultError):  # no build of the stand-in goes by Google's names
        await client.send_message(cascade, "sim:text", model="gemini-9-flash")


# every method of the client that sends something
SENDS: dict[str, Callable[[LsClient, str], Awaitable[object]]] = {
    "start_cascade": lambda client, _: client.start_cascade(),
    "send_message": _send,
    "steps": lambda client, cascade: client.steps(cascade, 1),
    "trajectory": lambda client, cascade: client.trajectory(cascade),
    "generator_metadata": lambda client, cascade: client.generator_metadata(cascade),
    "annotate": lambda client, cascade: client.annotate(cascade),
    "cancel": lambda client, cascade: client.cancel(cascade),
    "heartbeat": lambda client, _: client.heartbeat(),
    "user_status": lambda client, _: client.user_status(),
    "models": lambda client, _: client.models(),
    "use_proxy": lambda client, _: client.use_proxy(),
    "follow": _follow,
    "delete": lambda client, _: client.delete(_),
}


def test_every_method_that_sends_is_listed() -> None:
    found = {name for name, _ in inspect.getmembers(LsClient, inspect.iscoroutinefunction) if not name.startswith("_")}
    assert found - NOT_SENDING == set(SENDS)


async def everything_sent(ls: Recorder) -> list[Kept]:
    """By the client, logged in and not."""
    async with client_of(ls) as client:
        for name, send in SENDS.items():
            cascade = await client.start_cascade()
            if name != "send_message":
                await client.send_message(cascade, "sim:text", model=FLASH)
            await send(client, cascade)
        ls.options.logged_in = False
        with pytest.raises(FaultError, match="not logged in"):
            await client.user_status()
        for cascade in ls.cascades.values():
            await until(lambda cascade=cascade: not cascade.running)
    return ls.kept


async def test_what_is_sent_to_a_build_of_this_schema(record: Any, schema: Schema) -> None:
    kept = await everything_sent(await record("2026-09", blocking="always"))
    assert faults(kept, schema) == []
    assert deprecated(kept, schema) == set(EXCEPTIONS)
    refused = [one for one in kept if one.status == 400 or b"unknown field" in one.answer]
    assert not [one.answer for one in refused], "nothing in a form that it does not know"
    sent = {one.method for one in kept}
    assert sent >= {"StreamAgentStateUpdates", "GetAuthStatus", "SendUserCascadeMessage", "SetUserSettings"}


@pytest.mark.parametrize("strict", [False, True])
async def test_what_is_sent_to_an_older_build(record: Any, schema: Schema, strict: bool) -> None:
    """The older form is still of this schema."""
    kept = await everything_sent(await record("2026-03", strict=strict, blocking="always"))
    assert faults(kept, schema) == []
    old = deprecated(kept, schema)
    planner = "SendUserCascadeMessage: cascadeConfig.plannerConfig"
    assert old >= {f"{planner}.conversational", f"{planner}.requestedModel", "SendUserCascadeMessage: images"}
    assert "GetCascadeTrajectorySteps: verbosity" in old


async def test_what_re_pointing_sends(record: Any, schema: Schema) -> None:
    ls = await record("2026-09")
    endpoint = Endpoint(ls.url, ls.csrf)
    for method in repoint.ASK:
        assert await repoint._ask(endpoint, method)
    await repoint._set(endpoint, ls.options.endpoint)
    assert {one.method for one in ls.kept} == {*repoint.ASK, repoint.SET}
    assert (faults(ls.kept, schema), deprecated(ls.kept, schema)) == ([], set())


@pytest.mark.parametrize("frozen", [False, True])
async def test_what_polling_sends(record: Any, schema: Schema, frozen: bool) -> None:
    ls = await record("2026-09", usage="generator", frozen_steps=frozen)
    backend = Polling(url=ls.url, csrf=ls.csrf)
    engine = Engine(MitmStore(time.monotonic_ns), backend, clock=time.monotonic_ns, limits=Limits())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(backend.close)
        stack.push_async_callback(engine.close)
        contents = [{"role": "user", "parts": [{"text": "sim:think"}, {"inlineData": PICTURE}]}]
        channel = engine.run(builders.turn(google_request={"contents": contents}))
        await channel.wait_closed()
        await until(lambda: not engine._tasks)
    sent = {one.method for one in ls.kept}
    assert sent >= {"GetCascadeTrajectorySteps", "GetCascadeTrajectoryGeneratorMetadata"}
    assert any(b'"media"' in one.request for one in ls.kept)
    assert faults(ls.kept, schema) == []
    assert deprecated(ls.kept, schema) <= set(EXCEPTIONS)


# -- what the stand-in answers -------------------------------------------------------------------------------------

PROMPTS = (
    "text", "think", "tool", "parallel", "search-tool", "image", "code", "grounding", "unicode", "max-tokens", "safety",
    "other", "blocked", "429", "403-verify", "503", "drop", "503-mid", "empty", "empty-body", "thinking-only",
    "malformed", "nameless", "no-finish", "garbage", "usage-none",
)  # fmt: skip
AUTH: tuple[dict[str, Any], ...] = tuple({row.member: {row.url: "https://g.co/x"} if row.url else {}} for row in ROWS)


async def read_all(ls: Ls, cascade: str) -> None:
    """Every method that shows a cascade."""
    await ls.steps(cascade)
    await ls.call("GetCascadeTrajectory", cascadeId=cascade)
    await ls.call("GetCascadeTrajectoryGeneratorMetadata", cascadeId=cascade)
    await ls.call("LoadTrajectory", cascadeId=cascade)
    await ls.call("GetAllCascadeTrajectories")
    for method, name in (("StreamAgentStateUpdates", "conversationId"), ("StreamCascadeReactiveUpdates", "id")):
        async for _ in ls.stream(method, **{name: cascade}):
            break


@pytest.mark.parametrize("build", ["", *BUILDS])
async def test_what_the_stand_in_answers(record: Any, google: GoogleSimulator, schema: Schema, build: str) -> None:
    recorder = await record(build, reactive=True, strict=False, retries=1, output_retries=1, invocations=6)
    async with aiohttp.ClientSession() as session:
        ls = Ls(recorder, google, session)
        for prompt in PROMPTS:
            cascade = await ls.turn(f"sim:{prompt}", images=[*IMAGES], config={"plannerConfig": {"toolConfig": RUNS}})
            await read_all(ls, cascade)
        await waiting_and_cancelled(ls)
        await the_rest(ls)
    methods = {*recorder.service.unary, *recorder.service.streaming} - recorder.options.missing
    assert {one.method for one in recorder.kept} >= methods
    assert faults(recorder.kept, schema) == []


async def waiting_and_cancelled(ls: Ls) -> None:
    """A tool that waits for the user; a turn that is cancelled while it streams, another that waits behind it."""
    ls.google.script(calls(call("run_command", {"CommandLine": "ls"})))
    cascade = await ls.start()
    await ls.send(cascade, f"{marker(cascade)} run", blocking=False)
    await until(lambda: any(one.status == "WAITING" for one in ls.simulator.cascades[cascade].steps))
    await read_all(ls, cascade)
    await ls.call("CancelCascadeInvocation", cascadeId=cascade)
    await read_all(ls, cascade)
    ls.google.script(Scenario([*say("x"), (0, asyncio.Event())]))
    cascade = await ls.start()
    await ls.send(cascade, "one", blocking=False)
    await ls.send(cascade, "two", blocking=False)
    await until(lambda: bool(ls.simulator.cascades[cascade].first_text_ns))
    await read_all(ls, cascade)
    await ls.call("CancelCascadeInvocation", cascadeId=cascade)
    await until_idle(ls, cascade)


async def the_rest(ls: Ls) -> None:
    """The user, models, settings, annotations, and what is refused."""
    cascade = await ls.start()
    annotations = {"title": "t", "tags": ["x"], "starred": True, "lastUserViewTime": "2026-11-29T10:00:00Z"}
    await ls.call("UpdateConversationAnnotations", cascadeId=cascade, annotations=annotations)
    await ls.call("GetAllCascadeTrajectories")
    await ls.call("DeleteCascadeTrajectory", cascadeId=cascade)
    await ls.call("SetUserSettings", userSettings={"detectAndUseProxy": "DETECT_AND_USE_PROXY_ENABLED"})
    for method in sorted({*ls.simulator.service.unary} - ls.simulator.options.missing):
        with suppress(RpcFailed):
            await ls.call(method)
    for logged_out in AUTH:
        ls.simulator.options.logged_in, ls.simulator.options.auth = False, logged_out
        for method in ("GetUserStatus", "GetAuthStatus"):
            with suppress(RpcFailed):
                await ls.call(method)


# -- what the stand-in knows of the schema -------------------------------------------------------------------------


def test_the_members_of_the_stand_in_are_those_of_the_schema(schema: Schema) -> None:
    messages = {name: method.input_type for name, method in schema.methods.items() if name in MEMBERS}
    for name in [name for name in MEMBERS if name in messages]:
        _collect(messages[name], messages)
    for name, words in MEMBERS.items():
        listed = {word.partition(":")[0]: word.partition(":")[2] for word in words.split()}
        assert set(listed) == {field.json_name for field in messages[name].fields}, name
        for field in messages[name].fields:
            inner = listed[field.json_name]
            assert not inner or field.message_type.name == inner


def _collect(message: Any, found: dict[str, Any]) -> None:
    """The messages that one is made of, by their short names."""
    for field in message.fields:
        kind = field.message_type
        if kind is not None and kind.name in MEMBERS and kind.name not in found:
            found[kind.name] = kind
            _collect(kind, found)


def test_what_an_older_build_lacks_is_not_deprecated(schema: Schema) -> None:
    messages = {name: method.input_type for name, method in schema.methods.items() if name in MEMBERS}
    for name in [name for name in MEMBERS if name in messages]:
        _collect(messages[name], messages)
    for message, member in OF_2026_09:
        (field,) = [field for field in messages[message].fields if field.json_name == member]
        assert not field.GetOptions().deprecated


def test_the_rows_of_the_login_are_members_of_the_schema(schema: Schema) -> None:
    result = schema.message("exa.language_server_pb.AuthResult")
    details = {field.json_name: field for field in result.oneofs_by_name["failure_details"].fields}
    assert {row.member for row in ROWS} == set(details)
    for row in ROWS:
        names = {field.json_name for field in details[row.member].message_type.fields}
        assert {row.says, row.url} - {""} <= names

"""The commands of mitmproxy's prompt, called by name as a person would."""

from __future__ import annotations

import json
import logging
import re
from contextlib import asynccontextmanager

import aiohttp
import pytest
from mitmproxy import exceptions
from mitmproxy.addons import savehar
from mitmproxy.test import taddons

from tests.capture.test_flow_bodies import SENT, tapped
from tests.conftest import evict
from tests.waiting import until
from zerogravity.capture.commands import Commands, Deps
from zerogravity.core.events import Finished, TextDelta
from zerogravity.core.registry import MitmStore
from zerogravity.errors import bad_request
from zerogravity.observe.health import Health
from zerogravity.observe.recorder import Recorder
from zerogravity.testing import replay_server
from zerogravity.testing.replay_server import ReplayServer


@pytest.fixture
def deps(clock, tmp_path):
    return Deps(MitmStore(clock), tmp_path / "traces", Health(clock))


@pytest.fixture
async def call(deps):
    """``call(name, …)``, with the gateway running or not."""
    commands = Commands()
    commands.deps = deps
    with taddons.context(commands, savehar.SaveHar()) as context:

        def call(name, *arguments):
            return context.master.commands.call_strings(f"zerogravity.{name}", [*map(str, arguments)])

        call.commands = commands
        call.master = context.master
        yield call
        await commands.done()


def recorded(deps, turn):
    recorder = Recorder(deps.traces)
    recorder.attach(deps.store)
    running = deps.store.open(turn)
    running.append(0, b'{"candidates":[{"content":{"parts":[{"text":"Hello"}]}}]}', (TextDelta("Hello"),))
    running.close(Finished("stop"))
    recorder.close()
    return running


async def test_turns(call, deps, make_turn):
    first, second = deps.store.open(make_turn()), deps.store.open(make_turn())
    first.close(Finished("tool"))
    second.mark("queued")
    assert call("turns") == [f"{first.id} done tool", f"{second.id} queued"]
    call.commands.deps = None
    assert call("turns") == []


async def test_health(call, deps):
    assert call("health") == deps.health.line()
    call.commands.deps = None
    assert call("health") == "not running"


async def test_trace(call, deps, make_turn):
    traced = recorded(deps, make_turn())
    flows = [tapped(traced), tapped(traced), tapped(deps.store.open(make_turn()))]
    plain = tapped(traced)
    plain.comment = "a person's own words"
    lines = call.master.commands.call("zerogravity.trace", [*flows, plain])
    assert [line.partition(" ")[0] for line in lines] == [traced.id, flows[2].comment]
    assert lines[0].partition(" ")[2].startswith(str(deps.traces))
    assert lines[1].endswith("not recorded")
    call.commands.deps = None
    with pytest.raises(exceptions.CommandError, match="not running"):
        call.master.commands.call("zerogravity.trace", flows)


async def test_replay(call, deps, make_turn, caplog):
    traced = recorded(deps, make_turn())
    with caplog.at_level(logging.INFO, "zerogravity.capture"):
        call("replay", traced.id, "max")
        await until(lambda: "replaying" in caplog.text)
    url = re.search(rf"replaying {traced.id} on (http://127\.0\.0\.1:\d+)", caplog.text)[1]
    body = {"model": "whatever", "messages": [{"role": "user", "content": "x"}]}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/chat/completions", json=body) as answer:
        assert (await answer.json())["choices"][0]["message"]["content"] == "Hello"


async def test_a_replay_that_cannot_be_stopped_does_not_block_the_others(deps, make_turn, monkeypatch, caplog):
    begun, stopped = [], []

    @asynccontextmanager
    async def serve(*_, **__):
        number = len(begun)
        begun.append(number)
        yield ReplayServer(f"http://replay{number}", None)
        if number == 1:
            raise RuntimeError("our bug")
        stopped.append(number)

    traced, commands = recorded(deps, make_turn()), Commands()
    commands.deps = deps
    monkeypatch.setattr(replay_server, "serve", serve)
    for _ in range(3):
        commands.replay(traced.id, "max")
    await until(lambda: len(begun) == 3)
    await commands.done()
    assert sorted(stopped) == [0, 2]
    assert "our bug" in caplog.text


async def test_a_replay_that_is_refused_says_why(deps, make_turn, monkeypatch, caplog):
    @asynccontextmanager
    async def refuses(*_, **__):
        raise bad_request("the port is taken")
        yield

    traced, commands = recorded(deps, make_turn()), Commands()
    commands.deps = deps
    monkeypatch.setattr(replay_server, "serve", refuses)
    commands.replay(traced.id, "max")
    await commands.done()
    assert "cannot replay: the port is taken" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "reason"), [(("last",), "no traces"), (("turn_x", "0"), "."), (("../x",), "not a turn id")]
)
async def test_replay_of_nothing(call, arguments, reason):
    with pytest.raises(exceptions.CommandError, match=reason):
        call("replay", *arguments)


async def test_har_has_answers_that_still_run(call, deps, make_turn, tmp_path):
    running = tapped(deps.store.open(make_turn()), ended=False)
    gone = tapped(deps.store.open(make_turn()))
    evict(deps.store, gone.comment)
    call.master.commands.call("zerogravity.har", [running, gone], str(tmp_path / "a.har"))
    entries = json.loads((tmp_path / "a.har").read_text())["log"]["entries"]
    assert [entry["response"]["content"]["text"] for entry in entries] == [SENT.decode(), ""]

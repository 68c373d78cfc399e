"""The whole gateway, without mitmproxy: ready only with a language server, what is kept, who may look."""

from __future__ import annotations

import asyncio
import re
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.support import MODEL, SURFACES, ask, request
from tests.redis_server import PASSWORD, RedisServer
from zerogravity import compose
from zerogravity import config as configuration
from zerogravity.backends.antigravity import backend
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.repointed import FILE, Repointed, RepointedFile, own
from zerogravity.backends.base import Backend, Route
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.backends.runtime.settings import Settings
from zerogravity.background import RepeatedTask
from zerogravity.compose import Gateway
from zerogravity.config import Config
from zerogravity.core.budget import SHARES
from zerogravity.engine import Engine
from zerogravity.errors import FaultError
from zerogravity.observe import ls_probe, trace_reader
from zerogravity.observe.health import Check
from zerogravity.observe.recorder import Recorder
from zerogravity.server.app import FrontServer
from zerogravity.store import usage
from zerogravity.store.memory import MemoryStore
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """``await start(own, **settings)`` → a running gateway."""
    async with AsyncExitStack() as stack:

        async def make(own: Backend | None = None, **settings: Any) -> Gateway:
            config = config_of(tmp_path, **settings)
            return await stack.enter_async_context(compose.gateway(config, backend=own))

        yield make


def config_of(tmp_path: Path, **settings: Any) -> Config:
    given = {"listen": "127.0.0.1:0", "data_dir": str(tmp_path / "data"), **settings}
    return configuration.load(given, env={}).config


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def ls(tmp_path: Path) -> AsyncIterator[LanguageServerSimulator]:
    async with GoogleSimulator(tls=False) as google, LanguageServerSimulator(LsOptions(endpoint=google.url)) as running:
        yield running


async def status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url, allow_redirects=False) as answer:
        await answer.read()
        return answer.status


async def ready(http: aiohttp.ClientSession, gateway: Gateway, wanted: int) -> bool:
    async with asyncio.timeout(10):
        while await status(http, f"{gateway.url}/ready") != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return True


async def test_ready_only_with_a_language_server(start: Start, http, ls, monkeypatch) -> None:
    monkeypatch.setattr(ls_probe, "SEARCH_S", 0.01)
    own = Antigravity(url="http://127.0.0.1:9", csrf="x")
    gateway = await start(own)
    assert await status(http, f"{gateway.url}/ready") == 503
    assert await status(http, f"{gateway.url}/health") == 200
    own.ls.endpoint = Endpoint(ls.url, ls.csrf)
    assert await ready(http, gateway, 200)


async def test_a_better_language_server_is_taken_when_it_comes(start: Start, http, ls, monkeypatch) -> None:
    """While an editor starts, a workspace's process may be the only one; it answers, but its calls go elsewhere."""
    monkeypatch.setattr(ls_probe, "RECHECK_S", 0.01)
    monkeypatch.setattr(ls_probe, "SEARCH_S", 0.01)
    given: list[Any] = []
    found = [Endpoint(ls.url, ls.csrf, kind="workspace")]

    async def discover(**more: Any) -> Endpoint:
        given.append(more)
        return found[-1]

    monkeypatch.setattr(backend, "discover", discover)
    gateway = await start(ls_csrf="from-the-user", ls_cert="cert.pem")
    assert await ready(http, gateway, 200)
    async with LanguageServerSimulator(LsOptions(labels={"MODEL_PLACEHOLDER_M37": "Gemini 9 Ultra"})) as better:
        found.append(Endpoint(better.url, better.csrf, kind="core"))
        async with asyncio.timeout(10):
            while "gemini-9-ultra" not in {model.id for model in gateway.services.catalogue.list()}:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert {str(one) for one in given} == {str({"csrf": "from-the-user", "cert": Path("cert.pem")})}


async def test_a_build_that_does_not_know_the_question_is_ready(start: Start, http, ls) -> None:
    ls.options.missing = frozenset({"GetUserStatus"})
    gateway = await start(ls_url=ls.url, ls_csrf=ls.csrf)
    assert await ready(http, gateway, 200)


async def test_models_are_taken_from_the_language_server(start: Start, http, ls) -> None:
    gateway = await start(ls_url=ls.url, ls_csrf=ls.csrf)
    assert await ready(http, gateway, 200)
    assert gateway.services.catalogue.resolve("gemini-3.5-flash-high").ls_model == "MODEL_PLACEHOLDER_M132"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("looked", [True, False], ids=["known", "before the first look"])
async def test_a_name_whose_placeholder_is_another_models_is_gone(
    start: Start, http, ls, monkeypatch, surface: str, stream: bool, looked: bool
) -> None:
    """gpt-5 stands for Gemini 3.1 Pro. Where that is not, nobody else answers under its name."""
    ls.options.labels = {"MODEL_PLACEHOLDER_M37": "Gemini 9 Ultra"}
    if not looked:
        monkeypatch.setattr(backend.Antigravity, "readiness", unfinished)
    gateway = await start(ls_url=ls.url, ls_csrf=ls.csrf, intercept=False)
    if looked:
        assert await ready(http, gateway, 200)
    for model in ("gpt-5", "gemini-3.1-pro"):
        path, body = request(surface, "sim:text", stream=stream)
        path = path.replace("gemini-3-flash", model)
        body |= {"model": model} if "model" in body else {}
        async with http.post(gateway.url + path, json=body) as answer:
            told = await answer.json()
        assert answer.status == 404
        message = told["error"]["message"]
        assert re.search(f"'?{model}'? does not exist or is not offered", message) or model == "gpt-5"
        assert "gemini-9-ultra" in message
        assert not ls.cascades
        for lists in ("/v1/models", "/v1beta/models"):
            assert await status(http, f"{gateway.url}{lists}/{model}") == 404
            async with http.get(gateway.url + lists) as answer:
                listed = await answer.text()
            assert f'{model}"' not in listed
            assert "gemini-9-ultra" in listed


async def unfinished(_: Any) -> None:
    await asyncio.Event().wait()


async def test_without_interception_turns_are_answered_and_counted(tmp_path: Path, http, ls) -> None:
    config = config_of(tmp_path, ls_url=ls.url, ls_csrf=ls.csrf, intercept=False, trace=True)
    body = {"model": "gemini-3-flash", "input": "sim:text"}
    async with (
        compose.gateway(config) as gateway,
        http.post(f"{gateway.url}/v1/responses", json=body) as answer,
    ):
        told = await answer.json()
    assert told["status"] == "completed"
    assert told["output"][-1]["content"][0]["text"]
    data = config.data_path
    (row,) = usage.read(data / "usage.sqlite")
    assert (row.model, row.turns, row.failed) == ("gemini-3-flash", 1, 0)
    assert row.total > 0
    assert list((data / "traces").glob("*/*/turn.json"))
    assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("surface", SURFACES)
async def test_without_interception_every_surface_is_served(start: Start, http, ls, surface) -> None:
    """Text, usage and failures in the surface's own form, streamed and whole; what cannot be served is named."""
    limits = {"cooldown_seconds": 0}  # else the 429 would be about all that follows
    gateway = await start(ls_url=ls.url, ls_csrf=ls.csrf, intercept=False, limits=limits)
    ls.options.retries = 0
    for stream in (True, False):
        said = await ask(gateway, http, surface, "sim:text", stream=stream)
        assert said.text == "Here is an answer in several pieces, as the real one would come."
        assert said.error is None
        refused = await ask(gateway, http, surface, "sim:429", stream=stream)
        assert (refused.status, int(refused.headers["retry-after"]) > 0) == (429, True)
        busy = await ask(gateway, http, surface, f"sim:flaky {stream} {surface}", stream=stream)
        assert busy.status == 503  # trying again is up to the language server
        broken = await ask(gateway, http, surface, "sim:drop", stream=stream)
        assert broken.error
        tools = await ask(gateway, http, surface, "hello", stream=stream, tools=True)
        assert (tools.status, "get_weather" in tools.error["message"]) == (400, True)
        said = await ask(gateway, http, surface, "sim:tool", stream=stream)
        assert "get_weather" not in said.raw.decode()
    ls.options.logged_in = False
    refused = await ask(gateway, http, surface, "sim:text")
    assert refused.status == (403 if surface == "messages" else 401)  # there a 401 is about the client's key


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_turn_that_a_cooldown_refuses_is_one_like_any_other(tmp_path: Path, http, ls, surface: str) -> None:
    """A plain 429, and yet it is counted, traced and one of its program's. Google has not been asked."""
    config = config_of(tmp_path, ls_url=ls.url, ls_csrf=ls.csrf, intercept=False, trace=True)
    ls.options.retries = 0
    async with compose.gateway(config) as gateway:
        failed = await ask(gateway, http, surface, "sim:429")
        cascades = len(ls.cascades)
        for stream in (True, False):
            said = await ask(gateway, http, surface, "hello", stream=stream)
            assert (failed.status, said.status, int(said.headers["retry-after"]) > 0) == (429, 429, True)
            assert "Google was not asked" in said.error["message"]
        asked = {"model": MODEL, "input": "hello", "background": True}
        async with http.post(f"{gateway.url}/run/run1/v1/responses", json=asked) as answer:
            assert answer.status == 429
        assert (len(ls.cascades), gateway.services.runs.totals("run1").failed) == (cascades, 1)
        assert [channel.state.attempts for channel in gateway.services.store][1:] == [0, 0, 0]
    rows = usage.read(config.data_path / "usage.sqlite")
    assert [sum(figures) for figures in zip(*((row.turns, row.failed) for row in rows), strict=True)] == [4, 4]
    assert len(list((config.data_path / "traces").glob("*/*/turn.json"))) == 4


async def test_the_secret_outlives_the_process(tmp_path: Path) -> None:
    secrets = []
    for _ in range(2):
        async with compose.gateway(config_of(tmp_path)) as gateway:
            secrets.append(gateway.services.secret)
    assert secrets[0] == secrets[1]
    assert len(secrets[0]) == 32


async def test_a_data_folder_that_cannot_be_written_costs_only_what_is_kept(tmp_path: Path, caplog) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    async with compose.gateway(config_of(tmp_path, data_dir=str(file / "below"))) as gateway:
        assert len(gateway.services.secret) == 32
        assert "cannot be written" in caplog.text


async def test_re_pointing_needs_somewhere_to_point_to(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="repoint needs a reverse mode"):
        async with compose.gateway(config_of(tmp_path, repoint=True)):
            pass
    assert ours() == []


async def test_what_becomes_of_re_pointing_is_in_the_health(tmp_path: Path, http, ls) -> None:
    config = config_of(tmp_path, repoint=True, ls_url=ls.url, ls_csrf=ls.csrf)
    async with compose.gateway(config, Route(endpoint="http://127.0.0.1:9")) as gateway:
        assert await ready(http, gateway, 200)
        assert "is no language server of this user's processes" in gateway.services.health.degraded["path"]
        assert len(gateway.services.health.on_call) == 1


async def test_a_language_server_that_a_killed_one_has_left_is_put_back(tmp_path: Path, ls, caplog) -> None:
    pid, started = own()
    entry = Repointed(pid, started, ls.url, "http://f:1", "http://127.0.0.1:9", pid, 1.0)
    file = RepointedFile(tmp_path / "data" / FILE)
    file.claim(entry)
    async with compose.gateway(config_of(tmp_path, ls_csrf=ls.csrf, ls_url=ls.url)):
        assert ls.options.endpoint == "http://f:1"
        assert file.entries() == []
    assert "had pointed it; it was put back to http://f:1" in caplog.text
    file.path.unlink()
    file.path.mkdir()
    async with compose.gateway(config_of(tmp_path, ls_csrf=ls.csrf, ls_url=ls.url)):
        assert "which names the language servers that are re-pointed, cannot be used" in caplog.text


@pytest.mark.parametrize(
    ("settings", "there"),
    [
        ({}, True),
        ({"inspector": False}, False),
        ({"listen": "0.0.0.0:0", "key": "k"}, False),
        ({"listen": "0.0.0.0:0", "key": "k", "inspector_token": "chosen-by-me"}, True),
    ],
    ids=["default", "off", "beyond loopback", "beyond loopback, chosen"],
)
async def test_who_may_inspect(start: Start, http, settings, there) -> None:
    gateway = await start(**settings)
    assert (gateway.inspector_url is not None) is there
    assert await status(http, f"{gateway.url}/inspector/") == (401 if there else 404)
    if there:
        assert await status(http, gateway.inspector_url) == 303


async def test_a_taken_port_is_reported(start: Start) -> None:
    gateway = await start()
    with pytest.raises(OSError, match="in use"):
        await start(listen=gateway.url.removeprefix("http://"))


async def test_a_child_that_cannot_start_is_reported(start: Start) -> None:
    with pytest.raises(FaultError, match="cannot be started"):
        await start(ls_command="no-such-program-anywhere {port}")


async def test_the_end_ends_everything(tmp_path: Path, http, ls) -> None:
    before = asyncio.all_tasks()
    async with compose.gateway(config_of(tmp_path, ls_url=ls.url, ls_csrf=ls.csrf)) as gateway:
        assert await ready(http, gateway, 200)
    assert asyncio.all_tasks() - before == set()
    assert ours() == []
    with pytest.raises(aiohttp.ClientConnectorError):
        await status(http, f"{gateway.url}/health")


def ours() -> list[str]:
    """Threads that have been begun beside the turns."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("zerogravity-")]


@pytest.mark.parametrize(
    ("part", "verb"),
    [(RepeatedTask, "stop"), (Engine, "close"), (Antigravity, "close"), (Recorder, "close"), (FrontServer, "stop")],
)
async def test_what_cannot_be_ended_keeps_nothing_else_from_its_end(
    tmp_path: Path, http, ls, part: type, verb: str, monkeypatch
) -> None:
    end = getattr(part, verb)

    def fails(this: Any) -> Any:
        monkeypatch.setattr(part, verb, end)
        if asyncio.iscoroutine(made := end(this)):
            return bug(made)
        raise RuntimeError("our bug")

    async def bug(made: Any) -> None:
        await made
        raise RuntimeError("our bug")

    monkeypatch.setattr(part, verb, fails)
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        config = config_of(tmp_path, ls_url=ls.url, ls_csrf=ls.csrf, trace=True)
        gateway = await stack.enter_async_context(compose.gateway(config))
        assert await ready(http, gateway, 200)
        assert {"zerogravity-usage", "zerogravity-trace"} <= set(ours())
        with pytest.raises(RuntimeError, match="our bug"):
            await stack.pop_all().aclose()
    with pytest.raises(aiohttp.ClientConnectorError):
        await status(http, f"{gateway.url}/health")
    assert asyncio.all_tasks() - before == set()
    assert ours() == []


async def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(FaultError):
        async with compose.gateway(config_of(tmp_path, trace=True, ls_command="no-such-program-anywhere {port}")):
            pass
    assert asyncio.all_tasks() - before == set()
    assert ours() == []


async def test_the_first_start_says_what_is_kept_and_how_to_turn_it_off(
    tmp_path: Path, start: Start, ls, caplog
) -> None:
    settings = {"ls_url": ls.url, "ls_csrf": ls.csrf}
    await start(trace=False, **settings)
    assert "is kept in" not in caplog.text
    assert not (tmp_path / "data" / "traces").exists()
    await start(**settings)
    (line,) = [record.message for record in caplog.records if "is kept in" in record.message]
    assert str(tmp_path / "data" / "traces") in line
    assert "7 days" in line
    assert "512 MiB" in line
    assert "trace = false" in line
    caplog.clear()
    await start(**settings)
    assert "is kept in" not in caplog.text


def test_the_base_starts_nothing(tmp_path: Path) -> None:
    """No file, no thread, no running loop."""
    made = compose.Base.of(config_of(tmp_path, trace=True))
    assert list(tmp_path.iterdir()) == []
    assert ours() == []
    assert list(made.store) == []


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("trace", [False, True], ids=["untraced", "traced"])
async def test_all_that_is_kept_has_one_budget_and_one_gauge(
    start: Start, http, tmp_path: Path, stored: bool, trace: bool
) -> None:
    total = 64 << 20
    more = {"store": str(tmp_path / "responses.db")} if stored else {}
    gateway = await start(ls_url="http://127.0.0.1:9", ls_csrf="x", trace=trace, limits={"store_bytes": total}, **more)
    budget, store, request_sinks = gateway.services.budget, gateway.services.store, gateway.request_sinks
    recorder, bodies = request_sinks._sinks
    bounds = {
        "turns": store._max_bytes,
        "calls": store.calls._max_bytes,
        "bodies": bodies._max_bytes,  # type: ignore[attr-defined]
        **({"traces": 2 * recorder.limits.job_bytes} if trace else {}),  # type: ignore[attr-defined]
    }
    assert {name: budget.share(name) for name in bounds} == bounds
    assert sum(map(budget.share, SHARES)) == total
    assert (budget.share("responses") == 0) is stored
    async with http.get(f"{gateway.url}/metrics") as answer:
        text = await answer.text()
    told = set(re.findall(r'^zg_kept_bytes\{what="(\w+)"\}', text, re.MULTILINE))
    assert told == set(SHARES) - ({"responses"} if stored else set())
    assert float(text.partition("\nzg_kept_limit_bytes ")[2].split()[0]) == total


@pytest.mark.parametrize(
    ("route", "settings", "wanted"),
    [
        (Route(proxy="http://127.0.0.1:1"), {}, "https://generativelanguage.googleapis.com"),
        (Route(proxy="http://127.0.0.1:1"), {"upstream": "http://127.0.0.1:2"}, "http://127.0.0.1:2"),
        (Route(endpoint="http://127.0.0.1:1", google="http://127.0.0.1:3"), {}, "http://127.0.0.1:3"),
    ],
)
async def test_the_google_that_is_looked_for_is_where_calls_go(
    tmp_path: Path, monkeypatch, route: Route, settings: dict[str, Any], wanted: str
) -> None:
    """The runtime's API is another one than an editor's."""
    asked: list[str] = []

    async def google(url: str, *, ca: Path | None) -> Check:
        asked.append(url)
        return Check("google", True, "")

    monkeypatch.setattr(compose.tls_probe, "google", google)
    probe = compose._google_probe(config_of(tmp_path, **settings), route, Runtime(Settings(), route).google)
    assert probe is not None
    await probe()
    assert asked == [wanted]


@pytest.mark.parametrize("passive", [False, True])
async def test_a_google_that_does_not_know_an_editors_calls_is_fine_for_other_programs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, passive: bool
) -> None:
    given = {"data_dir": str(tmp_path), "ls": "editor", "capture_passive": passive}
    base = compose.Base.of(configuration.load(given, env={}).config)
    route = Route(endpoint="http://127.0.0.1:9", google="https://generativelanguage.googleapis.com")
    await (await compose._backend(base, route)).close()
    assert ("does not serve the calls of an editor's language server" in caplog.text) is not passive


async def spoken(gateway: Gateway, http: aiohttp.ClientSession, *messages: dict[str, str]) -> dict[str, str]:
    """The answer to a Chat request of these messages, as a message."""
    body = {"model": "gemini-3-flash", "messages": messages}
    headers = {"User-Agent": "OpenAI/Python 3.54.0"}
    async with http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as answer:
        return (await answer.json())["choices"][0]["message"]


async def rows(gateway: Gateway, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
    """The turns that the inspector shows, oldest first, as soon as each has been placed."""
    assert gateway.inspector_url is not None
    async with http.get(gateway.inspector_url) as answer:
        assert answer.status == 200
    async with asyncio.timeout(10):
        while True:
            async with http.get(f"{gateway.url}/inspector/api/turns") as answer:
                found = (await answer.json())["turns"]
            if all(row["session"] for row in found):
                return sorted(found, key=lambda row: row["received_ms"] or row["created"])
            await asyncio.sleep(0)


@pytest.mark.parametrize("trace", [True, False])
async def test_turns_of_one_conversation_are_one_session_with_traces_and_without(
    tmp_path: Path, ls, trace: bool
) -> None:
    config = config_of(tmp_path, ls_url=ls.url, ls_csrf=ls.csrf, intercept=False, trace=trace)
    jar = aiohttp.CookieJar(unsafe=True)
    first, second = ({"role": "user", "content": f"sim:text {word}"} for word in ("one", "two"))
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        async with compose.gateway(config) as gateway:
            said = await spoken(gateway, http, first)
            await spoken(gateway, http, first, said, second)
            await spoken(gateway, http, first)
            one, two, other = await rows(gateway, http)
        assert one["session"] == two["session"] != other["session"]
        assert (two["previous"], two["fresh"], two["branch"], two["client"]) == (one["id"], 2, "", "openai-python")
        if not trace:
            return
        recorded = {found.id: found.info for found in trace_reader.scan(config.trace_path)}
        for row in (one, two, other):
            assert all(recorded[row["id"]][name] == row[name] for name in ("session", "previous", "fresh", "client"))
        async with compose.gateway(config) as gateway:  # which knows them again
            again = {"role": "user", "content": "sim:text three"}
            await spoken(gateway, http, first, said, again)
            found = [row for row in await rows(gateway, http) if not row["stored"]]
        (last,) = found[-1:]
        assert (last["session"], last["previous"], last["branch"]) == (other["session"], other["id"], "")


NOBODY_THERE = "redis://:between@127.0.0.1:1/0"


async def test_a_redis_that_is_away_prevents_the_start(start: Start) -> None:
    with pytest.raises(FaultError, match=r"Redis at redis://127\.0\.0\.1:1/0 cannot be used") as caught:
        await start(ls_url="http://127.0.0.1:9", ls_csrf="x", store=NOBODY_THERE)
    assert "store_required = false" in caught.value.fault.full_message


async def test_a_redis_that_is_away_and_not_required_is_replaced_by_memory(start: Start, http, caplog) -> None:
    gateway = await start(ls_url="http://127.0.0.1:9", ls_csrf="x", store=NOBODY_THERE, store_required=False)
    assert isinstance(gateway.services.responses, MemoryStore)
    assert gateway.services.budget.share("responses") > 0
    told = "Redis at redis://127.0.0.1:1/0 cannot be used"
    for path, status in (("health", 200), ("ready", 503)):
        async with http.get(f"{gateway.url}/{path}") as answer:
            assert answer.status == status
            told_there = (await answer.json())["degraded"]["store"]
            assert told in told_there and "kept in memory until the next start" in told_there
    assert told in caplog.text and "between" not in caplog.text


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[RedisServer]:
    """It takes connections, and answers nothing."""
    with RedisServer(tmp_path / "redis") as server:
        server.pause()
        yield server


BOUND_S = 30.0  # several times what the start waits for


async def test_a_redis_that_hangs_prevents_the_start_in_a_bounded_time(start: Start, hanging: RedisServer) -> None:
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(FaultError, match=r"cannot be used") as caught:
            await start(ls_url="http://127.0.0.1:9", ls_csrf="x", store=hanging.url)
    text = caught.value.fault.full_message
    assert f"Redis at redis://127.0.0.1:{hanging.port}/0" in text and "store_required = false" in text
    assert PASSWORD not in text


async def test_a_redis_that_hangs_and_is_not_required_is_replaced_by_memory_in_a_bounded_time(
    start: Start, http, hanging: RedisServer
) -> None:
    async with asyncio.timeout(BOUND_S):
        gateway = await start(ls_url="http://127.0.0.1:9", ls_csrf="x", store=hanging.url, store_required=False)
    assert isinstance(gateway.services.responses, MemoryStore)
    async with http.get(f"{gateway.url}/ready") as answer:
        told = (await answer.json())["degraded"]["store"]
    assert f"Redis at redis://127.0.0.1:{hanging.port}/0 cannot be used" in told
    assert "kept in memory until the next start" in told and PASSWORD not in told


@pytest.mark.parametrize("store", ["redis://:between@127.0.0.1:1/0?nonsense=1"])
async def test_a_mistake_is_no_server_that_is_away(start: Start, store: str) -> None:
    with pytest.raises(FaultError, match="a parameter that Redis clients do not know"):
        await start(ls_url="http://127.0.0.1:9", ls_csrf="x", store=store, store_required=False)

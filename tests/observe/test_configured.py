"""The configured path, hop by hop: each hop broken in each of its ways, and what to do about it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest

from tests.ports import free_port
from tests.redis_server import PASSWORD, RedisServer
from zerogravity.backends.antigravity.client import Endpoint
from zerogravity.backends.antigravity.discover import Found, Process
from zerogravity.backends.antigravity.repointed import FILE, Repointed, RepointedFile, own
from zerogravity.config import load, url_of
from zerogravity.errors import Termination, language_server
from zerogravity.observe import configured
from zerogravity.observe.health import Health
from zerogravity.store.redis import server as redis_server
from zerogravity.store.redis.server import Described
from zerogravity.testing.replay_server import in_thread
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

TOKEN = "csrf-token-of-this-one"


def config(**settings):
    return load(settings, env={"ZEROGRAVITY_CONFIG": "/dev/null"}).config


def found(port, **more):
    process = {"cloud_code_endpoint": "http://127.0.0.1:8742", **more}
    return Found(Process(11, "core", TOKEN, (port,), **process), Endpoint(f"https://127.0.0.1:{port}", TOKEN), True)


async def all_of(checks):
    made = [check async for check in checks]
    assert all(check.ok or check.fix for check in made)
    assert TOKEN not in repr(made)
    return made


@pytest.fixture
async def ls():
    async with LanguageServerSimulator(LsOptions(csrf=TOKEN)) as running:
        yield running


# -- language server -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "ok", "text", "fix"),
    [
        ({}, True, "accepts our token and is logged in", ""),
        ({"ls_csrf": "wrong"}, False, "refused our CSRF token", "ls-csrf"),
        ({"ls_csrf": None}, False, "requires a token, and none is set", "ZEROGRAVITY_LS_CSRF"),
        ({"ls_url": "http://127.0.0.1:1"}, False, "nothing answers at http://127.0.0.1:1", "zerogravity ls"),
        ({"ls_cert": "/no/such/file.pem"}, False, "cannot be read", "ls"),
    ],
)
async def test_the_given_one_is_asked_with_the_given_token(ls, settings, ok, text, fix):
    given = {"ls_url": ls.url, "ls_csrf": TOKEN, **settings}
    (check,) = await all_of(configured.language_server(config(**given), [found(1)], 8742))
    assert (check.name, check.ok) == ("language_server", ok)
    assert text in check.text
    assert fix in check.fix


async def test_the_given_one_is_not_logged_in(ls):
    ls.options.logged_in = False
    (check,) = await all_of(configured.language_server(config(ls_url=ls.url, ls_csrf=TOKEN), [], 8742))
    assert not check.ok
    assert "not logged in" in check.text


async def test_a_build_that_does_not_know_the_question_may_serve_turns(ls):
    ls.options.missing = frozenset({"GetUserStatus"})
    (check,) = await all_of(configured.language_server(config(ls_url=ls.url, ls_csrf=TOKEN), [], 8742))
    assert check.ok
    assert "answers" in check.text


@pytest.mark.parametrize(
    ("process", "ok", "fix"),
    [
        ({}, True, ""),
        ({"cloud_code_endpoint": None}, False, "--cloud_code_endpoint http://127.0.0.1:8742"),
        ({"cloud_code_endpoint": "http://127.0.0.1:9000"}, True, "--proxy-port 9000"),
    ],
)
async def test_the_way_of_the_given_ones_calls_is_looked_up(ls, process, ok, fix):
    port = int(ls.url.rpartition(":")[2])
    settings = config(ls_url=ls.url, ls_csrf=TOKEN)
    _, route = await all_of(configured.language_server(settings, [found(port, **process)], 8742))
    assert (route.name, route.ok) == ("route", ok)
    assert fix in route.fix
    without = config(ls_url=ls.url, ls_csrf=TOKEN, intercept=False)
    assert len(await all_of(configured.language_server(without, [found(port, **process)], 8742))) == 1


@pytest.mark.parametrize(
    ("line", "ok"),
    [(f"{sys.executable} -c pass", True), ("no-such-program x", False), ("'open quote", False), ("", False)],
)
async def test_a_command(line, ok):
    assert configured.command(line).ok is ok


async def test_whichever_runs():
    (check,) = await all_of(configured.language_server(config(), [found(42100)], 8742))
    assert (check.ok, "https://127.0.0.1:42100" in check.text) == (True, True)
    (check,) = await all_of(configured.language_server(config(), [], 8742))
    assert "no language server is running" in check.text


@pytest.mark.parametrize(
    ("settings", "servers", "route"),
    [
        ({}, [], None),
        ({}, [found(9)], ("https://127.0.0.1:9", False, 8742)),
        ({}, [found(9, cloud_code_endpoint=None, proxy="http://localhost:90")], ("https://127.0.0.1:9", True, 90)),
        ({}, [found(9, cloud_code_endpoint=None)], None),
        ({"ls_url": "https://127.0.0.1:7"}, [found(9)], ("https://127.0.0.1:7", False, 8742)),
        ({"ls_url": "https://127.0.0.1:7", "mode": "proxy"}, [], ("https://127.0.0.1:7", True, 8742)),
        ({"ls_url": "https://127.0.0.1:7/"}, [found(7, cloud_code_endpoint="http://[::1]:81")],
         ("https://127.0.0.1:7", False, 81)),
    ],
)  # fmt: skip
def test_which_server_a_turn_goes_to(settings, servers, route):
    made = configured.route_of(config(**settings), servers, 8742)
    assert (None if made is None else (made.endpoint.url, made.by_proxy, made.port)) == route


async def test_serve_re_points_whichever_runs(ls):
    port = int(ls.url.rpartition(":")[2])
    straight = found(port, cloud_code_endpoint=None)
    for settings in ({}, {"ls_url": ls.url, "ls_csrf": TOKEN}):
        *_, check = await all_of(configured.language_server(config(repoint=True, **settings), [straight], 8742))
        assert (check.ok, check.fix, "serve re-points it" in check.text) == (True, "", True)


# -- one that was killed -------------------------------------------------------------------------------------------


def left_behind(tmp_path, **more):
    """The state of a gateway that runs (``by_started``), or was killed."""
    pid, started = own()
    entry = Repointed(pid, started, "http://127.0.0.1:9", "http://f:1", "http://127.0.0.1:8742", pid, started)
    RepointedFile(tmp_path / FILE).claim(replace(entry, **more))
    return pid


async def test_what_a_killed_gateway_has_left_is_put_back(tmp_path, ls):
    settings = config(data_dir=str(tmp_path), ls_csrf=TOKEN)
    assert await all_of(configured.leftovers(settings)) == []
    left_behind(tmp_path)
    assert await all_of(configured.leftovers(settings)) == []
    left_behind(tmp_path, by_started=1.0)
    (check,) = await all_of(configured.leftovers(settings))
    assert (check.name, check.ok, check.fix) == ("repointed", False, "restart the editor")
    left_behind(tmp_path, by_started=1.0, url=ls.url)
    (check,) = await all_of(configured.leftovers(settings))
    assert (check.ok, check.fix) == (True, "")
    assert check.text.endswith("it was put back to http://f:1")
    assert ls.options.endpoint == "http://f:1"
    assert await all_of(configured.leftovers(settings)) == []


async def test_the_route_that_a_gateway_has_given(tmp_path):
    settings = config(data_dir=str(tmp_path))
    pid = left_behind(tmp_path)
    one = replace(found(9), process=Process(pid, "core", TOKEN))
    (marked,) = configured.with_repointed(settings, [one])
    assert marked.process.route == "re-pointed to http://127.0.0.1:8742 by zerogravity"


async def test_a_state_that_cannot_be_read_is_reported(tmp_path):
    settings = config(data_dir=str(tmp_path))
    (tmp_path / FILE).mkdir()
    (check,) = await all_of(configured.leftovers(settings))
    assert not check.ok
    assert str(tmp_path / FILE) in check.text
    assert configured.with_repointed(settings, [found(9)]) == [found(9)]


# -- a gateway that runs -------------------------------------------------------------------------------------------


def nothing(_):
    raise AssertionError("nobody asks for a turn")


async def test_checks_of_the_running_gateway(clock):
    health = Health(clock)
    with in_thread(nothing, services={"health": health}) as url:
        settings = config(listen=url.removeprefix("http://"))
        fine = await all_of(configured.running(settings, url))
        health.ls_checked(language_server(502, "ls_refused", "token refused", Termination.LS_REFUSED, remedy="Set it."))
        _, broken, *_ = await all_of(configured.running(settings, url))
    names = ["running.server", "running.language_server", "running.path", "running.google"]
    assert [(check.name, check.ok) for check in fine] == [(name, True) for name in names]
    assert (broken.name, broken.ok, broken.fix) == ("running.language_server", False, "Set it.")
    assert broken.text.startswith("token refused (since ")


async def test_a_running_gateway_that_wants_a_key_says_only_whether_it_is_ready(clock):
    services = {"health": Health(clock), "config": config(listen="127.0.0.1:0", key="zg-right-key-0123456789")}
    with in_thread(nothing, services=services) as url:
        (check,) = await all_of(configured.running(config(listen=url.removeprefix("http://")), url))
    assert (check.name, check.ok, check.fix) == ("running", True, "set ZEROGRAVITY_KEY to the gateway's key")


async def test_one_that_does_not_tell():
    url = url_of("127.0.0.1", free_port())
    (check,) = await all_of(configured.running(config(), url))
    assert (check.name, check.ok) == ("running", False)


@pytest.mark.parametrize(
    ("settings", "checks"),
    [
        ({}, []),
        ({"mcp": True}, [("mcp", True, "servers of requests are on; configured: none")]),
        ({"mcp_servers": {"web": {"url": "http://127.0.0.1:1/mcp"}, "here": {"command": sys.executable}}},
         [("mcp", True, "servers of requests are off; configured: web, here")]),
        ({"mcp_servers": {"files": {"command": "no-such-command-here"}}},
         [("mcp", True, "servers of requests are off; configured: files"),
          ("mcp.files", False, "no-such-command-here, the command of the MCP server files, was not found")]),
    ],
)  # fmt: skip
async def test_mcp_servers(settings, checks):
    found = await all_of(configured.mcp_servers(config(**settings)))
    assert [(check.name, check.ok, check.text) for check in found] == checks


async def test_the_package_for_mcp_servers_is_missing(monkeypatch):
    monkeypatch.setattr(configured, "find_spec", lambda name: None)
    [check] = await all_of(configured.mcp_servers(config(mcp=True)))
    assert check.fix == "run: pip install 'zerogravity[mcp]'"


async def test_a_store_that_is_no_server_needs_no_check():
    assert await all_of(configured.store(config())) == []
    assert await all_of(configured.store(config(store="responses.db"))) == []


async def test_a_redis_server_answers_or_does_not(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    try:
        [check] = await all_of(configured.store(config(store=server.url)))
        assert (check.name, check.ok, check.fix) == ("store", True, "")
        assert re.fullmatch(rf"Redis [\d.]+ at redis://127\.0\.0\.1:{server.port}/0 answers", check.text)
    finally:
        server.kill()
    [check] = await all_of(configured.store(config(store=server.url)))
    assert not check.ok and "cannot be used" in check.text and PASSWORD not in check.text
    [check] = await all_of(configured.store(config(store=server.url, store_required=False)))
    assert check.ok and check.fix, "a warning"
    [check] = await all_of(configured.store(config(store=f"{server.url}?nonsense=1")))
    assert not check.ok and "a parameter that Redis clients do not know" in check.text


async def test_a_redis_server_that_evicts_responses_is_warned_of(monkeypatch):
    async def evicts(_: str) -> Described:
        return Described("7.0", evicts=True)

    monkeypatch.setattr(redis_server, "described", evicts)
    [check] = await all_of(configured.store(config(store="redis://host")))
    assert check.ok and "maxmemory-policy" in check.fix


async def test_the_package_for_redis_is_missing(monkeypatch):
    monkeypatch.setattr(configured, "find_spec", lambda name: None)
    [check] = await all_of(configured.store(config(store="redis://host")))
    assert check.fix == "run: pip install 'zerogravity[redis]'"

"""Figures out of the exposition text, and what a person sees of them."""

from __future__ import annotations

import json
import math
import re

import pytest
from aiohttp import web
from rich.console import Console

from zerogravity.core.events import AttemptOpened, Failed, Finished, TextDelta, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.errors import upstream
from zerogravity.observe.health import Check, Failure
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.quotas import Quota
from zerogravity.observe.status import Status, fetch, figures, quantile, render, seconds
from zerogravity.surfaces import REGISTRY

UNUSED = {"name": "files", "kind": "stdio", "reachable": None, "seen": None}
WORKS = [Check("server", True, "answering")]
RESETS = "2096-10-02T07:06:40.000Z"


@pytest.fixture
def told(clock, make_turn):
    """The metrics of two good turns, a failed one and a running one."""
    metrics, store = Metrics(REGISTRY), MitmStore(clock)
    metrics.watch(store)
    metrics.gauge("zg_queue_waiting", "waiting", lambda: 3)
    metrics.loop_lag.set(0.0042)
    for surface, wait in (("chat", 0.4), ("gemini", 4)):
        running = store.open(make_turn(surface=surface))
        clock.advance(wait)
        running.append(0, b"", (AttemptOpened(),))
        running.append(0, b"{}", (TextDelta("x"), Usage(1000, 0, 200, 30, 0, 1230)))
        running.close(Finished("stop"))
    store.open(make_turn()).close(Failed(upstream(500, "x", "x")))
    store.open(make_turn()).channel.cursor()
    metrics.failed_open("request")
    return metrics.render().decode()


def text_of(status, width=100):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(render(status))
    return console.export_text()


def test_figures(told):
    found = figures(told)
    assert found.turns == {"ok": 2, "upstream_status": 1}
    assert found.tokens == {"input": 2000, "output": 400, "thinking": 60}
    assert found.times["zg_first_text_seconds"] == (2, 0.5, 5)
    assert found.times["zg_turn_seconds"] == (3, 0.5, 5)
    assert "zg_first_thinking_seconds" not in found.times
    assert found.now["zg_queue_waiting"] == 3
    assert (found.now["zg_turns_active"], found.now["zg_readers"]) == (1, 1)
    assert found.trouble == {"zg_fail_open_total": 1}


@pytest.mark.parametrize(
    ("buckets", "part", "bound"),
    [
        ({1: 1, 2: 1, math.inf: 1}, 0.5, 1),
        ({1: 0, 2: 10, math.inf: 10}, 0.5, 2),
        ({1: 5, 2: 9, math.inf: 10}, 0.5, 1),
        ({1: 5, 2: 9, math.inf: 10}, 0.95, math.inf),
    ],
)
def test_quantile(buckets, part, bound):
    assert quantile(buckets, part) == bound


@pytest.mark.parametrize(
    ("bound", "text"), [(0.001, "1 ms"), (0.25, "250 ms"), (1, "1 s"), (1800, "1800 s"), (math.inf, "longer")]
)
def test_seconds(bound, text):
    assert seconds(bound) == text


def test_a_person_sees_it(told):
    page = text_of(Status("http://127.0.0.1:8741", True, WORKS, figures(told)))
    assert "http://127.0.0.1:8741  ready" in page
    assert "1 running · 3 waiting · 1 readers · 4 in memory" in page
    assert "loop lag 4 ms" in page
    assert "turns    ok 2 · upstream_status 1" in page
    assert "tokens   input 2,000 · output 400 · thinking 60" in page
    assert "failed open: 1" in page
    (line,) = [line for line in page.splitlines() if line.startswith("first text")]
    assert line.split() == ["first", "text", "2", "500", "ms", "5", "s"]


def test_what_is_left_of_the_quotas_is_shown_where_it_is_known(told):
    quota = [Quota("a", 0.5, 4_000_000_000.0), Quota("b", 0.5, 4_000_000_000.0), Quota("c", 0.83)]
    page = text_of(Status("http://127.0.0.1:1", True, WORKS, figures(told), quota=quota), width=160).splitlines()
    assert re.fullmatch(r"quota    50% left, resets at \d\d-\d\d \d\d:\d\d \(in .*\): a, b *", page[1])
    assert page[2].rstrip() == "         83% left: c"
    assert "quota" not in text_of(Status("http://127.0.0.1:1", True, WORKS, figures(told)))


def test_configured_mcp_servers_are_listed_with_what_is_known_of_them():
    servers = [
        {"name": "docs", "kind": "http", "reachable": True, "seen": RESETS},
        UNUSED,
    ]
    page = text_of(Status("http://127.0.0.1:1", True, WORKS, None, mcp_servers=servers)).splitlines()
    assert re.fullmatch(r"mcp      docs \(http\): reachable \(\d\d-\d\d \d\d:\d\d\) *", page[1])
    assert page[2].rstrip() == "         files (stdio): not used yet"
    assert "mcp" not in text_of(Status("http://127.0.0.1:1", True, WORKS, None))


def test_what_is_broken_is_named():
    checks = [
        Check("server", True, "answering"),
        Check("path", False, "no call seen", "point it here", since=1e9, failure=Failure(1e9, "x", "no call seen", 3)),
        Check("google", True, "answers; the last failure: quota", "wait"),
    ]
    page = text_of(Status("http://127.0.0.1:1", False, checks, None))
    assert "not ready" in page
    assert re.search(r"path: no call seen \(since \d\d:46:40, 3 times\) → point it here", page)
    assert "google: answers; the last failure: quota → wait" in page
    assert "answering" not in page
    assert "no metrics" in page


def test_without_the_key_it_says_what_is_missing(told):
    page = text_of(Status("http://127.0.0.1:1", True, [], None))
    assert "ready" in page
    assert "nothing more is told: set ZEROGRAVITY_KEY to the gateway's key" in page


def test_models_that_are_left_alone_are_named():
    cooldown = {"model": "gemini-3-flash", "until": "2996-02-02T02:42:22Z", "reason": "rate", "google": "429"}
    page = text_of(Status("http://127.0.0.1:1", True, [], None, [cooldown]))
    assert re.search(r"gemini-3-flash: left alone for \d+ d .*\(rate\)", page)


@pytest.fixture
async def server():
    """``server(ready, metrics)`` → (url, headers of the requests)."""
    runners = []

    async def start(ready, metrics, status=200):
        seen = []

        async def answer(request):
            seen.append(dict(request.headers))
            if request.path == "/ready":
                return web.Response(text=ready, content_type="application/json", status=503)
            if request.path == "/health":
                quota = [{"model": "gemini-3-flash", "left": 0.83, "resets": RESETS}]
                return web.json_response({"quota": quota, "mcp_servers": [UNUSED]})
            return web.Response(text=metrics, status=status)

        app = web.Application()
        app.router.add_get("/{any}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site.port}", seen

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_fetch(server, told):
    url, seen = await server(json.dumps({"ready": False, "checks": [{"name": "x", "ok": False, "text": "y"}]}), told)
    status = await fetch(url, "my-key")
    assert (status.ready, status.checks[0].name) == (False, "x")
    assert status.figures.turns["ok"] == 2
    assert status.quota == [Quota("gemini-3-flash", 0.83, 4_000_000_000.0)]
    assert status.as_json()["mcp_servers"] == [UNUSED]
    assert status.as_json()["quota"] == [{"model": "gemini-3-flash", "left": 0.83, "resets": RESETS}]
    assert {headers["Authorization"] for headers in seen} == {"Bearer my-key"}
    assert json.loads(json.dumps(status.as_json()))["figures"]["tokens"]["input"] == 2000


async def test_a_server_that_tells_no_metrics(server):
    url, seen = await server('{"ready": true, "checks": [{"name": "x", "ok": true, "text": "y"}]}', "no", status=404)
    assert (await fetch(url)).figures is None
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize("ready", ["<html>", "[]", '{"ready": true}', '{"ready": true, "checks": []}', '"x"'])
async def test_an_answer_of_another_program(server, ready):
    url, _ = await server(ready, "")
    with pytest.raises(OSError, match="is not zerogravity"):
        await fetch(url)


async def test_nothing_answers():
    with pytest.raises(OSError, match="start one with: zerogravity serve"):
        await fetch("http://127.0.0.1:1")

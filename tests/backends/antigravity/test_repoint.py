"""A language server re-pointed to us: what has to be shown before it counts, what keeps it from being done, and that it
is always put back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.backends.conftest import CSRF, Station
from zerogravity.backends.antigravity.discover import Found, Process
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.repoint import Leftover, Repointer, marked, put_back_leftovers
from zerogravity.backends.antigravity.repointed import FILE, Repointed, RepointedFile, own
from zerogravity.backends.base import Route
from zerogravity.hosts import GOOGLE
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

ME, STARTED = own()
FORMER = "http://127.0.0.1:9"
SET = "SetCloudCodeURL"


@dataclass
class Scene:
    """``here``: our port. ``told``: (text, remedy) of each report. ``process``: the server in the process table."""

    file: RepointedFile
    here: str
    process: Process
    endpoint: Endpoint
    told: list[tuple[str, str]] = field(default_factory=list)
    repointer: Repointer | None = None

    def make(self) -> Repointer:
        route = Route(self.here, google=GOOGLE)
        self.repointer = Repointer(
            self.file, route, lambda *said: self.told.append(said), find=lambda: [self.process], late_s=0.2
        )
        return self.repointer

    def came(self, path: str) -> None:
        if self.repointer is not None:
            self.repointer.call_came(path)


@pytest.fixture
async def here() -> AsyncIterator[tuple[str, list[Callable[[str], None]]]]:
    """Where we listen, and who hears of each call."""
    heard: list[Callable[[str], None]] = []

    async def answer(request: web.Request) -> web.Response:
        for one in heard:
            one(request.path_qs)
        return web.json_response({"cloudaicompanionProject": "p"})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("")).rstrip("/"), heard


@pytest.fixture
async def ls() -> AsyncIterator[LanguageServerSimulator]:
    async with LanguageServerSimulator(LsOptions(endpoint=FORMER, csrf=CSRF)) as running:
        yield running


def scene_of(here: Any, tmp_path: Path, url: str, port: int) -> Scene:
    process = Process(ME, "core", CSRF, (port,), FORMER, started=STARTED)
    made = Scene(RepointedFile(tmp_path / FILE), here[0], process, Endpoint(url, CSRF, pid=ME))
    here[1].append(made.came)
    return made


@pytest.fixture
def scene(here: Any, tmp_path: Path, ls: LanguageServerSimulator) -> Scene:
    return scene_of(here, tmp_path, ls.url, ls.port)


@pytest.fixture
def asked(here: Any, tmp_path: Path, station: Station) -> Scene:
    """The same with a server that only says what it was asked."""
    return scene_of(here, tmp_path, station.url, station.port)


# -- what becomes of it --------------------------------------------------------------------------------------------

UNKNOWN = (404, "unimplemented", "404 page not found")
BOTH = frozenset({"GetLoadCodeAssist", "GetAvailableModels"})


@pytest.mark.parametrize(
    ("build", "text", "remedy", "stays"),
    [
        ({}, "and its call came through", "", True),
        ({"missing": frozenset({"GetLoadCodeAssist"})}, "and its call came through", "", True),
        ({"missing": BOTH}, "no call of it has come through yet", "", True),
        ({"missing": frozenset({SET})}, "this build of the language server cannot", "--cloud_code_endpoint", False),
        ({"refusals": {SET: UNKNOWN}}, "this build of the language server cannot", "--mode proxy", False),
        ({"refusals": {SET: (400, "invalid_argument", "no")}}, "was not re-pointed: ", "endpoint", False),
        ({"refusals": {SET: (503, "unavailable", "busy")}}, "was not re-pointed: ", "endpoint", False),
        ({"repointable": False}, "its call did not come through here, so it was put back", "--mode proxy", False),
    ],
)
async def test_what_becomes_of_it(
    scene: Scene, ls: LanguageServerSimulator, build: Any, text: str, remedy: str, stays: bool
) -> None:
    for name, value in build.items():
        setattr(ls.options, name, value)
    repointer = scene.make()
    await repointer.ensure(scene.endpoint)
    ((said, fix),) = scene.told
    assert text in said
    assert remedy in fix
    assert bool(fix) is bool(remedy)
    assert ls.options.endpoint == (scene.here if stays else FORMER)
    fault = repointer.astray(scene.endpoint)
    assert (None if fault is None else (fault.message, fault.remedy)) == (None if stays else (said, fix))
    entry = Repointed(ME, STARTED, ls.url, FORMER, scene.here, ME, STARTED)
    assert scene.file.entries() == ([entry] if stays else [])
    await repointer.put_back()
    assert ls.options.endpoint == FORMER
    assert scene.file.entries() == []


async def test_a_build_without_calls_to_ask_for_is_proved_by_its_first_one(
    scene: Scene, ls: LanguageServerSimulator
) -> None:
    ls.options.missing = BOTH
    repointer = scene.make()
    await repointer.ensure(scene.endpoint)
    repointer.call_came("/v1internal:countTokens")  # our own
    for _ in range(2):
        repointer.call_came("/v1internal:streamGenerateContent?alt=sse")
    assert scene.told[1:] == [(f"re-pointed to {scene.here}, and its call came through", "")]


async def test_another_call_proves_nothing(asked: Scene, station: Station) -> None:
    """The method succeeds, and a call of somebody else's comes through meanwhile."""
    repointer = asked.make()

    def others(_: Any) -> Any:
        repointer.call_came("/v1internal:recordCodeAssistMetrics")
        return 200, {}

    station.answers |= dict.fromkeys(BOTH, others)
    await repointer.ensure(asked.endpoint)
    assert "did not come through here" in asked.told[-1][0]
    assert station.seen == [
        (SET, {"url": asked.here}), ("GetLoadCodeAssist", {"forceRefresh": True}),
        ("GetAvailableModels", {"forceRefresh": True}), (SET, {"url": FORMER}),
    ]  # fmt: skip


async def test_a_call_counts_whatever_google_answers(asked: Scene, station: Station) -> None:
    repointer = asked.make()

    def failing(_: Any) -> Any:
        repointer.call_came("/v1internal:loadCodeAssist")
        return 500, {"code": "unknown", "message": "Google is out of reach"}

    station.answers["GetLoadCodeAssist"] = failing
    await repointer.ensure(asked.endpoint)
    assert "its call came through" in asked.told[-1][0]
    assert station.methods() == [SET, "GetLoadCodeAssist"]


async def test_it_is_done_once_for_each_server(asked: Scene, station: Station) -> None:
    station.answers |= dict.fromkeys(BOTH, (404, {"code": "unimplemented"}))
    repointer = asked.make()
    await asyncio.gather(*(repointer.ensure(asked.endpoint) for _ in range(3)))
    assert station.methods().count(SET) == 1
    await repointer.ensure(replace(asked.endpoint, csrf=CSRF, kind="core"))  # the editor has started another one
    assert station.methods().count(SET) == 2
    await repointer.put_back()
    assert station.methods().count(SET) == 3  # it was the same process


async def test_another_process_at_the_url_that_was_given_is_another_server(asked: Scene, station: Station) -> None:
    station.answers |= dict.fromkeys(BOTH, (404, {"code": "unimplemented"}))
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    given, first = replace(asked.endpoint, pid=None), asked.process
    asked.process = replace(first, pid=child.pid, started=psutil.Process(child.pid).create_time())
    repointer = asked.make()
    for times in (1, 1):
        await repointer.ensure(given)
        assert station.methods().count(SET) == times
    child.kill()
    await child.communicate()
    asked.process = first
    await repointer.ensure(given)
    assert station.methods().count(SET) == 2
    await repointer.put_back()
    assert station.methods().count(SET) == 3


@pytest.mark.parametrize(
    ("former", "said"),
    [
        ("https://cloudcode-pa.googleapis.com", "pass --google https://cloudcode-pa.googleapis.com"),
        (f"{GOOGLE}/", ""),
        (None, ""),
        (FORMER, ""),
    ],
)
async def test_calls_that_go_to_another_host_of_googles_now(
    asked: Scene, station: Station, caplog: Any, former: str | None, said: str
) -> None:
    station.answers |= dict.fromkeys(BOTH, (404, {"code": "unimplemented"}))
    asked.process = replace(asked.process, cloud_code_endpoint=former)
    repointer = asked.make()
    await repointer.ensure(asked.endpoint)
    assert said in caplog.text
    assert ("pass --google" in caplog.text) is bool(said)
    await repointer.put_back()
    assert station.seen[-1] == (SET, {"url": former or GOOGLE})


async def test_what_may_pass_is_tried_again(scene: Scene, ls: LanguageServerSimulator) -> None:
    ls.options.refusals = {SET: (503, "unavailable", "starting")}
    repointer = scene.make()
    for _ in range(2):
        await repointer.ensure(scene.endpoint)
    ls.options.refusals = {}
    await repointer.ensure(scene.endpoint)
    assert ["came through" in text for text, _ in scene.told] == [False, False, True]


# -- what is left alone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["{here}", "{here}/", "http://localhost:{port}"])
async def test_one_that_calls_us_already_is_left_alone(asked: Scene, station: Station, flag: str) -> None:
    port = asked.here.rpartition(":")[2]
    asked.process = replace(asked.process, cloud_code_endpoint=flag.format(here=asked.here, port=port))
    repointer = asked.make()
    await repointer.ensure(asked.endpoint)
    await repointer.put_back()
    assert (station.seen, asked.told, asked.file.path.exists()) == ([], [("", "")], False)


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ({"url": "https://ls.example:1"}, "is not on this machine"),
        ({"url": "https://192.0.2.1:1"}, "is not on this machine"),
        ({"pid": ME + 1}, "is no language server of this user's processes"),
        ({"pid": None, "url": "https://127.0.0.1:1"}, "is no language server of this user's processes"),
    ],
)
async def test_one_whose_present_url_is_not_known_is_left_alone(
    asked: Scene, station: Station, endpoint: Any, text: str
) -> None:
    await asked.make().ensure(replace(asked.endpoint, **endpoint))
    assert text in asked.told[0][0]
    assert "--mode proxy" in asked.told[0][1]
    assert (station.seen, asked.file.path.exists()) == ([], False)


async def test_one_that_was_named_is_known_by_its_port(scene: Scene, ls: LanguageServerSimulator) -> None:
    scene.process = replace(scene.process, cloud_code_endpoint=None)
    repointer = scene.make()
    await repointer.ensure(replace(scene.endpoint, pid=None))
    assert ls.options.endpoint == scene.here
    await repointer.put_back()
    assert ls.options.endpoint == GOOGLE  # it has no flag


async def test_one_of_another_gateway_is_left_to_it(scene: Scene, ls: LanguageServerSimulator) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    started = psutil.Process(process.pid).create_time()
    theirs = Repointed(ME, STARTED, ls.url, FORMER, "http://127.0.0.1:8742", process.pid, started)
    scene.file.claim(theirs)
    repointer = scene.make()
    await repointer.ensure(scene.endpoint)
    text = f"the language server is re-pointed to http://127.0.0.1:8742 by another zerogravity (pid {process.pid})"
    assert scene.told == [(text, "Stop that one, or send the agents to it.")]
    await repointer.put_back()
    assert (ls.options.endpoint, scene.file.entries()) == (FORMER, [theirs])
    process.kill()
    await process.communicate()
    await repointer.ensure(scene.endpoint)
    assert ls.options.endpoint == scene.here
    await repointer.put_back()
    assert (ls.options.endpoint, scene.file.entries()) == (FORMER, [])


async def test_without_a_file_nothing_is_done(asked: Scene, station: Station, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    asked.file = RepointedFile(tmp_path / "a file" / FILE)
    repointer = asked.make()
    await repointer.ensure(asked.endpoint)
    assert "cannot be written" in asked.told[0][0]
    assert "data_dir" in asked.told[0][1]
    await repointer.put_back()
    assert station.seen == []


# -- put back ------------------------------------------------------------------------------------------------------


async def test_one_that_does_not_answer_is_left_for_the_next_start(
    scene: Scene, ls: LanguageServerSimulator, caplog: Any
) -> None:
    repointer = scene.make()
    await repointer.ensure(scene.endpoint)
    await ls.stop()
    await repointer.put_back()
    assert [entry.former for entry in scene.file.entries()] == [FORMER]
    assert f"language server {ME} still calls {scene.here}" in caplog.text


async def test_one_that_has_ended_needs_nothing(asked: Scene, station: Station) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    asked.process = replace(asked.process, pid=child.pid, started=started)
    station.answers |= dict.fromkeys(BOTH, (404, {"code": "unimplemented"}))
    repointer = asked.make()
    await repointer.ensure(replace(asked.endpoint, pid=child.pid))
    child.kill()
    await child.communicate()
    await repointer.put_back()
    assert (station.methods().count(SET), asked.file.entries()) == (1, [])


@pytest.mark.parametrize("at", [SET, "GetLoadCodeAssist"])
async def test_stopped_in_between(asked: Scene, station: Station, at: str) -> None:
    reached = asyncio.Event()

    async def hangs(_: Any) -> Any:
        if station.methods().count(at) == 1:
            reached.set()
            await asyncio.sleep(60)
        return 200, {}

    station.answers[at] = hangs
    repointer = asked.make()
    ensuring = asyncio.create_task(repointer.ensure(asked.endpoint))
    await asyncio.wait_for(reached.wait(), 10)
    assert len(asked.file.entries()) == 1
    ensuring.cancel()
    await asyncio.wait([ensuring])
    await repointer.put_back()
    assert station.seen[-1] == (SET, {"url": FORMER})
    assert asked.file.entries() == []


# -- what has been left ----------------------------------------------------------------------------------------------


def left(scene: Scene, **more: Any) -> Repointed:
    """As by a process that was killed: its pid is another one's now."""
    entry = Repointed(ME, STARTED, scene.endpoint.url, FORMER, "http://127.0.0.1:8742", ME, STARTED - 1000)
    return replace(entry, **more)


@pytest.mark.parametrize(("token", "given"), [(CSRF, None), ("", CSRF), ("another one's", CSRF)])
async def test_the_next_one_puts_it_back(
    scene: Scene, ls: LanguageServerSimulator, token: str, given: str | None
) -> None:
    ls.options.endpoint = "http://127.0.0.1:8742"
    scene.file.claim(left(scene))
    find = [replace(scene.process, csrf=token)]
    found = await put_back_leftovers(scene.file, csrf=given, find=lambda: find)
    assert found == [Leftover(left(scene))]
    assert str(found[0]).endswith(f"it was put back to {FORMER}")
    assert (ls.options.endpoint, scene.file.entries()) == (FORMER, [])
    assert await put_back_leftovers(scene.file, find=lambda: find) == []


async def test_one_that_cannot_be_put_back_now_is_kept(scene: Scene, ls: LanguageServerSimulator) -> None:
    await ls.stop()
    scene.file.claim(left(scene))
    (found,) = await put_back_leftovers(scene.file, find=lambda: [scene.process])
    assert "nothing answers" in str(found)
    assert scene.file.entries() == [left(scene)]


@pytest.mark.parametrize("more", [{"started": STARTED - 1000}, {"by_started": STARTED}])
async def test_what_is_nobodys_or_somebodys_is_not_touched(asked: Scene, station: Station, more: Any) -> None:
    """The server has ended, or who has re-pointed it still runs."""
    asked.file.claim(left(asked, **more))
    before = asked.file.entries()
    assert await put_back_leftovers(asked.file, find=lambda: [asked.process]) == []
    assert (station.seen, asked.file.entries()) == ([], before)


async def test_nothing_is_left_where_nothing_was_done(tmp_path: Path) -> None:
    def find() -> list[Process]:
        raise AssertionError("nobody needs the process table")

    assert await put_back_leftovers(RepointedFile(tmp_path / FILE), find=find) == []


async def test_routes_tell_of_it(scene: Scene) -> None:
    other = Found(replace(scene.process, pid=ME + 1), None)
    scene.file.claim(left(scene))
    first, second = marked([Found(scene.process, None), other], scene.file)
    assert first.process.route == "re-pointed to http://127.0.0.1:8742 by zerogravity"
    assert (first.process.route_port, first.process.by_endpoint) == (8742, True)
    assert second == other

"""Hops are broken one at a time, and each time the first broken one is named with a remedy."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from aiohttp import web

from tests.backends.runtime.conftest import KEY, own_temporary_folder, program
from zerogravity import certs
from zerogravity.backends.antigravity.client import Endpoint
from zerogravity.backends.antigravity.discover import Found, Process
from zerogravity.config import load
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import AttemptOpened, Failed, Finished, TextDelta
from zerogravity.core.turn import RecordedDetails, Target, Turn
from zerogravity.errors import Termination, language_server
from zerogravity.hosts import GOOGLE, PUBLIC
from zerogravity.observe import configured, doctor
from zerogravity.observe.doctor import DoctorOptions, examine, path
from zerogravity.observe.health import Health
from zerogravity.surfaces import chat, gemini, responses
from zerogravity.testing.replay_server import in_thread
from zerogravity.testing.simulator.language_server import LsOptions
from zerogravity.testing.simulator.stack import Stack, StackError, StackOptions

__all__ = ["own_temporary_folder", "program"]
GOOD = Finished("stop")


def spoken(surface=chat.surface, terminal=GOOD):
    """A whole stream."""
    turn = Turn(
        "turn_00000001", surface.name, "m", Target("m", "1"), {"contents": []}, stream=True, details=RecordedDetails()
    )
    writer = ChannelWriter(turn, lambda: 1)
    channel = writer.channel
    emitter = surface.emitter(channel, bytes(32))
    writer.append(0, b"", (AttemptOpened(), TextDelta("Hi")))
    writer.close(terminal)
    return b"".join((*emitter.begin(), *(frame for record in channel.records for frame in emitter.feed(record))))


CHAT = spoken()
LATE = Failed(language_server(504, "match_timeout", "no call came by", Termination.MATCH_TIMEOUT))
QUICK = {**doctor.isolated({}), "ZEROGRAVITY_LIMITS_MATCH_SECONDS": "1"}
READY = {"ready": True, "checks": []}
SURFACES = {surface.name: surface for surface in (chat.surface, responses.surface, gemini.surface)}
HOPS = ["path.mitmdump", "path.front", "path.language_server", "path.call", "path.proxy", "path.chat"]


async def run(checks):
    """(every name, the broken ones)"""
    found = [check async for check in checks]
    for check in found:
        assert check.text
        assert check.ok or check.fix, f"{check.name} is broken and says not what to do"
    return [check.name for check in found], [check for check in found if not check.ok]


@pytest.fixture
async def fake():
    """``fake(ready=…, chat=…, told=…, called=…, arrived=…)`` → a maker of paths with these ends."""
    runners = []

    async def start(*, ready=READY, ready_status=200, chat=CHAT, chat_status=200, told=1, called=1, arrived=1):
        async def get_ready(_):
            return web.json_response(ready, status=ready_status)

        async def post(_):
            return web.Response(body=chat, status=chat_status)

        app = web.Application()
        app.router.add_get("/ready", get_ready)
        app.router.add_post("/{tail:.*}", post)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        options = []

        @asynccontextmanager
        async def make(given):
            options.append(given)
            yield SimpleNamespace(
                url=f"http://127.0.0.1:{site.port}",
                ls=SimpleNamespace(cascades=[0] * told, calls=[0] * called),
                google=SimpleNamespace(agent_requests=[0] * arrived),
            )

        make.options = options
        return make

    yield start
    for runner in runners:
        await runner.cleanup()


ERROR = json.dumps({"error": {"message": "no call came by", "code": "match_timeout"}}).encode()


@pytest.mark.parametrize(
    ("ends", "broken", "expected"),
    [
        ({"ready": {"ready": False, "checks": [{"name": "language_server", "ok": False, "text": "not logged in",
                                                "fix": "log in"}]}, "ready_status": 503},
         "path.front", "language_server: not logged in"),
        ({"ready": [], "ready_status": 500}, "path.front", "not ready: []"),
        ({"told": 0, "called": 0, "arrived": 0, "chat": ERROR, "chat_status": 503}, "path.language_server",
         "no: 503"),
        ({"called": 0, "arrived": 0, "chat": ERROR, "chat_status": 504}, "path.call", "no: 504: no call came by"),
        ({"arrived": 0, "chat": ERROR, "chat_status": 502}, "path.proxy", "no: 502"),
        ({"chat": ERROR, "chat_status": 502}, "path.chat", "502: no call came by"),
        ({"chat": spoken(terminal=LATE)}, "path.chat", "no call came by"),
        ({"chat": b"<html>", "chat_status": 500}, "path.chat", "500: <html>"),
        ({"chat": CHAT.replace(b"data: [DONE]\n\n", b"")}, "path.chat", "violates its grammar"),
    ],
)  # fmt: skip
async def test_the_first_broken_hop_is_named(fake, ends, broken, expected):
    names, wrong = await run(path(StackOptions(), SURFACES, make=await fake(**ends)))
    assert [check.name for check in wrong] == [broken]
    assert expected in wrong[0].text
    assert names == HOPS[: HOPS.index(broken) + 1], "what lies behind it is not tried"


@pytest.mark.parametrize("surface", [chat.surface, gemini.surface, responses.surface], ids=lambda surface: surface.name)
def test_a_stream_that_tells_its_failure(surface):
    """A turn that fails late has its 200 already."""
    assert doctor.failure_in(spoken(surface, LATE)) == "no call came by"
    assert doctor.failure_in(spoken(surface)) is None


async def test_the_other_surfaces_are_held_against_their_own_grammar(fake):
    names, wrong = await run(path(StackOptions(), SURFACES, make=await fake()))
    assert names == [*HOPS, "path.responses", "path.gemini"]
    assert [check.name for check in wrong] == ["path.responses", "path.gemini"], "this one says everything in Chat"


@pytest.mark.parametrize(
    ("error", "expected", "fix"),
    [
        (StackError("the gateway did not start:\nLoading script\nError: [Errno 98] address already in use\n"),
         "address already in use", "stop what listens there"),
        (StackError("the gateway did not start:\n"
                    "zerogravity cannot serve: 127.0.0.1:1 is in use by vi (pid 7): stop it\n"
                    "Error logged during startup, exiting...\n"),
         "did not start: 127.0.0.1:1 is in use by vi (pid 7): stop it", "correct that"),
        (StackError("the gateway did not start:\nTraceback\n  ModuleNotFoundError: no x\n"), "no x", "for details"),
        (StackError("the gateway did not start:\n"), "the gateway did not start:", "for details"),
        (StackError('not ready: {"checks": [{"name": "path", "ok": false, "text": "none", "fix": "point it"}]}'),
         "path: none", "point it"),
        (FileNotFoundError(2, "no such file", "/venv/bin/mitmdump"), "/venv/bin/mitmdump is missing", "pip install"),
    ],
)  # fmt: skip
async def test_a_path_that_does_not_start(error, expected, fix):
    @asynccontextmanager
    async def make(_):
        raise error
        yield

    names, wrong = await run(path(StackOptions(), SURFACES, make=make))
    assert names == [check.name for check in wrong]
    assert names[0] in ("path.mitmdump", "path.front")
    assert expected in wrong[0].text
    assert fix in wrong[0].fix


async def test_nothing_answers():
    @asynccontextmanager
    async def make(_):
        yield SimpleNamespace(url="http://127.0.0.1:1", ls=None, google=None)

    _, wrong = await run(path(StackOptions(), SURFACES, make=make))
    assert [check.name for check in wrong] == ["path.front"]


# -- the machine and the real language server ----------------------------------------------------------------------


def server(**process):
    given = {"cloud_code_endpoint": "http://127.0.0.1:8742", **process}
    endpoint = Endpoint("https://127.0.0.1:42100", "its-token")
    return Found(Process(11, "core", "its-token", (42100,), **given), endpoint, logged_in=True)


def finding(*servers):
    async def find(**_):
        return list(servers)

    return find


async def test_everything_in_its_order(fake, tmp_path):
    what = DoctorOptions(certs_dir=tmp_path, google="http://127.0.0.1:1")
    environment = {
        "ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_KEY": "mine", "ZEROGRAVITY_LS_CSRF": "real",
        "ZEROGRAVITY_DATA_DIR": str(tmp_path), "ZEROGRAVITY_TRACE_DIR": str(tmp_path),
    }  # fmt: skip
    make = await fake()
    names, _ = await run(examine(what, SURFACES, env=environment, find=finding(server()), make=make))
    assert names[: names.index("path.mitmdump")] == [
        "python", "dependencies", "configuration", "front_port", "proxy_port", "language_server", "google",
        "certificates", "disk", "core_dumps",
    ]  # fmt: skip
    (options,) = make.options
    assert options.mode == "reverse"
    assert options.env["ZEROGRAVITY_KEY"] == "", "the path is examined without the user's own settings"
    assert "ZEROGRAVITY_LS_CSRF" not in options.env, "the stand-in's own token stays"
    assert "ZEROGRAVITY_DATA_DIR" not in options.env, "its turns are kept in a folder of its own"
    assert options.env["ZEROGRAVITY_TRACE_DIR"] == ""


async def test_fallbacks_that_nobody_knows_are_named(fake, tmp_path):
    what = DoctorOptions(certs_dir=tmp_path, google="http://127.0.0.1:1")
    environment = {"ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_FALLBACKS": "gpt-5=gemini-3-flash|what"}
    make = await fake()
    checks = [check async for check in examine(what, SURFACES, env=environment, find=finding(server()), make=make)]
    (found,) = [check for check in checks if check.name == "fallbacks"]
    assert (found.ok, found.text) == (True, "'gpt-5' names 'what', which is not offered")
    assert "zerogravity models" in found.fix


@pytest.mark.parametrize("authority", [False, True])
async def test_proxy_mode_is_examined_as_such(fake, tmp_path, authority):
    if authority:
        certs.create(tmp_path, now=datetime.now(UTC))
    what = DoctorOptions(certs_dir=tmp_path, google="http://127.0.0.1:1")
    environment = {"ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_MODE": "proxy"}
    make = await fake()
    _, wrong = await run(examine(what, SURFACES, env=environment, find=finding(server()), make=make))
    (options,) = make.options
    assert options.mode == "proxy"
    assert options.mitm_settings == ({"confdir": str(tmp_path)} if authority else {})
    assert ("certificates" in [check.name for check in wrong]) is not authority


async def test_a_running_one_that_serves_may_know_what_we_do_not(fake, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(doctor.machine, "holder_of", lambda _: doctor.machine.Holder(7, "zerogravity", ours=True))
    with in_thread(lambda _: None, services={"health": Health(clock)}) as url:
        what = DoctorOptions(
            certs_dir=tmp_path, google="http://127.0.0.1:1", settings={"listen": url.removeprefix("http://")}
        )
        checks = [check async for check in examine(what, SURFACES, env={}, find=finding(), make=await fake())]
    (found,) = [check for check in checks if check.name == "language_server"]
    assert (found.ok, found.text, bool(found.fix)) == (True, "no language server is running", True)


async def test_without_a_configuration_there_is_nothing_to_examine(fake):
    names, wrong = await run(
        examine(DoctorOptions(), SURFACES, env={"ZEROGRAVITY_MODE": "magic"}, find=finding(), make=await fake())
    )
    assert names == ["python", "dependencies", "configuration"]
    assert "mode" in wrong[0].text


@pytest.mark.parametrize(
    ("servers", "ends", "broken"),
    [
        ((), {}, "ls.found"),
        ((server(cloud_code_endpoint=None),), {}, "ls.found"),
        ((server(),), {"arrived": 0, "chat": ERROR, "chat_status": 504}, "ls.proxy"),
        ((server(),), {"told": 0, "called": 0}, None),
    ],
)
async def test_the_real_one(fake, tmp_path, monkeypatch, servers, ends, broken):
    monkeypatch.setattr(doctor.machine, "free", lambda *_: True)
    make = await fake(**ends)
    route = configured.route_of(load({}, env={"ZEROGRAVITY_CONFIG": "/dev/null"}).config, list(servers), 8742)
    checks = doctor._real(route, DoctorOptions(certs_dir=tmp_path), SURFACES, {}, make)
    names, wrong = await run(check async for check in checks if check.name not in ("ls.responses", "ls.gemini"))
    assert [check.name for check in wrong] == ([broken] if broken else [])
    if make.options:
        (options,) = make.options
        assert (options.mode, options.proxy_port) == ("reverse", 8742)
        assert options.settings == {"ls_url": "https://127.0.0.1:42100"}
        assert options.env["ZEROGRAVITY_LS_CSRF"] == "its-token"
        assert names[0] == "ls.port"


async def test_the_real_one_behind_a_proxy_uses_our_authority(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.machine, "free", lambda *_: True)
    make = await fake()
    route = configured.RoutedServer(Endpoint("https://127.0.0.1:42100", "its-token"), True, 8750)
    await run(
        check async for check in doctor._real(route, DoctorOptions(certs_dir=tmp_path), SURFACES, {}, make) if check.ok
    )
    (options,) = make.options
    assert (options.mode, options.proxy_port) == ("proxy", 8750)
    assert options.mitm_settings == {"confdir": str(tmp_path)}


# -- Google's runtime ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["reverse", "proxy"])
async def test_the_runtime_where_it_is_the_back_end(fake, program, tmp_path, mode):
    certs.create(tmp_path / "ca", now=datetime.now(UTC))
    what = DoctorOptions(certs_dir=tmp_path / "ca", google="http://127.0.0.1:1", real=True)
    environment = {
        "ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_LS": "runtime", "ZEROGRAVITY_MODE": mode,
        "ZEROGRAVITY_RUNTIME_PATH": str(program.path), "ZEROGRAVITY_RUNTIME_KEY": KEY,
    }  # fmt: skip
    make = await fake()
    names, _ = await run(examine(what, SURFACES, env=environment, find=finding(server()), make=make))
    assert names[names.index("proxy_port") + 1 : names.index("certificates")] == ["runtime", "login", "google"]
    assert [name for name in names if name.startswith("ls.")][:3] == ["ls.mitmdump", "ls.front", "ls.proxy"]
    stand_ins, real = make.options
    assert (stand_ins.runtime, real.runtime, real.mode) == (None, program.path, mode)
    assert real.mitm_settings == ({"confdir": str(tmp_path / "ca")} if mode == "proxy" else {})
    assert "ZEROGRAVITY_RUNTIME_KEY" not in real.env, "the path has a key of its own"


async def test_the_runtime_is_chosen_where_no_editor_serves(fake, program, tmp_path):
    environment = {
        "ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ANTIGRAVITY_HARNESS_PATH": str(program.path), "GEMINI_API_KEY": KEY
    }  # fmt: skip
    for servers, name in (((), "runtime"), ((server(),), "language_server")):
        what = DoctorOptions(certs_dir=tmp_path, google="http://127.0.0.1:1")
        checks = examine(what, SURFACES, env=environment, find=finding(*servers), make=await fake())
        names, _ = await run(checks)
        assert name in names


async def test_what_the_runtime_lacks(fake, tmp_path):
    what = DoctorOptions(certs_dir=tmp_path, google="http://127.0.0.1:1", real=True)
    environment = {
        "ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_LS": "runtime", "ZEROGRAVITY_RUNTIME_PATH": "/nowhere"
    }  # fmt: skip
    _, wrong = await run(examine(what, SURFACES, env=environment, find=finding(), make=await fake()))
    assert [check.name for check in wrong if not check.name.startswith("path.")] == [
        "runtime", "login", "google", "ls.found",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ls", "google", "right"), [("runtime", GOOGLE, f"https://{PUBLIC[0]}"), ("editor", f"https://{PUBLIC[0]}", GOOGLE)]
)
async def test_a_google_that_does_not_serve_its_calls(fake, tmp_path, ls, google, right):
    what = DoctorOptions(certs_dir=tmp_path, google=google, settings={"ls": ls, "listen": "127.0.0.1:0"})
    environment = {"ZEROGRAVITY_RUNTIME_PATH": "/nowhere"}
    checks = examine(what, SURFACES, env=environment, find=finding(server()), make=await fake())
    (check,) = [check async for check in checks if check.name == "google"]
    assert (check.ok, f"--google {right}" in check.fix) == (False, True)


def test_nobody_but_us_lays_the_runtimes_route():
    google = SimpleNamespace(agent_requests=[])
    fixes = [doctor.hops_seen(SimpleNamespace(google=google, ls=ls), real=True)[0][3] for ls in (None, "stand-in")]
    assert ["zerogravity ls" in fix for fix in fixes] == [False, True]


# -- end to end ----------------------------------------------------------------------------------------------------


@pytest.mark.e2e
async def test_the_real_path():
    names, wrong = await run(path(StackOptions(env=doctor.isolated({})), SURFACES))
    assert wrong == []
    assert names == [*HOPS, "path.responses", "path.gemini"]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("options", "broken"),
    [
        (StackOptions(ls=LsOptions(calls_google=False)), "path.call"),
        (StackOptions(settings={"config": "/no/such/file"}), "path.mitmdump"),
    ],
    ids=["never calls", "does not start"],
)
async def test_a_broken_path(options, broken):
    options.env = QUICK
    _, wrong = await run(path(options, SURFACES))
    assert [check.name for check in wrong] == [broken]


@pytest.mark.e2e
async def test_a_language_server_that_goes_another_way():
    class Elsewhere(Stack):
        def _point_ls(self, folder):
            self.ls.options.endpoint = "http://127.0.0.1:1"

    _, wrong = await run(path(StackOptions(env=QUICK, ls=LsOptions(retries=0)), SURFACES, make=Elsewhere))
    assert [check.name for check in wrong] == ["path.proxy"]

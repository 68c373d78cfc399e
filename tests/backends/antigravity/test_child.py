"""A language server as our child: a script of a few lines for each trouble, then the stand-in with a whole turn."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tests.waiting import until
from zerogravity.backends.antigravity.child import STABLE_S, LsChild, command_line, environment, metadata
from zerogravity.backends.antigravity.client import LsClient
from zerogravity.backends.base import Route
from zerogravity.backends.polling.polling import Polling
from zerogravity.background import FIRST_S
from zerogravity.config import Limits
from zerogravity.core.events import Finished
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.engine import Engine
from zerogravity.errors import FaultError
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server.child import read_metadata

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
    import http.server, json, os, subprocess, sys, signal
    port, csrf, folder = int(sys.argv[2]), sys.argv[4], sys.argv[5]
    given = sys.stdin.buffer.read()
    with open(os.path.join(folder, "pids"), "a") as file:
        file.write(f"{os.getpid()} {csrf} {port}\\n")
    open(os.path.join(folder, "stdin"), "wb").write(given)
    json.dump(dict(os.environ), open(os.path.join(folder, "environment"), "w"))
    print("my token is", csrf, flush=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            size = int(self.headers.get("Content-Length", 0))
            self.rfile.read(size)
            right = self.headers.get("X-Codeium-Csrf-Token") == csrf
            self.send_response(200 if right else 403)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
        def log_message(self, *_):
            pass

    EXTRA
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
Make = Callable[..., LsChild]


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Children from the script above; all are stopped at the end, and nothing of them is left."""
    made: list[LsChild] = []

    def child(extra: str = "", **options: object) -> LsChild:
        script = tmp_path / "child.py"
        script.write_text(textwrap.dedent(SCRIPT).replace("EXTRA", extra))
        command = [sys.executable, str(script), "--port", "{port}", "--csrf_token", "{csrf}", str(tmp_path)]
        made.append(LsChild(command, Route(), **options))  # type: ignore[arg-type]
        return made[-1]

    yield child
    for one in made:
        await one.stop()
        assert one.endpoint is None
    for pid, *_ in lines(tmp_path):
        assert not alive(pid)


def alive(pid: str) -> bool:
    """Whether a process runs; a dead one that nobody has collected does not."""
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def lines(folder: Path) -> list[list[str]]:
    file = folder / "pids"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


# -- pure --------------------------------------------------------------------------------------------------------


def test_the_metadata_can_be_read_back() -> None:
    assert read_metadata(metadata()) == {1: [b"antigravity"], 4: [b"en"], 12: [b"antigravity"]}


@pytest.mark.parametrize(
    ("template", "endpoint", "command"),
    [
        (["ls"], "http://h:1", ["ls", "--csrf_token", "token", "--cloud_code_endpoint", "http://h:1"]),
        (["ls"], "", ["ls", "--csrf_token", "token"]),
        (["ls", "-csrf_token=own"], "", ["ls", "-csrf_token=own"]),
        (["ls", "--csrf_token", "{csrf}", "--cloud_code_endpoint={endpoint}/x"], "http://h:1",
         ["ls", "--csrf_token", "token", "--cloud_code_endpoint=http://h:1/x"]),
        (["sh", "-c", "exec ls {csrf} {endpoint}"], "http://h:1", ["sh", "-c", "exec ls token http://h:1"]),
        (["ls", "--https_server_port={port}", "{csrf}", "{endpoint}/x{port}", '{"json": {other}}', ""], "http://h:1",
         ["ls", "--https_server_port=42", "token", "http://h:1/x42", '{"json": {other}}', ""]),
    ],
)  # fmt: skip
def test_the_command_is_filled_in_and_missing_flags_added(
    template: list[str], endpoint: str, command: list[str]
) -> None:
    assert command_line(template, {"csrf": "token", "port": "42", "endpoint": endpoint}) == command


def test_the_environment_of_reverse_mode_has_none_of_our_secrets() -> None:
    ours = {"PATH": "/bin", "ZEROGRAVITY_KEY": "k", "ZEROGRAVITY_TOKEN": "t", "HTTPS_PROXY": "http://corp:1"}
    assert environment(ours, Route("http://127.0.0.1:9")) == {"PATH": "/bin", "HTTPS_PROXY": "http://corp:1"}


def test_the_environment_of_proxy_mode(tmp_path: Path) -> None:
    ours = {"https_proxy": "http://corp:1", "no_proxy": "googleapis.com", "SSL_CERT_FILE": "/other"}
    proxy = "http://127.0.0.1:8742"
    assert environment(ours, Route(proxy=proxy, bundle=tmp_path / "bundle.pem")) == {
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
        "NO_PROXY": "localhost,127.0.0.1,::1",
        "SSL_CERT_FILE": str(tmp_path / "bundle.pem"),
    }


# -- one process -------------------------------------------------------------------------------------------------


async def test_it_is_fed_probed_and_stopped(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    child = make()
    endpoint = await child.start()
    ((pid, csrf, port),) = lines(tmp_path)
    assert child.pid == endpoint.pid == int(pid)
    assert (endpoint.url, endpoint.csrf, endpoint.kind) == (f"http://127.0.0.1:{port}", csrf, "child")
    assert (tmp_path / "stdin").read_bytes() == metadata()
    assert await child.locate() == endpoint
    await until(lambda: "my token is" in caplog.text)
    assert csrf not in caplog.text
    await child.stop()
    assert child.pid is None
    assert await child.locate() is None


async def test_stopping_twice_and_stopping_what_never_ran(make: Make) -> None:
    child = make()
    await child.stop()
    await child.start()
    await child.stop()
    await child.stop()


async def test_a_child_that_ignores_sigterm_is_killed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerogravity.backends.antigravity.child.STOP_S", 0.05)
    child = make("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    await child.start()
    await child.stop()


async def test_its_descendants_are_stopped_with_it(make: Make, tmp_path: Path) -> None:
    child = make(
        "helper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open(os.path.join(folder, 'pids'), 'a').write(f'{helper.pid}\\n')"
    )
    await child.start()
    (_, (helper,)) = lines(tmp_path)
    assert alive(helper)
    await child.stop()
    await until(lambda: not alive(helper))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("sys.exit('no licence')", ("code 1", "no licence")),
        ("os._exit(0)", ("code 0",)),
        ("import threading; threading.Event().wait()", ("not ready within 2 s", "my token is [redacted]")),
    ],
)
async def test_a_child_that_does_not_come_up(make: Make, tmp_path: Path, extra: str, words: tuple[str, ...]) -> None:
    child = make(extra, ready_s=30 if "wait" not in extra else 2)
    with pytest.raises(FaultError) as raised:
        await child.start()
    fault = raised.value.fault
    assert (fault.status, fault.code) == (503, "ls_absent")
    for word in words:
        assert word in fault.message
    if lines(tmp_path):
        assert lines(tmp_path)[0][1] not in fault.message
    assert child.pid is None


async def test_a_token_of_its_own_command_is_in_no_message() -> None:
    program = "import sys; sys.exit('token ' + sys.argv[2])"
    child = LsChild([sys.executable, "-c", program, "--csrf_token", "chosen-by-the-user"], Route())
    with pytest.raises(FaultError, match=r"token \[redacted\]"):
        await child.start()
    await child.stop()


async def test_a_command_that_does_not_exist() -> None:
    child = LsChild(["/nowhere/language_server"], Route())
    with pytest.raises(FaultError, match="/nowhere/language_server cannot be started"):
        await child.start()
    await child.stop()


async def test_a_cancelled_start_leaves_nothing(make: Make, tmp_path: Path) -> None:
    child = make("import threading; threading.Event().wait()")
    starting = asyncio.create_task(child.start())
    await until(lambda: lines(tmp_path))
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert child.pid is None


# -- restarts ----------------------------------------------------------------------------------------------------


class Naps:
    """Sleeps that a test lets pass one by one."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.go = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self.go.acquire()


async def test_it_is_started_again_elsewhere_and_the_driver_finds_it(make: Make, tmp_path: Path) -> None:
    naps = Naps()
    child = make(sleep=naps.sleep)
    first = await child.start()
    client = LsClient(first, rediscover=child.locate)
    await client.heartbeat()
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: naps.seconds)
    with pytest.raises(FaultError):
        await client.heartbeat()
    naps.go.release()
    await until(lambda: child.endpoint)
    await client.heartbeat()
    assert client.endpoint == child.endpoint != first
    assert len(lines(tmp_path)) == 2
    await client.close()


async def test_restarts_are_delayed_more_and_more(make: Make) -> None:
    naps, now = Naps(), [0.0]
    child = make(sleep=naps.sleep, clock=lambda: now[0])
    await child.start()
    for number in range(1, 4):
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda number=number: len(naps.seconds) == number)
        naps.go.release()
        await until(lambda: child.endpoint)
    now[0] += STABLE_S
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await until(lambda: len(naps.seconds) == 4)
    assert naps.seconds == [FIRST_S, FIRST_S * 2, FIRST_S * 4, FIRST_S]


@pytest.mark.parametrize("failing", ["sys.exit(3)", "__import__('threading').Event().wait()"], ids=["ends", "hangs"])
async def test_a_start_that_fails_is_tried_again(make: Make, tmp_path: Path, failing: str) -> None:
    naps, now = Naps(), [0.0]

    def clock() -> float:
        now[0] += 10 if (tmp_path / "broken").exists() else 0.01  # a start that hangs is given up after a few looks
        return now[0]

    child = make(f"os.path.exists(folder + '/broken') and {failing}", sleep=naps.sleep, clock=clock, ready_s=30)
    await child.start()
    (tmp_path / "broken").touch()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    for number in range(1, 4):
        await until(lambda number=number: len(naps.seconds) == number)
        assert child.endpoint is None
        if number == 3:
            (tmp_path / "broken").unlink()
        naps.go.release()
    await until(lambda: child.endpoint)
    assert naps.seconds == [FIRST_S, FIRST_S * 2, FIRST_S * 4]


@pytest.mark.parametrize("place", ["_feed", "_ready", "changed", "os.pipe"])
async def test_a_bug_of_ours_does_not_end_its_restarts(make: Make, monkeypatch, caplog, place: str) -> None:
    """Whatever goes wrong in a restart is reported, and the next one is tried."""
    broken, reports = False, list[str | None]()

    def fails(*_: object) -> None:
        if broken:
            raise OSError("too many open files") if place == "os.pipe" else RuntimeError("our bug")

    async def sleep(_: float) -> None:
        nonlocal broken
        await asyncio.sleep(0)
        broken = len(reports) == 0 if place != "changed" else "our bug" not in caplog.text

    child = make(sleep=sleep, report=reports.append, changed=fails if place == "changed" else lambda _: None)
    await child.start()
    if place == "os.pipe":
        pipe = os.pipe
        monkeypatch.setattr(os, "pipe", lambda: fails() or pipe())
    elif place != "changed":
        work = getattr(child, place)

        async def first_fails(*given: object) -> object:
            fails()
            return await work(*given)

        monkeypatch.setattr(child, place, first_fails)
    broken = True
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.endpoint and child.pid != first)
    if place == "changed":
        assert reports == []
    else:
        await until(lambda: reports and reports[0])
        name = "OSError" if place == "os.pipe" else "RuntimeError"
        assert reports[0] == f"{name}; see the log"
    await until(lambda: ("too many" if place == "os.pipe" else "our bug") in caplog.text)


async def test_it_ends_when_we_are_killed(tmp_path: Path) -> None:
    """A parent that is killed can stop nobody: it is let go instead."""
    (tmp_path / "child.py").write_text(textwrap.dedent(SCRIPT).replace("EXTRA", ""))
    parent = textwrap.dedent(f"""
        import asyncio, sys
        from zerogravity.backends.antigravity.child import LsChild
        from zerogravity.backends.base import Route
        async def main():
            command = [sys.executable, {str(tmp_path / "child.py")!r}, "--port", "{{port}}", "--csrf_token", "{{csrf}}",
                       {str(tmp_path)!r}]
            await LsChild(command, Route()).start()
            print("up", flush=True)
            await asyncio.Event().wait()
        asyncio.run(main())
    """)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    ((pid, *_),) = lines(tmp_path)
    process.kill()
    await process.communicate()
    await until(lambda: not alive(pid))


# -- the stand-in as the child -------------------------------------------------------------------------------------


async def test_the_stand_in_as_the_child() -> None:
    """Token and endpoint are added, its port looked up; a whole turn, whose Google call goes where the route says."""
    command = [sys.executable, "-m", "zerogravity", "simulate", "ls", "--stdin", "--random_port"]
    google = GoogleSimulator(tls=False, http2=False, pace=0.001)
    await google.start()
    backend = Polling({}, command=shlex.join(command), route=Route(google.url))
    engine = Engine(MitmStore(time.monotonic_ns), backend, limits=Limits(), clock=time.monotonic_ns)
    try:
        await backend.start()
        await backend.ls.use_proxy()
        assert backend.ls.endpoint is not None
        assert backend.ls.endpoint.url.startswith("https://127.0.0.1:")
        target = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18")
        contents = [{"role": "user", "parts": [{"text": "sim:text"}]}]
        channel = engine.run(Turn("turn_1", "chat", "gemini-3-flash", target, {"contents": contents}))
        async with asyncio.timeout(20):
            assert await channel.wait_closed() == Finished("stop")
        assert channel.state.text.startswith("Here is an answer")
        assert [one.kind for one in google.requests if one.scenario == "text"]
    finally:
        await engine.close()
        await backend.close()
        await google.stop()

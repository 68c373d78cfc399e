"""One process of the runtime, against a stand-in that can do anything wrong."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.backends.runtime.conftest import KEY, Program, alive, folders
from tests.waiting import until
from zerogravity import lifeline
from zerogravity.backends.base import Route
from zerogravity.backends.runtime import process as module
from zerogravity.backends.runtime.folders import Folder
from zerogravity.backends.runtime.handshake import greeting
from zerogravity.backends.runtime.process import RuntimeProcess, environment
from zerogravity.backends.runtime.settings import Settings, Vertex
from zerogravity.errors import FaultError

ROOT = Path(__file__).resolve().parents[3]
SOCKET_KEY = "stand-in-socket-key"
ROUTE = Route("http://127.0.0.1:9")


@pytest.fixture
def process(program: Program) -> RuntimeProcess:
    return RuntimeProcess(program.settings, ROUTE)


# -- its environment ---------------------------------------------------------------------------------------------


OURS = {
    "PATH": "/bin", "LANG": "de_DE.UTF-8", "HOME": "/home/me", "TMPDIR": "/elsewhere", "GEMINI_API_KEY": KEY,
    "GOOGLE_API_KEY": KEY, "ZEROGRAVITY_KEY": "k", "ZEROGRAVITY_RUNTIME_KEY": KEY, "HTTPS_PROXY": "http://corp:1",
    "HTTP_PROXY": "http://corp:2", "SSL_CERT_FILE": "/corp.pem",
    "GOOGLE_APPLICATION_CREDENTIALS": "/secret.json", "GOOGLE_GEMINI_BASE_URL": "http://else:1",
    "GOOGLE_CLOUD_PROJECT": "p", "AWS_SECRET_ACCESS_KEY": "s", "SSH_AUTH_SOCK": "/s",
}  # fmt: skip
OWN = {"PATH": "/bin", "LANG": "de_DE.UTF-8", "HOME": "/own", "TMPDIR": "/own"}
PROXY = {"HTTPS_PROXY": "http://127.0.0.1:8742", "NO_PROXY": "localhost,127.0.0.1,::1", "SSL_CERT_FILE": "/ca.pem"}
WAY = {"GOOGLE_VERTEX_BASE_URL": ROUTE.endpoint, "HTTPS_PROXY": "http://corp:1", "SSL_CERT_FILE": "/corp.pem"}
LOGIN = {"GOOGLE_APPLICATION_CREDENTIALS": "/login.json"}


@pytest.mark.parametrize(
    ("settings", "route", "more"),
    [
        (Settings(key=KEY), ROUTE, {}),
        (Settings(key=KEY), Route(proxy=PROXY["HTTPS_PROXY"], bundle=Path("/ca.pem")), PROXY),
        (Settings(key=KEY, vertex=Vertex()), ROUTE, {}),
        (Settings(vertex=Vertex("p", "l", Path("/login.json"))), ROUTE, LOGIN | WAY),
        (Settings(vertex=Vertex("p", "l")), ROUTE, WAY),
        (Settings(vertex=Vertex("p", "l")), Route(proxy=PROXY["HTTPS_PROXY"], bundle=Path("/ca.pem")), PROXY),
    ],
)
def test_its_environment_has_nothing_that_it_does_not_need(
    settings: Settings, route: Route, more: dict[str, str]
) -> None:
    assert environment(OURS, settings, route, Path("/own")) == OWN | more


# -- its life ----------------------------------------------------------------------------------------------------


async def test_it_is_started_and_stopped(process: RuntimeProcess, program: Program) -> None:
    await process.start()
    (start,) = program.starts
    assert process.pid == start["pid"]
    assert process.listening is not None
    assert (bytes.fromhex(start["greeting"]), start["arguments"]) == (greeting()[4:], [])
    (folder,) = folders()
    assert start["folder"] == start["environment"]["HOME"] == str(folder)
    assert process.app_folder == folder / "app"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert process.rss() > 1 << 20
    await process.stop()
    assert (process.pid, process.rss(), process.last_words) == (None, 0, "")


@pytest.mark.parametrize("error", [psutil.AccessDenied(), OSError(errno.EMFILE, "Too many open files")])
async def test_its_size_may_be_unknown(
    error: Exception, process: RuntimeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.start()

    def fails(*_: object) -> psutil.Process:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(psutil, "Process", fails)
        assert process.rss() == 0
    await process.stop()


async def test_stopping_what_never_ran_and_stopping_twice(process: RuntimeProcess) -> None:
    await process.stop()
    await process.start()
    await asyncio.gather(process.stop(), process.stop())
    await process.stop()


async def test_no_key_is_shown(
    process: RuntimeProcess, program: Program, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "ZEROGRAVITY_RUNTIME_KEY"):
        monkeypatch.setenv(name, KEY)
    caplog.set_level(logging.DEBUG)
    other = "unlike-any-other-key"
    program.behave(said=f"key {KEY}, {'x' * 490} {other}, token=AIzaSyOfSomebodyElse12345")
    process = RuntimeProcess(Settings(program.path, other), ROUTE)
    await process.start()
    await until(lambda: "key [redacted]" in process.last_words)
    running = psutil.Process(process.pid)
    shown = [caplog.text, process.last_words, repr(process), repr(process.listening), str(running.cmdline())]
    shown += [str(running.environ()), str(vars(process))]
    await process.stop()
    for secret in (KEY, other, other[:10], "AIzaSy", SOCKET_KEY):
        assert not any(secret in text for text in shown), secret


async def test_whatever_it_writes_is_read(
    process: RuntimeProcess, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    """Or it would wait for ever, with a full pipe."""
    caplog.set_level(logging.DEBUG)
    program.behave(noise=8 << 20, said="\n".join(f"line {number} {'x' * 3000}" for number in range(1000)))
    await process.start()
    await until(lambda: (program.folder / "drained").exists())
    await until(lambda: "line 999" in process.last_words)
    await process.stop()
    lines = process.last_words.splitlines()[1:]
    assert [line.split()[1] for line in lines] == [str(number) for number in range(980, 1000)]
    assert {len(line) for line in lines} == {500}


async def test_a_line_without_an_end_is_not_kept(process: RuntimeProcess, program: Program) -> None:
    program.behave(said=f"first {'x' * (4 << 20)}")
    await process.start()
    await until(lambda: process.last_words)
    await process.stop()
    assert len(process.last_words) < 600
    assert process.last_words.startswith(":\nfirst x")


@pytest.mark.parametrize("behaviour", [{"deaf": True}, {"child": True}, {"deaf": True, "child": True}])
async def test_it_ends_with_all_that_it_has_started_whatever_it_ignores(
    behaviour: dict[str, Any], process: RuntimeProcess, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.05)
    program.behave(**behaviour)
    await process.start()
    await process.stop()
    await until(lambda: not alive(program.pids))


async def test_its_end_is_seen_while_a_child_of_it_holds_its_pipes(process: RuntimeProcess, program: Program) -> None:
    program.behave(child=True)
    await process.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        assert await process.wait() == -signal.SIGKILL
    assert process.pid is None
    await process.stop()


# -- a start that fails ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "ready_s", "words"),
    [
        ({"start": "crash", "said": "no such library"}, 30, ("ended as it started", "no such library")),
        ({"start": "cut"}, 30, ("ended as it started",)),
        ({"start": "wrong"}, 30, ("does not answer as the runtime does", "bytes")),
        ({"start": "hang", "said": "waiting for Godot"}, 0.5, ("not ready within 0.5 s", "waiting for Godot")),
        ({"start": "closed"}, 0.5, ("not ready within 0.5 s",)),
    ],
)
async def test_a_start_that_fails_leaves_nothing_and_says_why(
    behaviour: dict[str, Any], ready_s: float, words: tuple[str, ...], program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_S", ready_s)
    program.behave(**behaviour)
    process = RuntimeProcess(program.settings, ROUTE)
    with pytest.raises(FaultError) as raised:
        await process.start()
    fault = raised.value.fault
    assert (fault.status, fault.code) == (503, "ls_absent")
    assert fault.remedy
    for word in words:
        assert word in fault.message
    assert folders() == []
    assert alive(program.pids) == []


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (None, 0, "No such file"),
        ("#!/no/where\n", 0o700, "No such file"),
        ("\x00\x01", 0o700, "Exec format"),
        ("#!/bin/sh\n", 0o600, "Permission denied"),
    ],
)
async def test_a_program_that_cannot_be_started(
    text: str | None, mode: int, words: str, program: Program, tmp_path: Path
) -> None:
    path = tmp_path / "other"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(FaultError, match=f"other cannot be started: {words}"):
        await RuntimeProcess(Settings(path, KEY), ROUTE).start()


async def test_a_path_that_is_none(program: Program) -> None:
    with pytest.raises(FaultError, match="cannot be started: embedded null byte"):
        await RuntimeProcess(Settings(Path("a\0b"), KEY), ROUTE).start()


async def test_no_room_for_its_folder(process: RuntimeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(FaultError, match="cannot be started: No space left"):
        await process.start()


# -- cancelled ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["", "hang", "closed", "crash"])
@pytest.mark.parametrize("turns", [*range(12), 20, 40, None])
async def test_a_start_that_is_cancelled_leaves_nothing(
    turns: int | None, start: str, process: RuntimeProcess, program: Program
) -> None:
    """At each of its steps. None: when the program runs."""
    program.behave(start=start)
    starting = asyncio.create_task(process.start())
    if turns is None:
        await until(lambda: program.starts)
    else:
        for _ in range(turns):
            await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    if not starting.cancelled():
        await process.stop()
    assert process.pid is None


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, "waiting"])
async def test_a_stop_that_is_cancelled_leaves_nothing(
    steps: int | str, process: RuntimeProcess, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_S", 600)
    program.behave(deaf=True)
    await process.start()
    stopping = asyncio.create_task(process.stop())
    for _ in range(50 if isinstance(steps, str) else steps):
        await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    if steps == 0:  # it had not begun
        monkeypatch.setattr(module, "STOP_S", 0.05)
        await process.stop()
    assert process.pid is None


async def test_a_stop_that_is_cancelled_as_it_clears_up_ends_when_that_is_done(
    process: RuntimeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, remove, goes_on = threading.Event(), Folder.remove, threading.Event()

    def slowly(folder: Folder) -> None:
        began.set()
        assert goes_on.wait(20)
        remove(folder)

    await process.start()
    monkeypatch.setattr(Folder, "remove", slowly)
    stopping = asyncio.create_task(process.stop())
    await until(began.is_set)
    stopping.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    ended_early = stopping.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert not ended_early
    assert folders() == []


async def test_a_bug_of_the_lifeline_leaves_nothing(process: RuntimeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("our bug")

    monkeypatch.setattr(lifeline, "start", fails)
    with pytest.raises(RuntimeError, match="our bug"):
        await process.start()


# -- killed ------------------------------------------------------------------------------------------------------


async def test_it_ends_when_we_are_killed(program: Program, own_temporary_folder: Path) -> None:
    """And the next one sweeps away what it has left."""
    parent = f"""
import asyncio
import errno
from pathlib import Path
from zerogravity.backends.base import Route
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.backends.runtime.settings import Settings

async def main():
    await RuntimeProcess(Settings(Path({str(program.path)!r}), "key"), Route("http://127.0.0.1:9")).start()
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    program.behave(deaf=True, child=True)
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(own_temporary_folder)},
    )  # fmt: skip
    assert gateway.stdout is not None
    assert await gateway.stdout.readline() == b"up\n"
    (left,) = folders()
    gateway.kill()
    await gateway.communicate()
    await until(lambda: not alive(program.pids))
    os.utime(left, (0, 0))
    program.behave()
    process = RuntimeProcess(program.settings, ROUTE)
    await process.start()
    assert left not in folders()
    await process.stop()

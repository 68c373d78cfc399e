"""A process and what it starts as one family: what ends it, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

import psutil
import pytest

from zerogravity import lifeline

PYTHON = sys.executable
WAITING = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + WAITING
PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]);" + WAITING
ENDS = [  # a program, and its exit code
    pytest.param("raise SystemExit(7)", 7, id="over"),
    pytest.param(WAITING, -signal.SIGTERM, id="waiting"),
    pytest.param(DEAF, -signal.SIGKILL, id="deaf"),
    pytest.param(PARENT.format(child=WAITING), -signal.SIGTERM, id="with a child"),
    pytest.param(PARENT.format(child=DEAF), -signal.SIGTERM, id="with a deaf child"),
]
NO_PROGRAMS = [["/nowhere/program"], ["with\0zero"], ["/etc"]]


def members() -> list[psutil.Process]:
    """What we have started and what that has started."""
    return [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(autouse=True)
def nothing_stays():
    before = members()
    yield
    assert [one for one in members() if one not in before] == []


@pytest.mark.parametrize(("code", "ends"), ENDS)
async def test_it_ends_with_all_it_has_started(code: str, ends: int) -> None:
    family = await lifeline.start(PYTHON, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert family.process.stdout is not None
    if ends == 7:
        await family.process.wait()
    else:
        assert await family.process.stdout.readline() == b"up\n"
    assert await family.end(0.2) == ends
    assert await family.end(0.2) == ends
    await family.process.stdout.read()


async def test_who_does_not_listen_is_a_connection_that_is_gone() -> None:
    family = await lifeline.start("/bin/sh", "-c", "exit 3", stdin=asyncio.subprocess.PIPE)
    with suppress(ChildProcessError):  # the loop's own thread may be faster
        os.waitid(os.P_PID, family.process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop is to be busy
    with suppress(ConnectionError):  # asyncio may not have noticed
        await lifeline.tell(family.process, b"hello")
    assert await family.end(0.2) == 3
    with pytest.raises(ConnectionError):
        await lifeline.tell(family.process, b"hello")


@pytest.mark.parametrize("command", NO_PROGRAMS)
async def test_a_command_that_is_none_leaves_nothing(command: list[str]) -> None:
    with pytest.raises((OSError, ValueError)):
        await lifeline.start(*command)


async def test_an_end_that_is_given_up_is_one() -> None:
    family = await lifeline.start(PYTHON, "-c", DEAF, stdout=asyncio.subprocess.PIPE)
    assert family.process.stdout is not None
    await family.process.stdout.readline()
    ending = asyncio.create_task(family.end(600))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    assert await family.end(0) == -signal.SIGKILL


async def test_ctrl_c_and_a_hang_up_are_for_us_to_hand_on() -> None:
    """What a terminal sends goes to the group in front, which is not the child's."""
    family = await lifeline.start(PYTHON, "-c", WAITING)
    group = os.getpgid(family.process.pid)
    assert group not in (os.getpgid(0), family.process.pid)
    await family.end(2)


# -- a command that starts others ----------------------------------------------------------------------------------


async def told(seen: list[str]) -> int:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)
    finally:
        seen.append("cleaned up")
    return 0


async def by_somebody_else(seen: list[str]) -> int:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)
    return 0


def test_a_result() -> None:
    async def seven() -> int:
        return 7

    assert lifeline.run(seven()) == 7


def test_asked_to_end_by_a_signal() -> None:
    seen: list[str] = []
    with pytest.raises(SystemExit) as left:
        lifeline.run(told(seen))
    assert (left.value.code, seen) == (143, ["cleaned up"])


def test_cancelled_by_other_code() -> None:
    with pytest.raises(asyncio.CancelledError):
        lifeline.run(by_somebody_else([]))

"""What uvloop lacks: process groups of children, and factories of tasks as each Python has them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any

import psutil
import pytest

from tests import test_lifeline as of_lifeline
from tests.test_lifeline import nothing_stays  # noqa: F401  # pyright: ignore[reportUnusedImport]
from zerogravity import lifeline

pytest.importorskip("uvloop")
from zerogravity.uvloop_loop import Loop

GROUP = "import os; print(os.getpgrp())"


def on_uvloop[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work, loop_factory=Loop)


async def group_of_a_child(**options: Any) -> int:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", GROUP, stdout=asyncio.subprocess.PIPE, **options)
    said, _ = await child.communicate()
    return int(said)


def test_a_child_is_in_the_group_that_it_is_given() -> None:
    async def groups() -> tuple[int, int, int]:
        first = await asyncio.create_subprocess_exec("/bin/sh", "-c", "read -r _", stdin=-1, process_group=0)
        joined = await group_of_a_child(process_group=first.pid)
        await first.communicate(b"\n")
        return first.pid, joined, await group_of_a_child()

    leader, joined, usual = on_uvloop(groups())
    assert joined == leader
    assert usual == os.getpgrp()


def test_a_group_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(PermissionError):
        on_uvloop(group_of_a_child(process_group=1))
    psutil.wait_procs(of_lifeline.members(), 20)  # what was to be the child ends


@pytest.mark.parametrize("options", [{"env": {"A": "b\0c"}}, {"env": {"A\0": "b"}}, {"cwd": "/\0"}], ids=str)
def test_a_nul_is_refused_wherever_it_stands(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="null byte"):
        on_uvloop(group_of_a_child(**options))


@pytest.mark.parametrize(("code", "ends"), of_lifeline.ENDS)
def test_a_family_ends_whole(code: str, ends: int) -> None:
    on_uvloop(of_lifeline.test_it_ends_with_all_it_has_started(code, ends))


def test_who_does_not_listen_is_a_connection_that_is_gone() -> None:
    on_uvloop(of_lifeline.test_who_does_not_listen_is_a_connection_that_is_gone())


@pytest.mark.parametrize("command", of_lifeline.NO_PROGRAMS)
def test_a_command_that_is_none(command: list[str]) -> None:
    on_uvloop(of_lifeline.test_a_command_that_is_none_leaves_nothing(command))


def test_sigterm_runs_the_clean_up() -> None:
    async def work() -> None:
        os.kill(os.getpid(), 15)
        await asyncio.sleep(60)

    with pytest.raises(SystemExit) as ended:
        lifeline.run(work(), Loop)
    assert ended.value.code == 128 + 15


@pytest.mark.parametrize("eager", [True, False])
def test_tasks_start_as_their_factory_says(eager: bool) -> None:
    async def begun() -> list[int]:
        order: list[int] = []

        async def task() -> None:
            order.append(1)

        factory = asyncio.eager_task_factory if eager else None
        asyncio.get_running_loop().set_task_factory(factory)
        assert asyncio.get_running_loop().get_task_factory() is factory
        made = asyncio.create_task(task(), name="named")
        order.append(2)
        await made
        assert made.get_name() == "named"
        asyncio.get_running_loop().set_task_factory(None)
        return order

    assert on_uvloop(begun()) == ([1, 2] if eager else [2, 1])

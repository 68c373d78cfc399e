"""Fixtures every test shares: a clock that is turned by hand, ready-made turns, and the leak check."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from platformdirs import user_config_path
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

import tests.own_processes.sitecustomize  # noqa: F401  # this worker, too, sees its own processes only
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

# Two shared cores: no deadline per example, and few enough examples for the whole suite to take minutes; the same ones
# in every run, so that a change is judged by what it changes. --hypothesis-profile=search looks for new ones.
settings.register_profile(
    "zerogravity",
    deadline=None, max_examples=60, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile("search", settings.get_profile("zerogravity"), max_examples=1000, derandomize=False)
settings.load_profile("zerogravity")


def pytest_configure(config: pytest.Config) -> None:
    """No test reads or writes what belongs to who runs it, but for pip's settings."""
    os.environ.setdefault("PIP_CONFIG_FILE", str(user_config_path("pip") / "pip.conf"))
    folder = tempfile.TemporaryDirectory(prefix="zerogravity-tests-")
    config.add_cleanup(folder.cleanup)
    for name in ("CONFIG", "DATA", "STATE"):
        os.environ[f"XDG_{name}_HOME"] = f"{folder.name}/{name.lower()}"


# What starts processes and waits for them comes first, so that the end is of files that take no time.
FIRST = re.compile(r"tests/(e2e|runtime|clients|cli|observe/inspector/test_browser|observe/test_doctor|backends|mcp)")


class ByFile(LoadScopeScheduling):
    """Who runs what, where several workers share the suite: whole files each, the slow ones first.

    Marks (``xdist_group``) cannot say it: pytest 9.2 no longer shows pytest-xdist 3.8 the ids it writes.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = next((file for file in self.workqueue if FIRST.match(file)), None)
        if first is not None:
            self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Files that have ended are forgotten: their tests would be counted again after each one."""
        super().mark_test_complete(node, item_index, duration)
        work = self.assigned_work[node]
        for file in [file for file, done in work.items() if all(done.values())]:
            del work[file]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, since tests that drive processes wait as much as they compute."""
    return min((os.cpu_count() or 1) + 1, 8)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


def evict(store: MitmStore, turn_id: str) -> None:
    """What a sweep does with a finished turn when memory is short."""
    store._evict(store._finished[turn_id])  # pyright: ignore[reportPrivateUsage]


def expire(channel: CascadeChannel) -> None:
    """As if its records had been evicted."""
    log = channel._log  # pyright: ignore[reportPrivateUsage]
    log.expired, log.records = True, []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_turn() -> Callable[..., Turn]:
    """Turns with sensible defaults; every field can be given."""
    count = 0

    def make(**fields: Any) -> Turn:
        nonlocal count
        count += 1
        return builders.turn(**{"id": f"turn_{count:032x}", **fields})

    return make

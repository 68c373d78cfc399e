"""Fixtures every test shares: a clock that is turned by hand, ready-made turns, and the leak check."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

# Two shared cores: no deadline per example, and few enough examples for the whole suite to take minutes.
settings.register_profile(
    "zerogravity", deadline=None, max_examples=60, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("zerogravity")


# Tests that look for language servers among the processes of this machine, or take the README's own ports.
ALONE = re.compile(
    r"tests/(e2e/test_(repoint|newcomer|language_servers)|runtime/test_readme|cli/test_(ls|own_gateway|run)"
    r"|observe/test_(doctor|configured|machine|ls_probe)|backends/antigravity/test_(discover|child))\.py"
)


class ByFile(LoadScopeScheduling):
    """Who runs what, where several workers share the suite: whole files each, and ``ALONE`` last, by the last of them
    when the others have ended.

    Marks (``xdist_group``) cannot say it: pytest 9.2 no longer shows pytest-xdist 3.8 the ids it writes.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "alone" if ALONE.match(file) else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        if "alone" in self.workqueue:
            self.workqueue.move_to_end("alone")
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        others = {other: work for other, work in self.assigned_work.items() if other is not node}
        if list(self.workqueue) != ["alone"]:
            super()._reschedule(node)
        elif not all(other.shutting_down for other in others):
            node.shutdown()
        elif not any(map(self._pending_of, others.values())):
            super()._reschedule(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        for other in self.nodes:
            if other is not node:
                self._reschedule(other)


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

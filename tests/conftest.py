"""Fixtures every test shares: a clock that is turned by hand, ready-made turns, and the leak check."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

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


# Tests that look for language servers among the processes of this machine, start some, or take the README's own ports.
ALONE = re.compile(
    r"tests/(e2e|runtime|backends|testing)/|tests/test_(compose|scripts|wheel)\.py"
    r"|tests/cli/test_(demo|demonstration|ls|open|own_gateway|run|serve|simulate|top)\.py"
    r"|tests/observe/test_(doctor|configured|machine|ls_probe)\.py"
)


class ByFile(LoadScopeScheduling):
    """Who runs what, where several workers share the suite: ``ALONE`` goes to one of them, all others by their files.

    Marks (``xdist_group``) cannot say it: pytest 9.2 no longer shows pytest-xdist 3.8 the ids it writes.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "alone" if ALONE.match(file) else file


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

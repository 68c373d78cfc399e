"""What ready means, hop by hop, and what only degrades."""

from __future__ import annotations

import pytest

from zerogravity.core.events import Failed, Finished
from zerogravity.core.store import MitmStore
from zerogravity.errors import Fault, Guilt, Termination
from zerogravity.ops.health import Health

NO_LOGIN = Fault(Guilt.LS, 401, "ls_not_logged_in", "not logged in", termination=Termination.LS_REFUSED)
UNMATCHED = Failed(Fault(Guilt.LS, 504, "match_timeout", "none", termination=Termination.MATCH_TIMEOUT))


def broken(health):
    ready, checks = health.ready()
    failed = [check for check in checks if not check.ok]
    assert ready == (not failed)
    assert all(check.fix or check.name == "server" for check in failed), "each broken hop says what to do"
    return [check.name for check in failed]


def test_ready_from_the_start(clock):
    health = Health(clock)
    assert broken(health) == []
    assert [check.name for check in health.checks()] == ["server", "language_server", "path"]
    assert health.line() == "ready"


def test_stopping(clock):
    health = Health(clock)
    health.stopping = True
    assert broken(health) == ["server"]
    assert health.line() == "not ready: server: stopping"


def test_what_the_driver_of_the_language_server_knows(clock):
    known: list[Fault | None] = [NO_LOGIN]
    health = Health(clock, known_fault=lambda: known[0])
    assert broken(health) == ["language_server"]
    assert health.line() == "not ready: language_server: not logged in"
    known[0] = None
    assert broken(health) == []


def test_without_interception_there_is_no_path(clock):
    assert [check.name for check in Health(clock, intercepting=False).checks()] == ["server", "language_server"]


def test_a_path_is_known_once_a_call_has_come_by(clock):
    health = Health(clock)
    assert "no call" in health.checks()[-1].text
    health.path_seen()
    assert "come through" in health.checks()[-1].text


@pytest.mark.parametrize(
    ("seen", "terminal", "missing"),
    [
        (None, UNMATCHED, ["path"]),
        ("before", UNMATCHED, ["path"]),
        ("during", UNMATCHED, []),  # the LS's calls come by, it only made none for this turn
        (None, Finished("stop"), []),
        (None, Failed(NO_LOGIN), []),
    ],
)
def test_a_turn_that_was_never_matched_means_a_missing_path(clock, make_turn, seen, terminal, missing):
    health, store = Health(clock), MitmStore(clock)
    health.watch(store)
    if seen == "before":
        health.path_seen()
    clock.advance(1)
    channel = store.open(make_turn())
    clock.advance(1)
    if seen == "during":
        health.path_seen()
    clock.advance(20)
    channel.close(terminal)
    assert broken(health) == missing
    health.path_seen()
    assert broken(health) == [], "it is there again"


def test_degraded_is_still_ready(clock):
    health = Health(clock)
    health.degrade("traces", "disk full")
    health.degrade("usage", "read-only")
    assert broken(health) == []
    assert health.degraded == {"traces": "disk full", "usage": "read-only"}
    assert health.line() == "ready (traces: disk full; usage: read-only)"
    health.recover("traces")
    health.recover("never degraded")
    assert health.line() == "ready (usage: read-only)"


def test_uptime(clock):
    health = Health(clock)
    clock.advance(12.5)
    assert health.uptime == 12.5

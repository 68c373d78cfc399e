"""What each run has caused: counted when its turns begin and end."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.events import AttemptOpened, Failed, Finished, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.errors import Termination, cancelled, upstream
from zerogravity.observe import prices
from zerogravity.observe.runs import Runs


@pytest.fixture
def store(clock):
    return MitmStore(clock, max_bytes=20_000)


def watched(store, limit=10, **options):
    runs = Runs(limit, **options)
    runs.watch(store)
    return runs


def test_turns_tokens_and_failures_are_summed(store, make_turn, monkeypatch):
    monkeypatch.setattr(prices, "of", lambda attempt: prices.UNKNOWN)
    runs = watched(store)
    ends = [
        Finished("stop"), Failed(upstream(502, "boom", "it broke", Termination.UPSTREAM_DROP)),
        Failed(cancelled(Termination.CLIENT_GONE)), None,
    ]  # fmt: skip
    for end in ends:
        running = store.open(make_turn(run="k3f9"))
        running.append(0, b"", (Usage(prompt=10, cached=4, candidates=2, thoughts=1, total=13),))
        if end is not None:
            running.close(end)
    store.open(make_turn(run="other"))
    store.open(make_turn()).close(Finished("stop"))
    totals: dict[str, Any] = runs.totals("k3f9").as_json()
    usage = totals.pop("usage")
    assert totals == {"turns": 4, "running": 1, "failed": 1, "cancelled": 1, "price": None, "price_partial": True,
                      "ended": False}  # fmt: skip
    assert (usage["prompt"], usage["cached"], usage["candidates"], usage["thoughts"]) == (30, 12, 6, 3)
    assert (runs.totals("other").turns, runs.totals("").turns, runs.totals("never").turns) == (1, 0, 0)


def test_prices_are_added_where_they_are_known(store, make_turn, monkeypatch):
    runs, known = watched(store), iter((prices.Price(0.25), prices.UNKNOWN, prices.Price(0.5)))
    monkeypatch.setattr(prices, "of", lambda attempt: next(known))
    for _ in range(3):
        running = store.open(make_turn(run="k3f9"))
        running.append(0, b"", (AttemptOpened(), Usage(prompt=10)))
        running.close(Finished("stop"))
    store.open(make_turn(run="k3f9")).close(Failed(cancelled(Termination.CLIENT_GONE)))
    assert runs.totals("k3f9").price == prices.Price(0.75, partial=True)


def test_the_run_that_has_been_quiet_for_longest_is_forgotten(store, make_turn):
    runs = watched(store, limit=2)
    quiet = store.open(make_turn(run="aaaa"))
    store.open(make_turn(run="bbbb"))
    store.open(make_turn(run="cccc"))
    quiet.close(Finished("stop"))
    assert [runs.totals(run).turns for run in ("aaaa", "bbbb", "cccc")] == [0, 1, 1]


def test_a_run_ends_with_its_program(store, make_turn):
    runs = watched(store)
    turns = [make_turn(run="k3f9"), make_turn(run="other"), make_turn()]
    for turn in turns:
        store.open(turn)
    for run in ("k3f9", "never", ""):
        runs.end(run)
    assert [runs.has_ended(turn) for turn in turns] == [True, False, False]
    assert (runs.totals("k3f9").ended, runs.totals("never").ended) == (True, False)
    store.open(make_turn(run="k3f9"))
    assert not runs.has_ended(turns[0]), "something that it has started goes on"


@pytest.mark.parametrize(("scoped", "told"), [(True, [1, 1, 0]), (False, [2, 2, 2])])
def test_with_keys_a_run_is_its_owners(store, make_turn, scoped, told):
    runs = watched(store, scoped=scoped)
    turns = [make_turn(run="k3f9", owner=owner) for owner in ("one", "two")]
    for turn in turns:
        store.open(turn)
    assert [runs.totals("k3f9", owner).turns for owner in ("one", "two", "three")] == told
    runs.end("k3f9", "two")
    assert [runs.has_ended(turn) for turn in turns] == [not scoped, True]

"""What is left of the models' quotas, in JSON and in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from zerogravity.core.turn import Target
from zerogravity.observe import quotas
from zerogravity.observe.quotas import Quota
from zerogravity.surfaces.common.models import ModelInfo

NOW = 1_770_000_000.0  # 2026-02-02 02:40:00 UTC
HOUR = 3600.0


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def info(name: str, left: float | None = None, resets: float | None = None) -> ModelInfo:
    return replace(ModelInfo(name, name, Target(name, "M1")), left=left, resets=resets)


def test_models_of_which_nothing_is_known_are_absent() -> None:
    models = info("a", 0.83, NOW + 5 * HOUR), info("b"), info("c", resets=NOW), info("d", 0.0)
    told = quotas.of(models)
    assert [quota.as_json() for quota in told] == [
        {"model": "a", "left": 0.83, "resets": "2026-02-02T07:40:00.000Z"},
        {"model": "c", "left": None, "resets": "2026-02-02T02:40:00.000Z"},
        {"model": "d", "left": 0.0, "resets": None},
    ]
    assert quotas.read([quota.as_json() for quota in told]) == told


@pytest.mark.parametrize("listed", [None, "x", {}, [], ["x"]])
def test_what_is_no_list_of_quotas_is_none(listed: object) -> None:
    assert quotas.read(listed) == []


def test_what_another_version_tells_is_read_as_far_as_it_goes() -> None:
    assert quotas.read([{}, {"model": 7, "left": "x", "resets": "soon"}]) == [Quota(""), Quota("")]


@pytest.mark.parametrize(
    ("left", "after", "words"),
    [
        (0.83, 5 * HOUR, "83% left, resets at 07:40 (in 5 h)"),
        (1.0, None, "100% left"),
        (0.004, 30.0, "0% left, resets at 02:40 (in 30 s)"),
        (None, 30 * HOUR, "unknown or used up, resets at 02-03 08:40 (in 1 d 6 h)"),
        (0.5, -HOUR, "50% left"),  # a moment that is over says nothing
    ],
)
def test_words(left: float | None, after: float | None, words: str) -> None:
    assert Quota("m", left, None if after is None else NOW + after).words(NOW) == words


def test_models_that_share_a_quota_share_a_line_and_the_scarcest_come_first() -> None:
    told = [Quota("a", 0.8, NOW + HOUR), Quota("b", 0.2, NOW + HOUR), Quota("c", 0.8, NOW + HOUR), Quota("d")]
    assert quotas.lines(told, NOW) == [
        "unknown or used up: d",
        "20% left, resets at 03:40 (in 1 h): b",
        "80% left, resets at 03:40 (in 1 h): a, c",
    ]
    assert quotas.lines([], NOW) == []

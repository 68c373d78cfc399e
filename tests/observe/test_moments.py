"""Moments in words: for machines, for people."""

from __future__ import annotations

import time

import pytest

from zerogravity.observe import moments

WALL = 1_770_000_000.123


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/New_York"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("wall", "shown"),
    [
        (WALL, "2026-02-02T02:40:00.123Z"),
        (1_770_000_000, "2026-02-02T02:40:00.000Z"),
        (1_770_000_000.001, "2026-02-02T02:40:00.001Z"),
        (0, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_machines_get_utc_to_the_millisecond_in_every_zone(zone, wall, shown):
    assert moments.utc(wall) == shown


def test_people_get_local_time_with_its_zone(zone):
    assert moments.local(WALL) == {
        "UTC": "2026-02-02 02:40:00 UTC", "Europe/Berlin": "2026-02-02 03:40:00 CET",
        "America/New_York": "2026-02-01 21:40:00 EST",
    }[zone]  # fmt: skip


def test_another_form(zone):
    assert moments.local(WALL, "%H:%M:%S") == {
        "UTC": "02:40:00", "Europe/Berlin": "03:40:00", "America/New_York": "21:40:00",
    }[zone]  # fmt: skip

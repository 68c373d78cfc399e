from __future__ import annotations

import copy
import pickle
from dataclasses import fields, replace

from zerogravity.core.values import value


@value
class Point:
    x: int
    y: int = 0


@value
class Other:
    x: int
    y: int = 0


def test_they_are_equal_by_kind_and_members():
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert {Point(1), Point(1), Other(1)} == {Point(1), Other(1)}


def test_they_are_dataclasses_with_slots():
    assert [each.name for each in fields(Point)] == ["x", "y"]
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    assert copy.deepcopy(Point(1)) == pickle.loads(pickle.dumps(Point(1))) == Point(1)
    assert not hasattr(Point(1), "__dict__")
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)

"""What only connections know: bounded for each, and for all of them together."""

from __future__ import annotations

from collections import OrderedDict

from zerogravity.server.connection_memory import PER_CONNECTION, ConnectionMemory, LocalResponses
from zerogravity.surfaces.responses.stored import StoredResponse


def response(name: str) -> StoredResponse:
    return StoredResponse(name, "", 0, {})


def test_the_oldest_of_a_connection_goes_first() -> None:
    remembered, known = ConnectionMemory(1 << 20), LocalResponses()
    for number in range(PER_CONNECTION + 2):
        remembered.add(known, response(f"r{number}"), 10)
    assert list(known) == [f"r{number}" for number in range(2, PER_CONNECTION + 2)]
    assert remembered.bytes == 10 * PER_CONNECTION


def test_the_oldest_of_all_goes_first() -> None:
    remembered = ConnectionMemory(100)
    one: LocalResponses = OrderedDict()
    two: LocalResponses = OrderedDict()
    remembered.add(one, response("a"), 60)
    remembered.add(two, response("b"), 40)
    remembered.add(two, response("c"), 40)
    assert (list(one), list(two), remembered.bytes) == ([], ["b", "c"], 80)
    remembered.add(one, response("d"), 1000)  # what has just been said can always be continued
    assert (list(one), list(two), remembered.bytes) == (["d"], [], 1000)
    two["e"] = response("e")  # known to nobody else
    remembered.leave(one)
    assert (list(one), remembered.bytes) == ([], 0)

"""Places and the queue for them, whatever happens at once."""

from __future__ import annotations

from zerogravity.admission import AdmissionQueue


async def test_places_are_handed_on_whatever_happens_at_once() -> None:
    places = AdmissionQueue(1, 3)
    held, waiting, gone, last = (places.acquire() for _ in range(4))
    assert held is not None and waiting is not None and gone is not None and last is not None
    assert held.done() and not waiting.done()
    assert places.acquire() is None
    places.release(gone)
    places.release(held)
    assert waiting.done()
    waiting_too_long = waiting  # its waiter timed out in the tick in which the place came: it gives it back unused
    places.release(waiting_too_long)
    assert last.done() and not last.cancelled()
    assert (places.taken, len(places.queue)) == (1, 0)
    places.release(last)
    assert places.taken == 0

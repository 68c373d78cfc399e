"""``Runs``: what each ``zerogravity run`` has caused: turns, tokens, price, failures. In memory, for its last line."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass, field

from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination
from zerogravity.observe import prices
from zerogravity.observe.prices import Price

LIMIT = 1000  # runs; those that have been quiet for longest are forgotten
CANCELLED = (Termination.CANCELLED, Termination.CLIENT_GONE)


@dataclass(slots=True)
class Totals:
    """``running`` of the ``turns`` are not over; ``failed`` are, for another reason than that the client had enough of
    them (``cancelled``). ``price``: of those that are over. ``ended``: its program has."""

    turns: int = 0
    running: int = 0
    failed: int = 0
    cancelled: int = 0
    usage: Usage = field(default_factory=Usage)
    price: Price = prices.FREE
    ended: bool = False

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "usage": codec.usage_out(self.usage), **self.price.as_json()}


class Runs:
    """Only used from the event loop. Something happens when a turn begins and ends, nothing in between. ``scoped``: a
    run is the owner's whose turns are in it; else there is no key that tells owners apart."""

    def __init__(self, limit: int = LIMIT, *, scoped: bool = False) -> None:
        self._limit = limit
        self._scoped = scoped
        self._totals: OrderedDict[tuple[str, str], Totals] = OrderedDict()  # by run and owner

    def watch(self, store: MitmStore) -> None:
        store.on_open.append(self._opened)
        store.on_closed.append(self._closed)

    def totals(self, run: str, owner: str = "") -> Totals:
        """All 0 for a run that has had no turn of this owner."""
        return self._totals.get(self._key(run, owner)) or Totals()

    def end(self, run: str, owner: str = "") -> None:
        """Its program has ended. A turn that begins after that belongs to what the program has left running."""
        self.totals(run, owner).ended = True

    def has_ended(self, turn: Turn) -> bool:
        """Whether the program that the turn is for has."""
        return bool(turn.run) and self.totals(turn.run, turn.owner).ended

    def _key(self, run: str, owner: str) -> tuple[str, str]:
        return run, owner if self._scoped else ""

    def _opened(self, channel: CascadeChannel) -> None:
        if run := channel.turn.run:
            key = self._key(run, channel.turn.owner)
            totals = self._totals.setdefault(key, Totals())
            self._totals.move_to_end(key)
            totals.ended = False
            totals.turns += 1
            totals.running += 1
            if len(self._totals) > self._limit:
                self._totals.popitem(last=False)

    def _closed(self, channel: CascadeChannel) -> None:
        totals = self._totals.get(self._key(channel.turn.run, channel.turn.owner))
        if totals is None:
            return
        totals.running -= 1
        totals.usage += channel.state.usage
        if isinstance(channel.terminal, Failed):
            ended = channel.terminal.fault.termination in CANCELLED
            totals.cancelled += ended
            totals.failed += not ended
        totals.price += prices.of_turn(channel)

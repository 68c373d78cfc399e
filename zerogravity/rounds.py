"""How a turn goes on beyond one request to Google: the seam for what asks another model, or runs calls of its own.

The engine asks each rule in order, before the turn begins, before its first round (and the first one of another
model), and at the end of each round.
"""

from __future__ import annotations

from zerogravity.core.events import Terminal
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault


class Rule:
    """By default a turn has one round. No method may wait, and ``after`` is called in the middle of capture."""

    def first(self, turn: Turn) -> Turn:
        """The turn as it is begun. Raises FaultError when it must not begin."""
        return turn

    def before(self, turn: Turn) -> Following | None:
        """What has to be done before anything is sent, and again before another model is asked."""
        return None

    def unfit(self, turn: Turn, fault: Fault) -> Turn | None:
        """What is asked instead of a turn that cannot be prepared; None: nothing that this rule knows of. Raises
        FaultError where the turn ends with another fault."""
        return None

    def after(self, running: RunningTurn, terminal: Terminal) -> Following | None:
        """What follows a round that ends so; None: nothing that this rule knows of."""
        return None

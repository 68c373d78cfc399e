"""``Backend``: whoever makes the call to Google for us, as engine and composition see it: nothing else is known of one.

    listen → start → look, now and then → any number of turns, side by side → close
    a turn:  admit → check → start_cascade → send, with follow beside it → annotate → cancel, if it failed → delete

The engine opens a turn's channel for the cascade before ``send``, so the call to Google can never be too early.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Model, Turn
from zerogravity.errors import Fault


@dataclass(frozen=True, slots=True)
class Route:
    """How a back end's calls reach our interceptor. ``endpoint``: our reverse proxy. ``proxy``, ``bundle``: our proxy
    and whom it signs as. ``google``: where they go on to, if that is not Google itself, verified by ``google_ca``."""

    endpoint: str = ""
    proxy: str | None = None
    bundle: Path | None = None
    google: str = ""
    google_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a back end shows. ``fault``: why it can serve no turn. ``unsettled``: what serves now was taken
    for want of a better, which may come soon."""

    fault: Fault | None = None
    unsettled: bool = False


def _nobody(*_: object) -> None:
    """Hears nothing."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of a back end what nobody has asked.

    ``models``    those that it offers, whenever it has said so.
    ``up``        a process of its own serves now (True), or has ended and is being started again (False).
    ``degraded``  what of it works less well, and why; None: it works again.
    """

    models: Callable[[Sequence[Model]], object] = _nobody
    up: Callable[[bool], None] = _nobody
    degraded: Callable[[str, str | None], None] = _nobody


class Backend(Protocol):
    """Every method raises FaultError where it fails, but for ``listen``, ``look`` and ``close``, which do not fail."""

    @property
    def captured(self) -> bool:
        """Whether its calls pass our interceptor, which then fills the channel; else ``follow`` does."""
        ...

    @property
    def deletes(self) -> bool:
        """Whether a cascade is deleted after its turn: the user wants none kept, or one holds something open."""
        ...

    # -- its life --------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Tell this one from now on. Before ``start``."""
        ...

    async def start(self) -> None:
        """Start what is our own of it, and keep it running. One that is somebody else's is only looked for."""
        ...

    async def close(self) -> None:
        """End what was started, and every connection; also where ``start`` failed or was never called."""
        ...

    async def look(self) -> Look:
        """Whether a turn could be served now, asked as cheaply as can be; learns its models by the way."""
        ...

    # -- a turn ----------------------------------------------------------------------------------------------------

    def admit(self, turn: Turn) -> None:
        """Refuse, before anything is opened for it, a turn that cannot be served in this way."""
        ...

    async def check(self) -> None:
        """Refuse if it is known that no turn can be served (nobody is logged in)."""
        ...

    async def start_cascade(self, model: str) -> str:
        """A conversation for one turn: its id, never given before. It makes no call yet. Cancelled: nothing is left."""
        ...

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        """Have the call made for this turn, carrying the marker (``core.marker``) where it is captured. May last as
        long as the turn; an error once the answer comes does not spoil it."""
        ...

    async def follow(self, running: RunningTurn) -> None:
        """What is to be done beside ``send``, cancelled at the turn's end. Captured: only until the call is here, and
        its failure does no harm. Else it writes the answer into the turn and closes it, and its failure is the
        turn's."""
        ...

    async def annotate(self, cascade_id: str) -> None:
        """``send`` has returned: mark the conversation as seen, where such a thing is known."""
        ...

    async def cancel(self, cascade_id: str) -> None:
        """Stop what still runs for a turn that has failed: it would spend quota."""
        ...

    async def delete(self, cascade_id: str) -> None:
        """Forget the conversation, where ``deletes``."""
        ...

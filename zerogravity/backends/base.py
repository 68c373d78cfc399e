"""``Backend``: the service that calls Google for us. Engine and composition use nothing else of it.

    set_callbacks → start → readiness, now and then → any number of turns, side by side → close
    a turn:  admit → check → start_cascade → send, with follow beside it → cancel, if it failed → delete, or annotate

The engine opens a turn's channel for the cascade before ``send``, so the call to Google can never be too early.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Model, Turn
from zerogravity.errors import RUN_DOCTOR, Fault
from zerogravity.hosts import GOOGLE


@dataclass(frozen=True, slots=True)
class Route:
    """How a back end's calls reach our interceptor. ``endpoint``: our reverse proxy. ``proxy``, ``bundle``: our proxy
    and its CA certificates. ``google``: where calls go on to, if not Google itself, verified by ``google_ca``."""

    endpoint: str = ""
    proxy: str | None = None
    bundle: Path | None = None
    google: str = ""
    google_ca: Path | None = None

    @property
    def leads_here(self) -> bool:
        """Whether a process can be told of it; other modes of mitmproxy take their traffic from the system."""
        return bool(self.endpoint or self.proxy)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send a process's calls through our proxy; none where it is not by a proxy."""
        made: dict[str, str] = {}
        if self.proxy is not None:
            made |= {"HTTPS_PROXY": self.proxy, "NO_PROXY": "localhost,127.0.0.1,::1"}
        if self.bundle is not None:
            made["SSL_CERT_FILE"] = str(self.bundle)
        return made


@dataclass(frozen=True, slots=True)
class GoogleApi:
    """The API of Google's that a back end calls, and where it is. ``key``: the API key that it logs in with; empty: it
    has a login of another kind."""

    name: Literal["editor", "gemini", "vertex"] = "editor"
    url: str = GOOGLE
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Words:
    """What people read about a back end. ``name``: in the middle of a sentence. ``no_call``: what to do when none of
    its calls comes here."""

    name: str = "the language server"
    no_call: str = RUN_DOCTOR


@dataclass(frozen=True, slots=True)
class Readiness:
    """``fault``: why no turn can be served. ``provisional``: a better server may turn up soon. ``text``: what serves
    them, where there is more to say than that it answers."""

    fault: Fault | None = None
    provisional: bool = False
    text: str = ""


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class BackendListener:
    """What a back end reports unasked.

    ``on_models``    the models that it offers, whenever it has learnt them.
    ``on_up``        a process of its own serves now (True), or has ended and is being restarted (False).
    ``on_degraded``  which part of it works less well, and why; None: it works again.
    """

    on_models: Callable[[Sequence[Model]], object] = _ignore
    on_up: Callable[[bool], None] = _ignore
    on_degraded: Callable[[str, str | None], None] = _ignore


class Backend(Protocol):
    """Every method raises FaultError when it fails, except ``set_callbacks``, ``readiness`` and ``close``, which do
    not fail."""

    @property
    def captured(self) -> bool:
        """Whether its calls pass our interceptor, which then fills the channel; else ``follow`` does."""
        ...

    @property
    def deletes(self) -> bool:
        """Whether a cascade is deleted after its turn: the user wants none kept, or one holds something open."""
        ...

    @property
    def reads_answers(self) -> bool:
        """Whether Google's answers go on to it, as far as it may see them; else it gets a clean end alone."""
        ...

    @property
    def places(self) -> int:
        """How many turns may run at a time, where the user does not say."""
        ...

    @property
    def words(self) -> Words:
        """What people read about it."""
        ...

    @property
    def google(self) -> GoogleApi:
        """Which API its calls are made for, wherever they are routed."""
        ...

    # -- lifecycle -------------------------------------------------------------------------------------------------

    def set_callbacks(self, callbacks: BackendListener) -> None:
        """Before ``start``."""
        ...

    async def start(self) -> None:
        """Start our own process, if there is one, and keep it running."""
        ...

    async def close(self) -> None:
        """End what was started, and every connection; also where ``start`` failed or was never called."""
        ...

    async def readiness(self) -> Readiness:
        """Whether a turn could be served now, found out as cheaply as possible; reports its models as well."""
        ...

    # -- a turn ----------------------------------------------------------------------------------------------------

    def admit(self, turn: Turn) -> None:
        """Refuse a turn that cannot be served this way, before anything is opened for it."""
        ...

    async def check(self) -> None:
        """Refuse if it is known that no turn can be served (nobody is logged in)."""
        ...

    async def start_cascade(self, model: str) -> str:
        """A conversation for one turn: its id, never used before. Makes no call yet; cancelled, it leaves nothing."""
        ...

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        """Have the call made for this turn, carrying the marker (``core.marker``) where it is captured. May last as
        long as the turn; an error after the answer has begun does not spoil it."""
        ...

    async def follow(self, running: RunningTurn) -> None:
        """Runs beside ``send``, cancelled at the turn's end. Captured: only until the call is here, and its failure
        does no harm. Else it writes the answer into the turn and closes it, and its failure is the turn's."""
        ...

    async def annotate(self, cascade_id: str) -> None:
        """``send`` has returned: mark the conversation as seen, where that exists."""
        ...

    async def cancel(self, cascade_id: str) -> None:
        """Stop what still runs for a turn that has failed: it would spend quota."""
        ...

    async def delete(self, cascade_id: str) -> None:
        """Forget the conversation, where ``deletes``."""
        ...

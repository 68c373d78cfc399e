"""What becomes of a request of the language server (``ROWS``), and whose fault a broken connection is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from zerogravity.capture.match import Kind, Match
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Fault, Termination, language_server, unreachable

RESET = "stream reset by client"  # mitmproxy says so of Google as well; whoever resets a stream has been reached


class Action(Enum):
    LEAVE = "passes untouched"
    COUNT = "passes untouched, counted as unmatched"
    RECORD = "passes untouched, counted as unmatched and recorded"
    TITLE = "answered here with a title"
    STOP = "answered here with a clean stop: it never reaches Google"
    CLAIM = "claimed: the turn is put into it"


@dataclass(frozen=True, slots=True)
class Row:
    """``turn``: the one of the request's marker. None: any. ``option``: only if it is switched on."""

    turn: Literal["none", "open", "closed"] | None
    kind: Kind | None
    option: Literal["passive", "titles"] | None
    action: Action


# The first row that fits decides.
ROWS = (
    Row("none", None, "passive", Action.RECORD),
    Row("none", None, None, Action.COUNT),
    Row(None, "checkpoint", "titles", Action.TITLE),
    Row(None, "checkpoint", None, Action.LEAVE),
    Row(None, "other", None, Action.COUNT),
    Row("closed", "agent", None, Action.STOP),
    Row("open", "agent", None, Action.CLAIM),
)


def decide(found: Match, running: RunningTurn | None, *, titles: bool, passive: bool) -> Action:
    """``titles``: checkpoints are answered here. ``passive``: what belongs to no turn is recorded."""
    turn = "none" if running is None else "closed" if running.closed else "open"
    options = {None, "titles" if titles else None, "passive" if passive else None}
    return next(
        row.action
        for row in ROWS
        if row.turn in (None, turn) and row.kind in (None, found.kind) and row.option in options
    )


@dataclass(frozen=True, slots=True)
class ConnectionLoss:
    """``gone``: the language server's fault, if it has hung up; ``lost``: otherwise. ``google_away``: whether it shows
    that Google cannot be reached."""

    gone: Fault | None
    lost: Fault
    google_away: bool

    @property
    def fault(self) -> Fault:
        return self.gone or self.lost


def connection_loss(
    message: str, *, name: str, connected: bool, given_up: bool, answered: bool, ours: bool
) -> ConnectionLoss:
    """``name``: what the language server is called. ``connected``: it still is; ``given_up``: it has reset this stream.
    ``answered``: Google has. ``ours``: we cut it, the turn was over."""
    reset = message.startswith(RESET)
    gone = None
    if not connected or given_up:
        gone = language_server(503, "ls_gone", f"{name} ended or hung up", Termination.LS_GONE)
    lost = unreachable(message.replace(RESET, "Google reset the stream", 1))
    return ConnectionLoss(gone, lost, google_away=not (answered or gone or reset or ours))

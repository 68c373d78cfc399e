"""What becomes of a request of the language server, and who is to blame when its connection breaks. Pure.

| channel of its marker | kind       | closed | what                                                     |
|-----------------------|------------|--------|----------------------------------------------------------|
| none                  | any        |        | counted, and recorded untouched where that is asked for  |
| there                 | checkpoint |        | answered here with a title, unless that is switched off  |
| there                 | other      |        | counted                                                  |
| there                 | agent      | yes    | answered here with a clean stop: it never reaches Google |
| there                 | agent      | no     | claimed: the turn is put into it                         |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from zerogravity.capture.match import Match
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Fault, Termination, language_server, unreachable

RESET = "stream reset by client"  # mitmproxy's words for either side's; whoever resets a stream has been reached


class Action(Enum):
    """``COUNT`` and ``RECORD`` are counted as unmatched; ``COUNT`` and ``LEAVE`` pass untouched."""

    LEAVE = auto()
    COUNT = auto()
    RECORD = auto()
    TITLE = auto()
    STOP = auto()
    CLAIM = auto()


def decide(found: Match, running: RunningTurn | None, *, titles: bool, passive: bool) -> Action:
    """``titles``: checkpoints are answered here. ``passive``: what is not ours is recorded."""
    if running is None:
        return Action.RECORD if passive else Action.COUNT
    match found.kind:
        case "checkpoint":
            return Action.TITLE if titles else Action.LEAVE
        case "other":
            return Action.COUNT
        case "agent":
            return Action.STOP if running.closed else Action.CLAIM


@dataclass(frozen=True, slots=True)
class Break:
    """A broken connection. ``gone``: the language server's fault, if it has hung up; ``lost``: else.
    ``google``: whether that shows Google to be out of reach."""

    gone: Fault | None
    lost: Fault
    google: bool

    @property
    def fault(self) -> Fault:
        """What its turn is told."""
        return self.gone or self.lost


def broken(message: str, *, connected: bool, http2: bool, answered: bool, ours: bool) -> Break:
    """``connected``: the language server still is. ``answered``: Google has. ``ours``: the turn was over, so that we
    have cut it."""
    reset = message.startswith(RESET)
    gone = None
    if not connected or (reset and http2):
        gone = language_server(503, "ls_gone", "the language server ended or hung up", Termination.LS_GONE)
    google = not (answered or gone or reset or ours)
    return Break(gone, unreachable(message), google)

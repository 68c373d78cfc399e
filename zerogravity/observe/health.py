"""What the path can do now. *Live*: this process answers. *Ready*: a turn can be served, as far as anything has shown.

``Health`` learns from how every turn ends (``_blame``), from what passes the proxy, and from checks of the language
server. It calls nobody, so that asking for health costs nothing. ``/ready``, ``/health``, ``status``, ``doctor``, the
inspector and the metrics read it. A failure that nothing has confirmed for ``STALE_S`` no longer breaks its hop, but is
still shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any

from zerogravity import redact
from zerogravity.core.callbacks import Callbacks
from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import PASSIVE
from zerogravity.errors import RUN_DOCTOR, Fault, Termination
from zerogravity.observe import moments
from zerogravity.wire.reasons import LASTING

NS = 1_000_000_000
STALE_S = 300.0
UNPROVEN = (Termination.UPSTREAM_STATUS, Termination.UPSTREAM_GARBAGE, Termination.EMPTY)  # by an answer like this
LS_FAILED = (Termination.LS_GONE, Termination.LS_REFUSED)
WORKS = {
    "language_server": "answers",
    "path": "calls to Google come through the proxy",
    "google": "answers",
}

UNTRIED = {
    "language_server": "not checked yet",
    "path": "no call to Google seen yet",
    "google": "not called yet",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A hop's newest failure. ``at``: wall-clock seconds; ``times``: how often it came without a success in between."""

    at: float
    code: str
    text: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Check:
    """``fix``: what to do when it is not ``ok``; with ``ok`` it is a warning. ``since``: wall-clock seconds of the last
    change, if known; ``failure``: the newest one, over or not. Anybody may read the texts, so they are redacted."""

    name: str
    ok: bool
    text: str
    fix: str = ""
    since: float | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        for name in ("text", "fix"):
            object.__setattr__(self, name, redact.text(getattr(self, name)))

    @property
    def line(self) -> str:
        """For a log."""
        return f"{self.text}; {self.fix}" if self.fix else self.text

    def as_json(self) -> dict[str, object]:
        """For ``/ready`` and the like; times are ISO 8601, UTC. Empty members are left out."""
        made: dict[str, object] = {"name": self.name, "ok": self.ok, "text": self.text}
        if self.fix:
            made["fix"] = self.fix
        if self.since is not None:
            made["since"] = moments.utc(self.since)
        if (failure := self.failure) is not None:
            made["last_failure"] = {
                "at": moments.utc(failure.at), "code": failure.code, "text": failure.text, "times": failure.times,
            }  # fmt: skip
        return made

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Check:
        """The reverse, for what another process sent. Raises LookupError, TypeError or ValueError."""
        failure = None
        if last := value.get("last_failure"):
            failure = Failure(wall_of(last["at"]), last["code"], last["text"], last["times"])
        since = wall_of(value["since"]) if "since" in value else None
        return cls(str(value["name"]), bool(value["ok"]), str(value["text"]), str(value.get("fix", "")), since, failure)


class Proof(IntEnum):
    """Evidence that a hop works; each includes the ones before it."""

    CHECK = 1  # it answered a check
    ANSWER = 2  # it let a call through
    TURN = 3  # a turn got further than this hop


@dataclass(slots=True)
class Hop:
    """What is known of one hop. ``trouble``: its present fault; ``breaks``: with that fault no turn can be served;
    ``needs``: the evidence that would end it. ``works_by``: what makes it work, instead of the usual words."""

    name: str
    works_by: str = ""
    known: bool = False  # there has been any evidence
    trouble: Fault | None = None
    breaks: bool = False
    needs: Proof = Proof.CHECK
    since: float | None = None
    seen_ns: int = 0  # when the trouble was last seen
    failure: Failure | None = None

    def fail(self, fault: Fault, needs: Proof, *, breaks: bool, now_ns: int, wall: float) -> None:
        """Something failed at this hop."""
        if self.breaks and not breaks and not self._stale(now_ns):
            return  # the worse fault stays until there is evidence that it is over
        again = self.trouble is not None and self.breaks == breaks
        self.needs = min(self.needs, needs) if again else needs
        self.since = self.since if again else wall
        times = self.failure.times + 1 if again and self.failure is not None else 1
        self.failure = Failure(wall, fault.code, fault.message, times)
        self.known, self.trouble, self.breaks, self.seen_ns = True, fault, breaks, now_ns

    def works(self, proof: Proof, wall: float) -> None:
        """Something worked at this hop, as far as ``proof`` goes."""
        if self.trouble is not None and proof < self.needs:
            return
        if self.trouble is not None or not self.known:
            self.since = wall
        self.known, self.trouble, self.breaks = True, None, False

    def _stale(self, now_ns: int) -> bool:
        return now_ns - self.seen_ns > STALE_S * NS

    def check(self, now_ns: int) -> Check:
        """The verdict."""
        fault = self.trouble
        if fault is None:
            text = (self.works_by or WORKS[self.name]) if self.known else UNTRIED[self.name]
            return Check(self.name, True, text, since=self.since, failure=self.failure)
        stale = self._stale(now_ns)
        held = self.breaks and not stale
        text = (
            fault.message if held else f"{'not tried since' if stale else 'answers'}; the last failure: {fault.message}"
        )
        return Check(self.name, not held, text, fix_of(fault), self.since, self.failure)


class Health:
    """``on_trouble``: called when the language server or the way to Google has failed, to check them soon.
    ``on_call``: called with the path of every call that has come through the proxy."""

    def __init__(
        self,
        clock: Clock,
        *,
        intercepting: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.stopping = False
        self.on_trouble: Callable[[], None] = lambda: None
        self.on_call: Callbacks[str] = Callbacks()
        self._clock = clock
        self._wall = wall
        self._started = clock()
        self._intercepting = intercepting
        self._ls, self._path, self._google = Hop("language_server"), Hop("path"), Hop("google")
        self._seen: int | None = None
        self._unmatched: int | None = None  # when a turn first had no call; None after any turn's own call
        self._gone: int | None = None  # when a turn last found no language server
        self._last_good_check: int | None = None
        self._degraded: dict[str, str] = {}
        self._way = Check("path", True, "")

    # -- input ---------------------------------------------------------------------------------

    def ls_checked(self, fault: Fault | None, works_by: str = "") -> None:
        """The result of a check of the language server; None: it answers, accepts our token and is logged in.
        ``works_by``: see ``Hop``."""
        if fault is None:
            self._ls.works_by = works_by
            self._last_good_check = self._clock()
            self._works(self._ls, Proof.CHECK)
        else:
            self._gone = None
            self._fails(self._ls, fault, Proof.CHECK)

    def ls_expected(self, fault: Fault) -> None:
        """Before the first check: with that fault no turn can be served, but nothing has failed."""
        self.ls_checked(fault)
        self._ls.failure = None

    def path_seen(self, path: str = "") -> None:
        """A request of the language server has come through the proxy."""
        self._seen = self._clock()
        self._works(self._path, Proof.ANSWER)
        self.on_call.call(path)

    def path_laid(self, text: str, fix: str) -> None:
        """What has been done to have the language server's calls come here, and what to do where that has failed."""
        self._way = Check("path", True, text, fix)

    def path_refused(self, fault: Fault) -> None:
        """A call came through the proxy and could not be read. If others could be read, it was another client's."""
        self._fails(self._path, fault, Proof.ANSWER, breaks=self._seen is None)

    def google_seen(self, fault: Fault | None) -> None:
        """A call found no connection to Google; None: Google has answered one, whatever it said."""
        if fault is None:
            self._works(self._google, Proof.ANSWER)
        else:
            self._fails(self._google, fault, Proof.ANSWER)
            self.on_trouble()

    def bearer_changed(self) -> None:
        """What Google said about the old credentials does not hold for the new ones."""
        if self._google.trouble is not None and self._google.needs is Proof.TURN:
            self._google = replace(self._google, known=False, trouble=None, breaks=False, since=self._wall())

    def watch(self, store: MitmStore) -> None:
        """Learn from every turn of ``store``."""
        store.on_closed.append(self.turn_closed)

    def turn_closed(self, channel: CascadeChannel) -> None:
        """Learn from how a turn ended, and how far it came."""
        if channel.turn.surface == PASSIVE:
            return
        marks, terminal = channel.marks, channel.terminal
        fault = terminal.fault if isinstance(terminal, Failed) else None
        if "told" in marks and (fault is None or fault.termination not in LS_FAILED):
            self._works(self._ls, Proof.TURN)
            self._gone = None
        if "matched" in marks:
            self._works(self._path, Proof.TURN)
            self._unmatched = None
            if self._way.fix:  # its calls come here in another way
                self._way = Check("path", True, "")
        if fault is None or ("first_byte" in marks and fault.termination not in UNPROVEN):
            self._works(self._google, Proof.TURN)
        if fault is not None:
            self._blame(fault, channel)
        if fault is not None and fault.termination in LS_FAILED:
            self.on_trouble()

    def report(self, what: str, trouble: str | None) -> None:
        """Something off the path of turns works less well (a full trace disk), or well again (None); shown only."""
        if trouble is None:
            self._degraded.pop(what, None)
        else:
            self._degraded[what] = redact.text(trouble)

    # -- output ---------------------------------------------------------------------------------------

    @property
    def uptime(self) -> float:
        return (self._clock() - self._started) / NS

    @property
    def degraded(self) -> Mapping[str, str]:
        lost = self._way_lost()
        return {**({} if lost is None else {"path": lost}), **self._degraded}

    @property
    def google_away(self) -> bool:
        """Whether Google could not be reached, which a probe can show to be over."""
        return self._google.breaks and self._google.needs is Proof.ANSWER

    def why_no_call(self) -> str | None:
        """The reason for a turn for which no call came, if it is known."""
        if self._path.trouble is not None and self._known_why():
            return self._path.trouble.full_message
        if (lost := self._way_lost()) is not None:
            return lost
        if self._google.trouble is not None and self.google_away:
            return f"its calls come here, but {self._google.trouble.full_message}"
        return None

    def _way_lost(self) -> str | None:
        """Why the language server's calls could not be made to come here."""
        return f"{self._way.text}. {self._way.fix}" if self._way.fix else None

    def checks(self) -> list[Check]:
        """What a turn needs, in the order of its path."""
        now = self._clock()
        path = [self._path_check(now)] if self._intercepting else []
        server = Check("server", not self.stopping, "stopping" if self.stopping else "answering")
        return [server, self._ls.check(now), *path, self._google.check(now)]

    def _path_check(self, now_ns: int) -> Check:
        check, way = self._path.check(now_ns), self._way
        return replace(check, text=f"{check.text}; {way.text}", fix=way.fix or check.fix) if way.text else check

    def ready(self) -> tuple[bool, list[Check]]:
        checks = self.checks()
        return all(check.ok for check in checks), checks

    def line(self) -> str:
        """One line for a person."""
        ready, checks = self.ready()
        if not ready:
            return "not ready: " + "; ".join(f"{check.name}: {describe(check)}" for check in checks if not check.ok)
        notes = [f"{check.name}: {check.text}" for check in checks if check.fix]
        notes += [f"{what}: {text}" for what, text in self._degraded.items()]
        return f"ready ({'; '.join(notes)})" if notes else "ready"

    # -- learning --------------------------------------------------------------------------------------------

    def _blame(self, fault: Fault, channel: CascadeChannel) -> None:
        """Which hop a failed turn blames, and what evidence would clear it."""
        match fault.termination:
            case Termination.LS_GONE:
                before, good = self._gone, self._last_good_check
                # If it had passed a check before this turn came, another check proves nothing.
                again = before is not None and good is not None and before <= good <= channel.marks["received"]
                self._gone = self._clock()
                self._fails(self._ls, fault, Proof.TURN if again else Proof.CHECK)
            case Termination.LS_REFUSED if fault.status == 429:
                self._fails(self._ls, fault, Proof.TURN, breaks=False)
            case Termination.LS_REFUSED:
                self._fails(self._ls, fault, Proof.CHECK if fault.code == "ls_not_logged_in" else Proof.TURN)
            case Termination.MATCH_TIMEOUT if self._known_why():
                pass
            case Termination.MATCH_TIMEOUT:
                others = self._seen is not None and self._seen >= channel.marks["received"]
                again = self._unmatched is not None and self._unmatched <= channel.marks["received"]
                self._unmatched = self._clock() if self._unmatched is None else self._unmatched
                needs = Proof.TURN if others else Proof.ANSWER
                self._fails(self._path, fault, needs, breaks=not others or again)
            case Termination.UPSTREAM_STATUS if fault.reason in LASTING:
                self._fails(self._google, fault, Proof.TURN)
            case Termination.UPSTREAM_STATUS if fault.upstream_status not in (429, *range(500, 600)):
                pass  # about this request, not about the path
            case Termination.UPSTREAM_GARBAGE if fault.code != "upstream_garbage":
                pass  # the model's own mistake
            case Termination.UPSTREAM_DROP if "first_byte" not in channel.marks and self._intercepting:
                pass  # the proxy has reported it already
            case (
                Termination.UPSTREAM_STATUS | Termination.UPSTREAM_DROP | Termination.UPSTREAM_IDLE
                | Termination.UPSTREAM_GARBAGE | Termination.EMPTY
            ):  # fmt: skip
                self._fails(self._google, fault, Proof.TURN, breaks=False)
            case _:
                pass  # the client's fault, or our own

    def _known_why(self) -> bool:
        """Whether more is known about a broken path than that no call came."""
        fault = self._path.trouble
        return fault is not None and fault.termination is not Termination.MATCH_TIMEOUT

    def _fails(self, hop: Hop, fault: Fault, needs: Proof, *, breaks: bool = True) -> None:
        hop.fail(fault, needs, breaks=breaks, now_ns=self._clock(), wall=self._wall())

    def _works(self, hop: Hop, proof: Proof) -> None:
        hop.works(proof, self._wall())


def fix_of(fault: Fault) -> str:
    """What to do."""
    return fault.remedy or RUN_DOCTOR


def describe(check: Check) -> str:
    """A check for people; with ``since`` when it is broken."""
    if check.ok or check.since is None:
        return check.text
    times = check.failure.times if check.failure is not None else 1
    return f"{check.text} (since {moments.local(check.since, '%H:%M:%S')}{f', {times} times' if times > 1 else ''})"


def wall_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

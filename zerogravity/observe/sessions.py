"""``Sessions``: which turns belong together: by what their programs say, else by their histories; never by time alone.

A turn goes on from another one if it names it (``previous_response_id``), or if it begins with all that was said in it:
its contents and its answer, else its contents. The longest such beginning counts. Where several turns have it, those
count that nothing goes on from yet; if they are of several sessions, nothing tells them apart, and the turn begins a
session of its own. Further:

* A program that names its conversation decides which session it is. Within it, histories decide the rest. A history
  that begins anew there follows the newest turn if it declares the same tools (it was compacted), else it is a branch.
* A named sub-agent is a branch. It is one branch as long as it has that name.
* What goes on from a turn that something else goes on from already is a branch (an edited question).
* The same contents once more are a retry, and stand where the first try stands. Of a first question only if that
  failed: two runs of a program begin alike, and are two sessions.
* Turns of different owners, or of programs with different names, are never joined.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from zerogravity.core.callbacks import run_guarded
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.observe import lineage
from zerogravity.observe.lineage import Marks
from zerogravity.wire.narrow import Json, count, number, text
from zerogravity.worker import BackgroundWorker

LIMIT = 20_000  # turns that are known: about 1 kB each
ALIKE = 64  # turns with one mark that are looked at
QUEUED = 10_000
PAUSE_S = 0.1  # of quiet; see ``turn_lines``
WAIT_S = 5.0
TEXTS = ("session", "previous", "branch", "lineage")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a turn stands among the others.

    ``session``   an id; empty: not known (yet).
    ``previous``  the id of the turn that this one goes on from; empty: it begins something.
    ``branch``    the id of the turn with which this side line of the session began (a sub-agent, an edited question);
                  empty: it is on the main line.
    ``fresh``     how many of the request's contents were in the turn before: what is new begins there.
    ``lineage``   digests by which later turns are found to go on from it, also after a restart.
    """

    session: str = ""
    previous: str = ""
    branch: str = ""
    fresh: int = 0
    lineage: str = field(default="", compare=False)

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def of_json(cls, info: Json) -> Placement:
        """As ``as_json`` has put it into ``turn.json``; NOWHERE in an older one."""
        session, previous, branch, marks = (text(info.get(name)) for name in TEXTS)
        return cls(session, previous, branch, count(info.get("fresh")), marks)


NOWHERE = Placement()


class Past(NamedTuple):
    """A turn that was placed before: ``lineage`` is its placement's; ``created``: wall-clock seconds."""

    turn_id: str
    lineage: str
    placed: Placement
    created: float = 0.0

    @classmethod
    def of(cls, info: Json) -> Past:
        """From a row or a ``turn.json``."""
        placed = Placement.of_json(info)
        return cls(text(info.get("id")), placed.lineage, placed, number(info.get("created")) or 0.0)


@dataclass(slots=True, eq=False)
class _Known:
    """A turn that is placed. ``start``: the mark of its contents; ``end``: of those and its answer; None: it is not
    over; the same as ``start``: it failed, or there was no answer. ``tools``, ``agent``: digests of names; empty: none.
    ``heir``: the mark of what went on from these contents first."""

    id: str
    placed: Placement
    scope: bytes
    start: bytes
    end: bytes | None = None
    tools: str = ""
    agent: str = ""
    heir: bytes = b""

    @property
    def session(self) -> str:
        return self.placed.session


class _Found(NamedTuple):
    """``before``: the turn that goes before, or, if ``again``, the one that this is a retry of; ``fresh``: see
    Placement."""

    before: _Known
    fresh: int
    again: bool = False


class _Tip(NamedTuple):
    """The end of a session's main line, or of a named agent's. ``tools``: the newest that were declared."""

    turn_id: str
    branch: str
    tools: str


class Sessions:
    """Places turns. Any thread may use it. ``key``: see ``lineage.of``."""

    def __init__(self, key: bytes = b"", *, limit: int = LIMIT) -> None:
        self._key = key
        self._limit = limit
        self._turns: OrderedDict[str, _Known] = OrderedDict()  # in the order in which they were placed
        self._by_mark: dict[bytes, list[_Known]] = {}  # by start and by end
        self._tips: OrderedDict[tuple[str, str], _Tip] = OrderedDict()  # by session and agent
        self._changed = threading.Condition()
        self._worker: BackgroundWorker[Callable[[], object]] | None = None

    # -- a store's turns ---------------------------------------------------------------------------------------

    def attach(self, store: MitmStore, past: Callable[[], Iterable[Past]] = tuple) -> None:
        """Place every turn that ``store`` opens from now on, in a thread of its own, which first reads ``past``."""
        worker = self._worker = BackgroundWorker[Callable[[], object]](
            "sessions", _run_each, limit=QUEUED, pause=PAUSE_S
        )
        worker.put(lambda: self.seed(past()))
        worker.start()
        store.on_open.append(lambda channel: worker.put(lambda: self.place(channel.turn)))
        store.on_closed.append(lambda channel: worker.put(lambda: self.end(channel)))

    def close(self) -> None:
        """Place what is left."""
        if self._worker is not None:
            self._worker.close()

    def of(self, channel: CascadeChannel, timeout: float = WAIT_S) -> Placement:
        """Where its turn has been placed; of one that is over, with its answer in ``lineage``. Where a store's turns
        are placed it waits for that. Not for the loop."""
        over = channel.closed

        def ready() -> bool:
            known = self._turns.get(channel.id)
            return known is not None and not (over and known.end is None)

        if self._worker is not None:
            with self._changed:
                self._changed.wait_for(ready, timeout)
        elif not ready():
            self.place(channel.turn)
            if over:
                self.end(channel)
        return self.known(channel.id)

    # -- one turn ----------------------------------------------------------------------------------------------

    def known(self, turn_id: str) -> Placement:
        """At no cost: where it has been placed, or NOWHERE."""
        known = self._turns.get(turn_id)
        return NOWHERE if known is None else replace(known.placed, lineage=_as_text(known))

    def place(self, turn: Turn) -> Placement:
        """Where ``turn`` belongs; it takes time that grows with the request. The second time, it is looked up."""
        if turn.id in self._turns:
            return self.known(turn.id)
        marks, agent = lineage.of(turn, self._key), _short(turn.agent)
        with self._changed:
            if turn.id not in self._turns:  # else another thread was faster
                placed, heir = self._placed(turn, marks, agent)
                self._add(_Known(turn.id, placed, marks.scope, marks.whole, None, marks.tools, agent, heir))
                self._changed.notify_all()
        return self.known(turn.id)

    def end(self, channel: CascadeChannel) -> None:
        """``channel``'s turn is over: its answer is known."""
        if (known := self._turns.get(channel.id)) is None:
            return
        failed = isinstance(channel.terminal, Failed)
        end = known.start if failed else lineage.answered(known.start, channel.state)
        with self._changed:
            known.end = end
            if end != known.start and known.id in self._turns:
                self._mark(end, known)
            self._changed.notify_all()

    def seed(self, past: Iterable[Past]) -> None:
        """Turns from before the start of this process, in any order. Those that are known already are passed over, and
        so are those of which nothing is known but that they were."""
        with self._changed:
            tips = dict(self._tips)
            for one in sorted(past, key=lambda one: one.created):
                if one.turn_id not in self._turns and (known := _remembered(one)) is not None:
                    if (before := self._turns.get(known.placed.previous)) is not None:
                        before.heir = before.heir or known.start
                    self._add(known)
            self._tips |= tips

    # -- where it belongs --------------------------------------------------------------------------------------

    def _placed(self, turn: Turn, marks: Marks, agent: str) -> tuple[Placement, bytes]:
        """Its place, and what goes on from the same contents already."""
        named = _session(marks.scope, f"conversation {turn.conversation}") if turn.conversation else ""
        found = self._explicit(turn, marks, named) or self._by_history(marks, named, agent)
        if found is None:
            return self._beginning(turn, marks, named, agent), b""
        before = found.before
        if found.again:
            return before.placed, before.heir
        branch = before.placed.branch
        if agent != before.agent:
            branch = self._branch_of(named or before.session, agent, turn.id)
        else:
            twins = [known for known in self._marked(before.start, before.session) if known.start == before.start]
            heir = next((known.heir for known in twins if known.heir), marks.whole)
            for known in twins:
                known.heir = heir
            if heir != marks.whole:
                branch = turn.id
        return Placement(named or before.session, before.id, branch, found.fresh), b""

    def _explicit(self, turn: Turn, marks: Marks, named: str) -> _Found | None:
        """The turn that ``turn`` names."""
        from zerogravity.surfaces.responses.ids import turn_id_of  # heavy, and not for who only reads placements

        before = self._turns.get(turn_id_of(turn.previous_id) or "") if turn.previous_id else None
        if before is None or before.scope != marks.scope or (named and before.session != named):
            return None
        marked = [place for place, mark in enumerate(marks.steps) if mark in (before.start, before.end)]
        return _Found(before, marks.covered[marked[-1]] if marked else 0)

    def _by_history(self, marks: Marks, named: str, agent: str) -> _Found | None:
        """The turn whose contents, with or without its answer, ``marks`` begin with."""
        steps = marks.steps
        if not steps:
            return None
        again = [
            known for known in self._marked(marks.whole, named)
            if known.start == marks.whole and known.agent == agent
            and (named or marks.dialogue or known.end == known.start)
        ]  # fmt: skip
        before: list[_Known] = []
        fresh = 0
        for place in range(len(steps) - 1, -1, -1):
            last = place == len(steps) - 1
            alike = self._marked(steps[place], named)
            before = [known for known in alike if not last and known.start == steps[place]]
            before = before or [known for known in alike if known.end == steps[place] != known.start]
            if before:
                fresh = marks.covered[place]
                break
        for several, retried in ((self._open(before), False), (again, True), (before, False)):
            if several:
                chosen = _one(several, agent)
                return None if chosen is None else _Found(chosen, fresh, retried)
        return None

    def _open(self, several: Sequence[_Known]) -> list[_Known]:
        """Those that nothing goes on from."""
        continued = {
            (known.session, known.start)
            for one in several
            for known in self._marked(one.start, one.session)
            if known.heir and known.start == one.start
        }
        return [known for known in several if (known.session, known.start) not in continued]

    def _beginning(self, turn: Turn, marks: Marks, named: str, agent: str) -> Placement:
        """The place of a turn whose history is not that of another one."""
        if not named:
            return Placement(_session(marks.scope, f"turn {turn.id}"))
        tip = self._tips.get((named, agent))
        if tip is None:
            return Placement(named, branch=turn.id if agent else "")
        if agent or tip.tools == marks.tools:
            return Placement(named, tip.turn_id, tip.branch)
        return Placement(named, branch=turn.id if tip.tools else "")

    def _branch_of(self, session: str, agent: str, turn_id: str) -> str:
        """The line of a named agent, or the main one; new for an agent that has none."""
        tip = self._tips.get((session, agent))
        return tip.branch if tip is not None else turn_id if agent else ""

    # -- what is kept ------------------------------------------------------------------------------------------

    def _add(self, known: _Known) -> None:
        self._turns[known.id] = known
        for mark in {known.start, known.end or known.start}:
            self._mark(mark, known)
        if known.agent or not known.placed.branch:
            key = known.session, known.agent
            tip = self._tips.get(key)
            self._tips[key] = _Tip(known.id, known.placed.branch, known.tools or (tip.tools if tip else ""))
            self._tips.move_to_end(key)
        while len(self._turns) > self._limit:
            self._forget(self._turns.popitem(last=False)[1])
        while len(self._tips) > self._limit:
            self._tips.popitem(last=False)

    def _forget(self, known: _Known) -> None:
        for mark in {known.start, known.end or known.start}:
            if (alike := self._by_mark.get(mark)) is not None:
                if known in alike:
                    alike.remove(known)
                if not alike:
                    del self._by_mark[mark]

    def _mark(self, mark: bytes, known: _Known) -> None:
        alike = self._by_mark.setdefault(mark, [])
        alike.append(known)
        del alike[:-ALIKE]

    def _marked(self, mark: bytes, session: str = "") -> list[_Known]:
        """The newest turns that have this mark, of one session or of all."""
        return [known for known in self._by_mark.get(mark, ()) if not session or known.session == session]


def _one(several: Sequence[_Known], agent: str) -> _Known | None:
    """The newest, if they are of one session; the same agent's first."""
    several = [known for known in several if known.agent == agent] or several
    return several[-1] if len({known.session for known in several}) == 1 else None


def _session(scope: bytes, name: str) -> str:
    """``s`` and 12 hexadecimal digits: not the beginning of any turn's id."""
    return "s" + hashlib.blake2b(scope + name.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _short(name: str) -> str:
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=4).hexdigest() if name else ""


def _as_text(known: _Known) -> str:
    marks = (known.scope, known.start, known.end or b"")
    return ".".join((*(mark.hex() for mark in marks), known.tools, known.agent))


def _remembered(past: Past) -> _Known | None:
    try:
        scope, start, end, tools, agent = past.lineage.split(".")
        marks = bytes.fromhex(scope), bytes.fromhex(start), bytes.fromhex(end) or None
        return _Known(past.turn_id, past.placed, *marks, tools, agent)
    except ValueError:
        return None


def _run_each(jobs: Iterable[Callable[[], object]]) -> None:
    """One that fails, as reading the past may, takes no other with it."""
    for job in jobs:
        run_guarded(job)

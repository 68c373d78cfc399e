"""``Sessions``: which turns belong together: by what their programs say, else by their histories; never by time
alone."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from zerogravity.core.turn import Turn
from zerogravity.wire.narrow import Json, count, text


class Placement(NamedTuple):
    """Where a turn stands among the others.

    ``session``   an id; empty: not known (yet).
    ``previous``  the id of the turn that this one goes on from; empty: it begins something.
    ``branch``    the id of the turn with which this side line of the session began (a sub-agent, an edited question);
                  empty: it is on the main line.
    ``fresh``     how many of the request's contents were in the turn before: what is new begins there.
    """

    session: str = ""
    previous: str = ""
    branch: str = ""
    fresh: int = 0

    def as_json(self) -> dict[str, object]:
        return self._asdict()

    @classmethod
    def of_json(cls, info: Json) -> Placement:
        """As ``as_json`` has put it into ``turn.json``; NOWHERE in an older one."""
        session, previous, branch = (text(info.get(name)) for name in ("session", "previous", "branch"))
        return cls(session, previous, branch, count(info.get("fresh")))


NOWHERE = Placement()


class Sessions:
    """Places turns. Any thread may use it."""

    def __init__(self) -> None:
        self._placed: dict[str, Placement] = {}

    def place(self, turn: Turn) -> Placement:
        """Where ``turn`` belongs; it takes time that grows with the request. The second time, it is looked up."""
        if turn.id not in self._placed:
            name = turn.conversation or turn.id
            session = hashlib.blake2b(f"{turn.client}\n{name}".encode(), digest_size=6).hexdigest()
            self._placed[turn.id] = Placement(session)
        return self._placed[turn.id]

    def known(self, turn_id: str) -> Placement:
        """At no cost: where it has been placed, or NOWHERE."""
        return self._placed.get(turn_id, NOWHERE)

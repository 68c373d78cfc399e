"""``Note``: what a person has to say about a turn, and a star. It is kept with the trace (``note.json`` in its folder),
and in memory as long as the turn is: a turn that is not recorded has nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.errors import bad_request
from zerogravity.observe import trace_folders
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, text

FILE = trace_folders.NOTE
LONGEST = 4000  # characters


@dataclass(frozen=True, slots=True)
class Note:
    """``note``: words, without secrets; empty: none."""

    note: str = ""
    star: bool = False

    def as_json(self) -> dict[str, object]:
        return {"note": self.note, "star": self.star}

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{'★ ' if self.star else ''}{self.note}".rstrip()

    def changed(self, given: Json) -> Note:
        """With the members that ``given`` has in place of its own. Raises FaultError 400, which names the member."""
        for name in given:
            if name not in ("note", "star"):
                raise bad_request(f"there is no member {name[:40]!r} here; there are note and star", param=name[:40])
        words, star = given.get("note", self.note), given.get("star", self.star)
        if not isinstance(words, str) or len(words) > LONGEST:
            raise bad_request(f"note must be a text of at most {LONGEST} characters", param="note")
        if not isinstance(star, bool):
            raise bad_request("star must be true or false", param="star")
        return Note(redact.text(words.encode("utf-8", "replace").decode().strip()), star)


NOTHING = Note()


# -- in memory -----------------------------------------------------------------------------------------------------

_LIVING: WeakKeyDictionary[CascadeChannel, Note] = WeakKeyDictionary()


def of(channel: CascadeChannel) -> Note:
    """At no cost: what is known of a turn in memory."""
    return _LIVING.get(channel, NOTHING)


def keep(channel: CascadeChannel, noted: Note) -> None:
    _LIVING[channel] = noted


# -- on disk -------------------------------------------------------------------------------------------------------


def read(folder: Path) -> Note:
    """What stands in a trace's folder; NOTHING where nothing does that can be read."""
    found = trace_folders.note(folder)
    return Note(text(found.get("note"))[:LONGEST], found.get("star") is True)


def write(folder: Path, noted: Note) -> None:
    """Raises OSError. A note of nothing leaves no file. ``turn.json`` counts as changed: by it one sees whether a trace
    has to be read again."""
    if noted == NOTHING:
        (folder / FILE).unlink(missing_ok=True)
    else:
        trace_folders.write(folder / FILE, jsonio.dumps(noted.as_json()))
    if (folder / "turn.json").exists():
        os.utime(folder / "turn.json")


def joined(info: Mapping[str, object], noted: Note) -> Mapping[str, object]:
    """``turn.json`` with what has been noted since."""
    return info if noted == NOTHING else {**info, **noted.as_json()}

"""What a walk through a JSON schema carries along: where it is, what it has cost, what was lost."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from zerogravity.surfaces.json_schema.keywords import Dialect
from zerogravity.surfaces.json_schema.merge import Json

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class TooLargeError(Exception):
    """The walk has reached a limit."""


@dataclass(slots=True)
class Walk:
    """``arguments``: the root holds a function's. ``defined``: reference → name, of what is referred to."""

    root: Json
    dialect: Dialect
    ordering: bool
    arguments: bool
    limit: int
    lost: list[str] = field(default_factory=list[str])
    closed: list[str] = field(default_factory=list[str])
    defined: dict[str, str] = field(default_factory=dict[str, str])
    nodes: int = 0
    text: int = 0

    def lose(self, path: str, what: str) -> None:
        self.lost.append(f"{path or '.'}: {what}")

    def define(self, reference: str) -> str:
        """The name of a definition, to be made when the rest is done."""
        if reference not in self.defined:
            name = _UNSAFE.sub("_", name_of(reference))
            while name in self.defined.values():
                name += "_"
            self.defined[reference] = name
        return self.defined[reference]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk is: property names from the root, references on the way. ``outer``: still at the root.
    ``within``: how many references there were at the last property."""

    path: str = ""
    refs: tuple[str, ...] = ()
    depth: int = 0
    outer: bool = True
    within: int = 0

    def same(self, step: str = "", *refs: str) -> Place:
        """Another schema of the same value."""
        path = f"{self.path}/{step}" if step else self.path
        return Place(path, (*self.refs, *refs), self.depth + 1, self.outer, self.within)

    def into(self, step: str, *, name: bool = False) -> Place:
        """A schema of something in the value."""
        within = len(self.refs) if name else self.within
        return Place(f"{self.path}/{step}", self.refs, self.depth + 1, outer=False, within=within)


def name_of(reference: str) -> str:
    """``#/$defs/node`` → ``node``."""
    return reference.rsplit("/", 1)[-1].strip("#") or "root"

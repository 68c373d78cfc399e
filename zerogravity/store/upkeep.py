"""What the owner of a store does with all of it: ``summary``, ``purge``, ``copy``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from zerogravity.store.base import Entry, ResponseStore, Unreadable
from zerogravity.wire import jsonio

State = Literal["finished", "running", "abandoned"]
Told = Callable[[int, int | None], None]  # how many are done, of how many if known


def _nobody(_done: int, _of: int | None) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Summary:
    """``bytes``: of their JSON and frames. ``oldest``: when it was made, wall-clock seconds; None: there is none.
    ``damaged``: ids of what cannot be read."""

    responses: dict[State, int] = field(default_factory=lambda: {"finished": 0, "running": 0, "abandoned": 0})
    conversations: int = 0
    bytes: int = 0
    oldest: float | None = None
    damaged: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Purged:
    """How many have been removed; ids of what is damaged, and was left: nobody knows how old it is."""

    removed: int = 0
    damaged: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Copied:
    """How many entries have been written; were there already, as new or newer; are still running, and were left. Ids of
    what is damaged, and was left, too."""

    copied: int = 0
    there: int = 0
    running: int = 0
    damaged: list[str] = field(default_factory=list[str])


def state_of(entry: Entry) -> State:
    return "running" if entry.running else "abandoned" if entry.abandoned else "finished"


async def summary(store: ResponseStore) -> Summary:
    made = Summary()
    async for entry in store.entries():
        if isinstance(entry, Unreadable):
            made.damaged.append(entry.id)
            continue
        if entry.is_conversation:
            made.conversations += 1
        else:
            made.responses[state_of(entry)] += 1
        made.bytes += await asyncio.to_thread(_size, entry)
        made.oldest = min(entry.created, entry.created if made.oldest is None else made.oldest)
    return made


async def purge(store: ResponseStore, before: float | None = None, told: Told = _nobody) -> Purged:
    """Remove what was made before that time (wall-clock seconds), or everything, except what is running."""
    done = Purged()
    async for entry in store.entries():
        if isinstance(entry, Unreadable):
            if before is not None:
                done.damaged.append(entry.id)
                continue
        elif entry.running or (before is not None and entry.created >= before):
            continue
        await store.delete(entry.id, entry.owner)
        done.removed += 1
        told(done.removed, None)
    return done


async def copy(source: ResponseStore, target: ResponseStore, told: Told = _nobody) -> Copied:
    """Everything, the oldest first, each as old as it is. What runs is left: its end is not there yet. What is damaged
    in ``target`` is replaced."""
    done = Copied()
    async for entry in source.entries():
        if isinstance(entry, Unreadable):
            done.damaged.append(entry.id)
        elif entry.running:
            done.running += 1
        elif await _has(target, entry):
            done.there += 1
        else:
            await target.put(entry)
            done.copied += 1
            told(done.copied, None)
    return done


async def _has(target: ResponseStore, entry: Entry) -> bool:
    try:
        there = await target.get(entry.id, entry.owner)
    except Unreadable:
        return False
    return there is not None and there.created >= entry.created


def _size(entry: Entry) -> int:
    return len(jsonio.dumps(entry.data)) + sum(map(len, entry.frames))

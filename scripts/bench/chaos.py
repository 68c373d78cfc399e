#!/usr/bin/env python3
"""What must hold whatever breaks: faults in the middle of many turns through the whole path, one kind after the other.

  .venv/bin/python scripts/bench/chaos.py [--seconds 120] [--turns 20] [--seed N] [--only KIND …]

| kind         | in the middle of the turns                                                                         |
|--------------|----------------------------------------------------------------------------------------------------|
| killed       | mitmdump gets SIGKILL, and is started again over the same data                                      |
| ls-killed    | the language server goes away, with all its connections, and comes back                             |
| google-cut   | connections to Google break after any number of bytes                                               |
| disk-full    | the trace folder takes nothing more (a small tmpfs as root; else no file may grow: RLIMIT_FSIZE)    |
| store-locked | another process holds the file of stored responses, longer than SQLite waits                        |
| store-shut   | no file may grow, so the file of stored responses can only be read (Linux)                          |
| delays       | every hop hands on late, and in pieces                                                              |

After each: every client saw one proper end, or a broken connection where its own was broken; what was answered as
stored is there, whole; what runs behind the scenes has an end; no turn, reader, socket, file or thread stays; the next
turn works. Everything is bounded: a turn by 60 s, a round by 120 s. One line a kind; exit code 1 when anything is not
so.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from chaos_path import REST_S, RUNNING, Chaos, Told, running

from zerogravity import lifeline

ROUND_S = 120
BUSY_S = 6.0  # SQLite waits 5 s
HOLD = """
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("BEGIN EXCLUSIVE")
print(flush=True)
sys.stdin.read()
"""
SHOWN = 8  # complaints of a kind


@dataclass(slots=True)
class Row:
    """All rounds of one kind."""

    rounds: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter[str])
    stored: int = 0
    complaints: list[str] = field(default_factory=list[str])
    how: str = ""


# -- what breaks ---------------------------------------------------------------------------------------------------


async def killed(chaos: Chaos) -> list[Told]:
    turns = asyncio.create_task(chaos.many())
    await asyncio.sleep(0)
    await chaos.midway()
    await chaos.stack.kill()
    told = await turns  # nobody answers there now: whoever comes late is refused
    await chaos.stack.start_again()
    return told


async def ls_killed(chaos: Chaos) -> list[Told]:
    ls = chaos.stack.ls
    assert ls is not None
    turns = asyncio.create_task(chaos.many())
    await asyncio.sleep(0)
    await chaos.midway()
    await chaos.relays["ls"].drop()
    await ls.stop()
    told = await turns
    await ls.start()
    await ready(chaos)
    return told


async def google_cut(chaos: Chaos) -> list[Told]:
    relay = chaos.relays["google"]
    relay.cuts = 12_000
    try:
        return await chaos.many()
    finally:
        relay.cuts = 0


async def disk_full(chaos: Chaos) -> list[Told]:
    if not chaos.tmpfs:
        return await store_shut(chaos)
    filler = chaos.folder / "traces" / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass
    try:
        return await chaos.many()
    finally:
        filler.unlink()


async def store_locked(chaos: Chaos) -> list[Told]:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(chaos.folder / "responses.sqlite"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    await holder.stdout.readline()
    try:
        told = await chaos.many()
        await asyncio.sleep(BUSY_S)
        return told
    finally:
        await holder.communicate()


async def store_shut(chaos: Chaos) -> list[Told]:
    before = resource.prlimit(chaos.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(chaos.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        return await chaos.many()
    finally:
        resource.prlimit(chaos.pid, resource.RLIMIT_FSIZE, before)


async def delays(chaos: Chaos) -> list[Told]:
    for relay in chaos.relays.values():
        relay.delays = 0.02
    try:
        return await chaos.many()
    finally:
        for relay in chaos.relays.values():
            relay.delays = 0.0


async def ready(chaos: Chaos) -> None:
    """Until turns can be served again."""
    async with asyncio.timeout(REST_S):
        while True:
            async with chaos.http.get(f"{chaos.url}/ready") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Kind:
    """``breaks``: clients' own connections do. ``fails``: turns may. ``tells``: what is not stored may be told."""

    run: Callable[[Chaos], Awaitable[list[Told]]]
    breaks: bool = False
    fails: bool = False
    tells: bool = False


KINDS = {
    "killed": Kind(killed, breaks=True, fails=True),
    "ls-killed": Kind(ls_killed, fails=True),
    "google-cut": Kind(google_cut, fails=True),
    "disk-full": Kind(disk_full, tells=True),
    "store-locked": Kind(store_locked),
    "store-shut": Kind(store_shut, tells=True),
    "delays": Kind(delays),
}
LIMITED = hasattr(resource, "prlimit")


async def round_of(chaos: Chaos, kind: Kind, row: Row) -> None:
    """One fault, and what must hold after it."""
    row.rounds += 1
    try:
        async with asyncio.timeout(ROUND_S):
            pid, before = chaos.pid, await chaos.held()
            told = await kind.run(chaos)
            row.ends.update(one.ended for one in told)
            row.stored += len(chaos.stored) + len(chaos.behind)
            row.complaints += [wrong for one in told if (wrong := one.complaint(may_break=kind.breaks))]
            row.complaints += [f"hangs: {one.broken}" for one in told if one.broken.startswith("hangs")]
            if not kind.fails:
                row.complaints += [
                    f"{one.surface}: {one.ended} though nothing of the path was broken: {one.raw[-300:]!r}"
                    for one in told if one.ended not in ("ok", "completed", *RUNNING)
                ]  # fmt: skip
            row.complaints += await chaos.works()
            row.complaints += await chaos.kept(may_tell=kind.tells)
            row.complaints += await chaos.rest(before if pid == chaos.pid else None)
    except TimeoutError:
        row.complaints.append(f"hangs: not over within {ROUND_S} s")


# -- all of it -----------------------------------------------------------------------------------------------------


def line(name: str, row: Row) -> str:
    ends = " ".join(f"{end}={count}" for end, count in sorted(row.ends.items()))
    how = f"  ({row.how})" if row.how else ""
    wrong = len(row.complaints)
    return f"{name:<13} {row.rounds} rounds {row.seconds:4.0f} s  {ends}  stored={row.stored}  wrong={wrong}{how}"


async def main(arguments: argparse.Namespace) -> int:
    print(f"seed {arguments.seed}")
    rows: dict[str, Row] = {name: Row() for name in arguments.only or KINDS}
    started = time.monotonic()
    async with running(random.Random(arguments.seed), arguments.turns) as chaos:
        await chaos.many()  # what the first turns load stays for ever
        await chaos.kept(may_tell=False)
        by_limit = "no file may grow" if LIMITED else "left out: there is no prlimit here"
        while True:
            for name, row in rows.items():
                if name == "disk-full":
                    row.how = "a tmpfs" if chaos.tmpfs else by_limit
                if name == "store-shut":
                    row.how = by_limit
                if row.how == by_limit and not LIMITED:
                    continue
                began = time.monotonic()
                await round_of(chaos, KINDS[name], row)
                row.seconds += time.monotonic() - began
            if time.monotonic() - started > arguments.seconds:
                break
    for name, row in rows.items():
        print(line(name, row))
    for name, row in rows.items():
        print("".join(f"{name}: {wrong}\n" for wrong in row.complaints[:SHOWN]), end="")
    return 1 if any(row.complaints for row in rows.values()) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="no further pass over the kinds after so long")
    parser.add_argument("--turns", type=int, default=20, help="turns in each round")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--only", nargs="+", choices=list(KINDS), help="these kinds")
    sys.exit(lifeline.run(main(parser.parse_args())))

"""The commands ``store …``: what is stored of responses and conversations, and where."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.cli.ages import age
from zerogravity.cli.output import as_json, config_file, counting, print_json, run

if TYPE_CHECKING:
    from zerogravity.config import Config
    from zerogravity.store.base import ResponseStore
    from zerogravity.store.upkeep import Copied, Summary

NAMED = 20  # of what is damaged


@click.group("store")
def store() -> None:
    """Look at stored responses and conversations, remove old ones, copy them to another store.

    The store is that of the settings (store, or ZEROGRAVITY_STORE). Example: zerogravity store info
    """


@store.command("info")
@config_file
@as_json
def info(config_file: str | None, as_json: bool) -> None:
    """Show how much is stored, in which state, and since when."""

    async def work(config: Config) -> int:
        from zerogravity.store import address, upkeep

        async with _opened(config, config.store, exists=True) as opened:
            found = await upkeep.summary(opened)
        where = address.shown(config.store)
        if as_json:
            print_json(_members(where, found))
        else:
            click.echo("\n".join(f"{name:<14} {value}" for name, value in _lines(where, found)))
        return _left(found.damaged)

    _run(work, config_file)


@store.command("purge")
@click.option("--older-than", "seconds", callback=age, help="Remove only what is older than this, such as 3d.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_file
def purge(seconds: float | None, yes: bool, config_file: str | None) -> None:
    """Remove stored responses and conversations, all or the old ones. What is running is kept.

    Example: zerogravity store purge --older-than 7d
    """

    async def work(config: Config) -> int:
        from zerogravity.observe.figures import many
        from zerogravity.store import address, upkeep

        before = None if seconds is None else time.time() - seconds
        async with _opened(config, config.store, exists=True) as opened:
            if not yes:
                what = "everything" if seconds is None else "what is older than that"
                click.confirm(f"Remove {what} from {address.shown(config.store)}?", abort=True, err=True)
            with counting("removing") as told:
                done = await upkeep.purge(opened, before, told)
        click.echo(f"{many(done.removed, 'entry', 'entries')} removed", err=True)
        return _left(done.damaged)

    _run(work, config_file)


@store.command("copy")
@click.option("--from", "source", help="Where from: an SQLite file, or redis://… [default: the store of the settings]")
@click.option("--to", "target", help="Where to, likewise.")
@config_file
@as_json
def copy(source: str | None, target: str | None, config_file: str | None, as_json: bool) -> None:
    """Copy what is stored to another store, each entry as old as it is.

    What is there already, as new or newer, is left as it is, so it can be done again. A password is better given by
    ZEROGRAVITY_STORE than here. Example: zerogravity store copy --from responses.db
    """
    if source is None and target is None:
        raise click.UsageError("say with --from or --to which the other store is")

    async def work(config: Config) -> int:
        from zerogravity.store import upkeep

        places = [_checked(place, config) for place in (source, target)]
        async with _opened(config, places[0], exists=True) as old, _opened(config, places[1]) as new:
            with counting("copying") as told:
                done = await upkeep.copy(old, new, told)
        if as_json:
            print_json({
                "copied": done.copied, "there": done.there, "running": done.running, "damaged": done.damaged,
            })  # fmt: skip
        else:
            click.echo(_told(done, config), err=True)
        return _left(done.damaged)

    _run(work, config_file)


def _run(work: Callable[[Config], Awaitable[int]], config_file: str | None) -> None:
    from zerogravity import config as configuration

    config = configuration.load({}, file=config_file).config

    async def bound() -> int:
        return await work(config)

    run(bound())


def _checked(place: str | None, config: Config) -> str:
    from zerogravity.store import address

    try:
        return config.store if place is None else address.checked(place)
    except ValueError as error:
        raise click.UsageError(f"a store {error}") from None


@asynccontextmanager
async def _opened(config: Config, store: str, *, exists: bool = False) -> AsyncGenerator[ResponseStore]:
    """That store. Raises UsageError for one in memory, or for a file that is not there although it has to be."""
    from zerogravity.store import address
    from zerogravity.store.responses import open_store

    if store == address.MEMORY:
        raise click.UsageError("the store is memory, which only its gateway knows: set store, or ZEROGRAVITY_STORE")
    if exists and not address.is_redis(store) and not Path(store).is_file():
        raise click.UsageError(f"there is no file {store}")
    limits = config.limits
    made = await open_store(store, limit=limits.responses, max_age_s=limits.responses_seconds)
    try:
        yield made
    finally:
        await made.close()


def _left(damaged: list[str]) -> int:
    """The exit code, and a remark where something cannot be read and so was left as it is."""
    if not damaged:
        return 0
    from zerogravity.observe.printable import on_one_line

    named = ", ".join(map(on_one_line, damaged[:NAMED])) + (", …" if len(damaged) > NAMED else "")
    click.echo(f"{len(damaged)} damaged, and left out: {named}; a purge of everything removes them", err=True)
    return 1


def _members(where: str, found: Summary) -> dict[str, object]:
    from zerogravity.observe import moments

    oldest = None if found.oldest is None else moments.utc(found.oldest)
    return {
        "store": where, "responses": found.responses, "conversations": found.conversations, "bytes": found.bytes,
        "oldest": oldest, "damaged": found.damaged,
    }  # fmt: skip


def _lines(where: str, found: Summary) -> list[tuple[str, str]]:
    from zerogravity.observe import moments

    count = sum(found.responses.values())
    states = ", ".join(f"{number} {state}" for state, number in found.responses.items() if number)
    return [
        ("store", where),
        ("responses", f"{count} ({states})" if states else "0"),
        ("conversations", str(found.conversations)),
        ("bytes", f"{found.bytes:,}"),
        ("oldest", "-" if found.oldest is None else moments.local(found.oldest)),
    ]


def _told(done: Copied, config: Config) -> str:
    parts = [f"{done.copied} copied", f"{done.there} were there already"]
    if done.running:
        parts.append(f"{done.running} still running, and left: copy them when they have ended")
    if done.copied + done.there > config.limits.responses:
        parts.append(f"the oldest made room: a store keeps {config.limits.responses} (limits.responses)")
    return "; ".join(parts)

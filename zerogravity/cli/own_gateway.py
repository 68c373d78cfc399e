"""The gateway of ``zerogravity run``: the one that runs at the configured address, else one of our own for a while."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from zerogravity import lifeline
from zerogravity.cli import sharing
from zerogravity.config import Config, url_of
from zerogravity.observe.gateway import Gateway

START_S, READY_S, STOP_S = 60.0, 10.0, 10.0
LOOK_S = 0.05  # between two looks
LAST_LINES = 5  # of a log, where it says why


@dataclass(frozen=True, slots=True)
class Found:
    """``log``: the file of one that we have started; None: it ran before us."""

    gateway: Gateway
    log: Path | None


@asynccontextmanager
async def found_or_started(
    config: Config, folder: Path, flags: Sequence[str], config_file: str | None
) -> AsyncGenerator[Found]:
    """A gateway that is ready; one that had to be started, with these ``flags`` of ``serve``, ends with the block, or
    with the last run that uses it. ``folder``: a private one, for its log. Raises OSError."""
    key = next(iter(config.accepted_keys), None)
    running = Gateway(url_of(config.host, config.port), key)
    with sharing.use(config.data_path / f"run-{config.port}.lock") as ours:
        if config.port and await running.is_there():
            await _ready(running, None)
            yield Found(running, None)
            return
        log, ready = folder / "serve.log", folder / "ready"
        group = await _start(log, ready, flags, config_file)
        try:
            await _listening(group, ready, log)
            own = Gateway(ready.read_text().strip(), key)
            await _ready(own, log)
            yield Found(own, log)
            if not ours.is_only():
                click.echo("zerogravity: waiting for other runs that use this gateway (Ctrl-C ends it now)", err=True)
                await ours.until_only()
        finally:
            await group.end(STOP_S)


async def _start(log: Path, ready: Path, flags: Sequence[str], config_file: str | None) -> lifeline.ProcessGroup:
    given = ["--config", config_file] if config_file else []
    output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        return await lifeline.start(
            sys.executable, "-m", "zerogravity", "serve", *given, *flags,
            env={**os.environ, "ZEROGRAVITY_READY_FILE": str(ready)},
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    finally:
        os.close(output)


async def _listening(group: lifeline.ProcessGroup, ready: Path, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_S
    while not ready.exists():
        if group.process.returncode is not None:
            raise OSError(f"the gateway did not start:\n{_end_of(log)}\nits log: {log}")
        if asyncio.get_running_loop().time() > deadline:
            raise OSError(f"the gateway did not start within {START_S:.0f} s; its log: {log}")
        await asyncio.sleep(LOOK_S)


async def _ready(gateway: Gateway, log: Path | None) -> None:
    deadline = asyncio.get_running_loop().time() + READY_S
    while (check := await gateway.broken()) is not None:
        if asyncio.get_running_loop().time() > deadline:
            remedy = f"\nwhat to do: {check.fix}" if check.fix else ""
            where = f"\nits log: {log}" if log else ""
            raise OSError(f"the gateway on {gateway.url} is not ready: {check.name}: {check.text}{remedy}{where}")
        await asyncio.sleep(LOOK_S)


def _end_of(log: Path) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-LAST_LINES:])

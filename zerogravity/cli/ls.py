"""The command ``ls``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import as_json, config_file, print_json

if TYPE_CHECKING:
    from zerogravity.backends.antigravity.discover import Found
    from zerogravity.config import Config
    from zerogravity.observe.health import Check


@click.command("ls")
@config_file
@as_json
def ls(config_file: str | None, as_json: bool) -> None:
    """List running language servers and Google's runtime, and say which of them serve would choose.

    For each server: process, ports, kind, models with their quota, and how its calls are routed; one that a killed
    gateway has left re-pointed is put back. For the runtime: where it is, its login, what is missing, which ones run.
    Exits with 1 when there is nothing to choose. As JSON: an object with language_servers (a list), runtime and serve.
    """
    from zerogravity import config as configuration
    from zerogravity.backends.antigravity import discover
    from zerogravity.backends.choice import choose, runtime_settings
    from zerogravity.backends.runtime import discover as runtimes

    config = configuration.load({}, file=config_file).config
    leftovers, found = asyncio.run(_search(config))
    for check in leftovers:
        click.echo(f"zerogravity: {check.line}", err=True)
    settings, running = runtime_settings(config), runtimes.running()
    chosen = asyncio.run(choose(config, find=discover.first_of(found)))
    if as_json:
        print_json({
            "language_servers": [discover.as_json(one) for one in found],
            "runtime": runtimes.as_json(settings, running),
            "serve": {"ls": chosen.ls, "why": chosen.why},
        })  # fmt: skip
    else:
        hint = "start your editor, pass the URL of one to serve with --ls-url, or use the runtime"
        none = [f"no editor's language server is running here: {hint}"]
        lines = [*(discover.describe(found) or none), *runtimes.describe(settings, running)]
        click.echo("\n".join([*lines, f"serve would choose: {chosen.ls} ({chosen.why})"]))
    sys.exit(0 if found or settings.missing is None else 1)


async def _search(config: Config) -> tuple[list[Check], list[Found]]:
    """What a killed gateway has left, and the language servers that run."""
    from zerogravity.backends.antigravity import discover
    from zerogravity.observe import configured

    leftovers = [check async for check in configured.leftovers(config)]
    cert = Path(config.ls_cert) if config.ls_cert else None
    return leftovers, configured.with_repointed(config, await discover.find_all(csrf=config.ls_csrf, cert=cert))

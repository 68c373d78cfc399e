"""The commands ``config …``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import as_json, config_file, print_json

if TYPE_CHECKING:
    from zerogravity.config import Config


@click.group("config")
def settings() -> None:
    """Show settings and where they come from."""


@settings.command("show")
@config_file
@as_json
def show(config_file: str | None, as_json: bool) -> None:
    """Show every setting with its origin. Secrets stay hidden."""
    from zerogravity import config as configuration

    loaded = configuration.load({}, file=config_file)
    rows = loaded.describe(_others(loaded.config))
    if as_json:
        print_json([{"name": name, "value": value, "origin": origin} for name, value, origin in rows])
        return
    click.echo(f"file: {loaded.file}{'' if loaded.file.exists() else ' (does not exist)'}", err=True)
    for name, value, origin in rows:
        meaning = configuration.meaning_of_zero(name) if value == 0 and value is not False else ""
        click.echo(f"{name:<28} {f'0 ({meaning})' if meaning else value!s:<40} {origin}")


def _others(config: Config) -> dict[str, tuple[object, str]]:
    """What counts for a setting of ours that is not set, and where it comes from."""
    from zerogravity.backends.choice import runtime_settings

    runtime = runtime_settings(config)
    found: dict[str, tuple[object, str]] = {}
    if runtime.key_from not in ("", "runtime_key"):
        found["runtime_key"] = runtime.key, f"env {runtime.key_from}"
    return found

"""The commands ``config …``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import as_json, config_file, print_json

if TYPE_CHECKING:
    from zerogravity.agents.agent import Agent, Part
    from zerogravity.config import Config

THEIR_KEY = "YOUR-KEY"  # the gateway's own is a secret


class Clients(click.Group):
    """``show``, and one command for each client of the catalogue."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from zerogravity.agents.catalogue import REGISTRY

        agent = REGISTRY.get(cmd_name)
        return _command(agent) if agent is not None else super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        from zerogravity.agents.catalogue import REGISTRY

        return [*super().list_commands(ctx), *REGISTRY]


@click.group("config", cls=Clients, invoke_without_command=True)
@click.pass_context
def settings(context: click.Context) -> None:
    """Show what a client needs, and settings with where they come from.

    Example: zerogravity config codex. Without a name, lists the clients that are known.
    """
    if context.invoked_subcommand is None:
        from zerogravity.agents.catalogue import REGISTRY

        for name, agent in REGISTRY.items():
            click.echo(f"{name:<12} {agent.title}")
        click.echo("for one run: zerogravity run -- COMMAND; for good: zerogravity config NAME", err=True)


def _command(agent: Agent) -> click.Command:
    """What prints the lasting configuration of one client."""

    @click.command(agent.name, help=f"Print what {agent.title} needs to find the gateway for good.")
    @click.option("--model", help="Model that it is to use.")
    @config_file
    @as_json
    def client(model: str | None, config_file: str | None, as_json: bool) -> None:
        from zerogravity import config as configuration
        from zerogravity.agents import agent as agents

        config = configuration.load({}, file=config_file).config
        key = THEIR_KEY if config.accepted_keys else agents.ANY_KEY
        small = model or agents.SMALL_MODEL
        target = agents.Target(configuration.url_of(config.host, config.port), key, model or agents.MODEL, small)
        parts = agent.lasting(target)
        if as_json:
            print_json([{"place": part.place, "text": part.text} for part in parts])
            return
        click.echo("\n".join(_shown(part) for part in parts), nl=False)
        if config.accepted_keys:
            click.echo(f"{THEIR_KEY} stands for a key of the gateway", err=True)

    return client


def _shown(part: Part) -> str:
    return f"# {part.place}\n{part.text}" + ("" if part.text.endswith("\n") else "\n")


@settings.command("show")
@config_file
@as_json
def show(config_file: str | None, as_json: bool) -> None:
    """Show every setting with its origin. Secrets stay hidden."""
    from zerogravity import config as configuration

    loaded = configuration.load({}, file=config_file)
    rows = loaded.describe(_others(loaded.config))
    if loaded.config.fallbacks:
        from zerogravity.observe import fallbacks

        for words in fallbacks.strange(loaded.config, fallbacks.known_here(loaded.config)):
            click.echo(f"fallbacks: {words}, as far as is known without a language server", err=True)
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

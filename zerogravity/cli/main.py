"""The ``zerogravity`` command. Exit codes: 0 ok, 1 failure, 2 usage, 130 interrupted.

Help and mistakes in a command line are answered at once: a command's module is imported when it is called, and what it
works with when it runs, inside its functions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from zerogravity import __version__
from zerogravity.cli.output import discreet, remark
from zerogravity.errors import FaultError, Origin


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from zerogravity.observe.exports.bundle import versions

        click.echo(f"zerogravity {__version__} (Python {sys.version.split()[0]})")
        for package, version in versions().items():
            click.echo(f"  {package} {version}")
        context.exit()


COMMANDS = {  # name → (its module, its name there, the first sentence of its help)
    "addon-path": ("serve", "addon_path", "Print the file that ``mitmdump -s`` loads."),
    "cassette": ("replays", "cassette", "Answer requests strictly from the recordings in a folder."),
    "certs": ("authority", "authority", "Manage the certificate authority, which only proxy mode needs."),
    "completion": ("completion", "completion",
                   "Print what makes a shell complete zerogravity's commands and options."),
    "config": ("settings", "settings", "Show what a client needs, and settings with where they come from."),
    "demo": ("demo", "demo",
             "Show the whole path: a real mitmdump between stand-ins for the language server and Google."),
    "doctor": ("operations", "doctor", "Check this machine and the configured path, hop by hop."),
    "ls": ("ls", "ls",
           "List running language servers and Google's runtime, and say which of them serve would choose."),
    "models": ("listings", "models",
               "Show what a running gateway offers: models, limits in tokens, quotas, other names."),
    "open": ("open", "open_page", "Open the inspector of the running gateway in a browser, at a turn or a session."),
    "replay": ("replays", "replay", "Answer every request with a recorded Google stream, at its original pace."),
    "run": ("run", "run", "Start a coding agent, or any program, on the gateway."),
    "scenarios": ("listings", "scenarios",
                  "Show what the stand-in for Google can be told in a prompt."),
    "serve": ("serve", "serve", "Run the gateway."),
    "service": ("service", "service", "Keep the gateway running: systemd user units (Linux), launchd (macOS)."),
    "setup": ("setup", "setup", "Show the setting that sends an editor's language server through the gateway."),
    "simulate": ("simulate", "simulate", "Run a stand-in for Google, or for the language server."),
    "status": ("operations", "status", "Show whether a running gateway is ready, and its figures."),
    "store": ("store", "store",
              "Look at stored responses and conversations, remove old ones, copy them to another store."),
    "surfaces": ("surfaces", "surfaces", "Show what becomes of each request parameter."),
    "top": ("top", "top",
            "Watch a running gateway: its turns and their states, places, broken hops, tokens per minute."),
    "trace": ("traces", "trace", "Look at recorded turns."),
    "usage": ("usage", "usage",
              "Show tokens and prices per day (UTC), model, agent, session or gateway, kept across restarts."),
}  # fmt: skip


@contextmanager
def _discreet() -> Generator[None]:
    """What click says of a mistake, without a password that was put in a wrong place."""
    try:
        yield
    except click.ClickException as error:
        said = discreet(error.format_message())
        error.format_message = lambda: said
        raise


class Commands(click.Group):
    """Those of the table. Reports errors in one line, without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        return getattr(import_module(f"zerogravity.cli.{module}"), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        with _discreet():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _discreet():
                return super().invoke(ctx)
        except FaultError as error:
            remark(f"zerogravity: {error.fault.full_message}")
            ctx.exit(2 if error.fault.origin is Origin.CLIENT else 1)
        except RuntimeError:
            if os.path.expanduser("~") != "~":  # noqa: PTH111 (Path's own raises)
                raise
            click.echo("zerogravity: this user has no home folder; set HOME to one that may be written to", err=True)
            ctx.exit(1)
        except BrokenPipeError:  # click leaves quietly
            raise
        except OSError as error:
            remark(f"zerogravity: {error}")
            ctx.exit(1)
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
              help="Show this version and those of its dependencies.")  # fmt: skip
def main() -> None:
    """A local gateway, and a microscope, between coding agents and a Google language server."""

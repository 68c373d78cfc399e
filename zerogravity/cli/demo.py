"""The command ``demo``."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

import click

from zerogravity.cli.output import run


@click.command()
@click.option("--serve", "stay", is_flag=True, help="Keep running, for a client of your own.")
@click.option("--port", type=int, help="Port for agents [default: 8741 with --serve, else any free one].")
@click.option(
    "--real",
    is_flag=True,
    help="Google's Antigravity runtime instead of the stand-in for the language server, and both compared.",
)
@click.option("--upstream", metavar="URL", help="Any server that speaks Google's protocol, instead of the stand-in.")
@click.option("--mode", type=click.Choice(["reverse", "proxy"]), default="reverse", show_default=True)
@click.option("--api", type=click.Choice(["auto", "v1internal", "public"]), default="auto", show_default=True,
              help="Whether that server expects the v1internal envelope.")  # fmt: skip
@click.option("--upstream-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="PEM file that verifies an https upstream.")  # fmt: skip
@click.option("--trace", type=click.Path(file_okay=False), help="Keep the traces of the turns in this folder.")
def demo(stay: bool, port: int | None, real: bool, upstream: str | None, mode: Literal["reverse", "proxy"],
         api: Literal["auto", "v1internal", "public"], upstream_ca: Path | None,
         trace: str | None) -> None:  # fmt: skip
    """Show the whole path: a real mitmdump between stand-ins for the language server and Google."""
    from zerogravity.cli import demonstration
    from zerogravity.testing.simulator.stack import StackError, StackOptions

    if real and api == "v1internal":
        raise click.UsageError("--real: the runtime calls the public API, not v1internal")
    settings = {"trace_dir": trace} if trace else {}
    # else sim:429-quota would silence a model of the stand-in's until it is started again
    env = {} if upstream else {"ZEROGRAVITY_LIMITS_COOLDOWN_SECONDS": "30"}
    options = StackOptions(
        mode=mode,
        port=(8741 if stay else 0) if port is None else port,
        upstream=upstream,
        api=api,
        upstream_ca=upstream_ca,
        settings=settings,
        env=env,
        runtime=demonstration.real_runtime() if real else None,
        inspector_token=_users_token() if stay else "",
    )
    try:
        run(demonstration.serve(options) if stay else demonstration.run(options))
    except StackError as error:
        click.echo(f"zerogravity: {error}", err=True)
        sys.exit(1)


def _users_token() -> str:
    """So that ``open``, ``run`` and ``top`` find this inspector as they find that of ``serve``; empty: the user has
    none."""
    from zerogravity import config
    from zerogravity.errors import FaultError
    from zerogravity.observe.inspector.token import token_of

    with suppress(FaultError):  # no setting of the user's matters here
        return token_of(config.load().config) or ""
    return ""

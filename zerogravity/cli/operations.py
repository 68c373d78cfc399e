"""The commands ``doctor`` and ``status``."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity import lifeline
from zerogravity.cli.gateway_url import asked, gateway_url
from zerogravity.cli.output import as_json, config_file, console, print_json

if TYPE_CHECKING:
    from rich.text import Text

    from zerogravity.observe.doctor import DoctorOptions
    from zerogravity.observe.health import Check

NAME = len("running.language_server")  # the longest name of a check
CONFIGURED = "configured"  # the language server that the other settings choose


# -- doctor --------------------------------------------------------------------------------------------------------


@click.command("doctor")
@click.option("--ls", is_flag=False, flag_value=CONFIGURED,
              type=click.Choice([CONFIGURED, "auto", "editor", "runtime"]),
              help="Also send a turn through the real language server: the configured one, or this. A stand-in answers "
                   "its calls to Google meanwhile, so this costs no quota.")  # fmt: skip
@click.option("--mode", type=click.Choice(["reverse", "proxy"]), help="How the language server reaches the gateway.")
@click.option("--no-mitm", is_flag=True, help="Do not intercept.")
@click.option("--proxy-port", type=int, default=8742, show_default=True, help="Port for the language server.")
@click.option("--google", help="Where calls go in reverse mode [default: Google's API for the language server].")
@click.option("--listen", help="Address for agents.")
@click.option("--ls-url", help="URL of the language server.")
@click.option("--ls-csrf", help="CSRF token of the language server; safer in ZEROGRAVITY_LS_CSRF.")
@click.option("--ls-command", help="Command that starts a language server.")
@click.option("--repoint/--no-repoint", default=None, help="Make the running language server call the gateway.")
@click.option("--certs-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the certificate authority.")  # fmt: skip
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE",
              help="As for serve; zg_… and ssl_verify_upstream_trusted_ca are used.")  # fmt: skip
@config_file
@as_json
def doctor(ls: str | None, no_mitm: bool, proxy_port: int, google: str | None, certs_dir: Path | None,
           options: tuple[str, ...], config_file: str | None, as_json: bool,
           **flags: str | bool | None) -> None:  # fmt: skip
    """Check this machine and the configured path, hop by hop.

    Then sends turns through a path of its own, with stand-ins at both ends, and names the first broken hop. Pass the
    flags that you start serve with. Exits with 1 when a hop is broken. Example: zerogravity doctor --ls
    """
    from zerogravity import certs
    from zerogravity.observe.doctor import DoctorOptions

    given = {name: value for name, _, value in (option.partition("=") for option in options)}
    ca = given.get("ssl_verify_upstream_trusted_ca")
    settings: dict[str, object] = {name[3:]: value for name, value in given.items() if name.startswith("zg_")}
    settings |= {name: value for name, value in flags.items() if value is not None}
    settings |= {"ls": ls} if ls not in (None, CONFIGURED) else {}
    settings |= {"intercept": False} if no_mitm else {}
    home = certs_dir or certs.home()
    trusted = Path(ca) if ca else None
    chosen = DoctorOptions(config_file, proxy_port, home, google or "", trusted, ls is not None, settings)
    checks = lifeline.run(_examine(chosen, silent=as_json))
    broken = next((check for check in checks if not check.ok), None)
    if as_json:
        print_json({
            "ok": broken is None, "first_broken": broken.name if broken else None,
            "checks": [check.as_json() for check in checks],
        })  # fmt: skip
    elif broken is None:
        click.echo("everything works")
    else:
        click.echo(f"first broken hop: {broken.name}: {broken.text}")
        click.echo(f"what to do: {broken.fix}")
    sys.exit(0 if broken is None else 1)


async def _examine(options: DoctorOptions, *, silent: bool) -> list[Check]:
    from zerogravity.observe import doctor
    from zerogravity.surfaces import REGISTRY

    screen = console()
    checks: list[Check] = []
    async for check in doctor.examine(options, REGISTRY):
        checks.append(check)
        if not silent:
            screen.print(line_of(check), soft_wrap=True)
    return checks


def line_of(check: Check) -> Text:
    """``✓`` works, ``!`` works with a warning, ``✗`` is broken."""
    from rich.text import Text

    mark, style = ("✗", "red") if not check.ok else ("!", "yellow") if check.fix else ("✓", "green")
    line = Text.assemble((mark, style), f" {check.name:<{NAME}} {check.text}")
    if check.fix:
        line.append(f"\n  → {check.fix}", style=style)
    return line


# -- status --------------------------------------------------------------------------------------------------------


@click.command("status")
@gateway_url
@click.option("-w", "--watch", type=click.FloatRange(min=0.2), metavar="SECONDS",
              help="Refresh every so many seconds, like top.")  # fmt: skip
@config_file
@as_json
def status(url: str | None, watch: float | None, config_file: str | None, as_json: bool) -> None:
    """Show whether a running gateway is ready, and its figures.

    Exits with 1 when it is not ready or does not answer. Example: zerogravity status -w 1
    """
    from zerogravity.observe import status as gateway

    where, key, _ = asked(url, config_file)
    try:
        if watch is not None and not as_json:
            _watch(where, key, watch)
        found = asyncio.run(gateway.fetch(where, key))
    except OSError as error:
        click.echo(f"zerogravity: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        print_json(found.as_json())
    else:
        console().print(gateway.render(found))
    sys.exit(0 if found.ready else 1)


def _watch(url: str, key: str | None, pause: float) -> None:
    """Until it is interrupted, or the gateway does not answer."""
    from rich.live import Live

    from zerogravity.observe import status as gateway

    with Live(console=console(), auto_refresh=False, screen=False) as live:
        while True:
            live.update(gateway.render(asyncio.run(gateway.fetch(url, key))), refresh=True)
            time.sleep(pause)

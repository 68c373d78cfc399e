"""The commands ``doctor``, ``status`` and ``usage``. Results on stdout, talk on stderr, ``--json`` on each."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from platformdirs import user_config_path
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zerogravity import config as configuration
from zerogravity import lifeline
from zerogravity.config import url_of
from zerogravity.hosts import GOOGLE, is_loopback
from zerogravity.observe import status as told
from zerogravity.observe.doctor import Examined, examine
from zerogravity.observe.health import Check
from zerogravity.store import usage as sums
from zerogravity.store.usage import Row

config_file = click.option(
    "--config", "config_file", type=click.Path(exists=True, dir_okay=False), help="Configuration file."
)
as_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


def console() -> Console:
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)


# -- doctor --------------------------------------------------------------------------------------------------------


@click.command("doctor")
@click.option("--ls", "real", is_flag=True,
              help="Drive the real language server up to the proxy as well. For these seconds its calls to Google are "
                   "answered by a stand-in: no quota is spent.")  # fmt: skip
@click.option("--mode", type=click.Choice(["reverse", "proxy"]), help="How the language server reaches us.")
@click.option("--no-mitm", is_flag=True, help="No interception.")
@click.option("--proxy-port", type=int, default=8742, show_default=True, help="Port the language server talks to.")
@click.option("--google", default=GOOGLE, show_default=True, help="Where calls go in reverse mode.")
@click.option("--listen", help="Where agents are answered.")
@click.option("--ls-url", help="URL of the language server.")
@click.option("--ls-csrf", help="Its CSRF token; better in ZEROGRAVITY_LS_CSRF.")
@click.option("--ls-command", help="The command that starts one.")
@click.option("--certs-dir", type=click.Path(file_okay=False, path_type=Path), help="Where the authority is.")
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE",
              help="As serve takes it: zg_… and ssl_verify_upstream_trusted_ca are looked at.")  # fmt: skip
@config_file
@as_json
def doctor(real: bool, no_mitm: bool, proxy_port: int, google: str, certs_dir: Path | None, options: tuple[str, ...],
           config_file: str | None, as_json: bool, **flags: str | None) -> None:  # fmt: skip
    """Look at this machine and at the path as it is configured, hop by hop; then send turns through a path of our own
    with stand-ins at both ends. Name the first hop that is broken. Give the flags that serve is started with.

    Leaves with 1 when one is. Example: zerogravity doctor --ls
    """
    given = {name: value for name, _, value in (option.partition("=") for option in options)}
    ca = given.get("ssl_verify_upstream_trusted_ca")
    settings: dict[str, Any] = {name[3:]: value for name, value in given.items() if name.startswith("zg_")}
    settings |= {name: value for name, value in flags.items() if value is not None}
    settings |= {"intercept": False} if no_mitm else {}
    home = certs_dir or user_config_path("zerogravity") / "ca"
    what = Examined(config_file, proxy_port, home, google, Path(ca) if ca else None, real, settings)
    checks = lifeline.run(_examine(what, silent=as_json))
    broken = next((check for check in checks if not check.ok), None)
    if as_json:
        _say_json({
            "ok": broken is None, "first_broken": broken.name if broken else None,
            "checks": [check.as_json() for check in checks],
        })  # fmt: skip
    elif broken is None:
        click.echo("everything works")
    else:
        click.echo(f"first broken hop: {broken.name}: {broken.text}")
        click.echo(f"what to do: {broken.fix}")
    sys.exit(0 if broken is None else 1)


async def _examine(what: Examined, *, silent: bool) -> list[Check]:
    from zerogravity.surfaces import REGISTRY

    screen = console()
    checks: list[Check] = []
    async for check in examine(what, REGISTRY):
        checks.append(check)
        if not silent:
            screen.print(line_of(check), soft_wrap=True)
    return checks


def line_of(check: Check) -> Text:
    """``✓`` works, ``!`` works but, ``✗`` does not."""
    mark, style = ("✗", "red") if not check.ok else ("!", "yellow") if check.fix else ("✓", "green")
    line = Text.assemble((mark, style), f" {check.name:<22} {check.text}")
    if check.fix:
        line.append(f"\n  → {check.fix}", style=style)
    return line


# -- status --------------------------------------------------------------------------------------------------------


@click.command("status")
@click.option("--url", help="The running server [default: where the configuration listens].")
@click.option("-w", "--watch", type=click.FloatRange(min=0.2), metavar="SECONDS", help="Again and again, like top.")
@config_file
@as_json
def status(url: str | None, watch: float | None, config_file: str | None, as_json: bool) -> None:
    """Whether a running server is ready, and its figures.

    Leaves with 1 when it is not ready or nobody answers. Example: zerogravity status -w 1
    """
    config = configuration.load({}, file=config_file).config
    where = url.rstrip("/") if url else url_of(config.host, config.port)
    ours = url is None or is_loopback(urlsplit(url).hostname)  # nobody else is told our key
    key = next(iter(config.accepted_keys), None) if ours else None
    try:
        if watch is not None and not as_json:
            _watch(where, key, watch)
        found = asyncio.run(told.fetch(where, key))
    except OSError as error:
        click.echo(f"zerogravity: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        _say_json(found.as_json())
    else:
        console().print(told.shown(found))
    sys.exit(0 if found.ready else 1)


def _watch(url: str, key: str | None, pause: float) -> None:
    """Until it is interrupted, or nobody answers."""
    with Live(console=console(), auto_refresh=False, screen=False) as live:
        while True:
            live.update(told.shown(asyncio.run(told.fetch(url, key))), refresh=True)
            time.sleep(pause)


# -- usage ---------------------------------------------------------------------------------------------------------


@click.command("usage")
@click.option("-n", "--days", type=click.IntRange(min=1), default=30, show_default=True, help="The last so many days.")
@click.option("--model", default="", help="Only models that contain this.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="The file with the sums.")
@config_file
@as_json
def usage(days: int, model: str, file: Path | None, config_file: str | None, as_json: bool) -> None:
    """Tokens per model and day (UTC), kept across restarts.

    Example: zerogravity usage --days 7 --model flash
    """
    where = file or configuration.load({}, file=config_file).config.data_path / sums.FILE
    try:
        rows = sums.read(where, since=sums.first_day(time.time(), days), model=model)
    except OSError as error:
        click.echo(f"zerogravity: {error}", err=True)
        sys.exit(1)
    if as_json:
        _say_json([{**asdict(row), "total": row.total} for row in rows])
    elif rows:
        console().print(usage_table(rows))
    else:
        click.echo(f"no usage in {where} in the last {days} days", err=True)


def usage_table(rows: list[Row]) -> RenderableType:
    """One line per day and model, and their sum."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_footer=len(rows) > 1, footer_style="bold")
    whole = Row("", "")
    for row in rows:
        whole += row
    table.add_column("day", "total", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for name, label in COLUMNS.items():
        table.add_column(label, f"{getattr(whole, name):,}", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.day, Text(row.model), *(f"{getattr(row, name):,}" for name in COLUMNS))
    return table


COLUMNS = {
    "turns": "turns", "failed": "failed", "prompt": "in", "cached": "cached", "candidates": "out",
    "thoughts": "thinking", "tool_use": "tools", "total": "tokens",
}  # fmt: skip


def _say_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))

"""The ``zerogravity`` command. Results on stdout, talk on stderr; exit codes 0 ok, 1 failure, 2 usage, 130 interrupted.

One of the two places where rooms are put together (the other is ``compose.py``).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import json
import logging
import sys
from collections.abc import Coroutine
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from zerogravity import __version__, certs, lifeline
from zerogravity import config as configuration
from zerogravity.errors import FaultError, Origin
from zerogravity.hosts import GOOGLE

DEPENDENCIES = ("mitmproxy", "aiohttp", "orjson", "pydantic", "cryptography")


def run(main: Coroutine[Any, Any, int]) -> None:
    """Run a command's coroutine and leave with its code."""
    try:
        code = lifeline.run(main)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _version_text() -> str:
    lines = [f"zerogravity {__version__} (Python {sys.version.split()[0]})"]
    for name in DEPENDENCIES:
        try:
            lines.append(f"  {name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"  {name} missing")
    return "\n".join(lines)


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(_version_text())
        context.exit()


ELSEWHERE = {  # commands of other rooms, imported when they are called: name → module
    "trace": "zerogravity.cli.traces",
    "replay": "zerogravity.cli.traces",
    "cassette": "zerogravity.cli.traces",
    "simulate": "zerogravity.cli.simulate",
    "doctor": "zerogravity.cli.operations",
    "status": "zerogravity.cli.operations",
    "usage": "zerogravity.cli.operations",
    "surfaces": "zerogravity.cli.surfaces",
}


class Commands(click.Group):
    """Says what goes wrong as one line instead of a traceback; imports what is elsewhere only when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), *ELSEWHERE))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (module := ELSEWHERE.get(cmd_name)) is not None:
            return getattr(importlib.import_module(module), cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FaultError as error:
            click.echo(f"zerogravity: {error.fault.full_message}", err=True)
            ctx.exit(2 if error.fault.origin is Origin.CLIENT else 1)
        except BrokenPipeError:  # click leaves quietly
            raise
        except OSError as error:
            click.echo(f"zerogravity: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
              help="Version of this build and of what it stands on.")  # fmt: skip
def main() -> None:
    """Local gateway and microscope for agents behind a Google language server."""


@main.command()
@click.option("--mode", type=click.Choice(["reverse", "proxy"]),
              help="How the language server reaches us: as its endpoint (reverse, the default), or as its HTTPS proxy."
              )  # fmt: skip
@click.option("--no-mitm", is_flag=True, help="No interception: answers come from polling the language server's steps.")
@click.option("--proxy-port", type=click.IntRange(1, 65535), default=8742, show_default=True,
              help="Port the language server talks to.")  # fmt: skip
@click.option("--google", default=GOOGLE, show_default=True, help="Where calls go in reverse mode.")
@click.option("--listen", help="Where agents are answered [default: 127.0.0.1:8741].")
@click.option("--key", help="API key that agents must send; better in ZEROGRAVITY_KEY.")
@click.option("--ls-url", help="URL of the language server [default: found by itself].")
@click.option("--ls-csrf", help="Its CSRF token; better in ZEROGRAVITY_LS_CSRF.")
@click.option(
    "--ls-command",
    help="Start a language server with this command and look after it; its token and endpoint are added.",
)
@click.option("--trace/--no-trace", default=None, help="Write a trace folder for each turn.")
@click.option(
    "--passive/--no-passive", "capture_passive", default=None, help="Record Google calls that are not ours as well."
)
@click.option("--config", "config_file", type=click.Path(exists=True, dir_okay=False), help="Configuration file.")
@click.option(
    "--certs-dir", type=click.Path(file_okay=False, path_type=Path), help="Where the authority is (proxy mode)."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any further mitmproxy option.")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings.")
def serve(mode: str | None, no_mitm: bool, proxy_port: int, google: str, certs_dir: Path | None,
          settings: tuple[str, ...], quiet: bool, config_file: str | None, **flags: Any) -> None:  # fmt: skip
    """Answer agents beside a language server; the same as ``mitmdump -s addons/capture.py``, leaner.

    Example: zerogravity serve --ls-url https://127.0.0.1:42100
    """
    given = {name: value for name, value in flags.items() if value is not None}
    loaded = configuration.load({**given, "mode": mode, "intercept": False if no_mitm else None}, file=config_file)
    refuse_idle(loaded.config)
    if not loaded.config.intercept:
        from zerogravity.compose import serve as serve_gateway

        logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr)
        run(serve_gateway(loaded.config))
    from zerogravity.capture.master import serve as serve_master

    options: dict[str, Any] = {}
    if loaded.config.mode == "reverse":
        options["mode"] = [f"reverse:{google}@127.0.0.1:{proxy_port}"]
        click.echo(f"language server: --cloud_code_endpoint http://127.0.0.1:{proxy_port}", err=True)
    else:
        authority = certs.load(certs_dir or certs_home(), now=dt.datetime.now(dt.UTC))
        options |= {"mode": [f"regular@127.0.0.1:{proxy_port}"], "confdir": str(authority.directory)}
        click.echo(
            f"language server: HTTPS_PROXY=http://127.0.0.1:{proxy_port} SSL_CERT_FILE={authority.bundle}", err=True
        )
    options |= {f"zg_{name}": value for name, value in given.items()}
    if config_file is not None:
        options["zg_config"] = config_file
    run(serve_master(options, settings, verbosity="warn" if quiet else "info"))


@main.command()
@click.option("--serve", "stay", is_flag=True, help="Stay up for your own client.")
@click.option(
    "--port", type=int, default=None, help="Port agents are answered on [default: 8741 with --serve, else free]."
)
@click.option("--upstream", metavar="URL", help="Any server that speaks Google's protocol, instead of our stand-in.")
@click.option("--mode", type=click.Choice(["reverse", "proxy"]), default="reverse", show_default=True)
@click.option("--api", type=click.Choice(["auto", "v1internal", "public"]), default="auto", show_default=True,
              help="Whether that server expects the v1internal envelope.")  # fmt: skip
@click.option("--upstream-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="PEM file that verifies an https upstream.")  # fmt: skip
@click.option("--trace", type=click.Path(file_okay=False), help="Write traces of the turns into this folder.")
def demo(stay: bool, port: int | None, upstream: str | None, mode: str, api: str, upstream_ca: Path | None,
         trace: str | None) -> None:  # fmt: skip
    """The whole path with stand-ins for the language server and Google, and a real mitmdump."""
    from zerogravity.cli import demo as demonstration
    from zerogravity.testing.simulator.stack import StackError, StackOptions

    settings = {"trace": "true", "trace_dir": trace} if trace else {}
    options = StackOptions(
        mode=mode,  # type: ignore[arg-type]
        port=(8741 if stay else 0) if port is None else port,
        upstream=upstream,
        api=api,  # type: ignore[arg-type]
        upstream_ca=upstream_ca,
        settings=settings,
    )
    try:
        run(demonstration.serve(options) if stay else demonstration.run(options))
    except StackError as error:
        click.echo(f"zerogravity: {error}", err=True)
        sys.exit(1)


def refuse_idle(config: configuration.Config) -> None:
    """Raises UsageError for a flag that would do nothing in this mode: no wish is silently ignored."""
    if not config.intercept:
        idle, where = (
            ("mode", "proxy_port", "google", "certs_dir", "settings", "capture_passive"),
            "without interception",
        )
    elif config.mode == "proxy":
        idle, where = ("google",), "in proxy mode; there it is ZEROGRAVITY_UPSTREAM"
    else:
        idle, where = ("certs_dir",), "in reverse mode"
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in idle and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} does nothing {where}")


def certs_home() -> Path:
    """Where the authority lives unless a folder is given."""
    from platformdirs import user_config_path

    return user_config_path("zerogravity") / "ca"


@main.group("certs")
def certs_group() -> None:
    """Our own certificate authority, for proxy mode only."""


@certs_group.command("new")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Where to put it.")
@click.option("--days", type=click.IntRange(1, certs.MAX_DAYS), default=certs.MAX_DAYS, show_default=True)
def certs_new(directory: Path | None, days: int) -> None:
    """Make a new authority (and replace the old one)."""
    authority = certs.create(directory or certs_home(), now=dt.datetime.now(dt.UTC), days=days)
    _show_authority(authority)


@certs_group.command("show")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Where it is.")
def certs_show(directory: Path | None) -> None:
    """What the authority may speak for, and until when."""
    _show_authority(certs.load(directory or certs_home()))


@certs_group.command("remove")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Where it is.")
def certs_remove(directory: Path | None) -> None:
    """Delete the authority's files."""
    authority = certs.load(directory or certs_home())
    for file in (authority.key_file, authority.certificate, authority.bundle):
        file.unlink(missing_ok=True)
    click.echo(f"removed from {authority.directory}")


def _show_authority(authority: certs.Authority) -> None:
    click.echo(f"authority   {authority.key_file} (keep it secret)")
    click.echo(f"expires     {authority.expires:%Y-%m-%d}")
    click.echo(f"only for    {', '.join(authority.hosts)}")
    click.echo("language server's environment:")
    click.echo(f"  SSL_CERT_FILE={authority.bundle}")


@main.command("addon-path")
def addon_path() -> None:
    """Print the file that ``mitmdump -s`` loads."""
    from zerogravity.testing.simulator.stack import ADDON

    click.echo(ADDON)


@main.command("ls")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def language_servers(as_json: bool) -> None:
    """Running language servers: process, ports, kind, models with quota, and how their calls are routed.

    Leaves with 1 when there is none.
    """
    from zerogravity.backends.antigravity import discover

    found = asyncio.run(discover.find_all())
    if as_json:
        click.echo(json.dumps([discover.as_json(one) for one in found], indent=2, ensure_ascii=False))
    elif found:
        click.echo("\n".join(discover.describe(found)))
    else:
        click.echo(
            "zerogravity: no language server runs here: start the editor, or give serve one with --ls-url", err=True
        )
    sys.exit(0 if found else 1)


@main.group("config")
def config_group() -> None:
    """Settings and where they come from."""


@config_group.command("show")
@click.option("--config", "config_file", type=click.Path(exists=True, dir_okay=False), help="Configuration file.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def config_show(config_file: str | None, as_json: bool) -> None:
    """Every setting with its origin; secrets are not shown."""
    loaded = configuration.load({}, file=config_file)
    rows = loaded.describe()
    if as_json:
        click.echo(
            json.dumps([{"name": name, "value": value, "origin": origin} for name, value, origin in rows], indent=2)
        )
        return
    click.echo(f"file: {loaded.file}{'' if loaded.file.exists() else ' (there is none)'}", err=True)
    for name, value, origin in rows:
        click.echo(f"{name:<28} {value!s:<40} {origin}")

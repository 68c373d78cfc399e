"""The ``zerogravity`` command. Exit codes: 0 ok, 1 failure, 2 usage, 130 interrupted."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import logging
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from zerogravity import ADDON, __version__, certs, lifeline
from zerogravity import config as configuration
from zerogravity.cli.output import as_json, config_file, print_json
from zerogravity.errors import FaultError, Origin
from zerogravity.hosts import CODE_ASSIST, VERTEX

if TYPE_CHECKING:
    from zerogravity.backends.antigravity.discover import Found
    from zerogravity.observe.health import Check

BASE_URLS = {"CODE_ASSIST_ENDPOINT": CODE_ASSIST, "GOOGLE_VERTEX_BASE_URL": VERTEX}  # read by Google's own programs


def run(main: Coroutine[Any, Any, int]) -> None:
    """Run a command's coroutine and leave with its code."""
    try:
        code = lifeline.run(main)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from zerogravity.observe.exports.bundle import versions

        click.echo(f"zerogravity {__version__} (Python {sys.version.split()[0]})")
        for package, version in versions().items():
            click.echo(f"  {package} {version}")
        context.exit()


LAZY = {  # name → (module, the first sentence of its help)
    "cassette": ("traces", "Answer requests strictly from the recordings in a folder."),
    "doctor": ("operations", "Check this machine and the configured path, hop by hop."),
    "replay": ("traces", "Answer every request with a recorded Google stream, at its original pace."),
    "simulate": ("simulate", "Run a stand-in for Google, or for the language server."),
    "status": ("operations", "Show whether a running gateway is ready, and its figures."),
    "surfaces": ("surfaces", "Show what becomes of each request parameter."),
    "trace": ("traces", "Look at recorded turns."),
    "usage": ("operations", "Show tokens per model and day (UTC), kept across restarts."),
}


class Commands(click.Group):
    """Reports errors in one line, without a traceback. Imports a lazy command when it is called, not for ``--help``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), *LAZY))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        return getattr(importlib.import_module(f"zerogravity.cli.{LAZY[cmd_name][0]}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        summaries = {name: summary for name, (_, summary) in LAZY.items()}
        summaries |= {name: command.get_short_help_str(100) for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(summaries.items()))

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
              help="Show this version and those of its dependencies.")  # fmt: skip
def main() -> None:
    """A local gateway, and a microscope, between coding agents and a Google language server."""


@main.command()
@click.option("--mode", type=click.Choice(["reverse", "proxy"]),
              help="How the language server reaches the gateway: as its endpoint (reverse) or as its HTTPS proxy "
                   "[default: reverse].")  # fmt: skip
@click.option("--no-mitm", is_flag=True, help="Do not intercept; poll the language server's steps instead.")
@click.option("--proxy-port", type=click.IntRange(1, 65535), default=8742, show_default=True,
              help="Port for the language server.")  # fmt: skip
@click.option("--google", help="Where calls go in reverse mode [default: Google's API for the language server].")
@click.option("--listen", help="Address for agents [default: 127.0.0.1:8741].")
@click.option("--key", help="API key that agents must send; safer in ZEROGRAVITY_KEY.")
@click.option("--ls", type=click.Choice(["auto", "editor", "runtime"]),
              help="Who calls Google: the language server of an editor, or Google's Antigravity runtime with an API "
                   "key of yours [default: auto, the editor's if one runs].")  # fmt: skip
@click.option("--ls-url", help="URL of the language server [default: found automatically].")
@click.option("--ls-csrf", help="CSRF token of the language server; safer in ZEROGRAVITY_LS_CSRF.")
@click.option("--ls-command", help="Start a language server with this command and supervise it; its token and endpoint "
                                   "are added.")  # fmt: skip
@click.option("--repoint/--no-repoint", default=None,
              help="Make the running language server call the gateway, without a restart, and Google again at the end "
                   "(reverse mode).")  # fmt: skip
@click.option("--trace/--no-trace", default=None, help="Write a trace folder for each turn.")
@click.option("--passive/--no-passive", "capture_passive", default=None,
              help="Also record calls to Google that no agent's turn caused.")  # fmt: skip
@config_file
@click.option("--certs-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the certificate authority (proxy mode).")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other mitmproxy option.")
@click.option("-q", "--quiet", is_flag=True, help="Log warnings only.")
def serve(mode: str | None, no_mitm: bool, proxy_port: int, google: str | None, certs_dir: Path | None,
          settings: tuple[str, ...], quiet: bool, config_file: str | None, **flags: Any) -> None:  # fmt: skip
    """Run the gateway. The same as ``mitmdump -s addons/capture.py``, with less around it.

    Example: zerogravity serve --ls-url https://127.0.0.1:42100
    """
    given = {name: value for name, value in flags.items() if value is not None}
    loaded = configuration.load({**given, "mode": mode, "intercept": False if no_mitm else None}, file=config_file)
    refuse_idle(loaded.config)
    if not loaded.config.intercept:
        from zerogravity.compose import serve as serve_gateway

        logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr)
        run(serve_gateway(loaded.config))
    from zerogravity.backends.choice import choose
    from zerogravity.capture.master import serve as serve_master

    given["ls"] = ls = asyncio.run(choose(loaded.config, google or "")).ls
    options, how = mitmproxy_options(loaded.config, ls, google, proxy_port, certs_dir)
    click.echo(f"language server: {how}", err=True)
    options |= {f"zg_{name}": value for name, value in given.items()}
    if config_file is not None:
        options["zg_config"] = config_file
    if loaded.config.capture_passive:
        click.echo(f"other programs: {variables(options)}", err=True)
    run(serve_master(options, settings, verbosity="warn" if quiet else "info"))


@main.command()
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
@click.option("--trace", type=click.Path(file_okay=False), help="Write traces of the turns to this folder.")
def demo(stay: bool, port: int | None, real: bool, upstream: str | None, mode: Literal["reverse", "proxy"],
         api: Literal["auto", "v1internal", "public"], upstream_ca: Path | None,
         trace: str | None) -> None:  # fmt: skip
    """Show the whole path: a real mitmdump between stand-ins for the language server and Google."""
    from zerogravity.cli import demo as demonstration
    from zerogravity.testing.simulator.stack import StackError, StackOptions

    if real and api == "v1internal":
        raise click.UsageError("--real: the runtime calls the public API, not v1internal")
    settings = {"trace": "true", "trace_dir": trace} if trace else {}
    options = StackOptions(
        mode=mode,
        port=(8741 if stay else 0) if port is None else port,
        upstream=upstream,
        api=api,
        upstream_ca=upstream_ca,
        settings=settings,
        runtime=demonstration.real_runtime() if real else None,
    )
    try:
        run(demonstration.serve(options) if stay else demonstration.run(options))
    except StackError as error:
        click.echo(f"zerogravity: {error}", err=True)
        sys.exit(1)


def mitmproxy_options(
    config: configuration.Config,
    ls: Literal["editor", "runtime"],
    google: str | None,
    proxy_port: int,
    certs_dir: Path | None,
) -> tuple[dict[str, object], str]:
    """How mitmproxy listens and where it sends calls; and, for people, how the language server gets there."""
    from zerogravity.backends.choice import google_of, runtime_settings

    address, options = f"127.0.0.1:{proxy_port}", dict[str, object]()
    if config.mode == "reverse":
        options["mode"] = [f"reverse:{google or google_of(ls, runtime_settings(config))}@{address}"]
        how = f"{'will be re-pointed to' if config.repoint else '--cloud_code_endpoint'} http://{address}"
    else:
        authority = certs.load(certs_dir or certs_home(), now=dt.datetime.now(dt.UTC))
        options |= {"mode": [f"regular@{address}"], "confdir": str(authority.directory)}
        how = f"HTTPS_PROXY=http://{address} SSL_CERT_FILE={authority.bundle}"
    return options, "Google's Antigravity runtime, a process of ours" if ls == "runtime" else how


def refuse_idle(config: configuration.Config) -> None:
    """Raises UsageError for a flag that has no effect in this mode."""
    if not config.intercept:
        idle = ("mode", "proxy_port", "google", "certs_dir", "settings", "capture_passive")
        where = "without interception"
    elif config.mode == "proxy":
        idle, where = ("google",), "in proxy mode; set ZEROGRAVITY_UPSTREAM instead"
    else:
        idle, where = ("certs_dir",), "in reverse mode"
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in idle and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} has no effect {where}")


def variables(options: Mapping[str, Any]) -> str:
    """The environment that sends a program's calls to Google through mitmproxy as ``options`` start it."""
    mode, _, address = str(options["mode"][0]).rpartition("@")
    if "confdir" in options:
        return f"HTTPS_PROXY=http://{address} SSL_CERT_FILE={Path(options['confdir'], 'bundle.pem')}"
    host = urlsplit(mode.removeprefix("reverse:")).hostname
    name = next((name for name, hosts in BASE_URLS.items() if host in hosts), "GOOGLE_GEMINI_BASE_URL")
    return f"{name}=http://{address}"


def certs_home() -> Path:
    """The default folder of the certificate authority."""
    from platformdirs import user_config_path

    return user_config_path("zerogravity") / "ca"


@main.group("certs")
def certs_group() -> None:
    """Manage the certificate authority, which only proxy mode needs."""


@certs_group.command("new")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder to put it in.")
@click.option("--days", type=click.IntRange(1, certs.MAX_DAYS), default=certs.MAX_DAYS, show_default=True,
              help="Days until it expires.")  # fmt: skip
def certs_new(directory: Path | None, days: int) -> None:
    """Create an authority, replacing the old one."""
    authority = certs.create(directory or certs_home(), now=dt.datetime.now(dt.UTC), days=days)
    _show_authority(authority)


@certs_group.command("show")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder it is in.")
def certs_show(directory: Path | None) -> None:
    """Show which hosts the authority may sign for, and until when."""
    _show_authority(certs.load(directory or certs_home()))


@certs_group.command("remove")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder it is in.")
def certs_remove(directory: Path | None) -> None:
    """Delete the files of the authority."""
    authority = certs.load(directory or certs_home())
    for file in (authority.key_file, authority.certificate, authority.bundle):
        file.unlink(missing_ok=True)
    click.echo(f"removed from {authority.directory}")


def _show_authority(authority: certs.Authority) -> None:
    click.echo(f"authority   {authority.key_file} (keep it secret)")
    click.echo(f"expires     {authority.expires:%Y-%m-%d}")
    click.echo(f"only for    {', '.join(authority.hosts)}")
    click.echo("environment of the language server:")
    click.echo(f"  SSL_CERT_FILE={authority.bundle}")


@main.command("addon-path")
def addon_path() -> None:
    """Print the file that ``mitmdump -s`` loads."""
    click.echo(ADDON)


@main.command("ls")
@config_file
@as_json
def language_servers(config_file: str | None, as_json: bool) -> None:
    """List running language servers and Google's runtime, and say which of them serve would choose.

    For each server: process, ports, kind, models with their quota, and how its calls are routed; one that a killed
    gateway has left re-pointed is put back. For the runtime: where it is, its login, what is missing, which ones run.
    Exits with 1 when there is nothing to choose. As JSON: an object with language_servers (a list), runtime and serve.
    """
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


async def _search(config: configuration.Config) -> tuple[list[Check], list[Found]]:
    """What a killed gateway has left, and the language servers that run."""
    from zerogravity.backends.antigravity import discover
    from zerogravity.observe import configured

    leftovers = [check async for check in configured.leftovers(config)]
    cert = Path(config.ls_cert) if config.ls_cert else None
    return leftovers, configured.with_repointed(config, await discover.find_all(csrf=config.ls_csrf, cert=cert))


@main.group("config")
def config_group() -> None:
    """Show settings and where they come from."""


@config_group.command("show")
@config_file
@as_json
def config_show(config_file: str | None, as_json: bool) -> None:
    """Show every setting with its origin. Secrets stay hidden."""
    loaded = configuration.load({}, file=config_file)
    rows = loaded.describe(_others(loaded.config))
    if as_json:
        print_json([{"name": name, "value": value, "origin": origin} for name, value, origin in rows])
        return
    click.echo(f"file: {loaded.file}{'' if loaded.file.exists() else ' (does not exist)'}", err=True)
    for name, value, origin in rows:
        click.echo(f"{name:<28} {value!s:<40} {origin}")


def _others(config: configuration.Config) -> dict[str, tuple[object, str]]:
    """What counts for a setting of ours that is not set, and where it comes from."""
    from zerogravity.backends.choice import runtime_settings

    runtime = runtime_settings(config)
    found: dict[str, tuple[object, str]] = {}
    if runtime.key_from not in ("", "runtime_key"):
        found["runtime_key"] = runtime.key, f"env {runtime.key_from}"
    return found

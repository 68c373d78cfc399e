"""The commands ``serve`` and ``addon-path``."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from zerogravity import ADDON, event_loop, memory
from zerogravity.cli import banner, imports
from zerogravity.cli.output import config_file, run
from zerogravity.hosts import CODE_ASSIST, VERTEX
from zerogravity.observe.bell import Bell, bell_of
from zerogravity.observe.log_output import Form, printed

if TYPE_CHECKING:
    from zerogravity.compose import Gateway
    from zerogravity.config import Config

BASE_URLS = {"CODE_ASSIST_ENDPOINT": CODE_ASSIST, "GOOGLE_VERTEX_BASE_URL": VERTEX}  # read by Google's own programs


@click.command()
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
@click.option("--trace/--no-trace", default=None, help="Keep a redacted trace folder of each turn [default: --trace].")
@click.option("--passive/--no-passive", "capture_passive", default=None,
              help="Also record calls to Google that no agent's turn caused.")  # fmt: skip
@config_file
@click.option("--certs-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the certificate authority (proxy mode).")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other mitmproxy option.")
@click.option("--log", type=click.Choice(["text", "json"]),
              help="How the log and a line for each turn are printed, on stdout [default: text].")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Log warnings only.")
def serve(mode: str | None, no_mitm: bool, proxy_port: int, google: str | None, certs_dir: Path | None,
          settings: tuple[str, ...], log: str | None, quiet: bool, config_file: str | None,
          **flags: Any) -> None:  # fmt: skip
    """Run the gateway. The same as ``mitmdump -s addons/capture.py``, with less around it.

    Example: zerogravity serve --ls-url https://127.0.0.1:42100
    """
    from zerogravity import config as configuration

    memory.reuse()  # before there is a thread
    given = {name: value for name, value in flags.items() if value is not None}
    more = {"mode": mode, "intercept": False if no_mitm else None, "log": log}
    config = configuration.load({**given, **more}, file=config_file).config
    refuse_idle(config)
    form, bell, loop_factory = config.log or "text", bell_of(sys.stderr), event_loop.factory(config.loop)
    started = _started(form, bell, quiet=quiet)
    if not config.intercept:
        with imports.quick():
            from zerogravity.compose import serve as serve_gateway

        work = serve_gateway(config, started)
    else:
        with imports.quick():
            from zerogravity.capture.master import serve as serve_master

        given |= {"config": config_file} if config_file is not None else {}
        options = intercepting(config, given, google, proxy_port, certs_dir)
        work = serve_master(options, settings, verbosity="warn" if quiet else "info", started=started)
    with printed(sys.stdout, form, quiet=quiet), closing(bell) if bell is not None else nullcontext():
        run(work, loop_factory)


def _started(form: Form, bell: Bell | None, *, quiet: bool) -> Callable[[Config, Gateway], None]:
    """What is told when the gateway answers."""
    announce = banner.announcer(form, quiet=quiet)

    def started(config: Config, running: Gateway) -> None:
        announce(config, running)
        if bell is not None:
            bell.attach(running.services.store, running.services.catalogue.list)

    return started


def intercepting(
    config: Config, given: Mapping[str, object], google: str | None, proxy_port: int, certs_dir: Path | None
) -> dict[str, object]:
    """All options of mitmproxy and of our addon; says how a language server, and other programs, get to the proxy."""
    from zerogravity.backends.choice import choose

    ls = asyncio.run(choose(config, google or "")).ls
    options, how = mitmproxy_options(config, ls, google, proxy_port, certs_dir)
    click.echo(f"language server: {how}", err=True)
    if config.capture_passive:
        click.echo(f"other programs: {variables(options)}", err=True)
    return options | {f"zg_{name}": value for name, value in {**given, "ls": ls}.items()}


def mitmproxy_options(
    config: Config,
    ls: Literal["editor", "runtime"],
    google: str | None,
    proxy_port: int,
    certs_dir: Path | None,
) -> tuple[dict[str, object], str]:
    """How mitmproxy listens and where it sends calls; and, for people, how the language server gets there."""
    from zerogravity import certs
    from zerogravity.backends.choice import google_of, runtime_settings

    address, options = f"127.0.0.1:{proxy_port}", dict[str, object]()
    if config.mode == "reverse":
        options["mode"] = [f"reverse:{google or google_of(ls, runtime_settings(config))}@{address}"]
        how = f"{'will be re-pointed to' if config.repoint else '--cloud_code_endpoint'} http://{address}"
    else:
        authority = certs.load(certs_dir or certs.home(), now=dt.datetime.now(dt.UTC))
        options |= {"mode": [f"regular@{address}"], "confdir": str(authority.directory)}
        how = f"HTTPS_PROXY=http://{address} SSL_CERT_FILE={authority.bundle}"
    return options, "Google's Antigravity runtime, a process of ours" if ls == "runtime" else how


def refuse_idle(config: Config) -> None:
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


@click.command("addon-path")
def addon_path() -> None:
    """Print the file that ``mitmdump -s`` loads."""
    click.echo(ADDON)

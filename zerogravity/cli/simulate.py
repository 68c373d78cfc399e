"""``zerogravity simulate google|ls``: each stand-in by itself, until SIGINT or SIGTERM.

``ls`` takes the real language server's flags, so that it can be started, and found, in its place.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from zerogravity.hosts import GOOGLE
from zerogravity.testing.simulator.language_server import BUILDS, LsOptions

if TYPE_CHECKING:
    from zerogravity.testing.simulator.google import GoogleSimulator
    from zerogravity.testing.simulator.language_server import LanguageServerSimulator

# options of the stand-in that are no habits
NOT_HABITS = {"auth", "labels", "quotas", "refusals", "port", "http_port", "csrf"}


@click.group()
def simulate() -> None:
    """Run a stand-in for Google, or for the language server."""


@simulate.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on [default: any free one].")
@click.option("--plain", is_flag=True, help="HTTP/1.1 without TLS.")
@click.option("--http2/--no-http2", default=True, show_default=True, help="Offer HTTP/2.")
@click.option("--pace", type=float, default=0.01, show_default=True, help="Seconds between the events of an answer.")
@click.option("--auth/--no-auth", default=True, show_default=True, help="Refuse calls without credentials.")
@click.option("--strict/--no-strict", default=True, show_default=True, help="Refuse with 400 what Google refuses.")
@click.option("--cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Own certificate (PEM).")
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its key (PEM).")
@click.option("--ca-file", type=click.Path(dir_okay=False, path_type=Path),
              help="File to write the certificate to that clients have to trust.")  # fmt: skip
def google(host: str, port: int, plain: bool, http2: bool, pace: float, auth: bool, strict: bool, cert: Path | None,
           key: Path | None, ca_file: Path | None) -> None:  # fmt: skip
    """Stand in for Google: its v1internal and public Gemini API.

    ``sim:NAME`` in a prompt chooses the answer.

    Example: zerogravity simulate google --port 9443 --ca-file google.pem
    """
    from zerogravity.testing.simulator.google import GoogleOptions, GoogleSimulator
    from zerogravity.testing.simulator.http import tls

    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key belong together")
    identity = tls.from_files(cert, key) if cert is not None and key is not None else None
    simulator = GoogleSimulator(
        GoogleOptions(
            host=host, port=port, tls=not plain, http2=http2, pace=pace, auth=auth, strict=strict, identity=identity
        )
    )

    async def ready() -> None:
        if ca_file is not None:
            ca_file.write_bytes(simulator.ca_pem)
        click.echo(simulator.url)

    asyncio.run(_serve(simulator, ready))


@simulate.command()
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the binary metadata from stdin first, as a child does.")
@click.option("--csrf_token", envvar="ZEROGRAVITY_LS_CSRF", help="Token that calls must carry [default: a new one].")
@click.option("--https_server_port", type=click.IntRange(0, 65535), default=0, help="TLS port [default: any free one].")
@click.option("--http_server_port", type=click.IntRange(0, 65535), help="Port without TLS [default: none].")
@click.option("--random_port", is_flag=True, help="Use free ports, whatever else is given.")
@click.option("--cloud_code_endpoint", default=GOOGLE, show_default=True, help="URL of Google.")
@click.option("--extension_server_port", type=click.IntRange(0, 65535), help="Port of the parent to notify.")
@click.option("--extension_server_csrf_token", default="", help="Token of the parent.")
@click.option("--workspace_id", help="Accepted, as by the real one; marks a workspace's process.")
@click.option("--enable_lsp", is_flag=True, help="Accepted, as by the real one.")
@click.option("--persistent_mode", is_flag=True, help="Accepted, as by the real one.")
@click.option("--app_data_dir", help="Accepted, as by the real one.")
@click.option("--proxy", help="Proxy for Google [default: HTTPS_PROXY].")
@click.option("--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="PEM file of trusted authorities [default: SSL_CERT_FILE].")  # fmt: skip
@click.option("--cert-file", type=click.Path(dir_okay=False, path_type=Path), help="File to write its certificate to.")
@click.option("--build", type=click.Choice(list(BUILDS)), help="One whose habits it has [default: of no one build].")
@click.option("--habit", "habits", multiple=True, metavar="NAME=VALUE",
              help="Any field of LsOptions: checkpoint=before, blocking=always, retry_s=0.1 …")  # fmt: skip
def ls(from_stdin: bool, csrf_token: str | None, https_server_port: int, http_server_port: int | None,
       random_port: bool, cloud_code_endpoint: str, extension_server_port: int | None,
       extension_server_csrf_token: str, proxy: str | None, trust: Path | None, cert_file: Path | None,
       build: str | None, habits: tuple[str, ...], **_taken: object) -> None:  # fmt: skip
    """Stand in for the language server; needs a Google, real or ``simulate google``.

    Example: zerogravity simulate ls --cloud_code_endpoint http://127.0.0.1:8742 --habit checkpoint=during
    """
    from zerogravity.testing.simulator.language_server import LanguageServerSimulator
    from zerogravity.testing.simulator.language_server.child import StdinError, proxy_for, read_metadata, trusted

    if from_stdin:
        try:
            read_metadata(sys.stdin.buffer.read())
        except StdinError as error:
            raise click.ClickException(str(error)) from None
    options = LsOptions(
        port=0 if random_port else https_server_port,
        http_port=0 if random_port else http_server_port,
        endpoint=cloud_code_endpoint,
        proxy_url=proxy or proxy_for(cloud_code_endpoint, os.environ),
        proxy_ca=trust or trusted(os.environ),
        **{**(BUILDS[build] if build else {}), **_habits(habits)},
    )
    if csrf_token:
        options.csrf = csrf_token
    simulator = LanguageServerSimulator(options)

    async def ready() -> None:
        if cert_file is not None:
            cert_file.write_bytes(simulator.certificate_pem)
        click.echo(simulator.url)
        if options.http_port is not None:
            click.echo(simulator.http_url)
        if not csrf_token and not from_stdin:  # made up here for a person; a parent knows the one it gave
            click.echo(f"x-codeium-csrf-token: {options.csrf}")
        if extension_server_port:
            await _tell(extension_server_port, extension_server_csrf_token, simulator)

    asyncio.run(_serve(simulator, ready))


async def _tell(port: int, token: str, simulator: LanguageServerSimulator) -> None:
    import aiohttp

    from zerogravity.testing.simulator.language_server.child import report_started

    try:
        await report_started(
            port, token, https_port=simulator.port, http_port=simulator.http_port, csrf=simulator.options.csrf
        )
    except (aiohttp.ClientError, OSError) as error:
        raise click.ClickException(f"the extension server does not answer: {error}") from None


async def _serve(simulator: GoogleSimulator | LanguageServerSimulator, ready: Callable[[], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await simulator.start()
    except OSError as error:
        raise click.ClickException(f"cannot listen: {error.strerror or error}") from None
    try:
        await ready()
        await stop.wait()
    finally:
        await simulator.stop()


def _habits(habits: tuple[str, ...]) -> dict[str, Any]:
    kinds = get_type_hints(LsOptions)
    plain = {field.name for field in dataclasses.fields(LsOptions)} - NOT_HABITS
    made: dict[str, Any] = {}
    for habit in habits:
        name, _, text = habit.partition("=")
        if name not in plain:
            raise click.UsageError(f"--habit {name}: no such habit; there are {', '.join(sorted(plain))}")
        try:
            made[name] = _typed(kinds[name], text)
        except ValueError as error:
            raise click.UsageError(f"--habit {name}: {error}") from None
    return made


def _typed(kind: Any, text: str) -> Any:
    """``text`` as the type of an option. Raises ValueError."""
    words = getattr(kind, "__args__", ())
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text == "true"
    if kind is int:
        return int(text)
    if kind is float or float in words:
        return float(text)
    if kind is str:
        return text
    if str in words:  # tuple[str, ...], frozenset[str]
        return kind.__origin__(text.split(","))
    if text not in words:
        raise ValueError(f"{text!r} is none of {', '.join(map(str, words))}")
    return text

"""The configured path → one ``Check`` per hop: a gateway that already runs, and the language server that the
settings name, with their token. Changes nothing and starts nothing, but puts back what a killed gateway has left.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from zerogravity.backends.antigravity.client import LsClient
from zerogravity.backends.antigravity.discover import Found
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.errors import Refused
from zerogravity.backends.antigravity.repoint import marked, put_back_leftovers
from zerogravity.backends.antigravity.repointed import FILE, RepointedFile
from zerogravity.config import Config
from zerogravity.errors import Fault, FaultError
from zerogravity.observe import machine
from zerogravity.observe.health import Check, describe
from zerogravity.store import address

LANGUAGE_SERVER = "language_server"


@dataclass(frozen=True, slots=True)
class RoutedServer:
    """A language server whose calls come to this machine: in which mode, and to which port."""

    endpoint: Endpoint
    by_proxy: bool
    port: int


# -- a gateway that runs already -----------------------------------------------------------------------------------


async def running(config: Config, url: str) -> AsyncIterator[Check]:
    """The checks of the gateway that runs on our port: it has seen turns."""
    from zerogravity.observe import status  # not for a start: what it shows figures with is large

    try:
        answer = await status.fetch(url, next(iter(config.accepted_keys), None))
    except OSError as error:
        fix = "set ZEROGRAVITY_KEY to its key, or restart it"
        yield Check("running", False, f"{url} did not report its health: {error}", fix)
        return
    for check in answer.checks:
        yield replace(check, name=f"running.{check.name}", text=describe(check))
    if not answer.checks:
        yield Check("running", answer.ready, f"{url} tells only whether it is ready", status.NEEDS_KEY)


# -- what one that was killed has left -----------------------------------------------------------------------------


async def leftovers(config: Config) -> AsyncIterator[Check]:
    """Language servers that still call where nobody listens any more: put back, if there are any."""
    file = RepointedFile(config.data_path / FILE)
    try:
        found = await put_back_leftovers(file, csrf=config.ls_csrf)
    except OSError as error:
        text = f"{file.path}, which names the language servers that are re-pointed, cannot be used: {error.strerror}"
        yield Check("repointed", False, text, "make it readable and writable for you, or delete it")
        return
    for one in found:
        yield Check("repointed", one.trouble is None, str(one), "restart the editor" if one.trouble else "")


def with_repointed(config: Config, found: Sequence[Found]) -> list[Found]:
    """The same language servers with the route that a running gateway has given them."""
    try:
        return marked(found, RepointedFile(config.data_path / FILE))
    except OSError:  # reported by ``leftovers``
        return list(found)


# -- the language server -------------------------------------------------------------------------------------------


async def language_server(config: Config, found: Sequence[Found], proxy_port: int) -> AsyncIterator[Check]:
    """The one that the settings choose: a URL, a command, or whichever runs."""
    if config.ls_command is not None:
        yield command(config.ls_command)
    elif config.ls_url is not None:
        answering = await answers(given(config, config.ls_url))
        yield answering
        if answering.ok and (process := process_at(config.ls_url, found)) is not None and config.intercept:
            yield machine.route(process, proxy_port, config.mode, repoint=config.repoint)
    else:
        mode = config.mode if config.intercept else None
        yield machine.language_server(found, proxy_port, mode, repoint=config.repoint)


# -- the store ----------------------------------------------------------------------------------------------------


async def store(config: Config) -> AsyncIterator[Check]:
    """A Redis server that keeps responses."""
    if not address.is_redis(config.store):
        return
    name = address.shown(config.store)
    if find_spec("redis") is None:
        yield Check("store", False, "the Python package redis is not installed", f"run: {address.INSTALL}")
        return
    from zerogravity.store.redis.server import described

    try:
        found = await described(config.store)
    except FaultError as error:
        yield Check("store", not config.store_required, error.fault.message, "start that server, or correct store")
    except (TypeError, ValueError):
        yield Check("store", False, address.with_a_strange_parameter(config.store), "correct store")
    else:
        fix = "set its maxmemory-policy to noeviction, or give it more memory" if found.evicts else ""
        yield Check("store", True, f"Redis {found.version} at {name} answers", fix)


# -- MCP servers ---------------------------------------------------------------------------------------------------


async def mcp_servers(config: Config) -> AsyncIterator[Check]:
    """The package that speaks with them, and the commands that start them. None is asked or started."""
    if not config.mcp and not config.mcp_servers:
        return
    if find_spec("mcp") is None:
        yield Check("mcp", False, "the Python package mcp is not installed", "run: pip install 'zerogravity[mcp]'")
        return
    servers = ", ".join(config.mcp_servers) or "none"
    yield Check("mcp", True, f"servers of requests are {'on' if config.mcp else 'off'}; configured: {servers}")
    for name, server in config.mcp_servers.items():
        if server.command is not None and shutil.which(server.command, path=server.env.get("PATH")) is None:
            text = f"{server.command}, the command of the MCP server {name}, was not found"
            yield Check(f"mcp.{name}", False, text, "give its full path")


def given(config: Config, url: str) -> Endpoint:
    """The endpoint of ``ls_url``, as the gateway uses it."""
    return Endpoint.given(url, config.ls_csrf, Path(config.ls_cert) if config.ls_cert else None)


async def answers(endpoint: Endpoint) -> Check:
    """It answers, accepts our token and is logged in, by the call that the gateway makes, too."""
    client = LsClient(endpoint)
    try:
        models = await client.models()
    except Refused as error:
        if error.status in (401, 403):
            if not endpoint.csrf:
                text = f"{endpoint.url} requires a token, and none is set"
                return Check(LANGUAGE_SERVER, False, text, "Set ZEROGRAVITY_LS_CSRF to the token it was started with.")
            return _broken(error.fault, "Set ZEROGRAVITY_LS_CSRF to the token it was started with.")
        return Check(
            LANGUAGE_SERVER, True, f"{endpoint.url} answers, but cannot list its models: {error.fault.message}"
        )
    except FaultError as error:
        return _broken(error.fault, "Pass the URL of a running one with --ls-url; zerogravity ls lists them.")
    finally:
        await client.close()
    return Check(LANGUAGE_SERVER, True, f"{endpoint.url} accepts our token and is logged in, {len(models)} models")


def command(line: str) -> Check:
    """``ls_command`` names a program that can be started."""
    try:
        program = shlex.split(line)[0]
    except (ValueError, IndexError):
        return Check(LANGUAGE_SERVER, False, "ls_command is not a valid command line", "check its quotes")
    if shutil.which(program) is None:
        return Check(LANGUAGE_SERVER, False, f"{program}, named by ls_command, was not found", "give its full path")
    return Check(LANGUAGE_SERVER, True, f"serve starts {program}")


def process_at(url: str, found: Sequence[Found]) -> Found | None:
    """The process that listens at ``url``, if it is one of this user's."""
    port = urlsplit(url).port
    return next((one for one in found if port in one.process.ports), None)


def route_of(config: Config, found: Sequence[Found], proxy_port: int) -> RoutedServer | None:
    """The language server that a turn would be sent to, and the route of its calls. None: there is none, or its
    calls are not known to come here."""
    if config.ls_url is None:
        one = next((one for one in found if one.endpoint is not None), None)
        endpoint = None if one is None else one.endpoint
    else:
        one, endpoint = process_at(config.ls_url, found), given(config, config.ls_url)
    if endpoint is None:
        return None
    if one is None:
        return RoutedServer(endpoint, config.mode == "proxy", proxy_port)
    process = one.process
    return None if process.route_port is None else RoutedServer(endpoint, not process.by_endpoint, process.route_port)


def _broken(fault: Fault, fix: str) -> Check:
    return Check(LANGUAGE_SERVER, False, fault.message, fault.remedy or fix)

"""The configuration → which back end makes the calls to Google: an editor's language server, or Google's runtime."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from zerogravity.backends.antigravity.discover import discover
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.runtime.settings import Settings
from zerogravity.config import Config
from zerogravity.errors import Fault, Termination, language_server
from zerogravity.hosts import CODE_ASSIST, GOOGLE, PUBLIC, VERTEX

Ls = Literal["editor", "runtime"]
STRANGE: dict[Ls, tuple[str, tuple[str, ...]]] = {  # hosts of Google that do not know its calls
    "runtime": ("the runtime", CODE_ASSIST),
    "editor": ("an editor's language server", (*PUBLIC, *VERTEX)),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """``why``: for a person, without an end."""

    ls: Ls
    why: str


def runtime_settings(config: Config, environment: Mapping[str, str] = os.environ) -> Settings:
    """The runtime's, from the configuration and Google's own variables."""
    return Settings.of(config.runtime_path, config.runtime_key, environment)


async def choose(
    config: Config,
    google: str = "",
    *,
    routed: bool = True,
    environment: Mapping[str, str] = os.environ,
    find: Callable[[], Awaitable[Endpoint | None]] | None = None,
) -> Choice:
    """``google``: where calls go on to, if that is known already. ``routed``: whether a process of ours can be sent
    through the interceptor.

    ``auto`` means an editor's language server if one runs or is named, else the runtime if it is installed and can log
    in, else that of an editor that is yet to come; our own stand-in counts as no editor's."""
    if config.ls != "auto":
        return Choice(config.ls, f"ls is {config.ls}")
    host, missing = urlsplit(google).hostname, runtime_settings(config, environment).missing
    no_runtime = {
        "ls_url names it": config.ls_url is not None,
        "ls_command names it": config.ls_command is not None,
        "repoint is about a running one": config.repoint,
        "without interception there is no other": not config.intercept,
        f"calls go on to {host}, which serves no other": host in CODE_ASSIST,
        "this mode of mitmproxy serves no other": not routed,
        "" if missing is None else f"there is no other: {missing.message}": missing is not None,
    }
    if (why := next((why for why, is_so in no_runtime.items() if is_so), None)) is not None:
        return Choice("editor", why)
    cert = Path(config.ls_cert) if config.ls_cert else None
    found = await (find or partial(discover, csrf=config.ls_csrf, cert=cert))()
    if found is None or found.kind == "simulator":
        return Choice("runtime", "no editor's language server runs, and the runtime has what it needs")
    return Choice("editor", "an editor's language server runs")


def google_of(ls: Ls, settings: Settings) -> str:
    """Where its calls go, if nothing else is said. ``settings``: the runtime's."""
    return settings.google if ls == "runtime" else GOOGLE


def strange_google(ls: Ls, google: str, settings: Settings) -> Fault | None:
    """What is wrong with where a reverse proxy sends its calls: Google has two APIs, each with hosts of its own."""
    name, hosts = STRANGE[ls]
    if (host := urlsplit(google).hostname) not in hosts:
        return None
    wanted = google_of(ls, settings)
    text = f"{host} does not serve the calls of {name}: each would be answered 404"
    remedy = f"Start with --mode reverse:{wanted}@127.0.0.1:8742; with zerogravity serve: --google {wanted}"
    return language_server(502, "ls_refused", text, Termination.LS_REFUSED, remedy=remedy, retryable=False)

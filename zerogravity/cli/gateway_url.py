"""Which running gateway a command asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import click

from zerogravity.hosts import is_loopback

if TYPE_CHECKING:
    from zerogravity.config import Config

gateway_url = click.option("--url", help="URL of the gateway [default: the configured one].")


class Asked(NamedTuple):
    """``key``: None: any is accepted, or the gateway is not ours."""

    url: str
    key: str | None
    config: Config


class Inspected(NamedTuple):
    url: str
    token: str
    config: Config


def inspected(url: str | None, config_file: str | None) -> Inspected:
    """The gateway whose inspector is asked, on this machine or the configured one. Raises BadParameter, and OSError
    where there is no inspector."""
    from zerogravity.observe.inspector.token import token_of

    there = asked(url, config_file)
    if url is not None and not is_loopback(urlsplit(url).hostname):
        raise click.BadParameter("the inspector's token goes to no other machine", param_hint="'--url'")
    token = token_of(there.config)
    if token is None:
        raise OSError("the inspector is off (inspector = false), or beyond loopback and without an inspector_token")
    return Inspected(there.url, token, there.config)


def asked(url: str | None, config_file: str | None) -> Asked:
    """The gateway at ``url``, or the configured one. Raises BadParameter."""
    from zerogravity import config as configuration

    config = configuration.load({}, file=config_file).config
    if url is None:
        return Asked(configuration.url_of(config.host, config.port), next(iter(config.accepted_keys), None), config)
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, valid = urlsplit(""), False
    if not valid:
        raise click.BadParameter("must look like http://HOST:PORT", param_hint="'--url'")
    ours = is_loopback(parts.hostname)  # no other host gets our key
    return Asked(url.rstrip("/"), next(iter(config.accepted_keys), None) if ours else None, config)

"""The configuration → which back end makes the calls to Google: an editor's language server, or Google's runtime."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal
from urllib.parse import urlsplit

from zerogravity.backends.antigravity.discover import discover
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.runtime.settings import Settings, settings
from zerogravity.config import Config
from zerogravity.hosts import CODE_ASSIST

Ls = Literal["editor", "runtime"]


def runtime_settings(config: Config, environment: Mapping[str, str] = os.environ) -> Settings:
    """The runtime's, from the configuration and Google's own variables."""
    return settings(config.runtime_path, config.runtime_key, environment)


async def choose(
    config: Config,
    google: str = "",
    *,
    environment: Mapping[str, str] = os.environ,
    find: Callable[[], Awaitable[Endpoint | None]] = discover,
) -> Ls:
    """``google``: where calls go on to, if that is known already. ``auto`` means an editor's language server if one
    runs or is named, else the runtime if it is installed and can log in, else that of an editor that is yet to come."""
    if config.ls != "auto":
        return config.ls
    named = config.ls_url is not None or config.ls_command is not None
    if named or not config.intercept or urlsplit(google).hostname in CODE_ASSIST:
        return "editor"
    if runtime_settings(config, environment).missing is not None:
        return "editor"
    found = await find()
    return "runtime" if found is None or found.kind == "simulator" else "editor"

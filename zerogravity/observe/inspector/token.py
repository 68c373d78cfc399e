"""The inspector's token: the configured one, else one that is made once per user and kept, so that links and bookmarks
outlive a restart."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from zerogravity.config import Config
from zerogravity.hosts import is_loopback

logger = logging.getLogger("zerogravity")
FILE = "inspector-token"
SHORTEST = 24  # characters; what is shorter was cut, or written by somebody else


def is_inspected(config: Config) -> bool:
    """Beyond loopback there is an inspector only with a configured token (T20)."""
    return bool(config.inspector and (config.inspector_token or is_loopback(config.host)))


def token_of(config: Config) -> str | None:
    """None: there is no inspector."""
    if not is_inspected(config):
        return None
    return config.inspector_token or kept(config.data_path / FILE)


def kept(file: Path) -> str:
    """The token in ``file`` (0600), which is made if it is not there; where it cannot be written, one for this run."""
    try:
        return _read(file) or _made(file)
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be used, so the inspector's link will change at a restart: %s", file, error)
        return secrets.token_urlsafe(24)


def _read(file: Path) -> str:
    """The token; empty: there is none."""
    try:
        found = file.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
    return found if len(found) >= SHORTEST else ""


def _made(file: Path) -> str:
    """A new one. Of two gateways that start at once, the second one takes the first one's."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}.tmp")
    made = secrets.token_urlsafe(24)
    try:
        fresh.touch(mode=0o600)
        fresh.write_text(made + "\n", "ascii")
        if file.exists() and not _read(file):
            fresh.replace(file)
        else:
            file.hardlink_to(fresh)
    except FileExistsError:
        return _read(file) or made
    finally:
        fresh.unlink(missing_ok=True)
    return made

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
        found = file.read_text("ascii").strip() if file.exists() else ""
        if len(found) >= SHORTEST:
            return found
        made = secrets.token_urlsafe(24)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(made + "\n", "ascii")
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be used, so the inspector's link will change at a restart: %s", file, error)
        return secrets.token_urlsafe(24)
    return made

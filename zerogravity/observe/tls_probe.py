"""An address → whether a server answers there with a valid certificate: a TLS handshake, without a request."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from zerogravity.errors import unreachable
from zerogravity.observe.health import Check, fix_of

HANDSHAKE_S = 5.0


async def google(url: str, *, ca: Path | None = None) -> Check:
    """The server that calls go to answers, with a valid certificate."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    context = ssl.create_default_context(cafile=ca or certifi.where()) if secure else None  # what mitmproxy trusts
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if secure else 80), ssl=context
            )
    except TimeoutError:
        return _lost(url, f"no answer within {HANDSHAKE_S:g} s")
    except ssl.SSLError as error:
        return _lost(url, f"its certificate is not valid: {getattr(error, 'verify_message', '') or error.reason}")
    except OSError as error:
        return _lost(url, error.strerror or str(error))
    writer.transport.abort()  # nothing is pending; closing TLS properly would keep the socket for up to 30 s
    return Check("google", True, f"{url} can be reached")


def _lost(url: str, why: str) -> Check:
    fault = unreachable(f"{url}: {why}")
    return Check("google", False, fault.message, fix_of(fault))

"""The link that opens the inspector of a running gateway in a browser."""

from __future__ import annotations

import time

import aiohttp

from zerogravity.observe.gateway import nobody, stranger
from zerogravity.observe.inspector.access import ticket

TIMEOUT = aiohttp.ClientTimeout(total=5)


def of(url: str, token: str, place: str = "", *, brief: bool = False) -> str:
    """``place``: what is shown there, e.g. ``turn_…`` or ``session/…``. ``brief``: without the token, to be used
    once: other users of this machine may read the command line with which a browser starts."""
    key = f"ticket={ticket(token, time.time())}" if brief else f"token={token}"
    return f"{url}/inspector?{key}{'#' if place else ''}{place}"


async def check(url: str, token: str) -> None:
    """Raises OSError that says what to do where no gateway answers, or one whose inspector does not take the token."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(of(url, token, brief=True), allow_redirects=False) as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        raise nobody(url) from error
    match status:
        case 303:
            return
        case 401:
            raise OSError(
                f"the gateway on {url} has another token: it runs with another data_dir or inspector_token; give this "
                "command the same settings (--config, ZEROGRAVITY_…), or use the link that it printed when it started"
            )
        case 404:
            raise OSError(f"the gateway on {url} has no inspector; set inspector = true and start it again")
        case _:
            raise stranger(url)

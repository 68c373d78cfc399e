"""Who may use the inspector: a browser that once opened the link with the token, which became a cookie."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from zerogravity.observe.inspector.answers import BadRequest, plain, to_page

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PAGE = "/inspector/"
TICKET_S = 120
KEPT_S = 30 * 86400  # for how long a browser that does not come by keeps the cookie
CLOSED = (
    "This browser has no key to the inspector. Run `zerogravity open`, or open the link that zerogravity printed when "
    "it started."
)


def ticket(token: str, wall: float) -> str:
    """What opens the inspector once instead of the token, for TICKET_S from ``wall`` (wall-clock seconds) on: it may be
    seen on the command line of a browser, where it soon is of no more use."""
    return _sealed(token, f"{wall:.0f}-{secrets.token_hex(8)}")


def _sealed(token: str, name: str) -> str:
    return f"{name}-{hmac.new(token.encode(), f'inspector {name}'.encode(), 'sha256').hexdigest()}"


class Access:
    """``token``: never empty. ``wall``: wall-clock seconds."""

    def __init__(self, token: str, wall: Callable[[], float] = time.time) -> None:
        if not token:
            raise ValueError("the inspector needs a token")
        self._token = token
        self._wall = wall
        self._used: dict[str, float] = {}  # tickets of the last TICKET_S, and when they were made

    def guarded(self, handler: Handler) -> Handler:
        """``handler`` for those who may; ``?token=`` or ``?ticket=`` sets the cookie and leaves the address."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            # Cookies ignore ports: two gateways on one machine must not overwrite each other's.
            cookie = f"zg_inspector_{request.url.port}"
            if self._is_token(request.query.get("token", "")) or self._is_ticket(request.query.get("ticket", "")):
                return self._with_cookie(cookie, to_page())
            if not self._is_token(request.cookies.get(cookie, "")):
                return plain(401, CLOSED)
            try:
                response = await handler(request)
            except BadRequest as refused:
                return plain(refused.status, refused.text)
            return self._with_cookie(cookie, response) if request.path == PAGE else response

        return guarded

    def _with_cookie(self, name: str, response: web.StreamResponse) -> web.StreamResponse:
        response.set_cookie(name, self._token, max_age=KEPT_S, httponly=True, samesite="Strict", path="/inspector")
        return response

    def _is_token(self, given: str) -> bool:
        return _same(given, self._token)

    def _is_ticket(self, given: str) -> bool:
        """Whether it opens the inspector; from now on it does not."""
        name = given.rpartition("-")[0]
        if not _same(given, _sealed(self._token, name)):
            return False
        made, now = float(name.partition("-")[0]), self._wall()
        self._used = {ticket: at for ticket, at in self._used.items() if abs(now - at) <= TICKET_S}
        if abs(now - made) > TICKET_S or given in self._used:
            return False
        self._used[given] = made
        return True


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "backslashreplace"), expected.encode())

"""Who may use the inspector: a browser that once opened the link with the token, which became a cookie."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from zerogravity.observe.inspector.answers import BadRequest, plain, to_page

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PAGE = "/inspector/"
KEPT_S = 30 * 86400  # for how long a browser that does not come by keeps the cookie
CLOSED = (
    "This browser has no key to the inspector. Run `zerogravity open`, or open the link that zerogravity printed when "
    "it started."
)


class Access:
    """``token``: never empty."""

    def __init__(self, token: str) -> None:
        if not token:
            raise ValueError("the inspector needs a token")
        self._token = token

    def guarded(self, handler: Handler) -> Handler:
        """``handler`` for those who may; ``?token=`` sets the cookie and leaves the address."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            # Cookies ignore ports: two gateways on one machine must not overwrite each other's.
            cookie = f"zg_inspector_{request.url.port}"
            if self._is_token(request.query.get("token", "")):
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
        return hmac.compare_digest(given.encode("utf-8", "backslashreplace"), self._token.encode())

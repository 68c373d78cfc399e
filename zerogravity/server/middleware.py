"""The middlewares, outside in: request id and access log → errors as answers → host and origin → key → limits.

They run for unmatched routes as well. What does not even parse as HTTP never reaches them: see ``protocol``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from yarl import URL

from zerogravity import ids, redact
from zerogravity.errors import Fault, FaultError, bad_request, internal
from zerogravity.server import paths
from zerogravity.server.body import overloaded
from zerogravity.server.protocol import address_of, id_headers
from zerogravity.server.services import EXCHANGE, SERVICES, Exchange, Services
from zerogravity.surfaces.base import Answer, Surface
from zerogravity.wire import jsonio

logger = logging.getLogger("zerogravity.server")
access = logging.getLogger("zerogravity.access")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADER_BYTES = 64 << 10  # all header lines of a request
OPEN_PATHS = frozenset({"/", "/health", "/ready"})  # need no key: without one they say only whether we work
# to pages of a configured origin
EXPOSED = "request-id, x-request-id, server-timing, x-zerogravity-model, x-zerogravity-notes"
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9_-]{1,64}(?:, ?[A-Za-z0-9_-]{1,64}){0,63}")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,200}")
UNREAD_BODY = frozenset({"invalid_body", "unsupported_content_encoding"})  # its rest must not be read as a request


# -- which surface -------------------------------------------------------------------------------------------------


def surface_of(request: web.Request, services: Services) -> Surface:
    """The surface that a path belongs to; decides the form of errors, also for unmatched routes."""
    path, surfaces = request.rel_url.raw_path, services.surfaces
    if request.match_info.http_exception is not None and (suggested := paths.suggestion(path, surfaces)) is not None:
        return paths.surface_at(suggested, surfaces)
    return paths.surface_at(path, surfaces, request.headers, request.query)


# -- request id and access log -------------------------------------------------------------------------------------


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id and write one line about it, whatever happens."""
    services = request.app[SERVICES]
    given = request.headers.get("x-request-id", "")
    harmless = _REQUEST_ID.fullmatch(given) is not None and redact.text(given) == given  # it is echoed and kept
    request_id = given if harmless else ids.new("req")
    exchange = Exchange(request_id, time.monotonic(), surface_of(request, services))
    request[EXCHANGE] = exchange
    status = 499
    try:
        response = await handler(request)
        status = response.status
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            exchange.sent_bytes = len(response.body)
        return response
    except asyncio.CancelledError:
        exchange.client_gone = True
        raise
    finally:
        services.metrics.request(exchange.surface.name, status)
        if access.isEnabledFor(logging.INFO):
            access.info("%s", log_line(request, exchange, status))


def log_line(request: web.Request, exchange: Exchange, status: int) -> str:
    """One JSON line. The path: without its query, which may hold a key, and decoded, since escapes may hide secrets."""
    now = time.monotonic()
    fields: dict[str, object] = {
        "request_id": exchange.id,
        "method": request.method,
        "path": redact.text(request.rel_url.path)[:200],
        "surface": exchange.surface.name,
        "status": status,
        "bytes": exchange.sent_bytes,
        "ms": round((now - exchange.started) * 1000, 1),
    }
    if exchange.first_byte is not None:
        fields["first_ms"] = round((exchange.first_byte - exchange.started) * 1000, 1)
    if (channel := exchange.channel) is not None:
        fields |= {"turn": channel.id, "model": channel.turn.target.name}
        fields["code"] = exchange.code or channel.termination or ("left" if exchange.client_gone else "open")
    elif exchange.code:
        fields["code"] = exchange.code
    return json.dumps(fields, ensure_ascii=True)


async def common_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal ``on_response_prepare``: headers of every answer, errors too."""
    response.headers.popall("Server", None)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    exchange = request.get(EXCHANGE)
    if exchange is None:  # refused before any middleware ran
        response.headers.update(id_headers(response.headers.get("x-request-id") or ids.new("req")))
        response.headers["Server-Timing"] = "total;dur=0.0"
    else:
        response.headers.update(id_headers(exchange.id))
        total = (time.monotonic() - exchange.started) * 1000
        response.headers.setdefault("Server-Timing", f"total;dur={total:.1f}")
        response.headers.setdefault("openai-processing-ms", str(int(total)))
    origin = request.headers.get("Origin", "")
    services = request.app[SERVICES]
    if origin and origin in services.config.cors_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
        response.headers.add("Vary", "Origin")


# -- errors --------------------------------------------------------------------------------------------------------


@web.middleware
async def errors_as_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes an answer in the surface's own form. Guard point: our own bug is a 500 without details."""
    exchange, headers = request[EXCHANGE], dict[str, str]()
    try:
        return await handler(request)
    except FaultError as error:
        fault = error.fault
    except web.HTTPNotFound:
        fault = unknown_url(request).fault
    except web.HTTPMethodNotAllowed as error:
        methods = sorted(error.allowed_methods)
        text = f"{request.method} is not allowed here; use {' or '.join(methods)}"
        fault = bad_request(text, code="method_not_allowed", status=405).fault
        headers["Allow"] = ", ".join(methods)
    except web.HTTPException as error:
        fault = bad_request(error.reason or "bad request", code="bad_http_request", status=error.status).fault
    except ConnectionError:
        raise
    except Exception:
        logger.exception("%s: the request failed with an internal error", exchange.id)
        fault = internal()
    exchange.code = exchange.code or fault.termination.value
    if request.writer.output_size > 0:  # the answer has begun: all that is left is to break it off
        raise ConnectionResetError("the answer has begun already")
    response = rendered(exchange.surface.error(fault, exchange.id), headers)
    if fault.status in (408, 413) or fault.code in UNREAD_BODY:
        response.force_close()
    return response


async def fault_of(work: Awaitable[None], request_id: str) -> Fault | None:
    """Await ``work`` where no middleware reaches (a message of a WebSocket); what went wrong. Guard point."""
    try:
        await work
    except FaultError as error:
        return error.fault
    except ConnectionError:  # nobody is left to read an error
        return None
    except Exception:
        logger.exception("%s: the request failed with an internal error", request_id)
        return internal()
    return None


def json_response(body: object, headers: Mapping[str, str] | None = None, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=jsonio.dumps(body), headers=headers, content_type="application/json")


def rendered(answer: Answer, headers: Mapping[str, str] | None = None) -> web.Response:
    """A surface's answer as a response, with more headers."""
    return json_response(answer.body, {**answer.headers, **(headers or {})}, status=answer.status)


def unknown_url(request: web.Request) -> FaultError:
    """404 naming the path that was probably meant."""
    surfaces = request.app[SERVICES].surfaces
    suggested = paths.suggestion(request.rel_url.raw_path, surfaces)
    asked = f"{request.method} {request.rel_url.path[:200]}"
    if suggested:
        text = f"Unknown URL: {asked}. Did you mean {suggested[:200]}?"
    else:
        text = f"Unknown URL: {asked} is not supported by this server. {paths.existing(surfaces)}"
    return bad_request(text, code="unknown_url", status=404)


# -- host and origin -----------------------------------------------------------------------------------------------


@web.middleware
async def host_and_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """On every route: only requests that name this server, and none of foreign web pages (T1, T2)."""
    services = request.app[SERVICES]
    check_size(request)
    check_host(request, services)
    check_origin(request, services)
    if request.method == "OPTIONS" and request.headers.get("Origin", "") in services.config.cors_origins:
        return preflight(request)
    return await handler(request)


def check_size(request: web.Request) -> None:
    """All header lines together; aiohttp's parser limits their number and each of them. Else 431."""
    if sum(len(name) + len(value) for name, value in request.raw_headers) > HEADER_BYTES:
        text = f"the request's headers have more than {HEADER_BYTES} bytes"
        raise bad_request(text, code="headers_too_large", status=431)


def check_host(request: web.Request, services: Services) -> None:
    """The Host header, and an absolute target's host, must name this server, with its port. Else 421."""
    hosts = [request.headers.get("Host", "")]
    if not request.raw_path.startswith("/"):
        hosts.append(urlsplit(request.raw_path).netloc.rpartition("@")[2])
    if not all(is_own_host(host, request, services) for host in hosts):
        raise bad_request(
            "this server does not answer to that Host; use localhost or 127.0.0.1 with its port, or add the name to "
            "allowed_hosts",
            code="misdirected_request",
            status=421,
        )


def is_own_host(text: str, request: web.Request, services: Services) -> bool:
    """``NAME:PORT`` of this server: loopback names, the address the connection came in on, configured names.

    DNS rebinding needs a name, so an address literal that is ours is safe.
    """
    name, port = split_host(text)
    if name is None:
        return False
    own_address, own_port = address_of(request.transport, "sockname")
    if (name in LOCAL_NAMES or same_address(name, own_address.partition("%")[0])) and port == own_port:
        return True
    for allowed in services.config.allowed_hosts:
        allowed_name, allowed_port = split_host(allowed)
        explicit = allowed.rpartition("]")[2].count(":") == 1
        if name == allowed_name and port == (allowed_port if explicit else own_port):
            return True
    return False


def split_host(text: str) -> tuple[str | None, int]:
    """Host header → (lower-case name without brackets, as ``xn--…`` where it is not ASCII; port, by default 80), or
    (None, 0) for a malformed one."""
    try:
        parts = urlsplit(f"//{text}")
        if parts.path or parts.query or parts.fragment or "@" in text or not parts.hostname:
            return None, 0
        name = parts.hostname if parts.hostname.isascii() else URL.build(scheme="http", host=parts.hostname).raw_host
        return (name or "").lower().removesuffix("."), parts.port or 80
    except ValueError:
        return None, 0


def same_address(name: str, address: str) -> bool:
    try:
        return ip_address(name) == ip_address(address)
    except ValueError:
        return False


def check_origin(request: web.Request, services: Services) -> None:
    """Browsers say where a page comes from; only our own pages and configured origins may call. Else 403."""
    origin = request.headers.get("Origin")
    if origin is not None and origin in services.config.cors_origins:
        return
    own = False
    if origin is not None:
        parts = urlsplit(origin)
        own = parts.scheme in ("http", "https") and is_own_host(parts.netloc, request, services)
    site = request.headers.get("Sec-Fetch-Site", "none").lower()
    if (origin is not None and not own) or site not in ("none", "same-origin"):
        name = f" ({origin})" if origin is not None and _ORIGIN.fullmatch(origin) else ""
        text = f"requests from other web pages are refused; to allow one, add its origin{name} to cors_origins"
        raise bad_request(text, code="foreign_origin", status=403)


def preflight(request: web.Request) -> web.Response:
    """The answer to a browser's preflight for a configured origin. SDKs send many headers of their own, so all that it
    names are allowed; and a page of the internet may reach this machine (Private Network Access)."""
    wanted = request.headers.get("Access-Control-Request-Headers", "")
    headers = {
        "Access-Control-Allow-Methods": "GET, POST, DELETE",
        "Access-Control-Allow-Headers": wanted if _HEADER_NAMES.fullmatch(wanted) else "authorization, content-type",
        "Access-Control-Max-Age": "600",
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=headers)


# -- key -----------------------------------------------------------------------------------------------------------


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compare the key in constant time; only its hash is kept (T4, T5)."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    given = key_of(request)
    exchange.owner = owner_of(given)
    accepted = services.config.accepted_keys
    path = request.rel_url.raw_path
    guarded = sent_path(request) not in OPEN_PATHS and path != "/inspector" and not path.startswith("/inspector/")
    # Every configured key is compared, so that the time does not tell which one was nearly right.
    matches = [hmac.compare_digest(to_bytes(given), to_bytes(key)) for key in accepted]
    exchange.authorized = not accepted or any(matches)
    if guarded and not exchange.authorized:
        text = "Incorrect API key provided." if given else "You did not provide an API key."
        raise bad_request(text, code="invalid_api_key", status=401)
    return await handler(request)


def sent_path(request: web.Request) -> str:
    """The path as it was sent: paths that need no key have one spelling."""
    path = request.raw_path
    return (path if path.startswith("/") else urlsplit(path).path).partition("?")[0]


def key_of(request: web.Request) -> str:
    """The key as any of the APIs' clients sends it; empty when there is none. One rule for all paths, on purpose: much
    that is guarded is no API's, and a client may send any API its own kind of header. Of two, Anthropic's counts: its
    clients send it along with the bearer of a login (wire-anthropic 0)."""
    headers = request.headers
    if key := headers.get("x-api-key"):
        return key
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-goog-api-key") or request.query.get("key", "")


def to_bytes(text: str) -> bytes:
    """Header text as bytes; it may hold invalid UTF-8."""
    return text.encode("utf-8", "backslashreplace")


def owner_of(key: str) -> str:
    """Whose stored responses these are (T21)."""
    return hashlib.blake2b(to_bytes(key), digest_size=12, person=b"zg-owner").hexdigest() if key else ""


# -- limits --------------------------------------------------------------------------------------------------------


class ConcurrencyLimit:
    """Bounds how many requests are answered at the same time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.count >= self.limit:
            raise overloaded("too many requests at once")
        self.count += 1
        try:
            return await handler(request)
        finally:
            self.count -= 1

"""``LanguageServerSimulator``: the language server over real sockets and TLS: CSRF check, Connect JSON and streams.

Options are in ``options.py``, methods in ``rpc.py``, what a turn does in ``turn.py``.
Facts: language-server-and-google A.5, A.13, A.14.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.http import tls
from zerogravity.testing.simulator.http.exchange import Exchange
from zerogravity.testing.simulator.http.server import HttpServer, Simulator
from zerogravity.testing.simulator.language_server.google_client import GoogleCall, GoogleClient
from zerogravity.testing.simulator.language_server.options import LsOptions
from zerogravity.testing.simulator.language_server.rpc import Service
from zerogravity.testing.simulator.language_server.rpc_error import RpcError
from zerogravity.testing.simulator.language_server.state import Cascade
from zerogravity.wire.narrow import an_object

SERVICE = "/exa.language_server_pb.LanguageServerService/"
MAX_BODY = 64 << 20
END = 0x02


class LanguageServerSimulator(Simulator):
    """``await start()`` → ``url``, ``csrf``, ``certificate_pem``; ``calls``, ``cascades`` for tests; ``await stop()``.

    ``options`` may be changed while it runs; each turn uses them as they are when it starts.
    """

    def __init__(self, options: LsOptions | None = None) -> None:
        self.options = options or LsOptions()
        self.google = GoogleClient(self.options)
        self.service = Service(self.options, self.google)
        self.port = 0
        self.http_port = 0
        self.certificate_pem = b""
        self._server = HttpServer(self._handle, MAX_BODY)

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen: first TLS, then the plain port if there is one, as the real one does."""
        options = self.options
        self.service.closed = False
        identity = tls.self_signed()
        self.certificate_pem = identity.ca_pem
        self.port = await self._server.listen(options.host, options.port, identity, http2=options.http2)
        if options.http_port is not None:
            self.http_port = await self._server.listen(options.host, options.http_port)

    async def stop(self) -> None:
        """Stop turns, streams and listeners."""
        self._server.stop_listening()
        await self.service.close()
        await self._server.stop()
        await self.google.close()

    # -- what tests and the demo look at -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"https://{self.options.host}:{self.port}"

    @property
    def http_url(self) -> str:
        """The plain port's URL."""
        return f"http://{self.options.host}:{self.http_port}"

    @property
    def csrf(self) -> str:
        return self.options.csrf

    @property
    def calls(self) -> list[GoogleCall]:
        """Every generate call so far, oldest first."""
        return self.service.calls

    @property
    def cascades(self) -> dict[str, Cascade]:
        return self.service.cascades

    def first_step_text_after_s(self) -> float | None:
        """Of the newest cascade: seconds from its message to the first text or thought in its steps."""
        newest = next(reversed(self.cascades.values()), None)
        if newest is None or newest.sent_ns is None or newest.first_text_ns is None:
            return None
        return (newest.first_text_ns - newest.sent_ns) / 1e9

    # -- requests ----------------------------------------------------------------------------------------------------

    async def _handle(self, exchange: Exchange) -> None:
        token = exchange.headers.get("x-codeium-csrf-token", "")
        if not hmac.compare_digest(token.encode(), self.options.csrf.encode()):
            if self.options.csrf_status == 401:
                _json(exchange, 401, {"code": "unauthenticated", "message": "invalid CSRF token"})
            else:
                _text(exchange, 403, "Invalid CSRF token")
            return
        service, _, method = exchange.target.partition("?")[0].rpartition("/")
        content_type = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
        if f"{service}/" != SERVICE:
            _text(exchange, 404, "404 page not found")
        elif exchange.method != "POST":
            _text(exchange, 405, "")
        elif method in self.service.streaming:
            await self._stream(exchange, method, content_type)
        else:
            await self._unary(exchange, method, content_type)

    async def _unary(self, exchange: Exchange, method: str, content_type: str) -> None:
        try:
            self.service.check(method)
            run = self.service.unary.get(method)
            if run is None:
                _text(exchange, 404, "404 page not found")
                return
            if content_type != "application/json":  # the real one takes application/proto as well
                _text(exchange, 415, "")
                return
            answer = await run(self.service.read(method, _message(exchange.body)))
        except RpcError as error:
            _json(exchange, error.status, {"code": error.code, "message": error.message})
        except ValueError as error:
            # a member of the wrong type: what a protobuf codec says before any code of the method runs
            _json(exchange, 400, {"code": "invalid_argument", "message": f"proto: syntax error: {error}"})
        else:
            _json(exchange, 200, {name: value for name, value in answer.items() if value not in ([], {}, "", None)})

    async def _stream(self, exchange: Exchange, method: str, content_type: str) -> None:
        if content_type != "application/connect+json":
            _text(exchange, 415, "")
            return
        exchange.start(200, [("Content-Type", "application/connect+json")])
        end: Json = {}
        try:
            self.service.check(method)
            body = self.service.read(method, _message(_enveloped(exchange.body)))
            await self._frames(exchange, self.service.streaming[method](body))
        except RpcError as error:
            end = {"error": {"code": error.code, "message": error.message}}
        exchange.write(_frame(end, END))
        exchange.end()

    async def _frames(self, exchange: Exchange, messages: AsyncIterator[Json]) -> None:
        async for message in messages:
            exchange.write(_frame(message))
            await exchange.drain()


def _message(body: bytes) -> Object:
    try:
        value = an_object(json.loads(body))
    except ValueError as error:
        raise RpcError(400, "invalid_argument", f"proto: syntax error: {error}") from None
    if value is None:
        raise RpcError(400, "invalid_argument", "proto: unexpected token")
    return value


def _enveloped(body: bytes) -> bytes:
    """The payload of the one envelope a stream's request is."""
    if len(body) < 5 or body[0] != 0 or int.from_bytes(body[1:5], "big") != len(body) - 5:
        raise RpcError(400, "invalid_argument", "protocol error: incomplete envelope")
    return body[5:]


def _frame(value: Json, flags: int = 0) -> bytes:
    payload = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return bytes((flags,)) + len(payload).to_bytes(4, "big") + payload


def _json(exchange: Exchange, status: int, value: Json) -> None:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    _whole(exchange, status, "application/json", body)


def _text(exchange: Exchange, status: int, text: str) -> None:
    _whole(exchange, status, "text/plain; charset=utf-8", f"{text}\n".encode() if text else b"")


def _whole(exchange: Exchange, status: int, content_type: str, body: bytes) -> None:
    exchange.start(status, [("Content-Type", content_type)], length=len(body))
    exchange.write(body)
    exchange.end()

"""``GoogleSimulator``: Google's v1internal and public Gemini API over real sockets, TLS, HTTP/1.1 and HTTP/2.

Routes, remembers requests, picks the scenario of each answer. What is refused is in ``validation.py``, what is
answered in ``scenarios.py`` (table of the keywords), ``default_answers.py`` and ``code_assist.py``.
Facts: language-server-and-google C, E.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from zerogravity.testing.simulator.google import catalogue, code_assist, default_answers, validation
from zerogravity.testing.simulator.google.families import family_of
from zerogravity.testing.simulator.google.generate_request import GenerateRequest, declarations, get, read
from zerogravity.testing.simulator.google.player import Form, Player, send_json
from zerogravity.testing.simulator.google.scenarios import Scenario, say, stop
from zerogravity.testing.simulator.google.signatures import Signer
from zerogravity.testing.simulator.http import tls
from zerogravity.testing.simulator.http.exchange import Exchange
from zerogravity.testing.simulator.http.server import HttpServer, Simulator
from zerogravity.wire.narrow import an_object, lookup, members, text

Kind = Literal["agent", "checkpoint", "tab", "count", "background"]
PUBLIC = re.compile(
    r"/(v1|v1beta|v1alpha|v1beta1)/(?:tunedModels|models|(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models)"
    r"(?:/(?P<model>.+?))?(?::(?P<method>[A-Za-z]+))?"
)
INTERNAL = re.compile(r"/v1internal:(?P<method>[A-Za-z]+)")
NOT_FOUND_PAGE = b"""<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <title>Error 404 (Not Found)!!1</title>
  <p><b>404.</b> <ins>That's an error.</ins>
  <p>The requested URL was not found on this server.  <ins>That's all we know.</ins>
"""
KEPT_BODIES = 64 << 20
MAX_TRIES = 1000
FIRST = {
    "flaky": "503", "429-once": "429", "quota-once": "429-quota", "drop-once": "drop-before",
    "thinking-once": "thinking-only", "malformed-once": "malformed", "nameless-once": "nameless",
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Received:
    """One request as it came, and how its answer ended (``end``, ``drop``, ``refused``, ``client_gone`` …)."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: object
    http: str
    kind: Kind = "background"
    model: str = ""
    scenario: str = ""
    status: int | None = None
    message: str = ""
    sent: int = 0
    ended: str = ""
    size: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def request(self) -> Any:
        """The inner request: without the v1internal envelope. Any: tests index into it."""
        body = an_object(self.body)
        return None if body is None else body.get("request", body)


@dataclass(slots=True)
class _Scripted:
    scenario: Scenario | Callable[[GenerateRequest], Scenario]
    match: Callable[[Received], bool]
    times: int


@dataclass(slots=True)
class GoogleOptions:
    """``pace``: seconds between the events of an answer. ``auth``: refuse calls without credentials.

    ``identity``: own certificate. ``tls`` off serves plain HTTP/1.1. ``keep``: how many requests are remembered.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = True
    http2: bool = True
    pace: float = 0.01
    auth: bool = True
    strict: bool = True
    keep: int = 1000
    max_body: int = 100 << 20
    identity: tls.Identity | None = None
    signature_key: bytes = b"zerogravity stand-in"


class GoogleSimulator(Simulator):
    """``await start()`` → ``url``, ``ca_pem``; ``requests``; ``script(scenario)``; ``await stop()``."""

    def __init__(self, options: GoogleOptions | None = None, **changes: Any) -> None:
        self.options = options or GoogleOptions(**changes)
        self.requests: list[Received] = []
        self.signer = Signer(self.options.signature_key)
        self.port = 0
        self.identity: tls.Identity | None = None
        self._server = HttpServer(self._handle, self.options.max_body)
        self._scripts: list[_Scripted] = []
        self._tries: OrderedDict[str, int] = OrderedDict()
        self._kept = 0
        self._arrival = asyncio.Condition()

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; afterwards ``url``, ``port`` and ``ca_pem`` are valid."""
        options = self.options
        if options.tls:
            self.identity = options.identity or tls.authority_signed()
        self.port = await self._server.listen(options.host, options.port, self.identity, http2=options.http2)

    async def stop(self) -> None:
        """Close the listener and every connection; running answers are cut."""
        await self._server.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self.options.tls else 'http'}://{self.options.host}:{self.port}"

    @property
    def ca_pem(self) -> bytes:
        """What a client has to trust; empty without TLS."""
        return self.identity.ca_pem if self.identity else b""

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return self._server.connections

    # -- for tests --------------------------------------------------------------------------------------------------

    def script(
        self,
        scenario: Scenario | Callable[[GenerateRequest], Scenario],
        *,
        match: str | Callable[[Received], bool] | None = None,
        times: int = 1,
        kind: Kind = "agent",
    ) -> None:
        """Answer the next ``times`` calls of ``kind`` (that match) with ``scenario``; scripts are used in order.

        ``match`` may be a text that occurs in the request's contents.
        """

        def fits(received: Received) -> bool:
            if received.kind != kind:
                return False
            if isinstance(match, str):
                return match in orjson.dumps(get(received.request, "contents")).decode()
            return match is None or match(received)

        self._scripts.append(_Scripted(scenario, fits, times))

    def unscript(self) -> None:
        """Forget the scripts that are left."""
        self._scripts.clear()

    @property
    def agent_requests(self) -> list[Received]:
        """The generate calls that are no checkpoint, tab or background call."""
        return [request for request in self.requests if request.kind == "agent"]

    async def wait_for(self, count: int = 1, kind: Kind | None = "agent") -> Received:
        """The ``count``-th request of that kind, as soon as it is there."""
        async with self._arrival:
            while True:
                found = [request for request in self.requests if kind is None or request.kind == kind]
                if len(found) >= count:
                    return found[count - 1]
                await self._arrival.wait()

    # -- requests ---------------------------------------------------------------------------------------------------

    async def _handle(self, exchange: Exchange) -> None:
        received = await self._remember(exchange)
        try:
            await self._route(exchange, received)
        except asyncio.CancelledError:
            received.ended = received.ended or "cut"
            raise
        finally:
            if exchange.client_gone:
                received.ended = "client_gone"
            received.done.set()

    async def _remember(self, exchange: Exchange) -> Received:
        parts = urlsplit(exchange.target)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body: object = None
        if exchange.body:
            try:
                body = orjson.loads(exchange.body)
            except orjson.JSONDecodeError:
                body = exchange.body
        received = Received(exchange.method, unquote(parts.path), query, exchange.headers, body,
                            exchange.http, size=len(exchange.body))  # fmt: skip
        self.requests.append(received)
        self._kept += received.size
        while len(self.requests) > self.options.keep or (self._kept > KEPT_BODIES and len(self.requests) > 1):
            self._kept -= self.requests.pop(0).size
        return received

    async def _announce(self) -> None:
        async with self._arrival:
            self._arrival.notify_all()

    async def _route(self, exchange: Exchange, received: Received) -> None:
        internal = INTERNAL.fullmatch(received.path)
        public = PUBLIC.fullmatch(received.path)
        found = internal or public
        method = found["method"] if found else None
        if internal and received.method == "POST" and method in ("streamGenerateContent", "generateContent"):
            await self._generate(exchange, received, method, internal=True)
        elif internal and (answer := code_assist.answer(method or "", received)) is not None:
            self._whole(exchange, received, *(validation.credentials(received, internal=True) or answer))
        elif public and received.method == "POST" and method in ("streamGenerateContent", "generateContent"):
            received.model = public["model"] or ""
            await self._generate(exchange, received, method, internal=False)
        elif public and (answer := code_assist.public(public["model"], method, received)) is not None:
            self._whole(exchange, received, *(validation.credentials(received, internal=False) or answer))
        else:
            await self._announce()
            received.status, received.ended = 404, "refused"
            send_json(exchange, 404, NOT_FOUND_PAGE, {"Content-Type": "text/html; charset=UTF-8"})

    def _whole(self, exchange: Exchange, received: Received, status: int, body: object) -> None:
        received.status, received.ended = status, "end"
        send_json(exchange, status, body)

    async def _generate(self, exchange: Exchange, received: Received, method: str, *, internal: bool) -> None:
        form: Form = "unary"
        if method.startswith("stream"):
            form = "sse" if received.query.get("alt") == "sse" else "array"
        received.kind = _kind(received)
        if internal and (body := an_object(received.body)) is not None:
            received.model = str(body.get("model", ""))
        refusal = validation.refusal(received, self.signer, internal=internal, auth=self.options.auth,
                                     strict=self.options.strict)  # fmt: skip
        await self._announce()
        request = self._parsed(received, internal=internal, refused=refusal is not None)
        scenario = refusal or self._scenario(received, request)
        if refusal is not None:
            received.message = text(lookup(refusal.body, "error", "message"))
        received.scenario, received.status = scenario.name, scenario.status
        player = Player(exchange, scenario, request, form)
        try:
            await player.play()
        finally:
            received.sent, received.ended = player.sent, player.ended

    def _parsed(self, received: Received, *, internal: bool, refused: bool) -> GenerateRequest:
        """The request as scenarios see it; of a refused one only the model."""
        family = family_of(received.model) or family_of("gemini-3-flash")
        assert family is not None
        name = family.name
        return read({} if refused else members(received.request), received.body,
                    model=received.model.removeprefix("models/"), family=family, internal=internal,
                    sign=lambda kind, call: self.signer.mint(name, kind, call), pace=self.options.pace)  # fmt: skip

    def _scenario(self, received: Received, request: GenerateRequest) -> Scenario:
        for scripted in self._scripts:
            if scripted.match(received):
                scripted.times -= 1
                if scripted.times <= 0:
                    self._scripts.remove(scripted)
                scenario = scripted.scenario
                return scenario if isinstance(scenario, Scenario) else scenario(request)
        if received.kind == "checkpoint":
            return Scenario([*say("A short title"), *stop(None)], usage="none", name="checkpoint")
        if (failing := FIRST.get(request.keyword)) is not None:
            return self._fails_first(request, failing)
        return catalogue.named(request) or default_answers.default_answer(request)

    def _fails_first(self, request: GenerateRequest, name: str) -> Scenario:
        """The named scenario for the first tries of this very prompt, then an answer."""
        tries = self._tries.pop(request.texts, 0) + 1
        self._tries[request.texts] = tries
        while len(self._tries) > MAX_TRIES:
            self._tries.popitem(last=False)
        if tries <= request.number(0, 1, MAX_TRIES):
            return catalogue.CATALOGUE[name](request)
        return default_answers.default_answer(request)


def _kind(received: Received) -> Kind:
    """What sort of generate call this is (D.2), by its type or, where that is missing, by its shape."""
    match text(lookup(received.body, "requestType")):
        case "checkpoint" | "tab" as kind:
            return kind
        case _:
            pass
    declared = [one.get("name") for one in declarations(received.request)]
    return "checkpoint" if "do_not_call" in declared else "agent"

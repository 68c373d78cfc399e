"""``LsClient``: the language server's RPCs (Connect JSON); errors become ``Fault``.

Knows nothing of turns. The CSRF token is sent, never shown. Facts: language-server-and-google A.5-A.13.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial

from zerogravity.backends.antigravity import forms, login
from zerogravity.backends.antigravity.connections import Answer, BrokenError, Connections
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.errors import Refused, error_of, gone, not_logged_in, refused, stream_error
from zerogravity.backends.antigravity.forms import Forms
from zerogravity.background import delay
from zerogravity.core.turn import Model
from zerogravity.errors import Fault, FaultError, Termination, language_server
from zerogravity.wire import connect, jsonio, narrow
from zerogravity.wire.narrow import Json

logger = logging.getLogger("zerogravity.language_server")
SERVICE = "/exa.language_server_pb.LanguageServerService/"
START, SEND = "StartCascade", "SendUserCascadeMessage"
OF_A_TURN = frozenset({START, SEND})  # what a turn waits for
CANCEL, ANNOTATE, DELETE = "CancelCascadeInvocation", "UpdateConversationAnnotations", "DeleteCascadeTrajectory"
TIDYING = frozenset({CANCEL, ANNOTATE, DELETE})  # for one server's cascade: no reason to search for another server
UNARY_S = 30.0
WHOLE_TURN_S = 1900.0  # SendUserCascadeMessage may block (F10)
REOPEN_S, LONGEST_REOPEN_S = 0.1, 5.0  # pauses before a state stream that did not last is opened again
LASTING_S = 10.0
ABSENT = (
    "no language server found: start the editor, or give --ls-url and ZEROGRAVITY_LS_CSRF (see: zerogravity ls), or "
    "give zerogravity an API key: zerogravity serve --ls runtime"
)
SECOND_CHOICE = ("workspace", "simulator")
SHORT_CALLS = 16

Object = dict[str, object]


class LsClient:
    """One language server. ``rediscover``: searches for it when it stops answering or refuses our token, since it
    restarts on other ports, with another token. ``absent``: what to say when there is none.

    ``SHORT_CALLS`` run at a time. Those that a turn waits for do not queue here, where the wait would count as the
    server's, and have no timeout of their own: the engine bounds their number, and its deadlines end them."""

    def __init__(
        self,
        endpoint: Endpoint | None,
        *,
        rediscover: Callable[[], Awaitable[Endpoint | None]] | None = None,
        absent: str = ABSENT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.logged_in = True
        self._rediscover = rediscover
        self._absent = absent
        self._sleep = sleep
        self._clock = clock
        self._short_calls = asyncio.Semaphore(SHORT_CALLS)
        self._searching = asyncio.Lock()
        self._searches: int = 0
        self._older: set[Endpoint] = set()  # builds that know the older form of requests alone
        self._connections: dict[Endpoint, Connections] = {}
        self._left: list[Connections] = []  # of servers that are in use no more; calls may still run there

    async def close(self) -> None:
        """Close the connections."""
        for one in (*self._left, *self._connections.values()):
            await one.close()
        self._left.clear()
        self._connections.clear()

    @property
    def second_choice(self) -> bool:
        """Whether the server in use is not of the kind that serves best."""
        return self.endpoint is not None and self.endpoint.kind in SECOND_CHOICE

    async def find_better(self) -> None:
        """Search again if the server in use is a second choice: an editor that restarts may, for a while, show us only
        its workspaces' processes."""
        if self.second_choice:
            await self._find_another(self.endpoint)

    # -- a turn ----------------------------------------------------------------------------------------------

    async def start_cascade(self) -> str:
        answer = await self._ask_with_login(START, forms.START, timeout=WHOLE_TURN_S)
        cascade_id = narrow.text(answer.get("cascadeId"))
        if not cascade_id:
            raise FaultError(refused(502, "the language server started no cascade"))
        return cascade_id

    async def send_message(
        self, cascade_id: str, text: str, *, model: str, images: Sequence[Mapping[str, str]] = ()
    ) -> None:
        """Send a user message; ``model`` is an enum's name, its number as text, or Google's name."""
        form = forms.message(cascade_id, text, model, images)
        await self._ask_with_login(SEND, form, timeout=WHOLE_TURN_S, unless=partial(self._begun, cascade_id))

    async def cancel(self, cascade_id: str) -> None:
        await self.call(CANCEL, {"cascadeId": cascade_id})

    async def annotate(self, cascade_id: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        await self._ask(ANNOTATE, forms.annotation(cascade_id, now))

    async def delete(self, cascade_id: str) -> None:
        await self.call(DELETE, {"cascadeId": cascade_id})

    # -- its state -------------------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        await self._ask("Heartbeat", forms.HEARTBEAT)

    async def user_status(self) -> Object:
        """GetUserStatus; remembers whether the LS is logged in (500: it is not, A.4)."""
        try:
            answer = await self._ask("GetUserStatus", forms.USER_STATUS)
        except Refused as error:
            if error.status != 500 or error.passed_on or (fault := await self._missing_login()) is None:
                raise
            self.logged_in = False
            raise FaultError(fault) from error
        self.logged_in = True
        return narrow.members(answer.get("userStatus"))

    async def _missing_login(self) -> Fault | None:
        """What the login lacks, by GetAuthStatus; None: nothing. Older builds do not have it."""
        try:
            answer = await self.call("GetAuthStatus", {})
        except FaultError:
            return not_logged_in()
        return login.fault_of(narrow.members(answer.get("authResult")))

    async def models(self) -> tuple[Model, ...]:
        """The models the LS offers (the labels behind the placeholders change: ask at run time)."""
        return read_models(narrow.lookup(await self.user_status(), "cascadeModelConfigData", "clientModelConfigs"))

    async def steps(self, cascade_id: str, offset: int = 0) -> list[Object]:
        answer = await self._ask("GetCascadeTrajectorySteps", forms.steps(cascade_id, offset))
        return narrow.objects(answer.get("steps"))

    async def trajectory(self, cascade_id: str) -> Object:
        return await self.call("GetCascadeTrajectory", {"cascadeId": cascade_id})

    async def generator_metadata(self, cascade_id: str) -> list[Object]:
        answer = await self.call("GetCascadeTrajectoryGeneratorMetadata", {"cascadeId": cascade_id})
        return narrow.objects(answer.get("generatorMetadata"))

    async def use_proxy(self) -> None:
        """Make it use the proxy of its environment. Only for an LS of our own: this message may replace all of its
        settings (F1). Builds without it refuse, which is fine."""
        body = {"userSettings": {"detectAndUseProxy": "DETECT_AND_USE_PROXY_ENABLED"}}
        try:
            await self.call("SetUserSettings", body)
        except Refused as error:
            logger.info("the language server takes no settings: %s", error.fault.full_message)

    # -- in the form that this build knows -------------------------------------------------------------------

    async def _ask(
        self, method: str, form: Forms, *, timeout: float = UNARY_S,
        unless: Callable[[], Awaitable[bool]] | None = None,
    ) -> Object:  # fmt: skip
        """A call in the newer form; in the older one where this server has refused the newer, remembered once the older
        has been taken. ``unless``: says that the first has had an effect all the same: then there is no second, but the
        next call is in the older form if this was the reason."""
        if (endpoint := await self._in_use()) in self._older:
            return await self.call(method, form.older, timeout=timeout)
        try:
            return await self.call(method, form.newer, timeout=timeout)
        except Refused as error:
            if form.newer == form.older or not forms.refused(error):
                raise
            if unless is not None and await unless():
                if forms.named(error):
                    self._older.add(endpoint)
                raise
            logger.debug("%s in the older form: %s", method, error)
        answer = await self.call(method, form.older, timeout=timeout)
        self._older.add(await self._in_use())
        return answer

    async def _begun(self, cascade_id: str) -> bool:
        """Whether a cascade has done anything, as far as can be seen: a message is never given to Google twice."""
        try:
            return bool((await self.call("GetCascadeTrajectorySteps", {"cascadeId": cascade_id})).get("steps"))
        except FaultError:
            return True

    async def _ask_with_login(
        self, method: str, form: Forms, *, timeout: float = UNARY_S,
        unless: Callable[[], Awaitable[bool]] | None = None,
    ) -> Object:  # fmt: skip
        """A call that without a login fails as an internal error (A.4): then it raises that instead."""
        try:
            return await self._ask(method, form, timeout=timeout, unless=unless)
        except Refused as error:
            if error.status == 500:
                await self._check_login()
            raise

    async def _check_login(self) -> None:
        try:
            await self.user_status()
        except FaultError as error:
            if not self.logged_in:
                raise
            logger.info("cannot tell whether the language server is logged in: %s", error)

    # -- transport -------------------------------------------------------------------------------------------

    async def call(self, method: str, body: Json, *, timeout: float = UNARY_S) -> Object:
        """One unary RPC. Raises FaultError: ``ls_absent``/``ls_gone`` (503), or Refused."""
        async with nullcontext() if method in OF_A_TURN else self._short_calls:
            return await self._call(method, body, timeout)

    async def _call(self, method: str, body: Json, timeout: float) -> Object:
        """Tries once more where nothing can have happened yet: not connected, token refused, stale connection."""
        endpoint = await self._in_use()
        try:
            return await self._post(endpoint, method, body, timeout)
        except Refused as error:
            denied = error.status in (401, 403) and not error.passed_on and method not in TIDYING
            if not denied or not await self._find_another(endpoint):
                raise
        except FaultError as error:
            died = _connection_died(error.__cause__)
            again = _nothing_sent(error.__cause__) or (method != SEND and died)
            elsewhere = again and method not in TIDYING and await self._find_another(endpoint)
            if not again or not (elsewhere or died):
                raise
        return await self._post(await self._in_use(), method, body, timeout)

    async def follow(self, cascade_id: str, on_change: Callable[[], None] | None = None) -> None:
        """Drain the state stream of a cascade, whichever this build has; some run no model without a subscriber (F4).

        Its content is not read: ``on_change`` is called for each frame. Returns when there is no stream (any more).
        """
        for method, body in forms.state_streams(cascade_id):
            short = 0  # streams in a row that did not last
            try:
                while (lasted := await self._drain(method, body, on_change)) is not None:
                    # The LS ends it now and then (A.10); one that ends at once must not be reopened in a tight loop.
                    short = 0 if lasted >= LASTING_S else short + 1
                    await self._sleep(delay(short, REOPEN_S, LONGEST_REOPEN_S))
            except FaultError as error:
                logger.debug("%s: %s", method, error)

    async def _drain(self, method: str, body: Json, on_change: Callable[[], None] | None) -> float | None:
        """One server-streaming RPC to its end: the seconds it lasted; None if it gave only the present state, as some
        builds do. Raises FaultError."""
        endpoint, parser, frames, began = await self._in_use(), connect.EnvelopeParser(), 0, self._clock()
        data = connect.envelope(jsonio.dumps(body))
        try:
            async with asyncio.timeout(WHOLE_TURN_S):
                with self._sent(endpoint, method, data, "application/connect+json") as answer:
                    if (status := await answer.head()) != 200:
                        raise error_of(status, await answer.whole())
                    while chunk := await answer.more():
                        for frame in parser.feed(chunk):
                            if frame.end and (failed := connect.end_error(frame.payload)) is not None:
                                raise stream_error(*failed)
                            frames += not frame.end
                            if on_change is not None:
                                on_change()
        except (BrokenError, TimeoutError, ValueError, connect.ConnectError) as error:
            raise FaultError(gone(f"{method} broke off: {type(error).__name__}")) from error
        return self._clock() - began if frames > 1 else None

    async def _post(self, endpoint: Endpoint, method: str, body: Json, timeout: float) -> Object:
        try:
            async with asyncio.timeout(timeout):
                with self._sent(endpoint, method, jsonio.dumps(body)) as answer:
                    data = await answer.whole()
        except BrokenError as error:
            raise FaultError(_unanswered(endpoint, method, error)) from error
        except TimeoutError as error:
            raise FaultError(gone(f"{method} failed: {type(error).__name__}")) from error
        if answer.status != 200:
            raise error_of(answer.status, data)
        try:
            told = narrow.an_object(jsonio.loads(data))
        except ValueError:
            told = None
        if told is None:
            raise FaultError(refused(502, f"the answer to {method} is not a JSON object"))
        return told

    def _sent(self, endpoint: Endpoint, method: str, data: bytes, content_type: str = "application/json") -> Answer:
        """Redirects are not followed: the token is for this server alone."""
        if (connections := self._connections.get(endpoint)) is None:
            connections = self._connections[endpoint] = Connections(endpoint)
        headers = {
            "Content-Type": content_type,
            "Connect-Protocol-Version": "1",
            "X-Codeium-Csrf-Token": endpoint.csrf,
        }
        return connections.post(SERVICE + method, data, headers)

    async def _in_use(self) -> Endpoint:
        if self.endpoint is None:
            await self._find_another(None)
        if self.endpoint is None:
            raise FaultError(language_server(503, "ls_absent", self._absent, Termination.LS_GONE))
        return self.endpoint

    async def _find_another(self, old: Endpoint | None) -> bool:
        """Search, and say whether another server than ``old`` is in use now. Concurrent callers share one search."""
        if self._rediscover is None:
            return False
        before = self._searches
        async with self._searching:
            if self._searches == before and self.endpoint == old:
                fresh = await self._rediscover()
                self._searches += 1
                if fresh is not None and fresh != old:
                    logger.info("language server found at %s (pid %s)", fresh.url, fresh.pid)
                    self._left += self._connections.values()
                    self._connections.clear()
                    self.endpoint = fresh
        return self.endpoint != old


def read_models(configs: object) -> tuple[Model, ...]:
    """``clientModelConfigs`` → models, with Google's names where they are told. An enum's value that the LS itself has
    no name for is a number; one that is no enum's at all goes by Google's name; a config without either is left out."""
    models: list[Model] = []
    for config in narrow.objects(configs):
        enum, wire = narrow.lookup(config, "modelOrAlias", "model"), narrow.text(config.get("modelId"))
        if name := enum if isinstance(enum, str) else str(enum) if isinstance(enum, int) and enum else wire:
            left = narrow.number(narrow.lookup(config, "quotaInfo", "remainingFraction"))
            resets = _moment(narrow.lookup(config, "quotaInfo", "resetTime"))
            models.append(Model(name, narrow.text(config.get("label")), left, wire, resets=resets))
    return tuple(models)


def _moment(timestamp: object) -> float | None:
    """A protobuf timestamp as JSON has it."""
    try:
        moment = datetime.fromisoformat(narrow.text(timestamp))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _unanswered(endpoint: Endpoint, method: str, error: BrokenError) -> Fault:
    cause = error.unsent
    if cause is None:
        return gone(f"{method} failed: {error}")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return refused(502, f"the server at {endpoint.url} does not have the certificate that it is pinned to")
    number = cause.errno if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) else None
    return gone(f"nothing answers at {endpoint.url}: {os.strerror(number) if number else 'connection failed'}")


def _nothing_sent(error: BaseException | None) -> bool:
    return isinstance(error, BrokenError) and error.unsent is not None


def _connection_died(error: BaseException | None) -> bool:
    """A kept connection turned out to be dead: the LS may have restarted in between."""
    return isinstance(error, BrokenError) and error.unsent is None and not error.begun

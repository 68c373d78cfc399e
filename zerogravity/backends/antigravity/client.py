"""``LsClient``: the language server's RPCs (Connect JSON) over aiohttp; errors become ``Fault``.

Knows nothing of turns. The CSRF token is sent, never shown. Facts: language-server-and-google A.5-A.13.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime

import aiohttp

from zerogravity.backends.antigravity.endpoint import Endpoint, tls
from zerogravity.backends.antigravity.errors import Refused, error_of, gone, not_logged_in, refused, stream_error
from zerogravity.background import delay
from zerogravity.core.turn import Model
from zerogravity.errors import FaultError, Termination, language_server
from zerogravity.wire import connect, jsonio, narrow
from zerogravity.wire.narrow import Json

logger = logging.getLogger("zerogravity.language_server")
SERVICE = "/exa.language_server_pb.LanguageServerService/"
SEND = "SendUserCascadeMessage"
METADATA = {"ideName": "antigravity", "extensionName": "antigravity", "locale": "en"}
NO_COMMANDS = {"runCommand": {"autoCommandConfig": {"autoExecutionPolicy": "CASCADE_COMMANDS_AUTO_EXECUTION_OFF"}}}
UNARY = aiohttp.ClientTimeout(total=30, connect=5)
WHOLE_TURN = aiohttp.ClientTimeout(total=1900, connect=5)  # SendUserCascadeMessage may block (F10)
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

    ``SHORT_CALLS`` run at a time; those that last a turn are bounded by the engine's admission queue."""

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
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[Endpoint, ssl.SSLContext | bool] = {}

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

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
        answer = await self._call_with_login("StartCascade", {
            "metadata": METADATA,
            "source": "CORTEX_TRAJECTORY_SOURCE_CASCADE_CLIENT",
            "trajectoryType": "CORTEX_TRAJECTORY_TYPE_CASCADE",
        })  # fmt: skip
        cascade_id = narrow.text(answer.get("cascadeId"))
        if not cascade_id:
            raise FaultError(refused(502, "the language server started no cascade"))
        return cascade_id

    async def send_message(
        self, cascade_id: str, text: str, *, model: str, images: Sequence[Mapping[str, str]] = ()
    ) -> None:
        """Send a user message; ``model`` is an enum's name, or its number as text."""
        planner: Object = {
            "conversational": {"plannerMode": "CONVERSATIONAL_PLANNER_MODE_DEFAULT", "agenticMode": True},
            "toolConfig": NO_COMMANDS,
        }
        if model.isdigit():
            planner["planModel"] = int(model)
        else:
            planner["requestedModel"] = {"model": model}
        body: Object = {
            "cascadeId": cascade_id,
            "items": [{"text": text}],
            "metadata": METADATA,
            "clientType": "CHAT_CLIENT_REQUEST_STREAM_CLIENT_TYPE_IDE",
            "messageOrigin": "AGENT_MESSAGE_ORIGIN_IDE",
            "cascadeConfig": {"plannerConfig": planner},
        }
        if images:
            body["images"] = [dict(image) for image in images]
        await self._call_with_login(SEND, body, timeout=WHOLE_TURN)

    async def cancel(self, cascade_id: str) -> None:
        await self.call("CancelCascadeInvocation", {"cascadeId": cascade_id})

    async def annotate(self, cascade_id: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"cascadeId": cascade_id, "annotations": {"lastUserViewTime": now}, "mergeAnnotations": True}
        await self.call("UpdateConversationAnnotations", body)

    async def delete(self, cascade_id: str) -> None:
        await self.call("DeleteCascadeTrajectory", {"cascadeId": cascade_id})

    # -- its state -------------------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        await self.call("Heartbeat", {"metadata": METADATA})

    async def user_status(self) -> Object:
        """GetUserStatus; remembers whether the LS is logged in (500: it is not, A.4)."""
        try:
            answer = await self.call("GetUserStatus", {"metadata": METADATA})
        except Refused as error:
            if error.status != 500 or error.passed_on:
                raise
            self.logged_in = False
            raise FaultError(not_logged_in()) from error
        self.logged_in = True
        return narrow.members(answer.get("userStatus"))

    async def models(self) -> tuple[Model, ...]:
        """The models the LS offers (the labels behind the placeholders change: ask at run time)."""
        return read_models(narrow.lookup(await self.user_status(), "cascadeModelConfigData", "clientModelConfigs"))

    async def steps(self, cascade_id: str, offset: int = 0) -> list[Object]:
        body = {"cascadeId": cascade_id, "stepOffset": offset, "verbosity": "CLIENT_TRAJECTORY_VERBOSITY_DEBUG"}
        answer = await self.call("GetCascadeTrajectorySteps", body)
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

    async def _call_with_login(self, method: str, body: Json, *, timeout: aiohttp.ClientTimeout = UNARY) -> Object:
        """A call that without a login fails as an internal error (A.4): then it raises that instead."""
        try:
            return await self.call(method, body, timeout=timeout)
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

    async def call(self, method: str, body: Json, *, timeout: aiohttp.ClientTimeout = UNARY) -> Object:
        """One unary RPC. Raises FaultError: ``ls_absent``/``ls_gone`` (503), or Refused."""
        async with nullcontext() if method == SEND else self._short_calls:
            return await self._call(method, body, timeout)

    async def _call(self, method: str, body: Json, timeout: aiohttp.ClientTimeout) -> Object:
        """Tries once more where nothing can have happened yet: not connected, token refused, stale connection."""
        endpoint = await self._in_use()
        try:
            return await self._post(endpoint, method, body, timeout)
        except Refused as error:
            if error.status not in (401, 403) or error.passed_on or not await self._find_another(endpoint):
                raise
        except FaultError as error:
            again = _nothing_sent(error.__cause__) or (method != SEND and _connection_died(error.__cause__))
            if not again or not (await self._find_another(endpoint) or _connection_died(error.__cause__)):
                raise
        return await self._post(await self._in_use(), method, body, timeout)

    async def follow(self, cascade_id: str, on_change: Callable[[], None] | None = None) -> None:
        """Drain the state stream of a cascade, whichever this build has; some run no model without a subscriber (F4).

        Its content is not read: ``on_change`` is called for each frame. Returns when there is no stream (any more).
        """
        for method, name in (("StreamAgentStateUpdates", "conversationId"), ("StreamCascadeReactiveUpdates", "id")):
            body = {"protocolVersion": 1, name: cascade_id, "subscriberId": "zerogravity"}
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
            async with self._request(endpoint, method, data, WHOLE_TURN, "application/connect+json") as response:
                if response.status != 200:
                    raise error_of(response.status, await response.read())
                async for chunk in response.content.iter_any():
                    for frame in parser.feed(chunk):
                        if frame.end and (failed := connect.end_error(frame.payload)) is not None:
                            raise stream_error(*failed)
                        frames += not frame.end
                        if on_change is not None:
                            on_change()
        except (aiohttp.ClientError, TimeoutError, ValueError, connect.ConnectError) as error:
            raise FaultError(gone(f"{method} broke off: {type(error).__name__}")) from error
        return self._clock() - began if frames > 1 else None

    async def _post(self, endpoint: Endpoint, method: str, body: Json, timeout: aiohttp.ClientTimeout) -> Object:
        try:
            async with self._request(endpoint, method, jsonio.dumps(body), timeout) as response:
                data = await response.read()
        except aiohttp.ClientConnectorCertificateError as error:
            text = f"the server at {endpoint.url} does not have the certificate that it is pinned to"
            raise FaultError(refused(502, text)) from error
        except aiohttp.ClientConnectorError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else "connection failed"
            raise FaultError(gone(f"nothing answers at {endpoint.url}: {why}")) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise FaultError(gone(f"{method} failed: {type(error).__name__}")) from error
        if response.status != 200:
            raise error_of(response.status, data)
        try:
            answer = narrow.an_object(jsonio.loads(data))
        except ValueError:
            answer = None
        if answer is None:
            raise FaultError(refused(502, f"the answer to {method} is not a JSON object"))
        return answer

    def _request(
        self, endpoint: Endpoint, method: str, data: bytes, timeout: aiohttp.ClientTimeout,
        content_type: str = "application/json",
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:  # fmt: skip
        """Redirects are not followed: the token is for this server alone."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        if endpoint not in self._contexts:
            self._contexts[endpoint] = tls(endpoint)
        headers = {
            "Content-Type": content_type,
            "Connect-Protocol-Version": "1",
            "X-Codeium-Csrf-Token": endpoint.csrf,
        }
        return self._session.post(
            endpoint.url + SERVICE + method, data=data, headers=headers, ssl=self._contexts[endpoint],
            timeout=timeout, allow_redirects=False,
        )  # fmt: skip

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
                    self._contexts.clear()
                    self.endpoint = fresh
        return self.endpoint != old


def read_models(configs: object) -> tuple[Model, ...]:
    """``clientModelConfigs`` → models; a config without a model name is left out."""
    models: list[Model] = []
    for config in narrow.objects(configs):
        name = narrow.lookup(config, "modelOrAlias", "model")
        if isinstance(name, str):
            left = narrow.number(narrow.lookup(config, "quotaInfo", "remainingFraction"))
            models.append(Model(name, narrow.text(config.get("label")), left))
    return tuple(models)


def _nothing_sent(error: BaseException | None) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError)


def _connection_died(error: BaseException | None) -> bool:
    """A kept connection turned out to be dead: the LS may have restarted in between."""
    return isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError | aiohttp.ClientOSError) and not (
        _nothing_sent(error)
    )

"""``LsClient``: the language server's RPCs (Connect JSON) over aiohttp; errors become ``Fault``.

Knows nothing of turns. The CSRF token is sent, never shown. Facts: language-server-and-google A.5-A.13.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from zerogravity.errors import Fault, FaultError, Termination, language_server
from zerogravity.wire import connect, jsonio

SERVICE = "/exa.language_server_pb.LanguageServerService/"
METADATA = {"ideName": "antigravity", "extensionName": "antigravity", "locale": "en"}
NO_COMMANDS = {"runCommand": {"autoCommandConfig": {"autoExecutionPolicy": "CASCADE_COMMANDS_AUTO_EXECUTION_OFF"}}}
UNARY = aiohttp.ClientTimeout(total=30, connect=5)
WHOLE_TURN = aiohttp.ClientTimeout(total=1900, connect=5)  # SendUserCascadeMessage may block (F10)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a language server listens. ``cert``: PEM file its certificate is pinned to, else loopback only.

    ``kind``: ``core``, ``workspace`` or ``given`` (by the user).
    """

    url: str
    csrf: str = field(repr=False)
    cert: Path | None = None
    pid: int | None = None
    kind: str = "given"

    @property
    def shown_csrf(self) -> str:
        """Enough of the token to recognise it."""
        return f"{self.csrf[:4]}…" if self.csrf else "none"


class LsClient:
    """One language server. ``rediscover`` is asked once when nothing listens any more (it restarts on other ports)."""

    def __init__(
        self,
        endpoint: Endpoint | None,
        *,
        rediscover: Callable[[], Awaitable[Endpoint | None]] | None = None,
        blocking: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.logged_in = True
        self._rediscover = rediscover
        self._blocking = blocking
        self._session: aiohttp.ClientSession | None = None
        self._ssl: ssl.SSLContext | bool = False

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- what the engine needs -------------------------------------------------------------------------------

    def known_fault(self) -> Fault | None:
        if not self.logged_in:
            text = "the language server is not logged in to Google: open the editor, log in, and try again"
            return language_server(401, "ls_not_logged_in", text, Termination.LS_REFUSED, heals=False)
        return None

    async def start_cascade(self, model: str) -> str:
        answer = await self.call("StartCascade", {
            "metadata": METADATA,
            "source": "CORTEX_TRAJECTORY_SOURCE_CASCADE_CLIENT",
            "trajectoryType": "CORTEX_TRAJECTORY_TYPE_CASCADE",
        })  # fmt: skip
        cascade_id = answer.get("cascadeId")
        if not isinstance(cascade_id, str) or not cascade_id:
            raise FaultError(_refused(502, "the language server started no cascade"))
        return cascade_id

    async def send_message(
        self, cascade_id: str, text: str, *, model: str, images: Sequence[Mapping[str, str]] = ()
    ) -> None:
        planner: Json = {
            "conversational": {"plannerMode": "CONVERSATIONAL_PLANNER_MODE_DEFAULT", "agenticMode": True},
            "toolConfig": NO_COMMANDS,
        }
        if model.isdigit():
            planner["planModel"] = int(model)
        else:
            planner["requestedModel"] = {"model": model}
        body: Json = {
            "cascadeId": cascade_id,
            "items": [{"text": text}],
            "metadata": METADATA,
            "clientType": "CHAT_CLIENT_REQUEST_STREAM_CLIENT_TYPE_IDE",
            "messageOrigin": "AGENT_MESSAGE_ORIGIN_IDE",
            "cascadeConfig": {"plannerConfig": planner},
        }
        if self._blocking:
            body["blocking"] = True
        if images:
            body["images"] = [dict(image) for image in images]
        await self.call("SendUserCascadeMessage", body, timeout=WHOLE_TURN)

    async def cancel(self, cascade_id: str) -> None:
        await self.call("CancelCascadeInvocation", {"cascadeId": cascade_id})

    async def annotate(self, cascade_id: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"cascadeId": cascade_id, "annotations": {"lastUserViewTime": now}, "mergeAnnotations": True}
        await self.call("UpdateConversationAnnotations", body)

    async def delete(self, cascade_id: str) -> None:
        await self.call("DeleteCascadeTrajectory", {"cascadeId": cascade_id})

    # -- what health, models and the fallback need -----------------------------------------------------------

    async def heartbeat(self) -> None:
        await self.call("Heartbeat", {"metadata": METADATA})

    async def user_status(self) -> Json:
        """GetUserStatus; remembers whether the LS is logged in (500 means it is not, A.4)."""
        try:
            answer = await self.call("GetUserStatus", {"metadata": METADATA})
        except FaultError as error:
            if error.fault.code == "ls_refused":
                self.logged_in = False
            raise
        self.logged_in = True
        status = answer.get("userStatus")
        return status if isinstance(status, dict) else {}

    async def model_configs(self) -> list[Json]:
        """The models the LS offers (labels behind the placeholders change: ask at run time)."""
        status = await self.user_status()
        data = status.get("cascadeModelConfigData")
        configs = data.get("clientModelConfigs") if isinstance(data, dict) else None
        return [item for item in configs if isinstance(item, dict)] if isinstance(configs, list) else []

    async def steps(self, cascade_id: str, offset: int = 0) -> list[Json]:
        body = {"cascadeId": cascade_id, "stepOffset": offset, "verbosity": "CLIENT_TRAJECTORY_VERBOSITY_DEBUG"}
        answer = await self.call("GetCascadeTrajectorySteps", body)
        return _list(answer.get("steps"))

    async def trajectory(self, cascade_id: str) -> Json:
        return await self.call("GetCascadeTrajectory", {"cascadeId": cascade_id})

    async def generator_metadata(self, cascade_id: str) -> list[Json]:
        answer = await self.call("GetCascadeTrajectoryGeneratorMetadata", {"cascadeId": cascade_id})
        return _list(answer.get("generatorMetadata"))

    # -- transport -------------------------------------------------------------------------------------------

    async def call(self, method: str, body: Mapping[str, Any], *, timeout: aiohttp.ClientTimeout = UNARY) -> Json:
        """One unary RPC. Raises FaultError: ``ls_absent``/``ls_gone`` (503) or ``ls_refused`` (502)."""
        endpoint = await self._found()
        try:
            return await self._post(endpoint, method, body, timeout)
        except aiohttp.ClientConnectorError as error:
            # Nothing was sent: the LS may have restarted on another port.
            if self._rediscover is not None and (fresh := await self._rediscover()) not in (None, endpoint):
                assert fresh is not None
                await self._use(fresh)
                return await self.call(method, body, timeout=timeout)
            raise FaultError(
                _gone(f"nothing answers at {endpoint.url}: {error.strerror or 'connection failed'}")
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise FaultError(_gone(f"{method} failed: {type(error).__name__}")) from error

    async def stream(self, method: str, body: Mapping[str, Any]) -> AsyncIterator[Json]:
        """One server-streaming RPC: its messages until the end frame. Raises FaultError."""
        endpoint = await self._found()
        parser = connect.EnvelopeParser()
        headers = {**_headers(endpoint), "Content-Type": "application/connect+json"}
        try:
            async with self._http(endpoint).post(
                endpoint.url + SERVICE + method, data=connect.envelope(jsonio.dumps(body)), headers=headers,
                ssl=self._ssl, timeout=WHOLE_TURN,
            ) as response:  # fmt: skip
                if response.status != 200:
                    raise FaultError(_error(response.status, await response.read()))
                async for chunk in response.content.iter_any():
                    for frame in parser.feed(chunk):
                        if not frame.end:
                            yield jsonio.loads(frame.payload)
                        elif (failed := connect.end_error(frame.payload)) is not None:
                            raise FaultError(_refused(502, f"{failed[0]}: {failed[1]}"))
        except (aiohttp.ClientError, TimeoutError, connect.ConnectError) as error:
            raise FaultError(_gone(f"{method} broke off: {type(error).__name__}")) from error

    async def _post(
        self, endpoint: Endpoint, method: str, body: Mapping[str, Any], timeout: aiohttp.ClientTimeout
    ) -> Json:
        async with self._http(endpoint).post(
            endpoint.url + SERVICE + method, data=jsonio.dumps(body), headers=_headers(endpoint), ssl=self._ssl,
            timeout=timeout,
        ) as response:  # fmt: skip
            data = await response.read()
            if response.status != 200:
                raise FaultError(_error(response.status, data))
            try:
                answer = jsonio.loads(data)
            except ValueError:
                answer = None
            if not isinstance(answer, dict):
                raise FaultError(_refused(502, f"{method} was answered with no JSON object"))
            return answer

    async def _found(self) -> Endpoint:
        if self.endpoint is None and self._rediscover is not None and (found := await self._rediscover()) is not None:
            await self._use(found)
        if self.endpoint is None:
            text = "no language server found: start the editor, or give --ls-url and ZEROGRAVITY_LS_CSRF"
            raise FaultError(language_server(503, "ls_absent", text, Termination.LS_GONE))
        return self.endpoint

    async def _use(self, endpoint: Endpoint) -> None:
        await self.close()
        self.endpoint = endpoint

    def _http(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        if self._session is None:
            self._ssl = _tls(endpoint)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=60), trust_env=False
            )
        return self._session


def _tls(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """Pinned to the LS's own certificate, or unverified on loopback only. Raises FaultError otherwise."""
    parts = urlsplit(endpoint.url)
    if parts.scheme == "http" or endpoint.cert is None:
        if not loopback(parts.hostname or ""):
            text = f"{endpoint.url} is not on this machine: give its certificate with --ls-cert"
            raise FaultError(language_server(502, "ls_refused", text, Termination.LS_REFUSED, heals=False))
        return False
    context = ssl.create_default_context(cafile=str(endpoint.cert))
    context.check_hostname = False  # the certificate is for "localhost", also when dialling 127.0.0.1 (A.1)
    return context


def loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Connect-Protocol-Version": "1",
        "X-Codeium-Csrf-Token": endpoint.csrf,
    }


def _error(status: int, body: bytes) -> Fault:
    code, message = connect.decode_error(status, body)
    if status in (401, 403):
        text = f"the language server refused our CSRF token ({status}); it may have restarted"
        return language_server(502, "ls_refused", text, Termination.LS_REFUSED)
    if status == 429 or code == "resource_exhausted":
        return language_server(429, "rate_limit_exceeded", message or "quota used up", Termination.LS_REFUSED)
    return _refused(503 if status == 503 else 502, f"the language server answered {status} ({code}): {message[:300]}")


def _refused(status: int, message: str) -> Fault:
    return language_server(status, "ls_refused", message, Termination.LS_REFUSED)


def _gone(message: str) -> Fault:
    return language_server(503, "ls_gone", message, Termination.LS_GONE)


def _list(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

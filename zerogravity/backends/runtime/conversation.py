"""One conversation with the runtime: a WebSocket, opened with its whole configuration, closed with all it was.

The runtime makes the call to Google, and no more: it has no tool to run, no workspace, few tries. What Google answers
is read on its way; of what the runtime tells us about it only its end counts. Facts: antigravity-runtime.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import aiohttp

from zerogravity.backends.runtime.errors import gone, refused
from zerogravity.backends.runtime.handshake import Listening
from zerogravity.errors import FaultError
from zerogravity.wire import jsonio, narrow

logger = logging.getLogger("zerogravity.language_server")
OPEN_S = 15.0  # how long it may take to begin a conversation: less than the engine waits
CLOSE_S = 1.0  # how long it may take to say goodbye
OFF = {"enabled": False}
NO_TOOLS = {
    **dict.fromkeys(
        (
            *("find", "runCommand", "subagents", "userQuestions", "fileEdit", "viewFile", "writeToFile"),
            *("grepSearch", "listDir", "generateImage", "searchWeb", "readUrlContent", "toolSearchConfig"),
            *("manageTask", "schedule", "runWorkflow"),
        ),
        OFF,
    ),
    "permissions": {"enforceWorkspaceValidation": False},
}
UNUSED_TOOL = {  # a call without a tool could be taken for one that sums up a conversation
    "name": "unused", "description": "Never call this.", "parametersJsonSchema": '{"type":"object","properties":{}}',
}  # fmt: skip
Limit = Callable[[float], AbstractAsyncContextManager[object]]
SKIPPED = (b'{"stepUpdate"', b'{"usageUpdate"')
CALLS = 5  # an answer that cannot be used is asked for again; without a limit it is asked for for ever
RETRY = {"apiRetry": {"maxRetries": 1, "initialSleepDurationMs": 100}, "modelOutputRetry": {"maxRetries": CALLS}}


def configuration(cascade_id: str, model: str, endpoint: dict[str, Any], app_folder: str) -> dict[str, Any]:
    """HarnessConfig. ``endpoint``: the member that names Google's API, with its key."""
    return {
        "cascadeId": cascade_id,
        "sessionContinuationMode": "CREATE_ONLY",
        "models": [{"name": model, "types": ["MODEL_TYPE_TEXT"], **endpoint}],
        "systemInstructions": {"custom": {"part": [{"text": "."}]}},  # its own are ten thousand characters
        "tools": [UNUSED_TOOL],
        "harnessSideTools": NO_TOOLS,
        "agentBehavior": "AGENT_BEHAVIOR_MINIMAL",
        "budgetConfig": {"maxModelCalls": CALLS},
        "retryConfig": RETRY,
        "appDataDir": app_folder,
    }


class Conversation:
    """``await open(…)`` → ``await say(text)`` → ``await close()``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket
        self._closed = False

    @classmethod
    async def open(
        cls,
        session: aiohttp.ClientSession,
        listening: Listening,
        configured: dict[str, Any],
        limit: Limit = asyncio.timeout,
    ) -> Conversation:
        """Raises FaultError: it is gone, does not answer, or takes no such configuration. ``limit``: what ends it."""
        url, headers = f"http://127.0.0.1:{listening.port}/", {"x-goog-api-key": listening.key}
        try:
            async with limit(OPEN_S):
                socket = await session.ws_connect(url, headers=headers, max_msg_size=0, decode_text=False)
                return await cls._begun(socket, configured)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FaultError(gone(f"the runtime does not answer: {type(error).__name__}")) from error

    @classmethod
    async def _begun(cls, socket: aiohttp.ClientWebSocketResponse[bool], configured: dict[str, Any]) -> Conversation:
        made = cls(socket)
        try:
            await made._send({"config": configured})
            if (answer := await made._event()) is None or "initializeConversationResponse" not in answer:
                raise FaultError(refused("the runtime began no conversation"))
        except BaseException:
            await made.close()
            raise
        return made

    async def say(self, text: str) -> str:
        """Have the text answered; returns when it has been, or the conversation is closed: why it was not, empty if it
        was. Raises FaultError when the runtime hangs up."""
        await self._send({"userInput": {"parts": [{"text": text}]}})
        while (event := await self._event()) is not None:
            if (call := narrow.an_object(event.get("toolCall"))) is not None:
                await self._send({"toolResponse": {"id": call.get("id"), "errorMessage": "not run"}})
            state = narrow.members(event.get("trajectoryStateUpdate"))
            if state.get("state") == "STATE_FULLY_IDLE":
                return narrow.text(state.get("error")) or narrow.text(state.get("stopReason"))
        if self._closed:
            return ""
        raise FaultError(gone("the runtime ended or hung up"))

    async def halt(self) -> None:
        """Stop its call to Google, and what it would do next."""
        with suppress(TimeoutError):  # one that reads nothing is closed after this
            async with asyncio.timeout(CLOSE_S):
                await self._send({"haltRequest": True})

    async def close(self) -> None:
        """The conversation is gone with it, and whatever runs for it."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close()

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            await self._socket.send_str(jsonio.dumps(message).decode())
        except (aiohttp.ClientError, ConnectionError) as error:
            raise FaultError(gone("the runtime ended or hung up")) from error

    async def _event(self) -> narrow.Json | None:
        """The next event that matters; None: it has hung up."""
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            if message.data.startswith(SKIPPED):
                continue  # each holds the whole text so far: not worth reading
            try:
                return narrow.members(jsonio.loads(message.data))
            except ValueError:
                logger.debug("the runtime sent what is no JSON")

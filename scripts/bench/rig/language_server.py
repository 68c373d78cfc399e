"""A language server for load: ``python -m rig.language_server IDENTITY.pem CSRF ENDPOINT`` prints its port.

It takes every call that the gateway makes, and makes those of a turn to Google: the agent's, with the marker in the
user's request, and the title's. Their bodies are those of the stand-in that tests use, written once. Answers are read
to their end and thrown away. Like that stand-in, and the real one, it serves TLS with a certificate of its own, and
calls its endpoint over kept connections of HTTP/1.1.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from rig import wire
from zerogravity.testing.simulator.google.families import MODELS
from zerogravity.testing.simulator.language_server import LsOptions
from zerogravity.testing.simulator.language_server.google_requests import (
    ENUMS,
    agent_body,
    checkpoint_body,
    go_json,
    user_contents,
)
from zerogravity.testing.simulator.language_server.state import Cascade

GENERATE = b"/v1internal:streamGenerateContent?alt=sse"
TEXT = "@TEXT@"
MODEL = MODELS[0][2]


class Bodies:
    """The calls of a turn, made once for each model; a turn puts its cascade and its text in."""

    def __init__(self, options: LsOptions) -> None:
        self._options = options
        self._made: dict[str, tuple[bytes, bytes, bytes]] = {}

    def of(self, cascade_id: str, text: str, enum: str) -> tuple[bytes, bytes]:
        """The agent's call and the title's."""
        if enum not in self._made:
            self._made[enum] = self._templates(enum)
        mark, agent, title = self._made[enum]
        name, said = cascade_id.encode(), go_json(text)[1:-1]
        agent, title = (one.replace(mark, name).replace(TEXT.encode(), said) for one in (agent, title))
        return agent, title

    def _templates(self, enum: str) -> tuple[bytes, bytes, bytes]:
        cascade = Cascade(str(uuid4()))
        cascade.contents += user_contents(cascade, TEXT, [], self._options)
        bodies = agent_body(cascade, enum, self._options), checkpoint_body(cascade, "", self._options)
        agent, title = map(go_json, bodies)
        return cascade.id.encode(), agent, title


@dataclass(slots=True)
class Conversation:
    """One cascade: who watches it, and what runs."""

    status: str = "IDLE"
    watchers: set[Callable[[], None]] = field(default_factory=set[Callable[[], None]])
    running: asyncio.Task[None] | None = None


class LanguageServer:
    """The RPCs."""

    def __init__(self, csrf: str, endpoint: str) -> None:
        options = LsOptions()
        self._csrf = csrf.encode()
        self._google = wire.Pool(endpoint)
        self._bodies = Bodies(options)
        self._headers = (
            f"User-Agent: {options.user_agent}\r\nAuthorization: Bearer {options.token}\r\n"
            "Content-Type: application/json\r\nAccept-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"
        ).encode()
        self._cascades: dict[str, Conversation] = {}
        self._methods: dict[str, Callable[[dict[str, object]], object]] = {
            "StartCascade": self._start,
            "SendUserCascadeMessage": self._send,
            "CancelCascadeInvocation": self._cancel,
            "DeleteCascadeTrajectory": self._delete,
            "GetUserStatus": lambda _: STATUS,
        }

    def handle(self, request: wire.Request) -> None:
        """Answer one call; what is not listed above needs no more than an empty answer."""
        if request.headers.get(b"x-codeium-csrf-token") != self._csrf:
            request.answer.whole(403, b"Invalid CSRF token\n", b"text/plain")
            return
        method = request.path.rpartition(b"/")[2].decode()
        if method == "StreamAgentStateUpdates":
            self._watch(request)
            return
        found = self._methods.get(method)
        told = found(json.loads(request.body)) if found is not None else {}
        request.answer.whole(200, json.dumps(told).encode())

    def _start(self, _: dict[str, object]) -> object:
        cascade_id = str(uuid4())
        self._cascades[cascade_id] = Conversation()
        return {"cascadeId": cascade_id}

    def _send(self, body: dict[str, object]) -> object:
        cascade_id = str(body["cascadeId"])
        text = body["items"][0]["text"]  # type: ignore[index]
        planner = body["cascadeConfig"]["plannerConfig"]  # type: ignore[index]
        enum = planner.get("planModel") or planner["requestedModel"]["model"]
        conversation = self._cascades[cascade_id]
        turn = self._turn(conversation, *self._bodies.of(cascade_id, text, enum if enum in ENUMS else MODEL))
        conversation.running = asyncio.create_task(turn)
        return {}

    async def _turn(self, conversation: Conversation, agent: bytes, title: bytes) -> None:
        self._become(conversation, "RUNNING")
        try:
            await self._call(agent)
            await self._call(title)
        except (wire.BrokenError, OSError) as error:
            print(f"the call to Google broke: {error}", file=sys.stderr, flush=True)
        finally:
            self._become(conversation, "IDLE")
            conversation.running = None

    async def _call(self, body: bytes) -> None:
        """A call to Google: in chunks, as Go writes a body from a reader."""
        await self._google.ask(GENERATE, wire.chunk(body) + wire.LAST_CHUNK, self._headers, lambda _: None)

    def _cancel(self, body: dict[str, object]) -> object:
        conversation = self._cascades.get(str(body["cascadeId"]))
        if conversation is not None and conversation.running is not None:
            conversation.running.cancel()
        return {}

    def _delete(self, body: dict[str, object]) -> object:
        self._cascades.pop(str(body["cascadeId"]), None)
        return {}

    # -- state -----------------------------------------------------------------------------------------------------

    def _become(self, conversation: Conversation, status: str) -> None:
        conversation.status = status
        for tell in tuple(conversation.watchers):
            tell()

    def _watch(self, request: wire.Request) -> None:
        """The state now, and whenever it changes."""
        cascade_id = json.loads(request.body[5:])["conversationId"]
        conversation, answer = self._cascades[cascade_id], request.answer

        def tell() -> None:
            status = f"CASCADE_RUN_STATUS_{conversation.status}"
            update = {"conversationId": cascade_id, "status": status, "executableStatus": status}
            payload = json.dumps({"update": update}).encode()
            answer.send(b"\0" + len(payload).to_bytes(4, "big") + payload)

        answer.begin(b"application/connect+json")
        tell()
        conversation.watchers.add(tell)
        answer.gone = lambda: conversation.watchers.discard(tell)


STATUS = {"userStatus": {
    "name": "Ada", "email": "ada@example.com", "userTier": {"id": "g1-pro-tier", "name": "Google AI Pro"},
    "cascadeModelConfigData": {"clientModelConfigs": [
        {"label": label, "modelOrAlias": {"model": enum}, "quotaInfo": {"remainingFraction": 0.83}}
        for _, label, enum in MODELS
    ]},
}}  # fmt: skip


async def main(identity: str, csrf: str, endpoint: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    print(await wire.listen(LanguageServer(csrf, endpoint).handle, context), flush=True)
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""``Antigravity``: the editor's language server, or one of our own that a command line starts, as a ``Backend``."""

from __future__ import annotations

import logging
import shlex
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

from zerogravity.backends.antigravity.child import LsChild
from zerogravity.backends.antigravity.client import ABSENT, LsClient
from zerogravity.backends.antigravity.discover import discover
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.errors import Refused
from zerogravity.backends.base import Listener, Look, Route
from zerogravity.core import marker
from zerogravity.core.callbacks import run_guarded
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError, Termination, language_server

logger = logging.getLogger("zerogravity.language_server")
COMMANDED = "the language server of ls_command"
NO_LS = language_server(
    502, "ls_refused", "what answers there is no language server", Termination.LS_REFUSED,
    remedy="Name another one with --ls-url; those that run: zerogravity ls",
)  # fmt: skip


class Antigravity:
    """``url``, ``csrf`` and ``cert`` name the one to talk to; ``command`` starts it; without either it is looked for.

    ``route``: how one that we start reaches the interceptor; any other is led there by the user.
    """

    captured = True

    def __init__(
        self,
        *,
        url: str | None = None,
        csrf: str | None = None,
        cert: Path | None = None,
        command: str | None = None,
        route: Route | None = None,
        deletes: bool = False,
    ) -> None:
        self.deletes = deletes
        self._listener = Listener()
        self._taught: Endpoint | None = None  # the one that has been asked for its models
        self._route = route or Route()
        self._child = self._commanded(command) if command else None
        self.ls = LsClient(
            Endpoint.given(url, csrf, cert) if url else None,
            rediscover=None if url else self._child.locate if self._child else partial(discover, csrf=csrf, cert=cert),
            absent=f"{COMMANDED} is not up (yet)" if self._child else ABSENT,
        )

    def _commanded(self, command: str) -> LsChild:
        return LsChild(
            shlex.split(command),
            self._route,
            changed=lambda up: self._listener.up(up),
            report=lambda trouble: self._listener.degraded(COMMANDED, trouble),
        )

    # -- its life --------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    async def start(self) -> None:
        if self._child is None:
            return
        await self._child.start()
        if self._route.proxy is not None:
            with suppress(FaultError):  # what it does is not known for sure (F1); the environment is enough
                await self.ls.use_proxy()

    async def close(self) -> None:
        async with AsyncExitStack() as stack:
            if self._child is not None:
                stack.push_async_callback(self._child.stop)
            await self.ls.close()

    async def look(self) -> Look:
        """Somebody answers there, takes our token and is logged in: what a turn would need."""
        fault = await self._fault()
        return Look(fault, unsettled=self.ls.second_choice)

    async def _fault(self) -> Fault | None:
        """Why no turn can be served. One that knows us but not this question may well serve turns."""
        try:
            await self.ls.prefer()
            await self._learn()
        except Refused as error:
            return error.fault if error.status in (401, 403) else await self._stranger()
        except FaultError as error:
            return error.fault
        return None

    async def _stranger(self) -> Fault | None:
        """Whether it is no language server at all: none is without this question."""
        try:
            await self.ls.heartbeat()
        except Refused as error:
            return NO_LS if error.status == 404 else None
        except FaultError as error:
            return error.fault
        return None

    async def _learn(self) -> None:
        models = await self.ls.models()
        self._taught = self.ls.endpoint
        run_guarded(self._listener.models, models)

    # -- a turn ----------------------------------------------------------------------------------------------------

    def admit(self, turn: Turn) -> None:
        """Whatever it is, it is put into the language server's own call."""

    async def check(self) -> None:
        """Refuse while it is not logged in; asks again, since people do log in. One that is new to us is asked, too: a
        model has another placeholder in another build."""
        if self.ls.logged_in and self._taught is not None and self._taught == self.ls.endpoint:
            return
        try:
            await self._learn()
        except FaultError as error:
            if not self.ls.logged_in:
                raise
            logger.info("its models are not known: %s", error)  # it may serve turns all the same
            self._taught = self.ls.endpoint

    async def start_cascade(self, model: str) -> str:
        """It learns of the model with the message."""
        return await self.ls.start_cascade()

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        """The marker alone: the turn itself is put into the call that this makes it make."""
        await self.ls.send_message(cascade_id, marker.of(cascade_id), model=model)

    async def follow(self, running: RunningTurn) -> None:
        """Some run no model unless somebody drains the cascade's state (F4)."""
        assert running.cascade_id is not None
        await self.ls.follow(running.cascade_id)

    async def annotate(self, cascade_id: str) -> None:
        await self.ls.annotate(cascade_id)

    async def cancel(self, cascade_id: str) -> None:
        await self.ls.cancel(cascade_id)

    async def delete(self, cascade_id: str) -> None:
        await self.ls.delete(cascade_id)

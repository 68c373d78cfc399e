"""``Antigravity``: the editor's language server, or one that we start from a command line, as a ``Backend``."""

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
from zerogravity.backends.antigravity.repoint import Repointer
from zerogravity.backends.antigravity.subscription import Subscription
from zerogravity.backends.base import BackendListener, GoogleApi, Readiness, Route, Words
from zerogravity.core import marker
from zerogravity.core.callbacks import run_guarded
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import RUN_DOCTOR, Fault, FaultError, Termination, language_server

logger = logging.getLogger("zerogravity.language_server")
CHILD = "the language server of ls_command"
NO_LS = language_server(
    502, "ls_refused", "the server at that URL is not a language server", Termination.LS_REFUSED,
    remedy="Name another one with --ls-url; those that run: zerogravity ls",
)  # fmt: skip
WORDS = Words(no_call=f"Point the language server's endpoint or HTTPS_PROXY at the proxy port. {RUN_DOCTOR}")


class Antigravity:
    """``url``, ``csrf`` and ``cert`` name the server to talk to; ``command`` starts one; without either it is
    discovered.

    ``route``: how one that we start reaches the interceptor; any other is routed there by the user, or by
    ``repointer``.
    """

    captured = True
    reads_answers = True  # a person may look at them in the editor
    places = 4
    words = WORDS
    google = GoogleApi()

    def __init__(
        self,
        *,
        url: str | None = None,
        csrf: str | None = None,
        cert: Path | None = None,
        command: str | None = None,
        route: Route | None = None,
        deletes: bool = False,
        repointer: Repointer | None = None,
    ) -> None:
        self.deletes = deletes
        self._callbacks = BackendListener()
        self._models_of: Endpoint | None = None  # the endpoint whose models are known
        self._route = route or Route()
        self._repointer = repointer
        self._subscription = Subscription()
        self._child = self._start_by(command) if command else None
        self.ls = LsClient(
            Endpoint.given(url, csrf, cert) if url else None,
            rediscover=None if url else self._child.locate if self._child else partial(discover, csrf=csrf, cert=cert),
            absent=f"{CHILD} is not up (yet)" if self._child else ABSENT,
        )

    def _start_by(self, command: str) -> LsChild:
        return LsChild(
            shlex.split(command),
            self._route,
            changed=lambda up: self._callbacks.on_up(up),
            report=lambda trouble: self._callbacks.on_degraded(CHILD, trouble),
        )

    # -- lifecycle -------------------------------------------------------------------------------------------------

    def set_callbacks(self, callbacks: BackendListener) -> None:
        self._callbacks = callbacks

    async def start(self) -> None:
        if self._child is None:
            return
        await self._child.start()
        if self._route.proxy is not None:
            with suppress(FaultError):  # what this setting does is not certain (F1); the environment is enough
                await self.ls.use_proxy()

    async def close(self) -> None:
        async with AsyncExitStack() as stack:
            if self._child is not None:
                stack.push_async_callback(self._child.stop)
            stack.push_async_callback(self.ls.close)
            if self._repointer is not None:
                await self._repointer.put_back()

    async def readiness(self) -> Readiness:
        """Ready: a language server answers, accepts our token and is logged in."""
        fault = await self._fault()
        if fault is None and not self.ls.second_choice:
            await self._lay_path()
        return Readiness(fault, provisional=self.ls.second_choice)

    async def _fault(self) -> Fault | None:
        """Why no turn can be served. One that knows us but not this question may well serve turns."""
        try:
            await self.ls.find_better()
            await self._report_models()
        except Refused as error:
            return error.fault if error.status in (401, 403) else await self._no_ls()
        except FaultError as error:
            return error.fault
        return None

    async def _no_ls(self) -> Fault | None:
        """A heartbeat is what every language server knows: without it, this is none."""
        try:
            await self.ls.heartbeat()
        except Refused as error:
            return NO_LS if error.status == 404 else None
        except FaultError as error:
            return error.fault
        return None

    async def _lay_path(self) -> None:
        if self._repointer is not None and self.ls.endpoint is not None:
            await self._repointer.ensure(self.ls.endpoint)

    async def _report_models(self) -> None:
        models = await self.ls.models()
        self._models_of = self.ls.endpoint
        run_guarded(self._callbacks.on_models, models)

    # -- a turn ----------------------------------------------------------------------------------------------------

    def admit(self, turn: Turn) -> None:
        """Any turn can be put into the language server's own call."""

    async def check(self) -> None:
        """Refuse while nobody is logged in; asks again each time, since people do log in. A server that is new to us
        is asked for its models, too: they have other placeholders in another build."""
        if self.ls.logged_in and self._models_of is not None and self._models_of == self.ls.endpoint:
            return
        try:
            await self._report_models()
        except FaultError as error:
            if not self.ls.logged_in:
                raise
            logger.info("could not list the language server's models: %s", error)  # it may serve turns all the same
            self._models_of = self.ls.endpoint

    async def start_cascade(self, model: str) -> str:
        """The model is named with the message. A server that has just come into use is re-pointed first; a second
        choice, which may soon be none, only here."""
        cascade_id = await self.ls.start_cascade()
        await self._lay_path()
        endpoint, repointer = self.ls.endpoint, self._repointer
        if repointer is not None and endpoint is not None and (fault := repointer.astray(endpoint)) is not None:
            raise FaultError(fault)
        return cascade_id

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        """The marker alone: the turn itself is put into the call to Google that follows."""
        await self.ls.send_message(cascade_id, marker.marker_for(cascade_id), model=model)

    async def follow(self, running: RunningTurn) -> None:
        """Some builds run no model unless a client drains the cascade's state (F4)."""
        assert running.cascade_id is not None
        if self.ls.endpoint is not None:
            await self._subscription.needed(self.ls.endpoint, running)
        await self.ls.follow(running.cascade_id)

    async def annotate(self, cascade_id: str) -> None:
        await self.ls.annotate(cascade_id)

    async def cancel(self, cascade_id: str) -> None:
        await self.ls.cancel(cascade_id)

    async def delete(self, cascade_id: str) -> None:
        await self.ls.delete(cascade_id)

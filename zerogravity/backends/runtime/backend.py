"""``Runtime``: Google's own agent runtime, a process of ours, as a ``Backend``. It logs in with an API key.

Facts: antigravity-runtime.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from zerogravity.backends.base import BackendListener, GoogleApi, Readiness, Route, Words
from zerogravity.backends.runtime import models
from zerogravity.backends.runtime.conversation import Conversation, Limit, configuration
from zerogravity.backends.runtime.errors import gone, refused
from zerogravity.backends.runtime.forgetting import Forgetting
from zerogravity.backends.runtime.keeper import MAX_RSS, MAX_TURNS, Keeper
from zerogravity.backends.runtime.listing import Listing
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.backends.runtime.settings import Settings
from zerogravity.core import marker
from zerogravity.core.callbacks import run_guarded
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError, Termination, language_server

logger = logging.getLogger("zerogravity.language_server")
NAME = "the runtime"
ENDING_S = 1.0  # from the end of its connections to its own
NO_ROUTE = language_server(
    502, "ls_refused", "the runtime's calls cannot be routed through this mode of mitmproxy", Termination.LS_REFUSED,
    remedy="Use reverse mode with Google's API for it, or regular mode.", retryable=False,
)  # fmt: skip
WORDS = Words(NAME, "Send the request again; if that does not help, run: zerogravity doctor --ls runtime")


@dataclass(frozen=True, slots=True)
class _Open:
    """A conversation, the process that has it, and the folder where that keeps it."""

    process: RuntimeProcess
    conversation: Conversation
    kept: Path


class Runtime:
    """``route``: how its calls reach the interceptor. ``max_rss``, ``max_turns``: see ``Keeper``. ``limit``: as
    ``asyncio.timeout``, perhaps without the time in which we were too busy to look: a process that has answered must
    not be replaced."""

    captured = True
    deletes = True  # each holds a connection, and what was said on the disk
    reads_answers = False  # each event would come back to us with the whole text so far
    places = 50
    words = WORDS

    def __init__(
        self,
        settings: Settings,
        route: Route,
        *,
        max_rss: int = MAX_RSS,
        max_turns: int = MAX_TURNS,
        clock: Callable[[], float] = time.monotonic,
        limit: Limit = asyncio.timeout,
    ) -> None:
        self._settings = settings
        self._limit = limit
        self._route = route
        self._callbacks = BackendListener()
        self._open: dict[str, _Open] = {}
        self._forgetting = Forgetting()
        self._session: aiohttp.ClientSession | None = None
        self._keeper = Keeper(
            lambda: RuntimeProcess(settings, route),
            max_rss=max_rss,
            max_turns=max_turns,
            changed=lambda up: self._callbacks.on_up(up),
            report=lambda trouble: self._callbacks.on_degraded(NAME, trouble),
        )
        self._listing = Listing(settings, route, clock)

    @property
    def google(self) -> GoogleApi:
        settings = self._settings
        return GoogleApi("gemini" if settings.vertex is None else "vertex", settings.google, settings.key)

    @property
    def pid(self) -> int | None:
        """The process that gets new conversations."""
        return self._keeper.pid

    @property
    def conversations(self) -> int:
        """How many are open."""
        return len(self._open)

    # -- lifecycle -------------------------------------------------------------------------------------------------

    def set_callbacks(self, callbacks: BackendListener) -> None:
        self._callbacks = callbacks

    async def start(self) -> None:
        if not self._route.leads_here:
            raise FaultError(NO_ROUTE)
        if (fault := self._settings.missing) is not None:
            raise FaultError(fault)
        self._callbacks.on_models(models.TABLE)
        await self._keeper.start()

    async def close(self) -> None:
        try:
            await asyncio.gather(*map(self.delete, tuple(self._open)), return_exceptions=True)
        finally:
            try:
                await self._keeper.stop()
            finally:
                self._open.clear()  # what was not closed in peace is closed with the session
                await self._forgetting.stop()  # the folder of each process is gone
                await self._listing.close()
                session, self._session = self._session, None
                if session is not None:
                    await session.close()

    async def readiness(self) -> Readiness:
        """Ready: it runs, and Google has not refused its key."""
        if (fault := self._settings.missing or self._keeper.fault) is not None:
            return Readiness(fault)
        try:
            run_guarded(self._callbacks.on_models, await self._listing.models())
        except FaultError as error:
            return Readiness(error.fault)
        return Readiness(text=f"the runtime runs (pid {self._keeper.pid})")

    # -- a turn ----------------------------------------------------------------------------------------------------

    def admit(self, turn: Turn) -> None:
        """Any turn can be put into its call."""

    async def check(self) -> None:
        if (fault := self._settings.missing) is not None:
            raise FaultError(fault)
        if self._listing.fault is not None:
            raise FaultError(self._listing.fault)

    async def start_cascade(self, model: str) -> str:
        """A conversation about one model, with a name of ours; in another process, if the first one is just ending or
        answers nobody."""
        first = await self._keeper.take()
        try:
            return await self._begin(first, model)
        except FaultError as error:
            if error.fault.code != "ls_gone":
                raise
            if not await first.ends_within(ENDING_S) and not self._keeper.give_up(first):
                raise
        return await self._begin(await self._keeper.take(), model)

    async def _begin(self, process: RuntimeProcess, model: str) -> str:
        cascade_id = str(uuid.uuid4())
        try:
            assert process.listening is not None
            kept = process.app_folder / "brain" / cascade_id
            configured = configuration(cascade_id, model, self._endpoint(), str(process.app_folder))
            opened = await Conversation.open(self._http, process.listening, configured, self._limit)
        except BaseException as error:
            self._keeper.release(process)
            if isinstance(error, FaultError) and error.fault.code == "ls_refused":
                raise FaultError(refused(f"{error.fault.message}{process.last_words}")) from error
            raise
        self._open[cascade_id] = _Open(process, opened, kept)
        return cascade_id

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        """The marker alone: the turn itself is put into the call to Google that follows."""
        if (opened := self._open.get(cascade_id)) is None:
            raise FaultError(_unknown(cascade_id))
        if why := await opened.conversation.say(marker.marker_for(cascade_id)):
            raise FaultError(refused(f"the runtime gave up: {opened.process.without_keys(why)[:500]}"))

    async def follow(self, running: RunningTurn) -> None:
        """Nothing: ``send`` reads what it tells."""

    async def annotate(self, cascade_id: str) -> None:
        """There is nobody who has not seen it."""

    async def cancel(self, cascade_id: str) -> None:
        if (opened := self._open.get(cascade_id)) is not None:
            with suppress(FaultError):  # what has ended needs no halt
                await opened.conversation.halt()
            await self.delete(cascade_id)

    async def delete(self, cascade_id: str) -> None:
        if (opened := self._open.pop(cascade_id, None)) is None:
            return
        try:
            await opened.conversation.close()
        finally:
            try:
                await self._forgetting.forget(opened.kept)
            finally:
                self._keeper.release(opened.process)

    def _endpoint(self) -> dict[str, Any]:
        """Google's API in its configuration. Its key is nowhere else."""
        settings, named = self._settings, dict[str, str]()
        if self._route.endpoint and settings.key:  # else it would call without a login; see ``environment``
            named["baseUrl"] = self._route.endpoint
        if settings.key:
            named["apiKey"] = settings.key
        if settings.vertex is None:
            return {"geminiApiEndpoint": named}
        if settings.vertex.project:
            named |= {"project": settings.vertex.project, "location": settings.vertex.location}
        return {"vertexEndpoint": named}

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trust_env=False)
        return self._session


def _unknown(cascade_id: str) -> Fault:
    return gone(f"the runtime has no conversation {cascade_id}")

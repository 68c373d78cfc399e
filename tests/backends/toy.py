"""A whole back end in one page: it makes the call to Google itself, one POST a turn, as the simplest program would."""

from __future__ import annotations

import uuid

import aiohttp

from zerogravity.backends.base import BackendListener, GoogleApi, Readiness, Words
from zerogravity.core import marker
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Model, Turn
from zerogravity.errors import Fault, FaultError, Termination, language_server

MODELS = (Model("gemini-3-flash", "Gemini 3 Flash"), Model("toy-1", "Toy 1"))


class Toy:
    """``endpoint``: where Google is, on whose way the interceptor stands."""

    captured = True
    words = Words("the toy")
    reads_answers = True
    places = 4
    google = GoogleApi("gemini")
    deletes = True  # a conversation is remembered until then

    def __init__(self, endpoint: str) -> None:
        self.calls: dict[str, aiohttp.ClientResponse | None] = {}
        self._endpoint = endpoint
        self._callbacks = BackendListener()
        self._session: aiohttp.ClientSession | None = None

    # -- its life --------------------------------------------------------------------------------------------------

    def set_callbacks(self, callbacks: BackendListener) -> None:
        self._callbacks = callbacks

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(headers={"x-goog-api-key": "stand-in-key"})
        self._callbacks.on_models(MODELS)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def readiness(self) -> Readiness:
        try:
            await self.check()
        except FaultError as error:
            return Readiness(error.fault)
        self._callbacks.on_models(MODELS)
        return Readiness()

    # -- a turn ----------------------------------------------------------------------------------------------------

    def admit(self, turn: Turn) -> None:
        pass

    async def check(self) -> None:
        try:
            async with self._http.get(f"{self._endpoint}/v1beta/models"):
                pass
        except aiohttp.ClientError as error:
            raise FaultError(_gone(error)) from error

    async def start_cascade(self, model: str) -> str:
        cascade_id = str(uuid.uuid4())
        self.calls[cascade_id] = None
        return cascade_id

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        url = f"{self._endpoint}/v1beta/models/{model}:streamGenerateContent?alt=sse"
        body = {"contents": [{"role": "user", "parts": [{"text": marker.marker_for(cascade_id)}]}]}
        try:
            async with self._http.post(url, json=body) as response:
                self.calls[cascade_id] = response
                async for _ in response.content.iter_any():
                    pass  # the answer is read on its way here
        except aiohttp.ClientError as error:
            raise FaultError(_gone(error)) from error

    async def follow(self, running: RunningTurn) -> None:
        pass

    async def annotate(self, cascade_id: str) -> None:
        pass

    async def cancel(self, cascade_id: str) -> None:
        if (response := self.calls.get(cascade_id)) is not None:
            response.close()

    async def delete(self, cascade_id: str) -> None:
        self.calls.pop(cascade_id, None)

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise FaultError(_gone("it has not been started"))
        return self._session


def _gone(why: object) -> Fault:
    return language_server(503, "ls_gone", f"the toy cannot reach Google: {why}", Termination.LS_GONE)

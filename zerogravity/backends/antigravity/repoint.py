"""A running language server → one whose calls to Google come to us, without a restart: by its method SetCloudCodeURL;
seen to work by a call that comes through; put back at our end.

Facts: language-server-schema (SetCloudCodeURL, GetLoadCodeAssist, GetAvailableModels). That the method succeeds proves
nothing: whether a build follows it is not known before a call has come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from zerogravity.backends.antigravity.client import LsClient
from zerogravity.backends.antigravity.discover import Found, Process, processes
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.errors import Refused, refused
from zerogravity.backends.antigravity.repointed import Repointed, RepointedFile, is_running, own
from zerogravity.backends.base import Route
from zerogravity.errors import Fault, FaultError
from zerogravity.hosts import GOOGLE, is_google, is_loopback

logger = logging.getLogger("zerogravity.language_server")
SET = "SetCloudCodeURL"
ASK = {"GetLoadCodeAssist": ":loadCodeAssist", "GetAvailableModels": ":fetchAvailableModels"}  # calls without quota
AGENT = ":streamGenerateContent"  # a call that we do not make ourselves, as we do countTokens
SET_S, ASK_S = 5.0, 10.0
LATE_S = 2.0  # how long after its answer the call may come
Find = Callable[[], Sequence[Process]]


class Repointer:
    """``ensure`` for each server that comes into use, ``call_came`` for every call that comes through, ``put_back`` in
    the end. ``route``: where we listen for calls, and where they go on to. ``report``: what has become of it, and what
    to do about it."""

    def __init__(
        self,
        file: RepointedFile,
        route: Route,
        report: Callable[[str, str], None],
        *,
        find: Find = processes,
        late_s: float = LATE_S,
    ) -> None:
        self._file = file
        self._to = route.endpoint
        self._google = route.google
        self._report = report
        self._find = find
        self._late_s = late_s
        self._lock = asyncio.Lock()
        self._settled: set[Endpoint] = set()
        self._servers: dict[Endpoint, tuple[int, float]] = {}  # a URL that was given may be another process's by now
        self._held: dict[Repointed, Endpoint] = {}
        self._astray: dict[Endpoint, Fault] = {}
        self._awaited = ""  # how the path of the call that was asked for ends
        self._came = asyncio.Event()
        self._unproved = False
        self._told = ""

    def call_came(self, path: str) -> None:
        """A call to Google has come through."""
        if path.partition("?")[0].endswith(self._awaited):
            self._came.set()
        if self._unproved and AGENT in path:
            self._unproved = False
            self._tell(self._works())

    async def ensure(self, endpoint: Endpoint) -> None:
        """Have its calls come to us, unless they do already; once. What can pass is tried again the next time."""
        async with self._lock:
            if endpoint in self._settled and (endpoint not in self._servers or is_running(*self._servers[endpoint])):
                return
            self._astray.pop(endpoint, None)
            try:
                text, remedy, settled = await self._point(endpoint), "", True
            except FaultError as error:
                fault = replace(error.fault, remedy=error.fault.remedy or self._otherwise())
                text, remedy, settled = fault.message, fault.remedy, not fault.retryable
                if endpoint in self._servers:  # else it is not known where its calls go
                    self._astray[endpoint] = fault
            if settled:
                self._settled.add(endpoint)
            self._tell(text, remedy)

    def astray(self, endpoint: Endpoint) -> Fault | None:
        """Why its calls are known not to come here: a turn would be one that Google answers to nobody."""
        return self._astray.get(endpoint)

    async def put_back(self) -> None:
        """Every language server that we hold has its former URL again. Does not fail."""
        for entry, endpoint in list(self._held.items()):
            await self._give_back(entry, endpoint)

    # -- one server --------------------------------------------------------------------------------------------------

    async def _point(self, endpoint: Endpoint) -> str:
        """What has been done. Raises FaultError."""
        process = await self._process(endpoint)
        self._servers[endpoint] = process.pid, process.started
        former = process.cloud_code_endpoint or GOOGLE
        if _same_place(former, self._to):
            return ""
        entry = Repointed(process.pid, process.started, endpoint.url, former, self._to, *own())
        self._claim(entry)
        self._held[entry] = endpoint  # before it is so: we may be stopped at any time
        try:
            await _set(endpoint, self._to)
            came = await self._is_proved(endpoint)
        except Refused as error:
            self._let_go(entry)
            raise FaultError(_cannot(error)) from error
        except FaultError:
            await self._give_back(entry, endpoint)
            raise
        if came is False:
            raise FaultError(await self._without_effect(entry, endpoint))
        logger.info("language server %s re-pointed from %s to %s", entry.pid, former, self._to)
        if is_google(urlsplit(former).hostname) and not _same_host(former, self._google):
            logger.warning("its calls went to %s and go to %s now: pass --google %s", former, self._google, former)
        self._unproved = not came
        return self._works() if came else f"re-pointed to {self._to}; no call of it has come through yet"

    async def _process(self, endpoint: Endpoint) -> Process:
        """Its process, which tells the URL it has. Raises FaultError where that is not to be known."""
        if not is_loopback(urlsplit(endpoint.url).hostname):
            text = f"{endpoint.url} is not on this machine, so it was not re-pointed"
            raise FaultError(refused(502, text, retryable=False))
        port = urlsplit(endpoint.url).port
        for process in await asyncio.to_thread(self._find):
            if process.pid == endpoint.pid or (endpoint.pid is None and port in process.ports):
                return process
        text = f"{endpoint.url} is no language server of this user's processes, so it was not re-pointed"
        raise FaultError(refused(502, f"{text}: its present URL is not known", retryable=False))

    def _claim(self, entry: Repointed) -> None:
        """Write down what it had. Raises FaultError where another process of ours holds it, or nothing can be written:
        then it would be lost for the language server if we were killed."""
        try:
            other = self._file.claim(entry)
        except OSError as error:
            text = f"{self._file.path} cannot be written, so the language server was not re-pointed: {error.strerror}"
            raise FaultError(refused(502, text, remedy="Set data_dir to a folder that you can write to.")) from error
        if other is not None:
            text = f"the language server is re-pointed to {other.to} by another zerogravity (pid {other.by})"
            raise FaultError(refused(502, text, remedy="Stop that one, or send the agents to it."))

    async def _is_proved(self, endpoint: Endpoint) -> bool | None:
        """Whether a call that it was asked for has come through; None: it cannot be asked for one."""
        proved: bool | None = None
        for method, path in ASK.items():
            self._awaited = path
            self._came.clear()
            if await _ask(endpoint, method):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), self._late_s)
                proved = self._came.is_set()
            if proved:
                break
        return proved

    async def _without_effect(self, entry: Repointed, endpoint: Endpoint) -> Fault:
        back = await self._give_back(entry, endpoint)
        then = "so it was put back" if back else f"and it could not be put back to {entry.former}: restart the editor"
        text = f"the language server was re-pointed to {self._to}, but its call did not come through here, {then}"
        return refused(502, text, retryable=False)

    async def _give_back(self, entry: Repointed, endpoint: Endpoint) -> bool:
        """Whether it has its former URL again, or has ended. Otherwise the entry stays, for our next start."""
        try:
            if entry.runs:
                await _set(endpoint, entry.former)
                logger.info("language server %s put back to %s", entry.pid, entry.former)
        except FaultError as error:
            if entry.runs:
                logger.warning("language server %s still calls %s: %s", entry.pid, entry.to, error.fault.message)
                return False
        self._let_go(entry)
        return True

    def _let_go(self, entry: Repointed) -> None:
        self._held.pop(entry, None)
        try:
            self._file.drop(entry)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._file.path, error.strerror)

    def _tell(self, text: str, remedy: str = "") -> None:
        if remedy and text != self._told:
            logger.warning("%s. %s", text, remedy)
        self._told = text
        self._report(text, remedy)

    def _works(self) -> str:
        return f"re-pointed to {self._to}, and its call came through"

    def _otherwise(self) -> str:
        return f"Start it with --cloud_code_endpoint {self._to}, or use proxy mode: zerogravity serve --mode proxy."


# -- what has been left ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leftover:
    """A language server that calls where nobody listens any more. ``trouble``: why it could not be put back."""

    entry: Repointed
    trouble: str | None = None

    def __str__(self) -> str:
        entry = self.entry
        text = (
            f"language server {entry.pid} still called {entry.to}, where a zerogravity that was killed had pointed it"
        )
        return f"{text}: {self.trouble}" if self.trouble else f"{text}; it was put back to {entry.former}"


async def put_back_leftovers(file: RepointedFile, *, csrf: str | None = None, find: Find = processes) -> list[Leftover]:
    """Put back what processes of ours that were killed have left re-pointed. ``csrf`` where the process table has none.

    Raises OSError where the file cannot be read or written.
    """
    left = [entry for entry in file.entries() if not entry.held]
    tokens = {one.pid: one.csrf for one in (await asyncio.to_thread(find) if left else ())}
    found: list[Leftover] = []
    for entry in left:
        by, by_started = own()
        ours = replace(entry, by=by, by_started=by_started)
        if file.claim(ours) is not None:
            continue  # another one has come first
        trouble: str | None = None
        try:
            await _set(Endpoint(entry.url, csrf or tokens.get(entry.pid, ""), pid=entry.pid), entry.former)
        except FaultError as error:
            trouble = error.fault.message
        file.drop(ours)
        if trouble is not None:
            file.claim(entry)
        found.append(Leftover(entry, trouble))
    return found


def marked(found: Iterable[Found], file: RepointedFile) -> list[Found]:
    """The same language servers with the URL that we have given them."""
    to = {entry.pid: entry.to for entry in file.entries()}
    return [
        replace(one, process=replace(one.process, cloud_code_endpoint=to[one.pid], repointed=True))
        if one.pid in to else one
        for one in found
    ]  # fmt: skip


# -- calls -------------------------------------------------------------------------------------------------------------


async def _set(endpoint: Endpoint, url: str) -> None:
    """Raises FaultError."""
    await _call(endpoint, SET, {"url": url}, SET_S)


async def _ask(endpoint: Endpoint, method: str) -> bool:
    """Have it call Google, whatever comes of that; False: this build has no such method."""
    try:
        await _call(endpoint, method, {"forceRefresh": True}, ASK_S)
    except FaultError as error:
        logger.debug("%s: %s", method, error)
        return not _is_unknown(error)
    return True


async def _call(endpoint: Endpoint, method: str, body: dict[str, object], timeout: float) -> None:
    """To this server and no other, whichever is in use by then."""
    client = LsClient(endpoint)
    try:
        await client.call(method, body, timeout=timeout)
    finally:
        await client.close()


def _is_unknown(error: FaultError) -> bool:
    """Whether this build does not have the method."""
    return isinstance(error, Refused) and (error.status in (404, 501) or error.word == "unimplemented")


def _cannot(error: Refused) -> Fault:
    if _is_unknown(error):
        return refused(502, "this build of the language server cannot be re-pointed", retryable=False)
    text = f"the language server was not re-pointed: {error.fault.message}"
    return refused(502, text, remedy=error.fault.remedy, retryable=error.fault.retryable)


def _same_host(one: str, other: str) -> bool:
    return urlsplit(one).hostname == urlsplit(other).hostname


def _same_place(one: str, other: str) -> bool:
    """Whether both URLs lead to the same port of this machine."""
    first, second = urlsplit(one), urlsplit(other)
    return is_loopback(first.hostname) and first.port == second.port

"""One process of Google's Antigravity runtime: started, its port known, its words kept, ended with all it has started.

It gets a home of its own, a folder that only this user can read and that is removed with it, and an environment with
nothing in it that it does not need: no key, no setting of ours. Facts: antigravity-runtime, Start recipe.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from zerogravity import background, lifeline
from zerogravity.backends.base import Route
from zerogravity.backends.output import Output, without
from zerogravity.backends.runtime import folders, handshake
from zerogravity.backends.runtime.errors import absent
from zerogravity.backends.runtime.settings import Settings
from zerogravity.errors import FaultError

READY_S = 30.0  # a cold one is read from the disk: 131 MB
STOP_S = 2.0
LOOK_S = 1.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
TO_LOGIN = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


class RuntimeProcess:
    """``turns``: how many it has been given; ``open``: how many of them are not over."""

    def __init__(self, settings: Settings, route: Route) -> None:
        self.listening: handshake.Listening | None = None
        self.turns = 0
        self.open = 0
        self._settings = settings
        self._route = route
        self._folder: folders.Folder | None = None
        self._group: lifeline.ProcessGroup | None = None
        self._reading: list[asyncio.Task[None]] = []
        self._output = Output("runtime", self.without_keys)

    @property
    def pid(self) -> int | None:
        """While it runs."""
        process = self._group.process if self._group is not None else None
        return process.pid if process is not None and process.returncode is None else None

    @property
    def app_folder(self) -> Path:
        """Where it writes what it remembers of conversations."""
        assert self._folder is not None
        return self._folder.path / "app"

    @property
    def last_words(self) -> str:
        """What it has written last, for a message."""
        return self._output.tail

    def rss(self) -> int:
        """Bytes of memory in use; 0 when it has ended, or nobody can tell."""
        try:
            return psutil.Process(self.pid).memory_info().rss if self.pid is not None else 0
        except (psutil.Error, OSError):  # too many open files
            return 0

    def without_keys(self, words: str) -> str:
        """What it says may be shown then."""
        return without(words, (self._settings.key, "" if self.listening is None else self.listening.key))

    async def start(self) -> None:
        """Returns when it listens. Raises FaultError, and leaves nothing then."""
        try:
            await self._start()
        except BaseException:
            await self._clear()
            raise

    async def wait(self) -> int:
        """Until it has ended: its exit code."""
        assert self._group is not None
        process = self._group.process
        while process.returncode is None:  # wait() alone waits for the end of all that holds its pipes
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), LOOK_S)
        return process.returncode

    async def ends_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        if self.pid is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), seconds)
        return self.pid is None

    async def stop(self) -> None:
        """End it. It leaves by itself when its stdin is closed; cancelled, this ends it at once."""
        try:
            if (group := self._group) is not None:
                if (stdin := group.process.stdin) is not None:
                    stdin.close()
                with suppress(TimeoutError):
                    await asyncio.wait_for(group.process.wait(), STOP_S)
                await group.end(STOP_S)
        finally:
            await self._clear()

    async def _clear(self) -> None:
        """Leave nothing: no process, no task, no folder."""
        group, self._group = self._group, None
        folder, self._folder = self._folder, None
        try:
            if group is not None:
                await group.end(0)
        finally:
            for one in self._reading:
                one.cancel()  # somebody else may hold its pipes
            if folder is not None:
                await _removed(folder)
            await asyncio.gather(*self._reading, return_exceptions=True)

    async def _start(self) -> None:
        """Whatever may go wrong is a fault."""
        try:
            async with asyncio.timeout(READY_S):
                await self._launch()
        except TimeoutError:
            text = f"the runtime was not ready within {READY_S:g} s{self.last_words}"
            raise FaultError(absent(text)) from None
        except (OSError, ValueError) as error:  # no folder, no pipe; a path with a zero byte
            text = f"{self._settings.binary} cannot be started: {getattr(error, 'strerror', None) or error}"
            raise FaultError(absent(text)) from error

    async def _launch(self) -> None:
        binary = self._settings.binary
        assert binary is not None
        await asyncio.to_thread(folders.sweep)
        self._folder = folders.Folder()
        pipe = asyncio.subprocess.PIPE
        self._group = await lifeline.start(
            str(binary), stdin=pipe, stdout=pipe, stderr=pipe, cwd=self._folder.path,
            env=environment(os.environ, self._settings, self._route, self._folder.path),
        )  # fmt: skip
        process = self._group.process
        assert process.stderr is not None
        words = background.task(self._output.read(process.stderr), "reading the runtime's words")  # its log
        self._reading.append(words)
        try:
            self.listening = await _greet(process)
        except (OSError, EOFError) as error:
            await asyncio.wait((words,))  # it has ended, and said why
            raise FaultError(absent(f"the runtime ended as it started{self.last_words}")) from error
        except handshake.HandshakeError as error:
            raise FaultError(absent(f"{binary} does not answer as the runtime does: {error}")) from error
        self._reading.append(background.task(_drain(process), "reading the runtime's output"))


async def _removed(folder: folders.Folder) -> None:
    """Cancelled, it ends no sooner: whoever has stopped us takes the folder for gone."""
    removing = background.task(asyncio.to_thread(folder.remove), "removing the runtime's folder")
    try:
        await asyncio.shield(removing)
    finally:
        await asyncio.wait((removing,))


async def _drain(process: asyncio.subprocess.Process) -> None:
    """What it writes after the handshake is nothing to us, but it would wait for a reader."""
    assert process.stdout is not None
    while await process.stdout.read(1 << 16):
        pass


async def _greet(process: asyncio.subprocess.Process) -> handshake.Listening:
    """Say hello, and learn where it listens. Raises OSError, EOFError or HandshakeError."""
    assert process.stdout is not None
    await lifeline.tell(process, handshake.greeting())
    size = handshake.size_of(await process.stdout.readexactly(handshake.LENGTH.size))
    return handshake.read(await process.stdout.readexactly(size))


def environment(ours: Mapping[str, str], settings: Settings, route: Route, folder: Path) -> dict[str, str]:
    """What it gets of ours, the way to our proxy, and a home of its own. For a project's login also what it needs to
    get a token itself: it asks for none where a conversation's configuration names our endpoint."""
    made = {name: value for name in PASSED_ON if (value := ours.get(name)) is not None}
    made |= {"HOME": str(folder), "TMPDIR": str(folder)}
    if settings.vertex is not None and not settings.key and route.endpoint:
        made |= {name: value for name in TO_LOGIN if (value := ours.get(name)) is not None}
        made["GOOGLE_VERTEX_BASE_URL"] = route.endpoint
    made |= route.environment
    if settings.vertex is not None and settings.vertex.login is not None:
        made["GOOGLE_APPLICATION_CREDENTIALS"] = str(settings.vertex.login)
    return made

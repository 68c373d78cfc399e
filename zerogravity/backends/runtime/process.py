"""One process of Google's Antigravity runtime: started, its port known, its words kept, ended with all it has started.

It gets a home of its own, a folder that only this user can read and that is removed with it, and an environment with
nothing in it that it does not need: no key, no setting of ours. Facts: antigravity-runtime, Start recipe.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from zerogravity import background, lifeline
from zerogravity.backends.base import Route
from zerogravity.backends.runtime import handshake
from zerogravity.backends.runtime.errors import absent
from zerogravity.backends.runtime.settings import Settings
from zerogravity.errors import FaultError

logger = logging.getLogger("zerogravity.language_server")
PREFIX = "zerogravity-runtime-"
READY_S = 30.0  # a cold one is read from the disk: 131 MB
STOP_S = 2.0
TAIL = 20  # of its last lines
MAX_LINE = 500
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")


class RuntimeProcess:
    """``turns``: how many it has been given; ``open``: how many of them are not over."""

    def __init__(self, settings: Settings, route: Route) -> None:
        self.listening: handshake.Listening | None = None
        self.turns = 0
        self.open = 0
        self._settings = settings
        self._route = route
        self._folder: Path | None = None
        self._group: lifeline.ProcessGroup | None = None
        self._output: asyncio.Task[None] | None = None
        self._last_lines: deque[str] = deque(maxlen=TAIL)

    @property
    def pid(self) -> int | None:
        """While it runs."""
        process = self._group.process if self._group is not None else None
        return process.pid if process is not None and process.returncode is None else None

    @property
    def app_folder(self) -> Path:
        """Where it writes what it remembers of conversations."""
        assert self._folder is not None
        return self._folder / "app"

    @property
    def last_words(self) -> str:
        """What it has written last, for a message."""
        return ":\n" + "\n".join(self._last_lines) if self._last_lines else ""

    def rss(self) -> int:
        """Bytes of memory in use; 0 when it has ended."""
        try:
            return psutil.Process(self.pid).memory_info().rss if self.pid is not None else 0
        except psutil.Error:
            return 0

    async def start(self) -> None:
        """Returns when it listens. Raises FaultError, and leaves nothing then."""
        try:
            async with asyncio.timeout(READY_S):
                await self._launch()
        except TimeoutError:
            await self.stop()
            raise FaultError(absent(f"the runtime was not ready within {READY_S:g} s{self.last_words}")) from None
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Until it has ended: its exit code."""
        assert self._group is not None
        return await self._group.process.wait()

    async def stop(self) -> None:
        """End it. It leaves by itself when its stdin is closed."""
        group, self._group = self._group, None
        if group is not None:
            if (stdin := group.process.stdin) is not None:
                stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(group.process.wait(), STOP_S)
            await group.end(STOP_S)
        if self._output is not None:
            await asyncio.wait((self._output,))
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _launch(self) -> None:
        binary = self._settings.binary
        assert binary is not None
        self._folder = await asyncio.to_thread(_own_folder)
        pipe = asyncio.subprocess.PIPE
        try:
            self._group = await lifeline.start(
                str(binary), stdin=pipe, stdout=pipe, stderr=pipe, cwd=self._folder,
                env=environment(os.environ, self._settings, self._route, self._folder),
            )  # fmt: skip
        except OSError as error:
            raise FaultError(absent(f"{binary} cannot be started: {error.strerror or error}")) from error
        process = self._group.process
        self._output = background.task(self._read_words(process), "reading the runtime's words")
        try:
            self.listening = await _greet(process)
        except (OSError, EOFError) as error:
            await asyncio.wait((self._output,))  # it has ended, and said why
            raise FaultError(absent(f"the runtime ended as it started{self.last_words}")) from error
        except handshake.HandshakeError as error:
            raise FaultError(absent(f"{binary} does not answer as the runtime does: {error}")) from error

    async def _read_words(self, process: asyncio.subprocess.Process) -> None:
        """Keep its newest lines, and log them at debug level: its log goes to stderr."""
        assert process.stderr is not None
        rest = b""
        while data := await process.stderr.read(1 << 16):
            *lines, rest = (rest[-MAX_LINE:] + data).split(b"\n")
            for line in filter(None, lines):
                shown = line.decode("utf-8", "replace")[:MAX_LINE].rstrip()
                self._last_lines.append(shown)
                logger.debug("runtime: %s", shown)


async def _greet(process: asyncio.subprocess.Process) -> handshake.Listening:
    """Say hello, and learn where it listens. Raises OSError, EOFError or HandshakeError."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(handshake.greeting())
    await process.stdin.drain()
    size = handshake.size_of(await process.stdout.readexactly(handshake.LENGTH.size))
    return handshake.read(await process.stdout.readexactly(size))


def environment(ours: Mapping[str, str], settings: Settings, route: Route, folder: Path) -> dict[str, str]:
    """What it gets of ours, the way to our proxy, and a home of its own."""
    made = {name: value for name in PASSED_ON if (value := ours.get(name)) is not None}
    made |= {"HOME": str(folder), "TMPDIR": str(folder)}
    if route.proxy is not None:
        made |= {"HTTPS_PROXY": route.proxy, "NO_PROXY": "localhost,127.0.0.1,::1"}
    if route.bundle is not None:
        made["SSL_CERT_FILE"] = str(route.bundle)
    if settings.vertex is not None and settings.vertex.login is not None:
        made["GOOGLE_APPLICATION_CREDENTIALS"] = str(settings.vertex.login)
    return made


def _own_folder() -> Path:
    """A new folder for a process of ours; those of gateways that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))

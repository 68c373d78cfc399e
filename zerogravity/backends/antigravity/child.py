"""A command line → a language server of our own: started, fed, probed, restarted, and stopped with its children.

Its calls to Google are routed to us by its endpoint flag (reverse mode) or by its environment (proxy mode).
Facts: language-server-and-google A.1, A.2.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import uuid4

import psutil

from zerogravity import background, lifeline
from zerogravity.backends.antigravity.discover import Process, flags_of, listening, probe
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.forms import METADATA
from zerogravity.backends.base import Route
from zerogravity.backends.output import Output, without
from zerogravity.core.callbacks import run_guarded
from zerogravity.errors import Fault, FaultError, Termination, language_server
from zerogravity.hosts import free_port
from zerogravity.wire import protobuf

logger = logging.getLogger("zerogravity.language_server")
READY_S = 60.0  # a cold one takes its time
PROBE_S = 0.1
STOP_S = 2.0  # between SIGTERM and SIGKILL, as the vendor has it
STABLE_S = 60.0  # one that has run this long is restarted without a growing delay
CORRECT = "Run ls_command by itself to see what it lacks, or leave it out: then a language server that runs is used."
FIELDS = {"ideName": 1, "locale": 4, "extensionName": 12}  # of exa.codeium_common_pb.Metadata

Pipe = tuple[asyncio.StreamReader, asyncio.ReadTransport]


class LsChild:
    """``await start()`` → running and ready; ``locate`` is an ``LsClient``'s ``rediscover``; ``await stop()``.

    ``command`` may hold ``{csrf}``, ``{port}`` and ``{endpoint}``. Without ``{port}`` the port is looked up; for the
    other two a flag is added where the command has neither the flag nor the placeholder. ``changed`` is called with
    True when it answers and False when it has ended; ``report`` with the reason why a fault of ours prevents its
    restart, None when that is over.
    """

    def __init__(
        self,
        command: Sequence[str],
        route: Route,
        *,
        changed: Callable[[bool], None] = lambda _: None,
        report: Callable[[str | None], None] = lambda _: None,
        ready_s: float = READY_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint: Endpoint | None = None
        self._command = tuple(command)
        self._route = route
        self._changed = changed
        self._ready_s = ready_s
        self._sleep = sleep
        self._clock = clock
        self._group: lifeline.ProcessGroup | None = None
        self._output = Output("language server", str)
        self._reading: asyncio.Task[None] | None = None
        self._failures = 0
        self._supervisor = background.RepeatedTask(
            "restarting the language server", self._restart, report=report, sleep=sleep
        )

    @property
    def pid(self) -> int | None:
        """The running child, if there is one."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def _process(self) -> asyncio.subprocess.Process | None:
        return self._group.process if self._group is not None else None

    async def locate(self) -> Endpoint | None:
        """Where it listens now; None while it is being restarted."""
        return self.endpoint

    async def start(self) -> Endpoint:
        """Start it and keep it running. Raises FaultError when the first start fails."""
        try:
            endpoint = await self._launch()
        except BaseException:
            await self._end_process()
            raise
        self._supervisor.start()
        return endpoint

    async def stop(self) -> None:
        """Stop it, and everything it started."""
        await self._supervisor.stop()
        await self._end_process()

    async def _restart(self) -> None:
        """Start it again when it has ended, after a delay that grows while it does not last."""
        began = self._clock()
        if self._process is not None:
            code = await self._process.wait()
            logger.warning("the language server ended with code %s", code)
            run_guarded(self._changed, False)
        await self._end_process()
        self._failures = 0 if self._clock() - began >= STABLE_S else self._failures + 1
        await self._sleep(background.delay(self._failures))
        try:
            await self._launch()
        except FaultError as error:
            logger.warning("%s", error.fault.full_message)
        finally:
            if self.endpoint is None:
                await self._end_process()  # it may run and never get ready

    # -- one process -----------------------------------------------------------------------------------------

    async def _launch(self) -> Endpoint:
        """Start, feed, wait until it answers. Raises FaultError."""
        values = {"csrf": str(uuid4()), "port": str(free_port()), "endpoint": self._route.endpoint}
        command = command_line(self._command, values)
        csrf = flags_of(command).get("csrf_token") or values["csrf"]
        self._output = Output("language server", partial(without, secrets=(csrf, values["csrf"])))
        # A pipe of our own: with asyncio's, wait() would wait for every process that has inherited it.
        reading, writing = os.pipe()
        self._reading = background.task(
            _read(self._output, await _reader(reading)), "reading the language server's output"
        )
        try:
            self._group = await lifeline.start(
                *command, stdin=asyncio.subprocess.PIPE, stdout=writing, stderr=writing,
                env=environment(os.environ, self._route),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise FaultError(_absent(f"{command[0]} cannot be started: {error}")) from error
        finally:
            os.close(writing)
        process = self._group.process
        await self._feed(process)
        port = int(values["port"]) if any("{port}" in argument for argument in self._command) else None
        self.endpoint = await self._ready(process, csrf, port)
        logger.info("language server %s answers at %s", process.pid, self.endpoint.url)
        run_guarded(self._changed, True)
        return self.endpoint

    async def _feed(self, process: asyncio.subprocess.Process) -> None:
        """Write the metadata that it reads from stdin before anything else. One that reads nothing is fine."""
        stdin = process.stdin
        assert stdin is not None
        with suppress(ConnectionError):
            await lifeline.tell(process, metadata())
        stdin.close()
        with suppress(ConnectionError):
            await stdin.wait_closed()

    async def _ready(self, process: asyncio.subprocess.Process, csrf: str, port: int | None) -> Endpoint:
        """Probe until it answers. Raises FaultError when it has ended, or takes too long."""
        deadline = self._clock() + self._ready_s
        while self._clock() < deadline:
            if process.returncode is not None:
                raise FaultError(
                    _absent(f"the language server ended with code {process.returncode}{self._output.tail}")
                )
            ports = (port,) if port is not None else await asyncio.to_thread(_ports, process.pid)
            found = await probe(Process(process.pid, "core", csrf, tuple(ports)))
            if found is not None:
                return replace(found, kind="child")
            await asyncio.sleep(PROBE_S)
        raise FaultError(_absent(f"the language server was not ready within {self._ready_s:g} s{self._output.tail}"))

    async def _end_process(self) -> None:
        """Leave no process and no pipe of it."""
        self.endpoint = None
        group, self._group = self._group, None
        if group is not None:
            await group.end(STOP_S)
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _reader(descriptor: int) -> Pipe:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader, transport


async def _read(output: Output, pipe: Pipe) -> None:
    reader, transport = pipe
    try:
        await output.read(reader)
    finally:
        transport.close()


def command_line(template: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The command to run: placeholders filled in (other braces stay as they are), and missing flags added."""
    command = list(template)
    for name, value in values.items():
        command = [argument.replace(f"{{{name}}}", value) for argument in command]
    given = flags_of(command)
    for flag, name in (("csrf_token", "csrf"), ("cloud_code_endpoint", "endpoint")):
        placed = any(f"{{{name}}}" in argument for argument in template)
        if values[name] and flag not in given and not placed:
            command += [f"--{flag}", values[name]]
    return command


def environment(ours: Mapping[str, str], route: Route) -> dict[str, str]:
    """The child's environment: ours without our own settings (some are secrets), with the proxy to Google."""
    routed = route.environment | ({} if route.proxy is None else {"HTTP_PROXY": route.proxy})
    replaced = {name.lower() for name in routed}  # programs read either spelling
    kept = {
        name: value
        for name, value in ours.items()
        if not name.startswith("ZEROGRAVITY_") and name.lower() not in replaced
    }
    return kept | routed


def metadata(values: Mapping[str, str] = METADATA) -> bytes:
    """The binary protobuf message it wants on stdin: string fields only."""
    return b"".join(protobuf.text_field(number, values[name]) for name, number in FIELDS.items())


def _ports(pid: int) -> list[int]:
    """Listening ports of the child and its descendants."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
    return [port for one in family for port in listening(one)]


def _absent(message: str) -> Fault:
    return language_server(503, "ls_absent", message, Termination.LS_GONE, remedy=CORRECT)

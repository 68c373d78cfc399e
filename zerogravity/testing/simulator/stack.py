"""The whole path on one machine: Google stand-in, language-server stand-in or Google's real runtime, and a real
mitmdump with the addon, or ``zerogravity serve``.

Used by the demo, the end-to-end tests and the benchmarks. The stand-ins run in this process, the gateway in its own;
the runtime, and a stand-in of a language server that runs apart, are the gateway's children.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import psutil

from zerogravity import ADDON, certs, lifeline
from zerogravity.hosts import GOOGLE, free_port, is_loopback
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.http.server import Simulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

Mode = Literal["reverse", "proxy"]
KEY = "stand-in-key"  # which the stand-in of Google takes
START_S = 30.0
STOP_S = 15.0
USERS = ("ZEROGRAVITY_", "OTEL_", "GOOGLE_GENAI_USE_")  # the last: which of Google's APIs the runtime calls


class StackError(Exception):
    """The path could not be started; the message holds the gateway's last lines."""


@dataclass(slots=True)
class StackOptions:
    """``upstream``: URL of another Google stand-in (http or https).

    ``api``: ``v1internal`` (envelope), ``public`` (none), or ``auto``: ask the upstream.
    ``upstream_ca``: PEM file that verifies an https upstream. Without one, a loopback upstream is not verified.
    ``settings``: further ``--set zg_NAME=VALUE`` options of the addon. ``env``: further environment of the gateway.
    ``serve``: ``zerogravity serve`` in the place of mitmdump. ``addon``: a script that loads our addon, instead of
    ours. ``runtime``: Google's runtime, in place of the stand-in of a language server. ``apart``: that stand-in is a
    process of its own, with the habits of no one build, and not in ``Stack.ls``. ``heard``: gets each line that
    the gateway prints. ``inspector_token``: empty: one of its own.
    """

    mode: Mode = "reverse"
    port: int = 0
    proxy_port: int = 0
    upstream: str | None = None
    api: Literal["auto", "v1internal", "public"] = "auto"
    upstream_ca: Path | None = None
    http2: bool = True
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    mitm_settings: Mapping[str, str] = field(default_factory=dict[str, str])
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    ls: LsOptions = field(default_factory=LsOptions)
    serve: bool = False
    addon: Path = ADDON
    runtime: Path | None = None
    apart: bool = False
    heard: Callable[[str], None] = lambda _: None
    inspector_token: str = field(default="", repr=False)


class Stack(Simulator):
    """``async with Stack(options) as stack:`` → ``stack.url`` answers agents; ``stack.google``, ``stack.ls``."""

    def __init__(self, options: StackOptions | None = None) -> None:
        self.options = options or StackOptions()
        self.google: GoogleSimulator | None = None
        self.ls: LanguageServerSimulator | None = None
        self.url = ""
        self.inspector_token = self.options.inspector_token or secrets.token_urlsafe(16)
        self.proxy_port = 0
        self.output: list[str] = []
        self._group: lifeline.ProcessGroup | None = None
        self._reader: asyncio.Task[None] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="zerogravity-")
        self._ready = Path(self._folder.name, "ready")
        self._upstream: tuple[str, Path | None] = "", None
        self._apart: str | None = None  # the stand-in's command

    async def start(self) -> None:
        """Start everything; returns when ``GET /ready`` answers 200. Raises StackError."""
        options = self.options
        folder = Path(self._folder.name)
        if options.upstream is None:
            self.google = GoogleSimulator(http2=options.http2)
            await self.google.start()
            upstream, ca = self.google.url, folder / "google-ca.pem"
            ca.write_bytes(self.google.ca_pem)
        else:
            upstream, ca = options.upstream.rstrip("/"), options.upstream_ca
        if options.runtime is None:
            options.ls.envelope = await self._envelope(upstream, ca)
            if options.apart:
                self._apart = shlex.join(stand_in(f"envelope={options.ls.envelope}".lower()))
            else:
                self.ls = LanguageServerSimulator(options.ls)
                await self.ls.start()
        # In reverse mode it signs nothing, but mitmproxy would make one of its own, with a slow key.
        certs.create(folder / "ca", now=datetime.now(UTC), days=1)
        self.proxy_port = options.proxy_port or free_port()
        self._upstream = upstream, ca
        await self._start_gateway()
        self._point_ls(folder)
        await self._wait_ready()

    async def kill(self) -> None:
        """Kill the gateway. ``start_again`` starts it on the same ports, over the same data."""
        assert self._group is not None
        self._group.process.kill()
        await self._group.process.wait()
        await self._stop_gateway()

    async def start_again(self) -> None:
        """After ``kill``; returns when ``GET /ready`` answers 200. Raises StackError."""
        await self._start_gateway()
        await self._wait_ready()

    def _point_ls(self, folder: Path) -> None:
        if self.ls is None:
            return
        if self.options.mode == "reverse":
            self.ls.options.endpoint = f"http://127.0.0.1:{self.proxy_port}"
        else:
            self.ls.options.endpoint = GOOGLE
            self.ls.options.proxy_url = f"http://127.0.0.1:{self.proxy_port}"
            self.ls.options.proxy_ca = Path(self.options.mitm_settings.get("confdir", folder / "ca")) / "bundle.pem"

    def _command(self) -> list[str]:
        """The command line of mitmdump, or of ``serve``, which gets our settings by the environment."""
        options = self.options
        upstream, ca = self._upstream
        settings = {"confdir": str(Path(self._folder.name, "ca")), **options.mitm_settings}
        if ca is not None:
            settings["ssl_verify_upstream_trusted_ca"] = str(ca)
        elif upstream.startswith("https:") and is_loopback(urlsplit(upstream).hostname):
            settings["ssl_insecure"] = "true"
        if options.serve:
            ca_folder = settings.pop("confdir") if options.mode == "proxy" else ""
            where = ["--mode", "proxy", "--certs-dir", ca_folder] if ca_folder else ["--google", upstream]
            command = [sys.executable, "-m", "zerogravity", "serve", "-q", "--proxy-port", str(self.proxy_port), *where]
        else:
            mode = f"reverse:{upstream}" if options.mode == "reverse" else "regular"
            settings |= {
                "mode": f"{mode}@127.0.0.1:{self.proxy_port}",
                **{f"zg_{n}": v for n, v in self._ours().items()},
            }
            settings = {"flow_detail": "0", "termlog_verbosity": "warn", **settings}
            command = [str(Path(sys.executable).parent / "mitmdump"), "-s", str(options.addon)]
        return [*command, *(word for name, value in settings.items() for word in ("--set", f"{name}={value}"))]

    def _ours(self) -> dict[str, str]:
        """Our settings; after a restart it listens for agents on the same port."""
        options = self.options
        return {
            "listen": f"127.0.0.1:{urlsplit(self.url).port or options.port}",
            **self._language_server(),
            "ready_file": str(self._ready),
            **({"upstream": self._upstream[0]} if options.mode == "proxy" else {}),
            **options.settings,
        }

    def _language_server(self) -> dict[str, str]:
        if self.ls is not None:
            return {"ls_url": self.ls.url}
        if self._apart is not None:
            return {"ls_command": self._apart}
        return {"ls": "runtime", "runtime_path": str(self.options.runtime)}

    async def _start_gateway(self) -> None:
        environment = {**_clean(os.environ, Path(self._folder.name)), **self._secrets(), **self.options.env}
        if self.options.serve:
            environment |= {f"ZEROGRAVITY_{name.upper()}": value for name, value in self._ours().items()}
        self._ready.unlink(missing_ok=True)
        self.output.clear()
        self._group = await lifeline.start(
            *self._command(), env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read_output(self._group.process))

    def _secrets(self) -> dict[str, str]:
        """In the environment, since process lists show arguments."""
        login = {"RUNTIME_KEY": KEY} if self.ls is None else {"LS_CSRF": self.ls.csrf}
        secrets = {**login, "INSPECTOR_TOKEN": self.inspector_token}
        return {f"ZEROGRAVITY_{name}": value for name, value in secrets.items()}

    @property
    def process(self) -> asyncio.subprocess.Process | None:
        """The gateway, once it has been started."""
        return self._group.process if self._group is not None else None

    @property
    def ls_process(self) -> psutil.Process:
        """The runtime, or the stand-in that runs apart."""
        assert self.process is not None
        watcher = Path(lifeline.SHELL).name
        (found,) = [one for one in psutil.Process(self.process.pid).children() if one.name() != watcher]
        return found

    @property
    def inspector_url(self) -> str:
        """The link that opens the inspector."""
        return f"{self.url}/inspector?token={self.inspector_token}"

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.output.append(line.decode(errors="replace").rstrip())
            del self.output[:-500]
            self.options.heard(self.output[-1])

    async def _wait_ready(self) -> None:
        """Wait for the ready file, then for ``GET /ready``; one that ended is an error at once."""
        assert self.process is not None
        deadline = asyncio.get_running_loop().time() + START_S
        while not self._ready.exists():
            if self.process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                if self._reader is not None and self.process.returncode is not None:
                    await self._reader
                raise StackError("the gateway did not start:\n" + "\n".join(self.output[-20:]))
            await asyncio.sleep(0.02)
        self.url = self._ready.read_text().strip()
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{self.url}/ready") as response:
                    if response.status == 200:
                        return
                    text = await response.text()
                if asyncio.get_running_loop().time() > deadline:
                    raise StackError(f"not ready: {text}")
                await asyncio.sleep(0.05)

    async def _envelope(self, upstream: str, ca: Path | None) -> bool:
        """Whether the upstream speaks v1internal. Asked with calls that start no generation."""
        if self.google is not None or self.options.api == "v1internal":
            return True
        if self.options.api == "public":
            return False
        verify: bool = ca is None and not is_loopback(urlsplit(upstream).hostname)
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=verify)) as session:
            try:
                async with session.post(f"{upstream}/v1internal:loadCodeAssist", json={"metadata": {}}) as answer:
                    if answer.status not in (404, 405):
                        return True
                async with session.get(f"{upstream}/v1internal:streamGenerateContent") as answer:
                    if answer.status != 404:
                        return True
                async with session.get(f"{upstream}/v1beta/models") as answer:
                    listed = json.loads(await answer.read()) if answer.status == 200 else None
                    return not (isinstance(listed, dict) and "models" in listed)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                return True

    async def stop(self) -> None:
        """Stop what was started."""
        await self._stop_gateway()
        if self.ls is not None:
            await self.ls.stop()
        if self.google is not None:
            await self.google.stop()
        self._folder.cleanup()

    async def _stop_gateway(self) -> None:
        if self._group is not None:
            await self._group.end(STOP_S)
        if self._reader is not None:
            await self._reader


def stand_in(*habits: str) -> list[str]:
    """The command that starts the stand-in of a language server, for ``ls_command``."""
    given = [word for habit in habits for word in ("--habit", habit)]
    return [sys.executable, "-m", "zerogravity", "simulate", "ls", "--stdin", *given]


def _clean(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment without the user's own settings and data, so that every run is alike."""
    (folder / "config.toml").touch()
    kept = {name: value for name, value in environment.items() if not name.startswith(USERS)}
    own = {"CONFIG": str(folder / "config.toml"), "DATA_DIR": str(folder / "data")}
    return {**kept, "PYTHONUNBUFFERED": "1", **{f"ZEROGRAVITY_{name}": value for name, value in own.items()}}

"""The process table → running language servers, probed: where they listen, what they offer, how they are routed.

Only processes of our own user are looked at, and only loopback is dialled. Tokens are read, used, never shown.
Facts: language-server-and-google A.1-A.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil

from zerogravity.backends.antigravity.client import LsClient
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.errors import not_logged_in
from zerogravity.core.turn import Model
from zerogravity.errors import Fault, FaultError
from zerogravity.hosts import is_loopback

Kind = Literal["core", "workspace", "simulator"]
RANK: dict[Kind, int] = {"core": 0, "workspace": 1, "simulator": 2}  # the lowest is preferred
PORT_FLAGS = ("https_server_port", "server_port")
LATER_PORT_FLAGS = ("http_server_port",)
FOREIGN_PORT_FLAGS = frozenset({"extension_server_port", "lsp_port"})  # the parent's, and one that speaks no RPC
TAKES_VALUE = frozenset({
    *PORT_FLAGS, *LATER_PORT_FLAGS, *FOREIGN_PORT_FLAGS, "csrf_token", "extension_server_csrf_token",
    "cloud_code_endpoint", "workspace_id",
})  # fmt: skip
PROBES = ("Heartbeat", "GetUnleashData", "GetUserStatus")
PROBE_S = 3.0
CERTIFICATE = Path("dist", "languageServer", "cert.pem")  # beside the binary's own folder


@dataclass(frozen=True, slots=True)
class Process:
    """One language server as the process table shows it. ``repointed``: ``cloud_code_endpoint`` is where we have
    pointed it since."""

    pid: int
    kind: Kind
    csrf: str = field(repr=False)
    ports: tuple[int, ...] = ()
    cloud_code_endpoint: str | None = None
    proxy: str | None = None
    environment_known: bool = True  # whether it could be read
    cert: Path | None = None
    started: float = 0.0
    repointed: bool = False

    @property
    def route(self) -> str:
        """How its calls to Google go out."""
        if self.repointed:
            return f"re-pointed to {self.cloud_code_endpoint} by zerogravity"
        if self.by_endpoint:
            return f"endpoint {self.cloud_code_endpoint}"
        if self.proxy:
            return f"proxy {without_credentials(self.proxy)}"
        where = self.cloud_code_endpoint or "Google"
        return f"straight to {where}" if self.environment_known else f"to {where}; its environment cannot be read"

    @property
    def by_endpoint(self) -> bool:
        """Whether it takes a port of this machine for Google."""
        return is_loopback(urlsplit(self.cloud_code_endpoint or "").hostname)

    @property
    def routed_here(self) -> bool:
        """Whether its calls go through a port of this machine, as they must to be captured."""
        return self.route_port is not None

    @property
    def route_port(self) -> int | None:
        """The port of this machine that its calls go through, if they do."""
        for target in (self.cloud_code_endpoint, self.proxy):
            parts = urlsplit(target or "")
            if is_loopback(parts.hostname):
                return parts.port or (443 if parts.scheme == "https" else 80)
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """One language server, probed. ``endpoint`` is None when no port answered as one; ``fault``: why it tells no
    models, which a login is needed for."""

    process: Process
    endpoint: Endpoint | None
    logged_in: bool = False
    models: tuple[Model, ...] = ()
    fault: Fault | None = None

    @property
    def trouble(self) -> Fault:
        """Of one that is not logged in: why, and what to do."""
        return self.fault or not_logged_in()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def kind(self) -> Kind:
        return self.process.kind


async def discover(*, csrf: str | None = None, cert: Path | None = None) -> Endpoint | None:
    """The language server to use: a core one before a per-workspace one before our own stand-in.

    ``csrf`` and ``cert``: given by the user, they override what the process table says.
    """
    for process in await _processes(csrf, cert):
        if (endpoint := await probe(process, pinned=cert is not None)) is not None:
            return endpoint
    return None


async def find_all(*, csrf: str | None = None, cert: Path | None = None) -> list[Found]:
    """Every language server of this user, best first, with its models and quotas; ``csrf`` and ``cert`` as above."""
    found = await _processes(csrf, cert)
    return list(await asyncio.gather(*(inspect_server(process, pinned=cert is not None) for process in found)))


async def _processes(csrf: str | None, cert: Path | None) -> list[Process]:
    found = await asyncio.to_thread(processes)
    return [replace(process, csrf=csrf or process.csrf, cert=cert or process.cert) for process in found]


def first_of(found: Sequence[Found]) -> Callable[[], Awaitable[Endpoint | None]]:
    """``discover`` among those that have been found already."""

    async def find() -> Endpoint | None:
        return next((one.endpoint for one in found if one.endpoint is not None), None)

    return find


async def inspect_server(process: Process, *, pinned: bool = False) -> Found:
    """Probe one process and ask it for its models."""
    endpoint = await probe(process, pinned=pinned)
    if endpoint is None:
        return Found(process, None)
    client = LsClient(endpoint)
    try:
        models = await client.models()
    except FaultError as error:
        return Found(process, endpoint, fault=error.fault)
    finally:
        await client.close()
    return Found(process, endpoint, logged_in=True, models=models)


async def probe(process: Process, *, pinned: bool = False) -> Endpoint | None:
    """The first port that answers as a language server, over TLS first. Its own certificate is pinned if it fits; it
    must fit if ``pinned``."""
    for scheme in ("https", "http"):
        for port in process.ports:
            url = f"{scheme}://127.0.0.1:{port}"
            certs = (None,) if scheme == "http" else (process.cert,) if pinned else (process.cert, None)
            for cert in dict.fromkeys(certs):
                endpoint = Endpoint(url, process.csrf, cert, process.pid, process.kind)
                if await _answers(endpoint):
                    return endpoint
    return None


async def _answers(endpoint: Endpoint) -> bool:
    client = LsClient(endpoint)
    try:
        for method in PROBES:
            try:
                await client.call(method, {}, timeout=PROBE_S)
                return True
            except FaultError as error:
                if error.fault.code == "ls_gone":  # no server there, or one that does not speak this
                    return False
        return False
    finally:
        await client.close()


# -- the process table -------------------------------------------------------------------------------------------


def processes() -> list[Process]:
    """The language servers of this user, best first: by kind, then routed through this machine, then the newest."""
    me = psutil.Process().username()
    found: list[Process] = []
    for candidate in psutil.process_iter(["pid", "username", "cmdline", "create_time"]):
        info = candidate.info
        kind = kind_of(info["cmdline"] or ())
        if kind is not None and info["username"] == me:
            found.append(_read(candidate, kind))
    return sorted(found, key=lambda one: (RANK[one.kind], not one.routed_here, -one.started))


def kind_of(command: Sequence[str]) -> Kind | None:
    """What a command line starts, if it is a language server (or our stand-in)."""
    if not command:
        return None
    if basename(command[0]).startswith("language_server"):
        return "workspace" if "workspace_id" in flags_of(command) else "core"
    ours = any("zerogravity" in argument for argument in command[:4])
    return "simulator" if ours and ("simulate", "ls") in pairwise(command) else None


def flags_of(command: Sequence[str]) -> dict[str, str]:
    """Go's flags: one or two dashes, then ``=value`` or the next argument; a flag without a value is ``""``."""
    flags: dict[str, str] = {}
    position = 1
    while position < len(command):
        argument = command[position]
        position += 1
        if not argument.startswith("-"):
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        name = name.replace("-", "_")
        if not equals and name in TAKES_VALUE and position < len(command):
            value = command[position]
            position += 1
        flags[name] = value
    return flags


def ports_of(flags: Mapping[str, str], listening: Iterable[int]) -> tuple[int, ...]:
    """Ports to probe, likeliest first: named ones, listening ones in the order they were opened, plain HTTP."""
    foreign = {port for name in FOREIGN_PORT_FLAGS if (port := _port(flags.get(name)))}
    named = [_port(flags.get(name)) for name in PORT_FLAGS]
    later = [_port(flags.get(name)) for name in LATER_PORT_FLAGS]
    middle = [port for port in listening if port not in later]
    return tuple(dict.fromkeys(port for port in (*named, *middle, *later) if port and port not in foreign))


def describe(found: Iterable[Found]) -> list[str]:
    """Lines for a person: ``zerogravity ls``."""
    lines: list[str] = []
    for one in found:
        process, endpoint = one.process, one.endpoint
        ports = ", ".join(map(str, process.ports)) or "none"
        lines.append(f"pid {process.pid}  {process.kind}  ports {ports}")
        lines.append(f"  answers  {endpoint.url if endpoint is not None else f'no: {why_silent(process)}'}")
        if endpoint is not None:
            pinned = "pinned to its own certificate" if endpoint.cert is not None else "loopback, not verified"
            lines.append(f"  tls      {pinned if endpoint.url.startswith('https') else 'none'}")
            lines.append(f"  token    {endpoint.masked_csrf}")
            trouble = "" if one.logged_in else f"no: {one.trouble.message}. {one.trouble.remedy}"
            lines.append(f"  login    {trouble or 'yes'}")
        lines.append(f"  route    {process.route}")
        for model in one.models:
            left = "quota unknown or used up" if model.left is None else f"{model.left:.0%} of its quota left"
            resets = f", resets {_utc(model.resets)}" if model.resets is not None else ""
            lines.append(f"  model    {model.shown} ({model.name}): {left}{resets}")
    return lines


def why_silent(process: Process) -> str:
    """Why none of its ports has answered."""
    if process.ports and not process.csrf:
        return "its token is not in its command line; set ZEROGRAVITY_LS_CSRF"
    return "no port speaks the protocol"


def as_json(one: Found) -> dict[str, object]:
    """The same for a program: ``zerogravity ls --json``."""
    process, endpoint = one.process, one.endpoint
    return {
        "pid": process.pid,
        "kind": process.kind,
        "ports": list(process.ports),
        "url": None if endpoint is None else endpoint.url,
        "logged_in": one.logged_in,
        "route": process.route,
        "routed_here": process.routed_here,
        "models": [
            {
                "name": model.name, "label": model.shown, "quota_left": model.left,
                "quota_resets": None if model.resets is None else _utc(model.resets),
            }
            for model in one.models
        ],
    }  # fmt: skip


def _utc(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%FT%TZ")


def without_credentials(url: str) -> str:
    """A proxy URL without its user and password."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def basename(program: str) -> str:
    """The file name of a program, on any system."""
    return program.replace("\\", "/").rpartition("/")[2]


def _read(candidate: psutil.Process, kind: Kind) -> Process:
    flags = flags_of(candidate.info["cmdline"])
    environment = _environment(candidate)
    proxy = next((environment[name] for name in ("HTTPS_PROXY", "https_proxy") if environment.get(name)), None)
    return Process(
        pid=candidate.pid,
        kind=kind,
        csrf=flags.get("csrf_token", ""),
        ports=ports_of(flags, listening(candidate)),
        cloud_code_endpoint=flags.get("cloud_code_endpoint") or None,
        proxy=proxy,
        environment_known=bool(environment),
        cert=_certificate(candidate),
        started=candidate.info["create_time"] or 0.0,
    )


def listening(candidate: psutil.Process) -> list[int]:
    """Listening TCP ports in the order they were opened (by file descriptor); none without permission to look."""
    try:
        connections = candidate.net_connections(kind="tcp")
    except psutil.Error:
        return []
    listening = [one for one in connections if one.status == psutil.CONN_LISTEN and one.laddr]
    return list(dict.fromkeys(one.laddr.port for one in sorted(listening, key=lambda one: one.fd)))


def _environment(candidate: psutil.Process) -> dict[str, str]:
    try:
        return candidate.environ()
    except (psutil.Error, OSError):
        return {}


def _certificate(candidate: psutil.Process) -> Path | None:
    """``<extension>/dist/languageServer/cert.pem`` of a binary ``<extension>/bin/language_server_…``."""
    try:
        binary = candidate.exe()
    except (psutil.Error, OSError):
        return None
    file = Path(binary).parent.parent / CERTIFICATE
    return file if binary and file.is_file() else None


def _port(text: str | None) -> int:
    """A port from a flag; 0 when there is none."""
    return int(text) if text and text.isascii() and text.isdigit() and int(text) <= 65535 else 0

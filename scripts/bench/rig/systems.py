"""The processes of the rig: one Google, one client, bare mitmdump, and for each tree a gateway with a language server.

The gateway is ``zerogravity serve`` in reverse mode, as a person runs it, with limits as wide as the bursts need.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rig import cost, profile, wire
from zerogravity import certs, lifeline
from zerogravity.hosts import free_port
from zerogravity.testing.simulator.http import tls

BENCH = Path(__file__).resolve().parents[1]
ROOT = BENCH.parents[1]
CSRF = "bench"
START_S = 60.0
ROOM = 2 << 30  # bytes that the gateways may write
LOG = 2000  # characters of a log that are shown after a failure
USERS = ("ZEROGRAVITY_", "OTEL_", "GOOGLE_GENAI_USE_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
WIDE = {  # limits that a burst of 1,000 turns needs, a turn of 100,000 events, and traces that none of them is swept
    "ZEROGRAVITY_LIMITS_TURNS": "1024", "ZEROGRAVITY_LIMITS_WAITING": "1024", "ZEROGRAVITY_LIMITS_REQUESTS": "2048",
    "ZEROGRAVITY_LIMITS_PEER_CONNECTIONS": "2048", "ZEROGRAVITY_LIMITS_TURN_BYTES": str(256 << 20),
    "ZEROGRAVITY_TRACE_BYTES": str(ROOM),
}  # fmt: skip
STREAM_ADDON = """
def responseheaders(flow):
    flow.response.stream = True
def requestheaders(flow):
    flow.request.headers.pop("accept-encoding", None)
"""


@dataclass(frozen=True, slots=True)
class System:
    """Something that a client can ask. ``pid``: the process whose cost counts; ``ls``: its language server's."""

    name: str
    surface: str
    url: str
    pid: int | None = None
    ls: int | None = None


@dataclass(slots=True)
class Gateway:
    """One that runs."""

    name: str
    url: str
    pid: int
    ls: int

    def system(self, surface: str) -> System:
        return System(f"{self.name}{surface}", surface, self.url, self.pid, self.ls)


@dataclass(slots=True)
class Rig:
    """What runs for all rows.

    ``trees``: name → checkout. ``settings``: name → environment of its gateway. ``profiles``: file for what each of
    them spent its time with. ``starts``: for each start of a gateway the seconds until it answered ``/ready`` with 200,
    and its seconds of CPU.
    """

    folder: Path
    trees: Mapping[str, Path]
    google: str
    bare: tuple[str, int]
    client: asyncio.subprocess.Process
    gateways: dict[str, Gateway] = field(default_factory=dict[str, Gateway])
    starts: dict[str, list[tuple[float, float]]] = field(default_factory=dict[str, list[tuple[float, float]]])
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    profiles: Path | None = None

    @property
    def direct(self) -> System:
        return System("direct", "google", self.google)

    @property
    def mitmdump(self) -> System:
        url, pid = self.bare
        return System("bare", "google", url, pid)

    def ours(self, *surfaces: str) -> list[System]:
        """Each surface of each gateway."""
        return [gateway.system(surface) for surface in surfaces for gateway in self.gateways.values()]

    async def ask(self, system: System, **work: Any) -> dict[str, Any]:
        """Let the client do a piece of work."""
        order = {
            "surface": system.surface, "url": system.url, "pid": system.pid, "google": self.google,
            "size": 0, "count": 1, **work,
        }  # fmt: skip
        assert self.client.stdin is not None
        self.client.stdin.write(json.dumps(order).encode() + b"\n")
        return json.loads(await _line(self.client, "the client"))

    def logs(self) -> str:
        """What the gateways have said last."""
        return "".join(f"\n{file.read_text()[-LOG:]}" for file in self.folder.glob("*/log"))

    @asynccontextmanager
    async def gateway(self, name: str, **settings: str) -> AsyncIterator[Gateway]:
        """A new one of the tree ``name``, with a language server of its own. ``settings``: of its environment."""
        port, folder = free_port(), Path(tempfile.mkdtemp(dir=self.folder))
        async with AsyncExitStack() as stack:
            arguments = str(self.folder / "ls.pem"), CSRF, f"http://127.0.0.1:{port}"
            ls = await stack.enter_async_context(part("rig.language_server", *arguments))
            ls_port = int(await _line(ls, "the language server"))
            began = time.monotonic()
            command, raw = self._serve(port, f"https://127.0.0.1:{ls_port}"), folder / "profile"
            if self.profiles is not None:
                command = profile.command(command, raw)
                stack.callback(self._profiled, name, raw)
            env = {
                **environment(), **WIDE, "ZEROGRAVITY_READY_FILE": str(folder / "ready"),
                "ZEROGRAVITY_LS_CSRF": CSRF, "ZEROGRAVITY_DATA_DIR": str(folder / "data"),
                "ZEROGRAVITY_CONFIG": str(self.folder / "config.toml"), "PYTHONPATH": str(self.trees[name]),
                **settings, **self.settings.get(name, {}),
            }  # fmt: skip
            log = stack.enter_context((folder / "log").open("wb"))
            options = {"env": env, "cwd": self.trees[name], "stdout": log, "stderr": log}
            process = await stack.enter_async_context(running(*command, **options))
            url = await _ready(folder / "ready", process, folder / "log")
            took = time.monotonic() - began, cost.cpu(process.pid)
            self.starts.setdefault(name, []).append(took)
            if self.profiles is not None:
                await stack.enter_async_context(profile.sampled(process.pid, raw))
            yield Gateway(name, url, process.pid, ls.pid)

    def _profiled(self, name: str, raw: Path) -> None:
        assert self.profiles is not None
        with self.profiles.open("a") as file:
            file.write(f"# the gateway of {self.trees[name]}\n{profile.summary(raw)}\n")

    def _serve(self, port: int, ls: str) -> list[str]:
        settings = f"confdir={self.folder / 'ca'}", f"ssl_verify_upstream_trusted_ca={self.folder / 'google-ca.pem'}"
        return [
            sys.executable, "-m", "zerogravity", "serve", "-q", "--listen", "127.0.0.1:0", "--proxy-port", str(port),
            "--google", self.google, "--ls-url", ls, *(word for one in settings for word in ("--set", one)),
        ]  # fmt: skip


@asynccontextmanager
async def rig(
    trees: Mapping[str, Path], settings: Mapping[str, Mapping[str, str]], profiles: Path | None = None
) -> AsyncIterator[Rig]:
    """Everything, with one gateway of each tree."""
    async with AsyncExitStack() as stack:
        made_in = tempfile.TemporaryDirectory(prefix="zerogravity-bench-", dir=_memory())
        folder = Path(stack.enter_context(made_in))
        (folder / "config.toml").touch()
        certs.create(folder / "ca", now=datetime.now(UTC), days=1)
        google_identity, ls_identity = tls.authority_signed(), tls.self_signed()
        (folder / "google-ca.pem").write_bytes(google_identity.ca_pem)
        for name, identity in (("google.pem", google_identity), ("ls.pem", ls_identity)):
            (folder / name).write_bytes(identity.key_pem + identity.chain_pem)
        google = await stack.enter_async_context(part("rig.google", str(folder / "google.pem")))
        google_url = f"https://127.0.0.1:{int(await _line(google, 'Google'))}"
        client = await stack.enter_async_context(part("rig.client"))
        await _line(client, "the client")
        bare = await stack.enter_async_context(bare_mitmdump(google_url, folder))
        made = Rig(folder, trees, google_url, bare, client, settings=settings, profiles=profiles)
        for name in trees:
            made.gateways[name] = await stack.enter_async_context(made.gateway(name))
        yield made


@asynccontextmanager
async def bare_mitmdump(google: str, folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Stock mitmdump in reverse mode, with response streaming and nothing else; its URL and pid."""
    port, addon = free_port(), folder / "stream.py"
    addon.write_text(STREAM_ADDON)
    command = [
        str(Path(sys.executable).parent / "mitmdump"), "-q", "-s", str(addon),
        "--mode", f"reverse:{google}@127.0.0.1:{port}", "--set", f"confdir={folder / 'ca'}",
        "--set", f"ssl_verify_upstream_trusted_ca={folder / 'google-ca.pem'}", "--set", "connection_strategy=lazy",
    ]  # fmt: skip
    async with running(*command, env=environment()) as process:
        async with asyncio.timeout(START_S):
            while not await _listens(port):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}", process.pid


def part(module: str, *arguments: str) -> Any:
    """A process of the rig itself."""
    env = {**environment(), "PYTHONPATH": os.pathsep.join((str(BENCH), str(ROOT)))}
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "limit": 64 << 20}
    return running(sys.executable, "-m", module, *arguments, env=env, **pipes)


@asynccontextmanager
async def running(*command: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that ends with the block, or with us."""
    group = await lifeline.start(*command, **{"stdin": asyncio.subprocess.DEVNULL, **options})
    try:
        yield group.process
    finally:
        await group.end(5)


def environment() -> dict[str, str]:
    """Without the settings of the person who measures; modules are compiled once, as where it is installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(USERS)}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _memory() -> Path | None:
    """Where files are in memory, unless ``TMPDIR`` says where to put them: on a disk from which much is being deleted,
    ext4 takes hundreds of us of CPU for each new file, which is none of ours (measured: 345 instead of 14)."""
    memory = Path("/dev/shm")
    given = "TMPDIR" in os.environ or not memory.is_dir()
    return None if given or shutil.disk_usage(memory).free < ROOM else memory


async def _line(process: asyncio.subprocess.Process, name: str) -> bytes:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise SystemExit(f"{name} has ended")
    return line


async def _ready(file: Path, process: asyncio.subprocess.Process, log: Path) -> str:
    """The gateway's URL, once it answers ``/ready`` with 200."""
    async with asyncio.timeout(START_S):
        while not file.exists() or not (url := file.read_text().strip()):
            if process.returncode is not None:
                raise SystemExit(f"the gateway did not start:\n{log.read_text()}")
            await asyncio.sleep(0.01)
        pool = wire.Pool(url)
        while await pool.ask(b"/ready", b"", b"", lambda _: None, b"GET") != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        pool.close()
    return url


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True

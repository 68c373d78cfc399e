"""Finding language servers: command lines, ports, whose they are, which is preferred, probing over real sockets."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from zerogravity.backends.antigravity import discover as module
from zerogravity.backends.antigravity.client import Endpoint
from zerogravity.backends.antigravity.discover import (
    Found,
    Process,
    describe,
    discover,
    find_all,
    flags_of,
    inspect_server,
    kind_of,
    ports_of,
    probe,
    processes,
    without_credentials,
)
from zerogravity.testing.simulator.http import tls
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

TOKEN = "5f0c3c1e-0000-4000-8000-0000000000e1"
LS = "/opt/app/resources/app/extensions/antigravity/bin/language_server_linux_x64"

# -- command lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (["ls", "--csrf_token", "t", "--enable_lsp"], {"csrf_token": "t", "enable_lsp": ""}),
        (["ls", "-csrf_token", "t"], {"csrf_token": "t"}),
        (["ls", "--csrf_token=t", "-https_server_port=42100"], {"csrf_token": "t", "https_server_port": "42100"}),
        (["ls", "--csrf-token", "t"], {"csrf_token": "t"}),
        (["ls", "--csrf_token", "-odd"], {"csrf_token": "-odd"}),
        (["ls", "--enable_lsp", "--csrf_token"], {"enable_lsp": "", "csrf_token": ""}),
        (["ls", "--cloud_code_endpoint=http://127.0.0.1:1?a=b"], {"cloud_code_endpoint": "http://127.0.0.1:1?a=b"}),
        (["ls", "word", "--standalone=false"], {"standalone": "false"}),
        (["--csrf_token", "t"], {}),
        ([], {}),
    ],
)
def test_flags(command: list[str], flags: dict[str, str]) -> None:
    assert flags_of(command) == flags


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ([LS, "--csrf_token", "t", "--persistent_mode"], "core"),
        ([LS, "--enable_lsp", "--workspace_id", "file_home_me"], "workspace"),
        (["C:\\app\\language_server_windows_x64.exe", "-workspace_id=x"], "workspace"),
        (["language_server_macos_arm"], "core"),
        (["/usr/bin/python3", "-m", "zerogravity", "simulate", "ls", "--csrf_token", "t"], "simulator"),
        (["python", "/venv/bin/zerogravity", "simulate", "ls"], "simulator"),
        (["python", "-m", "zerogravity", "simulate", "google"], None),
        (["python", "-m", "zerogravity", "ls", "simulate"], None),
        (["python", "-m", "other", "simulate", "ls"], None),
        (["grep", "language_server_linux_x64"], None),
        (["bash", "-c", LS], None),
        ([], None),
    ],
)
def test_kinds(command: list[str], kind: str | None) -> None:
    assert kind_of(command) == kind


@pytest.mark.parametrize(
    ("flags", "open_ports", "ports"),
    [
        ({}, [5, 4, 6], (5, 4, 6)),
        ({"https_server_port": "4"}, [5, 4, 6], (4, 5, 6)),
        ({"server_port": "42100"}, [], (42100,)),
        ({"http_server_port": "5"}, [4, 5, 6], (4, 6, 5)),
        ({"lsp_port": "5", "extension_server_port": "9"}, [4, 5, 9], (4,)),
        ({"https_server_port": "x", "server_port": "70000", "http_server_port": "0"}, [4], (4,)),
    ],
)
def test_ports(flags: dict[str, str], open_ports: list[int], ports: tuple[int, ...]) -> None:
    assert ports_of(flags, open_ports) == ports


@pytest.mark.parametrize(
    ("fields", "route", "here"),
    [
        ({"cloud_code_endpoint": "http://127.0.0.1:8742"}, "endpoint http://127.0.0.1:8742", True),
        ({"proxy": "http://127.0.0.1:8742"}, "proxy http://127.0.0.1:8742", True),
        ({"proxy": "http://me:secret@proxy.example:3128"}, "proxy http://proxy.example:3128", False),
        ({"cloud_code_endpoint": "https://daily-cloudcode-pa.googleapis.com"},
         "straight to https://daily-cloudcode-pa.googleapis.com", False),
        ({}, "straight to Google", False),
        ({"environment_known": False}, "to Google; its environment cannot be read", False),
    ],
)  # fmt: skip
def test_routes(fields: dict[str, Any], route: str, here: bool) -> None:
    process = Process(1, "core", TOKEN, **fields)
    assert (process.route, process.routed_here) == (route, here)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@proxy.example:3128", "http://proxy.example:3128"),
        ("me:s@cret@proxy.example:3128", "proxy.example:3128"),
        ("http://proxy.example", "http://proxy.example"),
    ],
)
def test_a_proxys_credentials_are_not_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


# -- the process table -------------------------------------------------------------------------------------------


class Entry:
    """A process as psutil shows it."""

    def __init__(
        self, pid: int, command: list[str] | None, *, user: str = "me", started: float = 0.0,
        env: dict[str, str] | None = None, ports: list[tuple[int, int]] | None = None, exe: str = "",
    ) -> None:  # fmt: skip
        self.pid = pid
        self.info = {"pid": pid, "username": user, "cmdline": command, "create_time": started}
        self._env, self._ports, self._exe = env, ports, exe

    def username(self) -> str:
        return "me"

    def environ(self) -> dict[str, str]:
        if self._env is None:
            raise psutil.AccessDenied(self.pid)
        return self._env

    def net_connections(self, kind: str) -> list[Any]:
        if self._ports is None:
            raise psutil.AccessDenied(self.pid)
        made = [
            SimpleNamespace(status=psutil.CONN_LISTEN, laddr=SimpleNamespace(port=port), fd=fd)
            for fd, port in self._ports
        ]
        talk = SimpleNamespace(status=psutil.CONN_ESTABLISHED, laddr=SimpleNamespace(port=1), fd=1)
        return [talk, *made]

    def exe(self) -> str:
        if not self._exe:
            raise psutil.NoSuchProcess(self.pid)
        return self._exe


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Entry]]:
    entries: list[Entry] = []
    monkeypatch.setattr(psutil, "process_iter", lambda _: iter(entries))
    monkeypatch.setattr(psutil, "Process", lambda: Entry(0, []))
    yield entries


def test_the_best_comes_first(table: list[Entry]) -> None:
    table += [
        Entry(1, ["python", "-m", "zerogravity", "simulate", "ls"], started=9),
        Entry(2, [LS, "--workspace_id", "a"], started=8),
        Entry(3, [LS], started=1),
        Entry(4, [LS], started=2),
        Entry(5, [LS, "--cloud_code_endpoint", "http://127.0.0.1:1"], started=0),
        Entry(6, [LS], user="somebody else"),
        Entry(7, None),
        Entry(8, ["vim"]),
    ]
    assert [process.pid for process in processes()] == [5, 4, 3, 2, 1]


def test_what_is_read_of_a_process(table: list[Entry], tmp_path: Path) -> None:
    binary = tmp_path / "bin" / "language_server_linux_x64"
    certificate = tmp_path / "dist" / "languageServer" / "cert.pem"
    certificate.parent.mkdir(parents=True)
    certificate.write_text("x")
    command = [str(binary), "--csrf_token", TOKEN, "--https_server_port", "42100"]
    env = {"HTTPS_PROXY": "http://127.0.0.1:8742"}
    table.append(Entry(7, command, env=env, ports=[(9, 50001), (7, 42100), (8, 42101)], exe=str(binary), started=3))
    assert processes() == [
        Process(7, "core", TOKEN, (42100, 42101, 50001), None, "http://127.0.0.1:8742", True, certificate, 3.0)
    ]
    assert TOKEN not in repr(processes())


def test_a_process_that_may_not_be_read(table: list[Entry]) -> None:
    table.append(Entry(7, [LS, "--csrf_token", TOKEN, "--server_port", "42100"]))
    assert processes() == [Process(7, "core", TOKEN, (42100,), None, None, False, None, 0.0)]


# -- probing -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[LanguageServerSimulator]:
    async with LanguageServerSimulator(LsOptions(csrf=TOKEN, **options)) as simulator:
        yield simulator


async def test_the_port_that_answers_is_found(unused_tcp_port: int) -> None:
    lines: list[bytes] = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.read(3))
        writer.close()

    other = await asyncio.start_server(deaf, "127.0.0.1", 0)
    async with other, running(http_port=0) as ls:
        process = Process(7, "core", TOKEN, (unused_tcp_port, other.sockets[0].getsockname()[1], ls.port, ls.http_port))
        endpoint = await probe(process)
    assert endpoint == Endpoint(ls.url, TOKEN, None, 7, "core")
    assert lines


async def test_plain_http_if_there_is_nothing_better() -> None:
    async with running(http_port=0) as ls:
        endpoint = await probe(Process(7, "workspace", TOKEN, (ls.http_port,)))
    assert endpoint == Endpoint(ls.http_url, TOKEN, None, 7, "workspace")


async def test_the_certificate_is_pinned_if_it_fits(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    async with running() as ls:
        file.write_bytes(ls.certificate_pem)
        endpoint = await probe(Process(7, "core", TOKEN, (ls.port,), cert=file))
        assert endpoint is not None and endpoint.cert == file
    async with running() as ls:
        endpoint = await probe(Process(7, "core", TOKEN, (ls.port,), cert=file))
        assert endpoint is not None and endpoint.cert is None


@pytest.mark.parametrize("missing", [{"Heartbeat"}, {"Heartbeat", "GetUnleashData"}])
async def test_other_methods_are_tried(missing: set[str]) -> None:
    async with running(missing=frozenset(missing)) as ls:
        assert await probe(Process(7, "core", TOKEN, (ls.port,))) is not None


async def test_a_wrong_token_is_no_answer() -> None:
    async with running() as ls:
        assert await probe(Process(7, "core", "wrong", (ls.port,))) is None


async def test_nothing_found(table: list[Entry]) -> None:
    assert await discover() is None
    assert await find_all() == []


async def test_the_next_best_if_the_best_does_not_answer(table: list[Entry], unused_tcp_port: int) -> None:
    async with running() as ls:
        table += [
            Entry(1, [LS, "--csrf_token", TOKEN, "--https_server_port", str(unused_tcp_port)]),
            Entry(2, [LS, "--workspace_id=a", f"--csrf_token={TOKEN}"], ports=[(3, ls.port)]),
        ]
        endpoint = await discover()
        found = await find_all()
    assert endpoint == Endpoint(ls.url, TOKEN, None, 2, "workspace")
    assert [(one.pid, one.endpoint is not None) for one in found] == [(1, False), (2, True)]


async def test_given_token_and_certificate_win(table: list[Entry], tmp_path: Path) -> None:
    """A token, and a certificate that nothing unverified stands in for."""
    given, other = tmp_path / "given.pem", tmp_path / "other.pem"
    async with running() as ls:
        table.append(Entry(1, [LS, "--csrf_token", "not-it-at-all"], ports=[(3, ls.port)]))
        given.write_bytes(ls.certificate_pem)
        other.write_bytes(tls.self_signed().chain_pem)
        assert await discover() is None
        assert await discover(csrf=TOKEN) == Endpoint(ls.url, TOKEN, None, 1, "core")
        assert await discover(csrf=TOKEN, cert=given) == Endpoint(ls.url, TOKEN, given, 1, "core")
        assert await discover(csrf=TOKEN, cert=other) is None


async def test_a_description_for_people() -> None:
    async with running(quotas={"MODEL_PLACEHOLDER_M18": 0}) as ls:
        route = {"cloud_code_endpoint": "http://127.0.0.1:8742"}
        found = await inspect_server(Process(7, "core", TOKEN, (ls.port,), **route))
    assert found.logged_in
    text = "\n".join(describe([found, Found(Process(8, "workspace", TOKEN), None)]))
    for part in (
        f"pid 7  core  ports {ls.port}", f"answers  {ls.url}", "tls      loopback, not verified", "token    5f0c…",
        "login    yes", "route    endpoint http://127.0.0.1:8742",
        "Gemini 3 Flash (MODEL_PLACEHOLDER_M18): quota unknown",
        "83% of its quota left, resets 20", "pid 8  workspace  ports none", "answers  no",
    ):  # fmt: skip
        assert part in text
    assert TOKEN not in text
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    ("auth", "why"),
    [({}, "Open the editor, log in"), ({"licenseRequired": {}}, "this account has no licence for Antigravity. Have")],
)
async def test_a_server_without_a_login(auth: dict[str, Any], why: str) -> None:
    async with running(logged_in=False, auth=auth) as ls:
        found = await inspect_server(Process(7, "core", TOKEN, (ls.port,)))
    assert found.endpoint is not None
    assert (found.logged_in, found.models) == (False, ())
    (line,) = [line for line in describe([found]) if line.startswith("  login    no: ")]
    assert why in line


async def test_a_real_process_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The stand-in under the real one's name, with the real one's flags; found among all processes of this machine."""
    site = ":".join([str(Path(__file__).resolve().parents[2]), *(path for path in sys.path if "site-packages" in path)])
    env = {**os.environ, "PYTHONPATH": site, "HTTPS_PROXY": "http://127.0.0.1:9"}
    process = await asyncio.create_subprocess_exec(
        str(tmp_path / "language_server_linux_x64"), "-m", "zerogravity", "simulate", "ls", "--csrf_token", TOKEN,
        "--enable_lsp", "--workspace_id", "file_home_me", "--http_server_port", "0",
        executable=sys.executable, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        monkeypatch.setattr(module, "processes", lambda: [one for one in processes() if one.pid == process.pid])
        endpoint = await module.discover()
        (found,) = await module.find_all()
    finally:
        process.terminate()
        await process.communicate()
    assert endpoint == Endpoint(url, TOKEN, None, process.pid, "workspace")
    assert len(found.process.ports) == 2
    assert found.process.route == "proxy http://127.0.0.1:9"
    assert found.models

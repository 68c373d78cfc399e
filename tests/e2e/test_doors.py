"""The proxy is no way around the front server: modes × ways to name a target × targets, with a real mitmdump."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
import pytest_asyncio
from cryptography import x509

from tests.ports import free_port
from tests.running import URL, Command, command, mitmdump
from zerogravity.testing.simulator.http import tls

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

GOOGLE = "daily-cloudcode-pa.googleapis.com"
REFUSED = re.compile(rb"HTTP/1\.1 403 .*leads back", re.DOTALL)
FRONT = "/v1/reached-the-front"  # what the front server would log
# Names that a resolver of somebody else's tells: ours, and one that has changed when the connection is made.
ADDON = f"""
import socket, sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
real, asked = socket.getaddrinfo, []
def resolve(host, *rest, **more):
    if host == "rebound.example":
        asked.append(host)
        host = "127.0.0.1" if len(asked) % 3 == 0 else "203.0.113.7"
    if host.lower() in ("ours.example", {GOOGLE!r}):
        host = "127.0.0.1"
    return real(host, *rest, **more)
socket.getaddrinfo = resolve
from zerogravity.capture.addon import Capture
addons = [Capture()]
"""


class Server:
    """Somebody else's: keeps what it is sent, answers anything with 200."""

    def __init__(self) -> None:
        self.received = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            while data := await reader.read(65536):
                self.received += data
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                await writer.drain()
        writer.close()


@asynccontextmanager
async def somebody(host: str = "127.0.0.1", identity: tls.Identity | None = None) -> AsyncIterator[Server]:
    server = Server()
    context = identity.server_context() if identity else None
    listening = await asyncio.start_server(server.serve, host, 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


@dataclass(slots=True)
class House:
    """One mitmdump with every mode that can be asked here, and who stands around it."""

    dump: Command
    front: int
    proxies: dict[str, int]
    other: Server
    secure: Server
    parent: Server
    identity: tls.Identity
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    addon = folder / "addon.py"
    addon.write_text(ADDON)
    identity = tls.authority_signed(["localhost", "127.0.0.1", GOOGLE])
    async with somebody() as other, somebody() as parent, somebody(identity=identity) as secure:
        proxies = {mode: free_port() for mode in ("regular", "socks5", "upstream", "reverse")}
        data = {"upstream": f":http://127.0.0.1:{parent.port}", "reverse": f":http://127.0.0.1:{other.port}"}
        modes = [f"--mode={mode}{data.get(mode, '')}@{port}" for mode, port in proxies.items()]
        settings = ("zg_listen=127.0.0.1:0", "zg_ls_url=http://127.0.0.1:9", "ssl_insecure=true")
        arguments = [*modes, *(word for setting in settings for word in ("--set", setting))]
        async with mitmdump(folder, *arguments, addon=addon) as dump:
            front = int((await dump.until(URL))[1].rpartition(":")[2])
            yield House(dump, front, proxies, other, secure, parent, identity, folder)
            dump.process.terminate()
            assert await dump.ended() == 0
    assert FRONT not in dump.output, "something has reached the front server"
    assert "Traceback" not in dump.output


# -- ways to ask ---------------------------------------------------------------------------------------------------


async def talk(port: int, *sent: bytes, until: bytes | None = None, host: str = "127.0.0.1") -> bytes:
    """Everything that comes back. ``until``: what has to come before the rest is sent."""
    reader, writer = await asyncio.open_connection(host, port)
    came = b""
    try:
        async with asyncio.timeout(30):
            for part in sent:
                writer.write(part)
                came += await answer(reader)
                if until is not None and until not in came:
                    break
    except OSError:
        pass
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return came


async def answer(reader: asyncio.StreamReader) -> bytes:
    """A whole HTTP answer, or what else has come; nothing at the end."""
    came = b""
    while data := await reader.read(65536):
        came += data
        head, blank, body = came.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not came.startswith(b"HTTP/") or (blank and len(body) >= int(length[1] if length else 0)):
            break
    return came


def get(target: str, *, host: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: {host or 'x'}\r\nConnection: close\r\n\r\n".encode()


def authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def absolute(proxy: int, host: str, port: int) -> bytes:
    return await talk(proxy, get(f"http://{authority(host, port)}{FRONT}"))


async def connect(proxy: int, host: str, port: int) -> bytes:
    opening = f"CONNECT {authority(host, port)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    return await talk(proxy, opening, get(FRONT), until=b" 200 ")


async def http2(proxy: int, host: str, port: int) -> bytes:
    """``:authority``, to the proxy over TLS; as if it were HTTP/1."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    asked = {":method": "GET", ":scheme": "http", ":authority": authority(host, port), ":path": FRONT}
    connection.send_headers(1, list(asked.items()), end_stream=True)
    status, body, ended = "", b"", False
    try:
        async with asyncio.timeout(30):
            while not ended:
                writer.write(connection.data_to_send())
                data = await reader.read(65536)
                if not data:
                    break
                for event in connection.receive_data(data):
                    match event:
                        case h2.events.ResponseReceived():
                            status = dict(event.headers)[":status"]
                        case h2.events.DataReceived():
                            body += event.data
                        case h2.events.StreamEnded() | h2.events.StreamReset():
                            ended = True
                        case _:
                            pass
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    return f"HTTP/1.1 {status} \r\n\r\n".encode() + body


async def socks(proxy: int, host: str, port: int) -> bytes:
    """By name, as it stands there."""
    name = host.encode()
    wanted = b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big")
    came = await talk(proxy, b"\x05\x01\x00", wanted, get(FRONT), until=b"\x05\x00")
    return came.removeprefix(b"\x05\x00").removeprefix(b"\x05\x00\x00\x01" + bytes(6))


NAMES = [
    "127.0.0.1", "127.1", "127.9.9.9", "0x7f.1", "2130706433", "0177.0.0.1", "0.0.0.0", "localhost", "LocalHost",
    "localhost.", "::1", "::", "::ffff:127.0.0.1", "ours.example",
]  # fmt: skip
WAYS: dict[str, tuple[str, Callable[[int, str, int], object]]] = {
    "absolute": ("regular", absolute),
    "CONNECT": ("regular", connect),
    "HTTP/2": ("regular", http2),
    "upstream": ("upstream", absolute),
    "upstream CONNECT": ("upstream", connect),
    "socks5": ("socks5", socks),
}


def own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.7", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


@pytest.mark.parametrize("way", WAYS)
async def test_our_own_ports_are_refused_by_any_name(house: House, way: str) -> None:
    mode, ask = WAYS[way]
    before = house.parent.received
    names = [*NAMES, *([own] if (own := own_address()) else [])]
    for port in (house.front, house.proxies["reverse"]):
        for name in names:
            came = await ask(house.proxies[mode], name, port)
            if way == "socks5":  # it has no word for this once the way is open
                assert came == b"", (name, came)
            else:
                assert REFUSED.match(came), (name, came)
    assert house.parent.received == before


@pytest.mark.parametrize("way", WAYS)
async def test_others_are_reached(house: House, way: str) -> None:
    mode, ask = WAYS[way]
    came = await ask(house.proxies[mode], "127.0.0.1", house.other.port)
    assert b" 200 " in came[:15], came
    assert b"hello" in came or b"hello" in house.parent.received or way == "upstream CONNECT"


async def test_a_next_proxy_is_not_asked_for_our_ports(house: House) -> None:
    """Where it connects to cannot be seen."""
    before = house.parent.received
    for ask in (absolute, connect):
        assert REFUSED.match(await ask(house.proxies["upstream"], "elsewhere.example", house.front))
    assert house.parent.received == before


@pytest.mark.parametrize("ask", [absolute, connect])
async def test_a_name_that_leads_elsewhere_when_it_counts(house: House, ask) -> None:
    """DNS rebinding: what has been connected to is looked at before a byte is sent."""
    came = await ask(house.proxies["regular"], "rebound.example", house.front)
    assert b" 404 " not in came
    assert b"x-request-id" not in came


@pytest.mark.parametrize("target", [FRONT, "http://localhost:{front}" + FRONT, "http://[::1]:{front}" + FRONT])
async def test_a_reverse_proxy_has_one_target_whatever_is_named(house: House, target: str) -> None:
    host = f"127.0.0.1:{house.front}"
    came = await talk(house.proxies["reverse"], get(target.format(front=house.front), host=host))
    assert b" 200 " in came
    assert b"hello" in came


async def test_nothing_listens_beyond_loopback(house: House) -> None:
    """None of these modes was given an address."""
    own = own_address()
    if own is None:
        pytest.skip("this machine has no network")
    for port in (*house.proxies.values(), house.front):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(own, port)


# -- what is opened ------------------------------------------------------------------------------------------------


async def secured(house: House, target: str, sni: str | None, *, mode: str = "regular") -> x509.Certificate:
    """The certificate that a client sees for ``sni`` behind a tunnel to ``target``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.proxies[mode])
    try:
        async with asyncio.timeout(30):
            if mode == "socks5":
                name = target.encode()
                writer.write(b"\x05\x01\x00")
                await reader.readexactly(2)
                writer.write(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + house.secure.port.to_bytes(2, "big"))
                await reader.readexactly(10)
            else:
                writer.write(f"CONNECT {target}:{house.secure.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await writer.start_tls(context, server_hostname=sni or "")
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    return x509.load_der_x509_certificate(der)


@pytest.mark.parametrize("mode", ["regular", "socks5"])
@pytest.mark.parametrize(
    ("target", "sni", "opened"),
    [
        (GOOGLE, GOOGLE, True),
        (GOOGLE, GOOGLE.upper(), True),
        (GOOGLE.upper(), GOOGLE, True),
        ("127.0.0.1", GOOGLE, False),
        ("localhost", GOOGLE, False),
        ("ours.example", GOOGLE, False),
        (GOOGLE, "www.example.com", False),
        (GOOGLE, f"{GOOGLE}.example.com", False),
        (GOOGLE, "localhost", False),
        (GOOGLE, None, False),
        ("127.0.0.1", None, False),
    ],
)
async def test_target_and_sni_decide_together(house: House, mode: str, target: str, sni: str, opened: bool) -> None:
    seen = (await secured(house, target, sni, mode=mode)).public_bytes(tls.serialization.Encoding.PEM)
    assert (seen not in house.identity.chain_pem) is opened


@pytest.mark.parametrize("way", ["CONNECT", "socks5"])
async def test_plain_http_in_a_tunnel_is_left_as_it_is(house: House, way: str) -> None:
    """A Host header opens nothing either: what arrives is what was sent, byte by byte."""
    odd = f"GET /odd HTTP/1.1\r\nhOST:   {GOOGLE}\r\nx-Odd:  1 \r\nAccept-Encoding: gzip\r\n\r\n".encode()
    if way == "CONNECT":
        opening = (f"CONNECT 127.0.0.1:{house.other.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),)
    else:
        opening = (b"\x05\x01\x00", b"\x05\x01\x00\x01\x7f\0\0\x01" + house.other.port.to_bytes(2, "big"))
    assert b"hello" in await talk(house.proxies["regular" if way == "CONNECT" else way], *opening, odd)
    assert odd in house.other.received


# -- starts, and other machines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "more", "word"),
    [
        ("regular@0.0.0.0:{port}", (), "would be open to other machines"),
        ("regular@:{port}", (), "would be open to other machines"),
        ("reverse:http://localhost:{front}@{port}", (), "is zerogravity itself"),
        ("upstream:http://127.1:{port}@{port}", (), "is zerogravity itself"),
        ("regular@{port}", ("--set", "zg_upstream=http://127.0.0.1:{front}"), "is zerogravity itself"),
    ],
)
async def test_no_start(tmp_path: Path, mode: str, more: tuple[str, ...], word: str) -> None:
    port, front = free_port(), free_port()
    listen = f"zg_listen=127.0.0.1:{front}"
    arguments = [text.format(port=port, front=front) for text in (f"--mode={mode}", "--set", listen, *more)]
    async with mitmdump(tmp_path, *arguments) as dump:
        assert await dump.ended() == 1
    (said,) = [line for line in dump.output.splitlines() if "zerogravity cannot serve" in line]
    assert word in said
    assert "Traceback" not in dump.output
    assert "answers agents" not in dump.output


async def test_no_start_of_the_command(tmp_path: Path) -> None:
    async with command(tmp_path, "serve", "--set", "mode=regular@0.0.0.0:0") as serving:
        assert await serving.ended() == 2
    assert "add --set zg_expose_proxy=true\n" in serving.output


@asynccontextmanager
async def another_machine() -> AsyncIterator[tuple[list[str], str, str]]:
    """(how to run something there, our address, its address): a network namespace with one cable."""
    name, ours, theirs = f"zg{os.getpid()}", "198.18.77.1", "198.18.77.2"
    cable = f"zg{os.getpid()}a"[-15:]
    inside = ["ip", "netns", "exec", name]

    def run(*words: str) -> bool:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    if shutil.which("ip") is None or not run("ip", "netns", "add", name):
        pytest.skip("network namespaces cannot be made here")
    try:
        steps = (
            ("ip", "link", "add", cable, "type", "veth", "peer", "name", "zg0", "netns", name),
            ("ip", "addr", "add", f"{ours}/30", "dev", cable),
            ("ip", "link", "set", cable, "up"),
            (*inside, "ip", "addr", "add", f"{theirs}/30", "dev", "zg0"),
            (*inside, "ip", "link", "set", "zg0", "up"),
            (*inside, "ip", "link", "set", "lo", "up"),
        )
        if not all(run(*step) for step in steps):
            pytest.skip("a network namespace cannot be joined to this one here")
        yield inside, ours, theirs
    finally:
        run("ip", "link", "del", cable)
        run("ip", "netns", "del", name)


SERVE = """
import socket, sys
with socket.create_server((sys.argv[1], 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        with server.accept()[0] as client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 17\\r\\n\\r\\nhello from beyond")
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as asked:
    asked.sendall(sys.argv[3].encode())
    while data := asked.recv(65536):
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
"""


@asynccontextmanager
async def beyond(there: list[str], host: str) -> AsyncIterator[int]:
    """A server on the other machine: its port."""
    process = await asyncio.create_subprocess_exec(
        *there, sys.executable, "-c", SERVE, host, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.communicate()


async def test_another_machine(tmp_path: Path) -> None:
    """Where the proxy is exposed on purpose, it leads to other machines, and to nothing that is this one's. What is
    not exposed is not reached at all."""
    async with another_machine() as (there, ours, theirs), somebody() as inner, somebody(ours) as outer:
        port, closed = free_port(), free_port()

        async def ask(target: str, *, method: str = "GET", proxy: int = port) -> str:
            request = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            asking = await asyncio.create_subprocess_exec(
                *there, sys.executable, "-c", ASK, ours, str(proxy), request,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            async with asyncio.timeout(40):
                return (await asking.communicate())[0].decode()

        arguments = (
            f"--mode=regular@0.0.0.0:{port}", f"--mode=socks5@{closed}", "--set", "zg_expose_proxy=true",
            "--set", "zg_listen=127.0.0.1:0", "--set", "zg_ls_url=http://127.0.0.1:9",
        )  # fmt: skip
        async with beyond(there, theirs) as server, mitmdump(tmp_path, *arguments) as dump:
            front = int((await dump.until(URL))[1].rpartition(":")[2])
            for target in (f"127.0.0.1:{front}", f"localhost:{port}", f"127.1:{inner.port}", f"{ours}:{outer.port}"):
                assert " 403 " in (said := await ask(f"http://{target}{FRONT}")), said
                assert " 403 " in (said := await ask(target, method="CONNECT")), said
            assert "hello from beyond" in (said := await ask(f"http://{theirs}:{server}/")), said
            assert "ConnectionRefusedError" in await ask("/", proxy=closed)
            assert "ConnectionRefusedError" in await ask("/", proxy=front)
            dump.process.terminate()
            assert await dump.ended() == 0
    assert FRONT not in dump.output
    assert inner.received == outer.received == b""

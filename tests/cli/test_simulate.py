"""``zerogravity simulate``: the stand-ins as processes of their own, the language server also as somebody's child."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner

from tests.testing.simulator.ls_support import FLASH, SERVICE, connect_proxy
from zerogravity.cli.simulate import simulate
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.http.tls import self_signed
from zerogravity.testing.simulator.language_server.child import read_metadata

NAME = b"\x0a\x0bantigravity"  # ide_name


# -- bad command lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ls", "--habit", "nonsense=1"], 2, "--habit nonsense: no such habit"),
        (["ls", "--habit", "csrf=1"], 2, "--habit csrf: no such habit"),
        (["ls", "--habit", "checkpoint=never"], 2, "'never' is none of before, during, after, none"),
        (["ls", "--habit", "reactive=yes"], 2, "'yes' is neither true nor false"),
        (["ls", "--build", "2025-01"], 2, "is not one of '2026-03', '2026-09', 'runtime'"),
        (["ls", "--habit", "auth=1"], 2, "--habit auth: no such habit"),
        (["ls", "--habit", "retries=x"], 2, "--habit retries: invalid literal"),
        (["ls", "--no_such_flag"], 2, "No such option"),
        (["ls", "--stdin"], 1, "initial metadata is nil"),
        (["google", "--cert", __file__], 2, "--cert and --key belong together"),
        (["google", "--port", "99999"], 2, "--port"),
    ],
)
def test_bad_command_lines_say_what_is_wrong(arguments: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(simulate, arguments)
    assert result.exit_code == code
    assert words in result.output


# -- processes -------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(
    *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """``zerogravity simulate …`` as a process, and the lines it has printed when it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "zerogravity", "simulate", *arguments, env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(stdin)
        process.stdin.close()
        lines = [(await process.stdout.readline()).decode().strip()]
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await asyncio.sleep(0)


async def test_google_by_itself_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    identity = self_signed(("localhost",))
    cert, key, trusted = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    cert.write_bytes(identity.chain_pem)
    key.write_bytes(identity.key_pem)
    arguments = ["--pace", "0", "--cert", str(cert), "--key", str(key), "--ca-file", str(trusted)]
    async with running("google", *arguments) as (process, (url,)):
        trust = ssl.create_default_context(cafile=str(trusted))
        body = {"contents": [{"parts": [{"text": "sim:text"}]}]}
        async with aiohttp.ClientSession() as session:
            path = f"{url}/v1beta/models/gemini-3-flash:generateContent?key=k".replace("127.0.0.1", "localhost")
            async with session.post(path, json=body, ssl=trust) as response:
                assert response.status == 200
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")


async def test_a_port_that_is_taken(google: GoogleSimulator) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "zerogravity", "simulate", "google", "--port", str(google.port),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert b"cannot listen" in err


async def test_the_language_server_as_a_child(google: GoogleSimulator, tmp_path: Path) -> None:
    """Flags, stdin and environment of the real one; the parent is told the ports; a turn through the proxy; SIGTERM."""
    (tmp_path / "bundle.pem").write_bytes(google.ca_pem)
    told: asyncio.Queue[tuple[str | None, bytes]] = asyncio.Queue()

    async def started(request: web.Request) -> web.Response:
        assert request.content_type == "application/proto"
        told.put_nowait((request.headers.get("x-codeium-csrf-token"), await request.read()))
        return web.Response(content_type="application/proto")

    app = web.Application()
    app.router.add_post("/exa.extension_server_pb.ExtensionServerService/LanguageServerStarted", started)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    seen: list[str] = []
    async with connect_proxy(google.port, seen) as proxy:
        flags = [
            *("--csrf_token", "child-token", "--random_port", "--enable_lsp", "--persistent_mode"),
            *("--app_data_dir=antigravity", "--workspace_id", "file_home_me"),
            *("--cloud_code_endpoint", "https://daily-cloudcode-pa.googleapis.com"),
            *("--extension_server_port", str(runner.addresses[0][1])),
            *("--extension_server_csrf_token", "parent-token"),
            *("--habit", "checkpoint=none", "--habit", "background=false", "--cert-file", str(tmp_path / "ls.pem")),
        ]
        env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy}", "SSL_CERT_FILE": str(tmp_path / "bundle.pem")}
        async with running("ls", "--stdin", *flags, stdin=NAME, env=env) as (process, (url,)):
            token, message = await told.get()
            fields = read_metadata(message)
            assert token == "parent-token"
            assert (fields[1], fields[4]) == ([int(url.rpartition(":")[2])], [b"child-token"])
            await one_turn(url)
            assert seen == ["daily-cloudcode-pa.googleapis.com:443"]
            assert google.agent_requests[0].status == 200
            assert (tmp_path / "ls.pem").read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
            process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()
            assert (process.returncode, err) == (0, b"")
            assert out.decode().strip() == f"http://127.0.0.1:{fields[5][0]}"
            assert b"child-token" not in out
    await runner.cleanup()


async def one_turn(url: str) -> None:
    headers = {"x-codeium-csrf-token": "child-token"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def call(method: str, **body: object) -> dict[str, object]:
            async with session.post(url + SERVICE + method, json=body, ssl=False) as response:
                assert response.status == 200
                return json.loads(await response.read())

        cascade = (await call("StartCascade"))["cascadeId"]
        planner = {"plannerConfig": {"requestedModel": {"model": FLASH}}}
        items = [{"text": "sim:text"}]
        await call("SendUserCascadeMessage", cascadeId=cascade, items=items, cascadeConfig=planner, blocking=True)
        steps = await call("GetCascadeTrajectorySteps", cascadeId=cascade)
        assert steps["steps"][-1]["plannerResponse"]["response"]  # type: ignore[index]


async def test_for_a_person_the_token_is_shown_once() -> None:
    async def shown(token: str) -> bytes:
        async with running("ls", env={"ZEROGRAVITY_LS_CSRF": token}) as (process, (url,)):
            assert url.startswith("https://127.0.0.1:")
            process.terminate()
            out, _ = await process.communicate()
            assert process.returncode == 0
            return out

    made, given = await asyncio.gather(shown(""), shown("mine"))
    assert made.startswith(b"x-codeium-csrf-token: ")
    assert given == b""

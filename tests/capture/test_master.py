"""``zerogravity serve``: the whole path in one process of its own; what makes it end, and how."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.ports import free_port
from tests.running import URL, command, mitmdump, taken
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

LINK = re.compile(r"inspector: (\S+)\n")
CERTIFICATE = "google-ca.pem"
# Early 3.12s complain about cancelled connections of any stream server (mitmproxy's here); later ones do not.
ASYNCIO = re.compile(r"Exception in callback StreamReaderProtocol\.connection_made.*?CancelledError\n", re.DOTALL)


@pytest.mark.e2e
@pytest.mark.parametrize(("number", "http2"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
async def test_a_turn_through_it_and_a_clean_end(tmp_path: Path, number: signal.Signals, http2: bool) -> None:
    port, ready, body = free_port(), tmp_path / "ready", {"model": "gemini-3-flash", "input": "Say hello."}
    options = LsOptions(endpoint=f"http://127.0.0.1:{port}", background=False)
    async with GoogleSimulator(http2=http2) as google, LanguageServerSimulator(options) as ls:
        (tmp_path / CERTIFICATE).write_bytes(google.ca_pem)
        arguments = ("--proxy-port", str(port), "--google", google.url, "--listen", "127.0.0.1:0", "--ls-url", ls.url,
                     "--set", f"ssl_verify_upstream_trusted_ca={tmp_path / CERTIFICATE}")  # fmt: skip
        variables = {"ZEROGRAVITY_LS_CSRF": ls.csrf, "ZEROGRAVITY_READY_FILE": str(ready)}
        async with command(tmp_path, "serve", *arguments, **variables) as serving:
            url = (await serving.until(URL))[1]
            assert serving.output.startswith(f"language server: --cloud_code_endpoint http://127.0.0.1:{port}\n")
            link = (await serving.until(LINK))[1]
            async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/responses", json=body) as answer:
                said = await answer.json()
                async with session.get(link, allow_redirects=False) as inspector:
                    assert inspector.status == 303, "the link that is printed opens the inspector"
            assert (answer.status, said["status"]) == (200, "completed")
            assert said["output"][-1]["content"][0]["text"]
            assert ready.read_text() == f"{url}\n"
            assert await serving.stop(number) == 0
        assert [one.http for one in google.agent_requests] == ["2" if http2 else "1.1"]
    assert "Traceback" not in ASYNCIO.sub("", serving.output)


@pytest.mark.e2e
@pytest.mark.parametrize("which", ["--listen", "--proxy-port"])
async def test_a_port_that_is_taken(tmp_path: Path, which: str) -> None:
    """Who holds it is said, and which option changes it."""
    async with taken() as port:
        ports = {"--listen": "127.0.0.1:0", "--proxy-port": str(free_port())}
        ports[which] = f"127.0.0.1:{port}" if which == "--listen" else str(port)
        arguments = [text for pair in ports.items() for text in pair]
        async with command(tmp_path, "serve", "--ls-url", "http://127.0.0.1:9", *arguments) as serving:
            assert await serving.ended() == 1
    who = rf"127\.0\.0\.1:{port} is in use by \S+ \(pid {os.getpid()}\): stop it, or choose another port with {which}\n"
    assert re.search(who, serving.output), serving.output
    assert "Traceback" not in serving.output


@pytest.mark.e2e
@pytest.mark.parametrize(("which", "flag"), [("zg_listen", "--set zg_listen=HOST:PORT"), ("mode", "--mode MODE@PORT")])
async def test_a_port_that_is_taken_under_mitmdump(tmp_path: Path, which: str, flag: str) -> None:
    async with taken() as port:
        settings = {"zg_listen": "127.0.0.1:0", "mode": f"regular@127.0.0.1:{free_port()}"}
        settings[which] = f"127.0.0.1:{port}" if which == "zg_listen" else f"regular@127.0.0.1:{port}"
        arguments = [text for pair in settings.items() for text in ("--set", "=".join(pair))]
        async with mitmdump(tmp_path, *arguments) as serving:
            assert await serving.ended() == 1
    assert f"127.0.0.1:{port} is in use by " in serving.output
    assert f"(pid {os.getpid()}): stop it, or choose another port with" in serving.output
    assert flag in serving.output
    assert "Traceback" not in serving.output


@pytest.mark.e2e
async def test_a_port_that_is_taken_without_interception(tmp_path: Path) -> None:
    async with taken() as port, command(tmp_path, "serve", "--no-mitm", "--listen", f"127.0.0.1:{port}") as serving:
        assert await serving.ended() == 1
    assert f"(pid {os.getpid()}): stop it, or choose another port with --listen" in serving.output

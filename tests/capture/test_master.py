"""``zerogravity serve``: the whole path in one process of its own; what makes it end, and how."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.running import URL, command, free_port, taken
from zerogravity.simulator.google import GoogleSimulator
from zerogravity.simulator.language_server import LanguageServerSimulator, LsOptions

CERTIFICATE = "google-ca.pem"
# Early 3.12s complain about cancelled connections of any stream server (mitmproxy's here); later ones do not.
ASYNCIO = re.compile(r"Exception in callback StreamReaderProtocol\.connection_made.*?CancelledError\n", re.DOTALL)


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_turn_through_it_and_a_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    port, ready, body = free_port(), tmp_path / "ready", {"model": "gemini-3-flash", "input": "Say hello."}
    options = LsOptions(endpoint=f"http://127.0.0.1:{port}", background=False)
    async with GoogleSimulator() as google, LanguageServerSimulator(options) as ls:
        (tmp_path / CERTIFICATE).write_bytes(google.ca_pem)
        arguments = ("--proxy-port", str(port), "--google", google.url, "--listen", "127.0.0.1:0", "--ls-url", ls.url,
                     "--set", f"ssl_verify_upstream_trusted_ca={tmp_path / CERTIFICATE}")  # fmt: skip
        variables = {"ZEROGRAVITY_LS_CSRF": ls.csrf, "ZEROGRAVITY_READY_FILE": str(ready)}
        async with command(tmp_path, "serve", *arguments, **variables) as serving:
            url = (await serving.until(URL))[1]
            assert serving.said.startswith(f"language server: --cloud_code_endpoint http://127.0.0.1:{port}\n")
            async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/responses", json=body) as answer:
                said = await answer.json()
            assert (answer.status, said["status"]) == (200, "completed")
            assert said["output"][-1]["content"][0]["text"]
            assert ready.read_text() == f"{url}\n"
            assert await serving.stop(number) == 0
        assert len(google.agent_requests) == 1
    assert "Traceback" not in ASYNCIO.sub("", serving.said)


@pytest.mark.e2e
@pytest.mark.parametrize("which", ["--listen", "--proxy-port"])
async def test_a_port_that_is_taken(tmp_path: Path, which: str) -> None:
    async with taken() as port:
        ports = {"--listen": "127.0.0.1:0", "--proxy-port": str(free_port())}
        ports[which] = f"127.0.0.1:{port}" if which == "--listen" else str(port)
        arguments = [text for pair in ports.items() for text in pair]
        async with command(tmp_path, "serve", "--ls-url", "http://127.0.0.1:9", *arguments) as serving:
            assert await serving.ended() == 1
    assert re.search(rf"\b{port}\b.*address already in use", serving.said, re.I), serving.said
    assert "Traceback" not in serving.said

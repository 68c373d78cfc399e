"""What the proxy does for programs that know nothing of us, and what it leaves alone; certificates as the client sees
them."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from google import genai
from google.genai import types

from tests.e2e.support import SURFACES, ask, quick
from tests.waiting import until
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.http import tls
from zerogravity.testing.simulator.stack import GOOGLE, Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxied(traces: Path) -> AsyncIterator[Stack]:
    settings = {"trace": "true", "trace_dir": str(traces), "capture_passive": "true"}
    async with Stack(StackOptions(mode="proxy", ls=quick(), settings=settings)) as running:
        yield running


def bundle(stack: Stack) -> Path:
    return stack.ls.options.proxy_ca


def closed(traces: Path, surface: str) -> list[Path]:
    """The folders of that surface's turns that are over."""
    files = [file for file in traces.glob("*/*/turn.json") if file.read_text().strip()]
    found = [(file.parent, json.loads(file.read_text())) for file in files]
    return [folder for folder, turn in found if turn["surface"] == surface and turn.get("code")]


async def certificate(stack: Stack, host: str, port: int) -> x509.Certificate:
    """The certificate a client sees for ``host`` behind the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.proxy_port)
    writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await writer.start_tls(context, server_hostname=host)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(der)


async def test_googles_hosts_are_opened_with_our_own_authority(proxied: Stack) -> None:
    seen = await certificate(proxied, "daily-cloudcode-pa.googleapis.com", 443)
    names = seen.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["daily-cloudcode-pa.googleapis.com"]
    authority = x509.load_pem_x509_certificate((bundle(proxied).parent / "ca.pem").read_bytes())
    assert seen.issuer == authority.subject
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert (authority.not_valid_after_utc - datetime.now(UTC)).days <= 90


async def test_everything_else_is_tunnelled(proxied: Stack) -> None:
    """T7: the client sees the server's own certificate."""
    identity = tls.authority_signed(["localhost", "127.0.0.1"])
    async with GoogleSimulator(identity=identity) as other:
        seen = await certificate(proxied, "localhost", other.port)
        assert seen.public_bytes(tls.serialization.Encoding.PEM) in identity.chain_pem
        context = ssl.create_default_context(cadata=identity.ca_pem.decode())
        proxy = f"http://127.0.0.1:{proxied.proxy_port}"
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"https://localhost:{other.port}/v1beta/models?key=k", ssl=context, proxy=proxy) as answer,
        ):
            assert answer.status == 200


async def test_a_program_behind_the_proxy_is_recorded_untouched(proxied: Stack, traces: Path) -> None:
    """gemini-cli's Google login path, or the editor's own turns: no marker, no change, a trace."""
    context = ssl.create_default_context(cafile=str(bundle(proxied)))
    request = {"contents": [{"role": "user", "parts": [{"text": "sim:echo a passive kumquat"}]}], "session_id": "s"}
    body = {"model": "gemini-3-flash", "project": "p", "user_prompt_id": "u", "request": request}
    sent = json.dumps(body).encode()
    before = set(closed(traces, "passive"))
    headers = {"Authorization": "Bearer ya29.secret-of-theirs", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{GOOGLE}/v1internal:streamGenerateContent?alt=sse",
            data=sent, headers=headers, ssl=context, proxy=f"http://127.0.0.1:{proxied.proxy_port}",
        ) as answer,
    ):  # fmt: skip
        assert answer.status == 200
        assert "passive kumquat" in await answer.text()
    received = proxied.google.requests[-1]
    assert received.body == body
    assert received.headers["authorization"] == "Bearer ya29.secret-of-theirs"
    await until(lambda: set(closed(traces, "passive")) - before)
    (folder,) = set(closed(traces, "passive")) - before
    assert json.loads((folder / "turn.json").read_text())["code"] == "ok"
    everything = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"passive kumquat" in everything
    assert b"secret-of-theirs" not in b"".join(file.read_bytes() for file in traces.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    "url",
    [
        "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-2.5-flash",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google/models/"
        "gemini-2.5-flash",
    ],
    ids=["key", "project"],
)
async def test_vertex_is_opened_streamed_and_recorded(proxied: Stack, traces: Path, url: str) -> None:
    context = ssl.create_default_context(cafile=str(bundle(proxied)))
    before = set(closed(traces, "passive"))
    body = {"contents": [{"role": "user", "parts": [{"text": "sim:echo a vertical kumquat"}]}]}
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{url}:streamGenerateContent?alt=sse", json=body, ssl=context, headers={"x-goog-api-key": "AIza-mine"},
            proxy=f"http://127.0.0.1:{proxied.proxy_port}",
        ) as answer,
    ):  # fmt: skip
        assert (answer.status, answer.headers.get("content-length")) == (200, None)
        assert "vertical kumquat" in await answer.text()
    await until(lambda: set(closed(traces, "passive")) - before)
    (folder,) = set(closed(traces, "passive")) - before
    turn = json.loads((folder / "turn.json").read_text())
    (line,) = turn["upstream"]
    assert (turn["model"], line["method"], line["call"]) == ("gemini-2.5-flash", "POST", 0)
    assert line["url"].endswith(f"{url.partition('.com')[2]}:streamGenerateContent?alt=sse")
    assert line["http_version"] == "HTTP/1.1"


async def test_the_public_api_in_reverse_mode(tmp_path: Path) -> None:
    """A program that uses google-genai with its base URL on the proxy is captured, and gets its own answer."""
    settings = {"trace": "true", "trace_dir": str(tmp_path), "capture_passive": "true"}
    async with Stack(StackOptions(ls=quick(), settings=settings)) as stack:
        options = types.HttpOptions(base_url=f"http://127.0.0.1:{stack.proxy_port}")
        client = genai.Client(api_key="AIza-secret-of-mine", http_options=options)
        pieces = [
            chunk.text or ""
            async for chunk in await client.aio.models.generate_content_stream(
                model="gemini-2.5-flash", contents="sim:echo a public quince"
            )
        ]
        assert "public quince" in "".join(pieces)
        whole = await client.aio.models.generate_content(model="gemini-2.5-flash", contents="sim:text")
        assert whole.text
    turns = sorted((json.loads(file.read_text()) for file in tmp_path.glob("*/*/turn.json")), key=str)
    assert {turn["surface"] for turn in turns} == {"passive"}
    assert [turn["code"] for turn in turns] == ["ok", "ok"]
    assert {turn["model"] for turn in turns} == {"gemini-2.5-flash"}
    assert b"AIza-secret" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


async def test_a_public_upstream_behind_the_language_server() -> None:
    """No envelope, the model in the path: the same capture."""
    async with GoogleSimulator(tls=False) as google:
        options = StackOptions(upstream=google.url, api="public", ls=quick())
        async with Stack(options) as stack, aiohttp.ClientSession() as http:
            for surface in SURFACES:
                said = await ask(stack, http, surface, f"sim:echo {surface} quince")
                assert f"{surface} quince" in said.text
        assert google.agent_requests[0].path.startswith("/v1beta/models/")
        assert "requestType" not in google.agent_requests[0].body

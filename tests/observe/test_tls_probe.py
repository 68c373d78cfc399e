"""Something that listens, over TLS or not, with a certificate that holds or not, or nobody at all."""

from __future__ import annotations

import ssl

import pytest
import trustme
from aiohttp import web

from tests.ports import free_port
from zerogravity.observe.tls_probe import google


@pytest.fixture
async def site():
    """``await site(ca)`` → the URL of something that listens, over TLS with a certificate of ``ca`` if there is one."""
    runners = []

    async def start(ca=None):
        context = None
        if ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        runner = web.AppRunner(web.Application())
        await runner.setup()
        runners.append(runner)
        made = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await made.start()
        return f"{'https' if ca else 'http'}://127.0.0.1:{made.port}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_google_is_greeted(site, tmp_path):
    ca, file = trustme.CA(), tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    assert (await google(await site())).ok
    assert (await google(await site(ca), ca=file)).ok
    stranger = await google(await site(ca))
    assert (stranger.ok, "certificate" in stranger.text, "authority" in stranger.fix) == (False, True, True)
    nobody = await google(f"http://127.0.0.1:{free_port()}")
    assert (nobody.ok, "cannot be reached" in nobody.text, "network" in nobody.fix) == (False, True, True)

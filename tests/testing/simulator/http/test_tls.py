"""What the throw-away certificates are good for."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.testing.simulator.ls_support import MakeLs
from zerogravity.testing.simulator.google import (
    GoogleSimulator,
)


async def test_tls_is_verified_by_its_authority_alone(google: GoogleSimulator) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", google.port, ssl=ssl.create_default_context())


async def test_its_own_certificate_is_for_localhost_only(make_ls: MakeLs) -> None:
    ls = await make_ls()
    pinned = ssl.create_default_context(cadata=ls.simulator.certificate_pem.decode())
    port = ls.simulator.port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=pinned, server_hostname="localhost")
    writer.transport.abort()
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        await asyncio.open_connection("127.0.0.1", port, ssl=pinned)

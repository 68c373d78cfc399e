"""The way to Redis: its errors are ours, and no password is shown."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
import trustme

from tests.ports import free_port
from tests.redis_server import PASSWORD, RedisServer
from zerogravity.errors import FaultError
from zerogravity.store.redis.connection import CONNECTIONS, Connection


async def test_a_server_that_is_away_is_a_503_that_says_when_to_ask_again(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    connection = Connection(server.url)
    for _ in range(2):
        with pytest.raises(FaultError) as caught, connection.guarded():
            await connection.client.ping()
        fault = caught.value.fault
        assert (fault.status, fault.code, fault.retry_after) == (503, "store_unavailable", 1)
        assert f"redis://127.0.0.1:{server.port}/0" in fault.message and "between" not in fault.message
    await connection.close()


async def test_what_redis_refuses_is_told_without_names_of_keys(connection: Connection) -> None:
    await connection.client.set("zerogravity:1:{owner}:x", "x")
    for transaction in (True, False):
        with pytest.raises(FaultError, match=r"cannot be used: WRONGTYPE Operation") as caught, connection.guarded():
            async with connection.client.pipeline(transaction=transaction) as at_once:
                at_once.hgetall("zerogravity:1:{owner}:x")
                await at_once.execute()
        assert "owner" not in caught.value.fault.full_message


async def test_it_works_again_when_the_server_is_back(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    connection = Connection(server.url)
    try:
        for _ in range(2):
            server.start()
            with connection.guarded():
                assert await connection.client.set("a", b"1")
            server.kill()
            with pytest.raises(FaultError), connection.guarded():
                await connection.client.get("a")
    finally:
        server.kill()
        await connection.close()


async def test_a_server_is_reached_by_its_socket_and_by_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with tempfile.TemporaryDirectory() as short:  # names of sockets may not be long
        socket, cert, ca, port = f"{short}/redis.sock", tmp_path / "cert.pem", tmp_path / "ca.pem", free_port()
        tls = f"tls-port {port}\ntls-cert-file {cert}\ntls-key-file {cert}\ntls-ca-cert-file {ca}\ntls-auth-clients no"
        server = RedisServer(tmp_path, more=f"unixsocket {socket}\n{tls}")
        server.start()
        try:
            for url in (
                f"unix://:{PASSWORD}@{socket}?db=0", f"rediss://:{PASSWORD}@127.0.0.1:{port}/0?ssl_ca_certs={ca}",
            ):  # fmt: skip
                connection = Connection(url)
                with connection.guarded():
                    assert await connection.client.ping()
                await connection.close()
            unknown = Connection(f"rediss://:{PASSWORD}@127.0.0.1:{port}/0")
            with pytest.raises(FaultError, match="certificate verify failed"), unknown.guarded():
                await unknown.client.ping()
            await unknown.close()
        finally:
            server.kill()


async def test_more_requests_than_connections_wait_for_one(redis_server: RedisServer) -> None:
    connection = Connection(redis_server.url)
    with connection.guarded():
        assert all(await asyncio.gather(*(connection.client.ping() for _ in range(10 * CONNECTIONS))))
    assert len(await connection.client.client_list()) <= CONNECTIONS
    await connection.close()

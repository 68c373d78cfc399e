"""What mitmproxy is told, and what a language server is told of it, in each of its modes."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from zerogravity.backends.base import Route
from zerogravity.capture import proxy_options

GOOGLE = "reverse:https://daily.example:8443@8081"


@pytest.fixture
def context() -> Iterator[taddons.context]:
    with taddons.context(Proxyserver()) as made:
        made.options.confdir = "/conf"
        yield made


@pytest.mark.parametrize(
    ("modes", "copied"),
    [(["regular"], False), (["upstream:http://proxy.example:3128"], False), ([GOOGLE, "regular"], False),
     ([GOOGLE], True), ([GOOGLE, "reverse:http://other.example@8082"], True)],
)  # fmt: skip
def test_no_certificate_is_copied_from_upstream(context: taddons.context, modes: list[str], copied: bool) -> None:
    """It would have names that our authority must not sign. Only a reverse proxy's certificate is not made from it."""
    context.options.mode = modes
    assert context.options.upstream_cert is True
    proxy_options.prepare()
    assert context.options.upstream_cert is copied
    assert context.options.connection_strategy == "lazy"


async def test_the_calls_of_many_turns_at_once_may_wait_until_we_take_them() -> None:
    with taddons.context(server := Proxyserver()) as context, ExitStack() as stack:
        context.options.update(mode=["regular@127.0.0.1:0"])
        server.running()
        assert await server.setup_servers()
        proxy_options.prepare()
        for _ in range(150):  # the event loop does not run meanwhile
            stack.enter_context(socket.create_connection(server.listen_addrs()[0][:2], timeout=0.9))
        context.options.update(server=False)
        assert await server.setup_servers()


@pytest.mark.parametrize(
    ("modes", "route"),
    [
        (["regular"], Route(proxy="http://127.0.0.1:8080", bundle=Path("/conf/bundle.pem"))),
        (["regular@9000"], Route(proxy="http://127.0.0.1:9000", bundle=Path("/conf/bundle.pem"))),
        (["upstream:http://proxy.example:3128@9000"],
         Route(proxy="http://127.0.0.1:9000", bundle=Path("/conf/bundle.pem"))),
        ([GOOGLE], Route(endpoint="http://127.0.0.1:8081", google="https://daily.example:8443")),
        ([GOOGLE, "regular"], Route(endpoint="http://127.0.0.1:8081", google="https://daily.example:8443")),
        (["reverse:http://[::1]:8000@9000"], Route(endpoint="http://127.0.0.1:9000", google="http://[::1]:8000")),
        (["socks5"], Route()),
        (["socks5@9001", "regular@9002"], Route(proxy="http://127.0.0.1:9002", bundle=Path("/conf/bundle.pem"))),
    ],
)  # fmt: skip
def test_how_a_language_server_reaches_the_proxy(context: taddons.context, modes: list[str], route: Route) -> None:
    context.options.mode = modes
    assert proxy_options.route() == route


@pytest.mark.parametrize("mode", ["regular", GOOGLE, "socks5"])
def test_whom_calls_to_google_trust(context: taddons.context, mode: str) -> None:
    context.options.mode = [mode]
    context.options.ssl_verify_upstream_trusted_ca = "~/ca.pem"
    assert proxy_options.route().google_ca == Path("~/ca.pem").expanduser()


def test_what_is_imported_is_no_garbage() -> None:
    before = gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    try:
        proxy_options.freeze_imports()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() > (700, 10, 10)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

"""Who may use the proxy, and which of mitmproxy's options prevent a start; the rules are ``proxy_rules``'."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.test import taddons, tflow
from mitmproxy.tls import TlsData

from zerogravity import config as configuration
from zerogravity.capture.addon import Capture
from zerogravity.capture.proxy_guard import Front, ProxyGuard


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"mode": ["regular"]}, None),
        ({"mode": ["regular@::1:8099"]}, None),
        ({"mode": ["regular@0.0.0.0:8099"]}, "0.0.0.0 would be open to other machines"),
        ({"mode": ["regular@:8099"]}, "all addresses would be open to other machines"),
        ({"mode": ["regular"], "listen_host": "::"}, ":: would be open to other machines"),
        ({"mode": ["regular"], "listen_host": ""}, "all addresses would be open to other machines"),
        ({"mode": ["regular@127.0.0.1:1"], "listen_host": "::"}, None),
        ({"mode": ["regular", "socks5@0.0.0.0:1080"]}, "other machines"),
        ({"mode": ["reverse:https://g.example@0.0.0.0:1"]}, "other machines"),
        ({"mode": ["reverse:https://g.example"]}, None),
        ({"mode": ["reverse:g.example"]}, None),
        ({"mode": ["reverse:tcp://g.example:1"]}, "not served"),
        ({"mode": ["upstream:http://p.example:3128"]}, None),
        ({"mode": ["local:curl"]}, None),
        ({"mode": ["dns"]}, "not served"),
        ({"mode": ["nonsense"]}, "Invalid proxy mode|unknown mode"),
        ({"mode": ["regular@0.0.0.0:8099"], "zg_expose_proxy": True}, None),
        ({"mode": ["regular"], "listen_host": "::", "zg_expose_proxy": True}, None),
        ({"mode": ["wireguard"], "zg_expose_proxy": True}, "not served"),
    ],
    ids=str,
)
def test_modes_at_the_start(options: dict[str, Any], word: str | None) -> None:
    capture = Capture()
    with taddons.context(Proxyserver(), NextLayer(), capture) as context:
        assert context.options.listen_host == "127.0.0.1", "unless another is configured"
        if word is None:
            context.options.update(**options)
            return
        with pytest.raises(exceptions.OptionsError, match=word):
            context.options.update(**options)


def test_a_configured_listen_address_is_kept() -> None:
    capture = Capture()
    with taddons.context() as context:
        context.options.update(listen_host="::1")
        context.master.addons.add(capture)
        assert context.options.listen_host == "::1"


@pytest.mark.parametrize(
    ("peer", "exposed", "let_in"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("203.0.113.7", False, False),
        ("2001:db8::1", False, False),
        ("203.0.113.7", True, True),
    ],
)
def test_other_machines_get_in_only_where_the_proxy_is_exposed(peer: str, exposed: bool, let_in: bool) -> None:
    config = configuration.load({"expose_proxy": exposed}, env={}).config
    client = tflow.tclient_conn()
    client.peername = (peer, 50000)
    guard = ProxyGuard()
    guard.front = Front(config, "http://127.0.0.1:8741")
    guard.client_connected(client)
    assert (client.error is None) is let_in


def test_nobody_gets_in_before_the_gateway_runs() -> None:
    client = tflow.tclient_conn()
    ProxyGuard().client_connected(client)
    assert client.error


@pytest.mark.parametrize(("name", "reported"), [("cloudcode-pa.googleapis.com", True), ("example.com", False)])
def test_a_client_that_rejects_our_certificate_is_reported_if_it_meant_google(name: str, reported: bool) -> None:
    refused: list[Any] = []
    guard, client = ProxyGuard(), tflow.tclient_conn()
    client.sni, client.error = name, "no trust"
    data = TlsData(client, context=Context(client, Options()))
    guard.tls_failed_client(data)
    guard.front = Front(configuration.load({}, env={}).config, "http://127.0.0.1:8741", refused.append)
    guard.tls_failed_client(data)
    assert ["no trust" in fault.message for fault in refused] == [True] * reported

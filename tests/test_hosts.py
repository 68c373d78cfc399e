"""Which hosts are Google's: the table, and every spelling of its names."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from zerogravity.hosts import GOOGLE_HOSTS, free_port, is_google, is_loopback, widen


@pytest.mark.parametrize(
    "host",
    [
        "daily-cloudcode-pa.googleapis.com", "cloudcode-pa.googleapis.com", "generativelanguage.googleapis.com",
        "daily-cloudcode-pa.sandbox.googleapis.com", "aiplatform.googleapis.com",
        "us-central1-aiplatform.googleapis.com", "europe-west4-aiplatform.googleapis.com",
        "asia-northeast1-aiplatform.googleapis.com", "aiplatform.eu.rep.googleapis.com",
        "US-Central1-AIplatform.GoogleAPIs.com", "generativelanguage.googleapis.com.",
    ],
)  # fmt: skip
def test_hosts_that_generate(host: str) -> None:
    assert is_google(host)


@pytest.mark.parametrize(
    "host",
    [
        None, "", "googleapis.com", "play.googleapis.com", "aiplatform.googleapis.com.example", "x-aiplatform.example",
        "evil-aiplatform.googleapis.com", "storage.googleapis.com", "aiplatform-googleapis.com", "localhost",
        "127.0.0.1", "oauth2.googleapis.com",
    ],
)  # fmt: skip
def test_other_hosts(host: str | None) -> None:
    assert not is_google(host)


def test_none_is_listed_twice() -> None:
    assert len(set(GOOGLE_HOSTS)) == len(GOOGLE_HOSTS)
    assert all(host == host.lower() for host in GOOGLE_HOSTS)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True),
        ("0.0.0.0", False), ("::", False), ("", False), (None, False), ("192.0.2.1", False),
        ("localhost.example", False), ("127.0.0.1.example", False),
    ],
)  # fmt: skip
def test_what_is_this_machine(host: str | None, ours: bool) -> None:
    assert is_loopback(host) is ours


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", free_port()))


def test_as_many_clients_may_wait_as_come_at_once() -> None:
    """Whoever finds no room in the queue hears nothing, and tries again after a second."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
        widen([listening])
        for _ in range(150):
            stack.enter_context(socket.create_connection(listening.getsockname(), timeout=0.9))

"""Whom a language server's TLS trusts: its own certificate and nothing else, or anyone on loopback."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from zerogravity.backends.antigravity.endpoint import Endpoint, tls
from zerogravity.errors import Fault, FaultError

TOKEN = "5f0c-secret"


@pytest.fixture
def cert(tmp_path: Path) -> Path:
    file = tmp_path / "cert.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


def refused(url: str, cert: Path | None) -> Fault:
    with pytest.raises(FaultError) as raised:
        tls(Endpoint(url, TOKEN, cert))
    return raised.value.fault


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "https://[::1]:1", "https://localhost:1", "http://127.0.0.1:1"])
def test_loopback_needs_no_certificate(url: str) -> None:
    assert tls(Endpoint(url, TOKEN)).verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    "url", ["https://192.0.2.1:1", "http://192.0.2.1:1", "https://ls.example:1", "https://localhost.ls.example:1"]
)
def test_nothing_unverified_leaves_this_machine(url: str) -> None:
    fault = refused(url, None)
    assert (fault.status, fault.code, fault.retryable) == (502, "ls_refused", False)
    assert url in fault.message
    assert TOKEN not in fault.message


def test_a_certificate_does_not_make_plain_http_safe(cert: Path) -> None:
    assert refused("http://192.0.2.1:1", cert).code == "ls_refused"


@pytest.mark.parametrize("url", ["https://192.0.2.1:1", "https://127.0.0.1:1"])
def test_with_a_certificate_it_alone_is_trusted(cert: Path, url: str) -> None:
    made = tls(Endpoint(url, TOKEN, cert))
    assert isinstance(made, ssl.SSLContext)
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.get_ca_certs(binary_form=True) == [ssl.PEM_cert_to_DER_cert(cert.read_text())]
    assert made.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_certificate_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "cert.pem"
    if content is not None:
        file.write_text(content)
    fault = refused("https://127.0.0.1:1", file)
    assert (fault.status, fault.retryable) == (502, False)
    assert str(file) in fault.message


def test_as_the_user_names_it() -> None:
    assert Endpoint.given("https://127.0.0.1:1/", None, None) == Endpoint("https://127.0.0.1:1", "", kind="given")


def test_the_token_is_shown_in_part_at_most() -> None:
    endpoint = Endpoint("https://127.0.0.1:1", TOKEN)
    assert endpoint.masked_csrf == "5f0c…"
    assert TOKEN not in repr(endpoint)
    assert Endpoint("https://127.0.0.1:1", "").masked_csrf == "none"

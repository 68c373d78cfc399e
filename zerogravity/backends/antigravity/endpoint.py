"""``Endpoint``: where a language server listens, and its TLS: pinned, or unverified on loopback only."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from zerogravity.backends.antigravity.errors import refused
from zerogravity.errors import FaultError, Termination, language_server
from zerogravity.hosts import is_loopback


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``cert``: PEM file that its certificate is pinned to; without one, it must be on loopback.

    ``kind``: ``core``, ``workspace``, ``simulator``, ``child`` (our own) or ``given`` (by the user).
    """

    url: str
    csrf: str = field(repr=False)
    cert: Path | None = None
    pid: int | None = None
    kind: str = "given"

    @classmethod
    def given(cls, url: str, csrf: str | None, cert: Path | None) -> Endpoint:
        """As the user names it."""
        return cls(url.rstrip("/"), csrf or "", cert=cert)

    @property
    def masked_csrf(self) -> str:
        """Enough of the token to recognise it."""
        return f"{self.csrf[:4]}…" if self.csrf else "none"


def tls(endpoint: Endpoint) -> ssl.SSLContext:
    """Pinned to the LS's own certificate, or unverified on loopback only. Raises FaultError otherwise."""
    parts = urlsplit(endpoint.url)
    if (parts.scheme == "http" or endpoint.cert is None) and not is_loopback(parts.hostname):
        text = f"{endpoint.url} is not on this machine: give its certificate (ls_cert) and an https URL"
        raise FaultError(language_server(502, "ls_refused", text, Termination.LS_REFUSED, retryable=False))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate is for "localhost", also when dialling 127.0.0.1 (A.1)
    if endpoint.cert is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it is its own authority
    try:
        context.load_verify_locations(endpoint.cert)
    except OSError as error:  # ssl.SSLError is one
        text = f"the certificate {endpoint.cert} cannot be read: {error.strerror or error.args[-1]}"
        raise FaultError(refused(502, text, retryable=False)) from error
    return context

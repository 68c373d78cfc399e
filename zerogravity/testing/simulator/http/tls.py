"""Throw-away certificates for the stand-ins: a small authority with one server certificate, or a self-signed one.

Nothing here is kept: keys live in memory, and for one moment in a 0600 temporary file, since ``ssl`` loads from files.
"""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zerogravity.hosts import CODE_ASSIST, PUBLIC

LIFETIME = dt.timedelta(days=7)
AUTHORITY = "zerogravity stand-in authority"
GOOGLE_NAMES = ("localhost", "127.0.0.1", "::1", *CODE_ASSIST, *PUBLIC)


@dataclass(frozen=True, slots=True)
class Identity:
    """A server's key and certificate chain, and what a client has to trust."""

    ca_pem: bytes
    chain_pem: bytes
    key_pem: bytes

    def server_context(self, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """The server side of TLS with this identity; ``alpn`` lists the protocols on offer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(self.key_pem + self.chain_pem)
            file.flush()
            context.load_cert_chain(file.name)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def from_files(certificate: Path, key: Path) -> Identity:
    """An identity from PEM files."""
    pem = certificate.read_bytes()
    return Identity(pem, pem, key.read_bytes())


def authority_signed(names: Sequence[str] = GOOGLE_NAMES) -> Identity:
    """A new authority and a certificate for ``names`` (host names and addresses) signed by it."""
    ca_key, key = _new_key(), _new_key()
    ca = _certificate(AUTHORITY, ca_key, AUTHORITY, ca_key, authority=True)
    return Identity(ca, _certificate(names[0], key, AUTHORITY, ca_key, names) + ca, _pem(key))


def self_signed(names: Sequence[str] = ("localhost",)) -> Identity:
    """What the language server ships: its own certificate for ``localhost``, which clients pin as authority (A.1)."""
    key = _new_key()
    pem = _certificate(names[0], key, names[0], key, names, authority=True)
    return Identity(pem, pem, _pem(key))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str] = (),
    *,
    authority: bool = False,
) -> bytes:
    """A PEM certificate for ``names``, signed by ``issuer_key``."""
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general_name, names))), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)

"""Our own certificate authority for proxy mode: per install, short-lived, constrained to the intercepted hosts.

Makes and checks files; their name is the one that mitmproxy looks for in its ``confdir``. Threat T6; measured: the name
constraints hold only with ``upstream_cert=false``.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from platformdirs import user_config_path

from zerogravity.errors import FaultError, internal
from zerogravity.hosts import GOOGLE_HOSTS, MAX_AUTHORITY_DAYS


@dataclass(frozen=True, slots=True)
class Authority:
    """The files of one authority and what its certificate says."""

    directory: Path
    expires: dt.datetime
    hosts: tuple[str, ...]

    @property
    def key_file(self) -> Path:
        return self.directory / "mitmproxy-ca.pem"

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def bundle(self) -> Path:
        """System roots and our certificate in one file: Go's ``SSL_CERT_FILE`` replaces the system's bundle."""
        return self.directory / "bundle.pem"


def create(
    directory: Path, *, now: dt.datetime, days: int = MAX_AUTHORITY_DAYS, hosts: tuple[str, ...] = GOOGLE_HOSTS
) -> Authority:
    """Make a new authority in ``directory`` (0700), replacing one that is there.

    Raises ValueError when ``days`` is not within 1..90, FaultError when the one that is there is not ours.
    """
    if not 1 <= days <= MAX_AUTHORITY_DAYS:
        raise ValueError(f"an authority is valid for 1 to {MAX_AUTHORITY_DAYS} days, not {days}")
    if (directory / "mitmproxy-ca.pem").exists():
        _ours(directory / "mitmproxy-ca.pem")
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, now, days, hosts)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(directory / "mitmproxy-ca.pem", secret + pem, 0o600)
    _write(directory / "ca.pem", pem, 0o644)
    _write(directory / "bundle.pem", system_roots().rstrip() + b"\n" + pem, 0o644)
    return load(directory)


def home() -> Path:
    """The usual folder of the authority."""
    return user_config_path("zerogravity") / "ca"


def load(directory: Path, *, now: dt.datetime | None = None) -> Authority:
    """The authority in ``directory``. Raises FaultError when it is missing, readable by others, or has no limits;
    with ``now`` also when it has expired."""
    key_file = directory / "mitmproxy-ca.pem"
    make_one = f"make one with: zerogravity certs new --dir {directory}"
    if not key_file.exists():
        raise FaultError(internal(f"no certificate authority in {directory}; {make_one}"))
    if key_file.stat().st_mode & 0o077:
        raise FaultError(internal(f"{key_file} can be read by others; fix with: chmod 600 {key_file}"))
    certificate, hosts = _ours(key_file)
    expires = certificate.not_valid_after_utc
    if now is not None and now >= expires:
        raise FaultError(internal(f"the authority in {directory} expired on {expires:%Y-%m-%d}; {make_one}"))
    return Authority(directory, expires, hosts)


def permitted_hosts(directory: Path) -> tuple[str, ...]:
    """The hosts that the authority in ``directory`` may sign for; one of an older version is constrained to fewer. All,
    where there is none of ours."""
    try:
        return load(directory).hosts
    except (FaultError, OSError):
        return GOOGLE_HOSTS


def _ours(key_file: Path) -> tuple[x509.Certificate, tuple[str, ...]]:
    """The certificate in a file and the hosts it is constrained to. Raises FaultError without constraints."""
    away = f"move it away and run: zerogravity certs new --dir {key_file.parent}"
    try:
        certificate = x509.load_pem_x509_certificate(key_file.read_bytes())
        limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except ValueError:
        raise FaultError(internal(f"{key_file} holds no certificate; {away}")) from None
    except x509.ExtensionNotFound:
        raise FaultError(internal(f"{key_file} has no name constraints, so it is not ours; {away}")) from None
    return certificate, tuple(name.value for name in limits.permitted_subtrees or () if isinstance(name, x509.DNSName))


def system_roots() -> bytes:
    """The root certificates that this machine trusts: the system's file, else certifi's."""
    paths = ssl.get_default_verify_paths()
    for path in (paths.cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        if path and Path(path).is_file():
            return Path(path).read_bytes()
    return Path(certifi.where()).read_bytes()


def _certificate(
    key: ec.EllipticCurvePrivateKey, now: dt.datetime, days: int, hosts: tuple[str, ...]
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zerogravity (this machine only)")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    # A type of name that is not mentioned is unconstrained: without the second list it could sign for any address.
    limits = x509.NameConstraints(
        [x509.DNSName(host) for host in hosts],
        [x509.IPAddress(ip_network("0.0.0.0/0")), x509.IPAddress(ip_network("::/0"))],
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(limits, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)  # an old one may be readable by others
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.chmod(mode)
    temporary.replace(path)

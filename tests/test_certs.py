"""Our own authority: what its files look like, and that clients really hold it to Google's hosts."""

from __future__ import annotations

import datetime as dt
import os
import re
import ssl
import stat
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zerogravity import certs
from zerogravity.errors import FaultError

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
GOOGLE = "daily-cloudcode-pa.googleapis.com"


@pytest.fixture
def authority(tmp_path: Path) -> certs.Authority:
    return certs.create(tmp_path / "ca", now=NOW)


def certificate(authority: certs.Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.certificate.read_bytes())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- files ---------------------------------------------------------------------------------------------------------


def test_who_may_read_what(authority: certs.Authority) -> None:
    assert mode(authority.directory) == 0o700
    assert mode(authority.key_file) == 0o600
    assert mode(authority.certificate) == mode(authority.bundle) == 0o644
    assert sorted(file.name for file in authority.directory.iterdir()) == ["bundle.pem", "ca.pem", "mitmproxy-ca.pem"]


def test_an_open_folder_and_umask_are_closed(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    before = os.umask(0)
    try:
        made = certs.create(folder, now=NOW)
    finally:
        os.umask(before)
    assert (mode(folder), mode(made.key_file)) == (0o700, 0o600)


def test_the_key_is_not_written_into_a_file_that_somebody_has_open(tmp_path: Path) -> None:
    left = tmp_path / "mitmproxy-ca.tmp"
    left.touch(mode=0o644)
    with left.open("rb") as reader:
        certs.create(tmp_path, now=NOW)
        assert reader.read() == b""


def test_the_key_is_in_one_file_only_and_belongs_to_the_certificate(authority: certs.Authority) -> None:
    key = serialization.load_pem_private_key(authority.key_file.read_bytes(), None)
    assert key.public_key() == certificate(authority).public_key()
    assert authority.key_file.read_bytes().endswith(authority.certificate.read_bytes())
    for public in (authority.certificate, authority.bundle):
        assert b"PRIVATE KEY" not in public.read_bytes()


def test_the_bundle_is_the_roots_and_ours(authority: certs.Authority) -> None:
    roots = certs.system_roots()
    assert authority.bundle.read_bytes() == roots.rstrip() + b"\n" + authority.certificate.read_bytes()
    trusted = {one["serialNumber"] for one in ssl.create_default_context(cafile=str(authority.bundle)).get_ca_certs()}
    assert f"{certificate(authority).serial_number:X}" in {number.lstrip("0") for number in trusted}
    assert len(trusted) > 10


def test_roots_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    assert certs.system_roots() == Path(certs.certifi.where()).read_bytes()


# -- what the certificate says -------------------------------------------------------------------------------------


def test_its_limits_are_critical(authority: certs.Authority) -> None:
    found = certificate(authority)
    basic = found.extensions.get_extension_for_class(x509.BasicConstraints)
    limits = found.extensions.get_extension_for_class(x509.NameConstraints)
    usage = found.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert limits.critical
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert [name.value for name in limits.value.permitted_subtrees or ()] == list(certs.GOOGLE_HOSTS)
    purpose = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purpose) == [ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize("days", [1, 30, 90])
def test_how_long_it_lives(tmp_path: Path, days: int) -> None:
    made = certs.create(tmp_path, now=NOW, days=days)
    assert made.expires == NOW + dt.timedelta(days=days)
    assert certificate(made).not_valid_before_utc == NOW - dt.timedelta(hours=1)


def test_ninety_days_unless_told_otherwise(authority: certs.Authority) -> None:
    assert authority.expires - NOW == dt.timedelta(days=90)


@pytest.mark.parametrize("days", [0, -1, 91, 3650])
def test_other_lives_are_refused(tmp_path: Path, days: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 90 days, not {days}"):
        certs.create(tmp_path / "ca", now=NOW, days=days)
    assert not (tmp_path / "ca").exists()


def test_two_authorities_share_nothing(tmp_path: Path) -> None:
    one, other = (certificate(certs.create(tmp_path / name, now=NOW)) for name in "ab")
    assert one.serial_number != other.serial_number
    assert one.public_key() != other.public_key()


# -- what clients make of it ---------------------------------------------------------------------------------------


def signed(
    authority: certs.Authority, *names: x509.GeneralName, issuer: Path | None = None, ca: bool = False
) -> tuple[bytes, bytes]:
    """A certificate for ``names`` by the authority (or by the key and certificate in ``issuer``) → (key, chain)."""
    source = (issuer or authority.key_file).read_bytes()
    signer = serialization.load_pem_private_key(source, None)
    parent = x509.load_pem_x509_certificates(source)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
        .issuer_name(parent[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(minutes=30))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(_usage(ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(parent[0].public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    above = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in parent) if issuer else b""
    return secret, made.public_bytes(serialization.Encoding.PEM) + above


def _usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def handshake(bundle: Path, folder: Path, leaf: tuple[bytes, bytes], name: str) -> None:
    """A TLS client that trusts ``bundle`` and one of ours at the other end; raises what the client raises."""
    file = folder / "leaf.pem"
    file.write_bytes(b"".join(leaf))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    asking = ssl.create_default_context(cafile=str(bundle))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(down, up, server_hostname=name)
    server = serving.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"


DNS, IP = x509.DNSName, x509.IPAddress


@pytest.mark.parametrize("host", certs.GOOGLE_HOSTS)
def test_google_hosts_are_believed(authority: certs.Authority, tmp_path: Path, host: str) -> None:
    handshake(authority.bundle, tmp_path, signed(authority, DNS(host)), host)


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        ((DNS("bank.example"),), "bank.example"),
        ((DNS("googleapis.com"),), "googleapis.com"),
        ((DNS("accounts.google.com"),), "accounts.google.com"),
        ((DNS("*.googleapis.com"),), GOOGLE),
        ((DNS("*.bank.example"),), "www.bank.example"),
        ((DNS(f"x{GOOGLE}"),), f"x{GOOGLE}"),
        ((DNS(GOOGLE), DNS("bank.example")), GOOGLE),
        ((IP(ip_address("192.0.2.1")),), "192.0.2.1"),
        ((IP(ip_address("2001:db8::1")),), "2001:db8::1"),
        ((DNS(GOOGLE), IP(ip_address("192.0.2.1"))), "192.0.2.1"),
    ],
)
def test_foreign_names_are_not(
    authority: certs.Authority, tmp_path: Path, names: tuple[x509.GeneralName, ...], asked: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"subtree violation"):
        handshake(authority.bundle, tmp_path, signed(authority, *names), asked)


def test_it_can_make_no_further_authority(authority: certs.Authority, tmp_path: Path) -> None:
    secret, chain = signed(authority, DNS(GOOGLE), ca=True)
    below = tmp_path / "below.pem"
    below.write_bytes(secret + chain)
    leaf = signed(authority, DNS(GOOGLE), issuer=below)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"path length constraint exceeded"):
        handshake(authority.bundle, tmp_path, leaf, GOOGLE)


def test_it_is_believed_only_where_it_is_trusted(authority: certs.Authority, tmp_path: Path) -> None:
    other = certs.create(tmp_path / "other", now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(other.bundle, tmp_path, signed(authority, DNS(GOOGLE)), GOOGLE)


# -- loading -------------------------------------------------------------------------------------------------------


def told(directory: Path, **more: dt.datetime) -> str:
    with pytest.raises(FaultError) as caught:
        certs.load(directory, **more)
    return caught.value.fault.message


def test_what_is_loaded_is_what_was_made(authority: certs.Authority) -> None:
    assert certs.load(authority.directory, now=NOW) == authority
    assert authority.hosts == certs.GOOGLE_HOSTS


def test_a_new_one_replaces_ours(authority: certs.Authority) -> None:
    before = authority.key_file.read_bytes()
    again = certs.create(authority.directory, now=NOW, days=3)
    assert again.expires == NOW + dt.timedelta(days=3)
    assert authority.key_file.read_bytes() != before


def test_none_is_there(tmp_path: Path) -> None:
    assert told(tmp_path) == (
        f"no certificate authority in {tmp_path}; make one with: zerogravity certs new --dir {tmp_path}"
    )


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_key_that_others_can_touch_is_refused(authority: certs.Authority, bits: int) -> None:
    authority.key_file.chmod(bits)
    message = told(authority.directory)
    assert "can be read by others" in message
    fix = re.search(r"chmod (\d+) (.*)$", message)
    assert fix is not None
    Path(fix[2]).chmod(int(fix[1], 8))
    assert certs.load(authority.directory) == authority


@pytest.mark.parametrize("late", [0, 1, 86400])
def test_an_expired_one_is_refused_where_it_is_to_be_used(authority: certs.Authority, late: int) -> None:
    now = authority.expires + dt.timedelta(seconds=late)
    assert told(authority.directory, now=now) == (
        f"the authority in {authority.directory} expired on {authority.expires:%Y-%m-%d}; "
        f"make one with: zerogravity certs new --dir {authority.directory}"
    )
    assert certs.load(authority.directory) == authority


def test_it_can_be_used_to_its_last_second(authority: certs.Authority) -> None:
    assert certs.load(authority.directory, now=authority.expires - dt.timedelta(seconds=1)) == authority


def unlimited() -> bytes:
    """Key and certificate as mitmproxy makes them: an authority for the whole world."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mitmproxy")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("content", "words"),
    [(unlimited(), "has no name constraints, so it is not ours"), (b"", "no certificate"), (b"\xff\0", "no certif")],
    ids=["mitmproxy's own", "empty", "garbage"],
)
def test_what_is_not_ours_is_neither_used_nor_overwritten(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "mitmproxy-ca.pem"
    file.write_bytes(content)
    file.chmod(0o600)
    tmp_path.chmod(0o755)
    assert words in told(tmp_path)
    with pytest.raises(FaultError, match=words):
        certs.create(tmp_path, now=NOW)
    assert file.read_bytes() == content
    assert mode(tmp_path) == 0o755


def test_what_may_be_opened_is_what_can_be_spoken_for(tmp_path: Path) -> None:
    """An authority of an older version, that a language server trusts: what it lacks is tunnelled, not broken."""
    older = certs.create(tmp_path / "older", now=NOW, hosts=(GOOGLE, "cloudcode-pa.googleapis.com"))
    assert certs.permitted_hosts(older.directory) == (GOOGLE, "cloudcode-pa.googleapis.com")
    assert certs.permitted_hosts(tmp_path / "none") == certs.GOOGLE_HOSTS
    (tmp_path / "mitmproxy-ca.pem").write_bytes(unlimited())
    (tmp_path / "mitmproxy-ca.pem").chmod(0o600)
    assert certs.permitted_hosts(tmp_path) == certs.GOOGLE_HOSTS

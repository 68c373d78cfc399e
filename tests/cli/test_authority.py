"""The life of a certificate authority."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from tests.cli.typed import run
from zerogravity import certs

pytestmark = pytest.mark.usefixtures("home")


def test_an_authority_s_life(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    made = run("certs", "new", "--dir", folder, "--days", 3)
    shown = run("certs", "show", "--dir", folder)
    assert (made.exit_code, shown.exit_code) == (0, 0)
    assert made.stdout == shown.stdout
    expires = certs.load(folder).expires
    assert f"expires     {expires:%Y-%m-%d}" in shown.stdout
    assert dt.timedelta(days=2, hours=23) < expires - dt.datetime.now(dt.UTC) <= dt.timedelta(days=3)
    assert "daily-cloudcode-pa.googleapis.com" in shown.stdout
    assert f"  SSL_CERT_FILE={folder / 'bundle.pem'}" in shown.stdout
    assert "PRIVATE" not in shown.stdout

    assert run("certs", "remove", "--dir", folder).stdout == f"removed from {folder}\n"
    assert list(folder.iterdir()) == []
    again = run("certs", "remove", "--dir", folder)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr.startswith(f"zerogravity: no certificate authority in {folder}; ")


def test_an_authority_s_usual_place() -> None:
    assert run("certs", "new").exit_code == 0
    assert (certs.home() / "mitmproxy-ca.pem").exists()
    assert run("certs", "show").exit_code == 0
    assert run("certs", "remove").exit_code == 0
    assert not (certs.home() / "mitmproxy-ca.pem").exists()


def test_an_authority_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / "mitmproxy-ca.pem").write_text("theirs")
    (tmp_path / "mitmproxy-ca.pem").chmod(0o600)
    for what in ("new", "remove", "show"):
        result = run("certs", what, "--dir", tmp_path)
        assert result.exit_code == 1
        assert "move it away" in result.stderr
    assert (tmp_path / "mitmproxy-ca.pem").read_text() == "theirs"


def test_an_authority_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("certs", "new", "--dir", tmp_path / "file" / "ca")
    assert result.exit_code == 1
    assert re.fullmatch(r"zerogravity: \[Errno \d+\] .*\n", result.stderr)

"""The inspector's token."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from zerogravity.config import Config
from zerogravity.observe.inspector.token import FILE, kept, token_of


def test_it_is_made_once_and_kept_for_its_user_alone(tmp_path):
    file = tmp_path / "data" / FILE
    made = kept(file)
    assert len(made) >= 32
    assert kept(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_gateways_that_start_at_once_have_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        for n in range(20):
            assert len(set(pool.map(lambda _, n=n: kept(tmp_path / f"{n}" / FILE), range(8)))) == 1
    assert [file.name for file in tmp_path.rglob("*.tmp")] == []


@pytest.mark.parametrize("held", [b"", b"short\n", b"\xff" * 40])
def test_what_is_no_token_is_not_used(tmp_path, held, caplog):
    file = tmp_path / FILE
    file.write_bytes(held)
    made = kept(file)
    assert made.encode() != held.strip()
    assert len(made) >= 32


def test_where_nothing_can_be_written_there_is_one_for_this_run(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert len(kept(tmp_path / "file" / FILE)) >= 32
    assert "restart" in caplog.text


@pytest.mark.parametrize(
    ("settings", "token"),
    [
        ({"inspector_token": "chosen-by-me"}, "chosen-by-me"),
        ({"inspector": False}, None),
        ({"listen": "0.0.0.0:0", "key": "k"}, None),
        ({"listen": "0.0.0.0:0", "key": "k", "inspector_token": "chosen-by-me"}, "chosen-by-me"),
    ],
)
def test_which_one_there_is(tmp_path, settings, token):
    assert token_of(Config(data_dir=str(tmp_path), **settings)) == token

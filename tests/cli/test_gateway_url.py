"""Which gateway a command asks, and who gets our key."""

from __future__ import annotations

import click
import pytest

from zerogravity.cli.gateway_url import asked

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    ("url", "where", "key"),
    [
        (None, "http://127.0.0.1:8741", "k"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9", "k"),
        ("https://elsewhere.example", "https://elsewhere.example", None),
    ],
)
def test_only_this_machine_gets_our_key(monkeypatch, url, where, key):
    monkeypatch.setenv("ZEROGRAVITY_KEY", "k")
    found = asked(url, None)
    assert (found.url, found.key) == (where, key)


@pytest.mark.parametrize("url", ["nonsense", "", "127.0.0.1:8741", "ftp://x", "http://", "http://x:99999", "http://[x"])
def test_what_is_no_url_is_refused_by_name(url):
    with pytest.raises(click.BadParameter, match="must look like http://HOST:PORT") as caught:
        asked(url, None)
    assert caught.value.param_hint == "'--url'"

"""Which gateway a command asks, and who gets our key."""

from __future__ import annotations

import click
import pytest

from zerogravity.cli.gateway_url import asked, inspected

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


def test_the_inspectors_token_goes_to_no_other_machine(monkeypatch):
    monkeypatch.setenv("ZEROGRAVITY_INSPECTOR_TOKEN", "a-token")
    assert inspected(None, None)[:2] == ("http://127.0.0.1:8741", "a-token")
    assert inspected("http://localhost:9/", None)[:2] == ("http://localhost:9", "a-token")
    with pytest.raises(click.BadParameter, match="to no other machine"):
        inspected("http://elsewhere.example:8741", None)
    monkeypatch.setenv("ZEROGRAVITY_INSPECTOR", "false")
    with pytest.raises(OSError, match="the inspector is off"):
        inspected(None, None)

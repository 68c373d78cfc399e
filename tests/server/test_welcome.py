"""The page at ``/``."""

from __future__ import annotations

import re

import pytest

from zerogravity.server import welcome


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("TEXT/HTML", True),
        ("*/*", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_who_wants_a_page(accept, wants):
    assert welcome.wants_page(accept) is wants


def test_it_names_the_base_urls_and_the_way_to_the_inspector():
    page = welcome.page("http://127.0.0.1:8741", inspected=True).decode()
    for text in ("<code>http://127.0.0.1:8741/v1</code>", 'href="/inspector/"', "zerogravity open"):
        assert text in page
    off = welcome.page("http://127.0.0.1:8741", inspected=False).decode()
    assert "/inspector/" not in off
    assert "switched off" in off


def test_nothing_of_a_request_becomes_markup_and_nothing_runs():
    page = welcome.page('http://"><script>', inspected=True).decode()
    assert "<script" not in page
    assert not re.search(r"\son\w+=|\sstyle=|https?://(?!&)", page)
    assert "unsafe" not in welcome.HEADERS["Content-Security-Policy"]

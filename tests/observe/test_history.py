"""Turns on disk."""

from __future__ import annotations

from zerogravity.observe.history import History, Page


def test_an_empty_folder_has_no_turns(tmp_path):
    history = History(tmp_path)
    assert history.search() == Page([], more=False)
    assert history.trace("turn_0") is None

"""All are told, whatever one of them does."""

from __future__ import annotations

import logging

import pytest

from zerogravity.core.callbacks import Callbacks, run_guarded


class Subject:
    """Something that can happen."""


def raising(_: object) -> None:
    raise RuntimeError("our bug")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_failing_callback_does_not_stop_the_others(caplog, place) -> None:
    callbacks, reports, subject = Callbacks[Subject](), list[Subject](), Subject()
    members = [reports.append, reports.append]
    members.insert(place, raising)
    for member in members:
        callbacks.append(member)
    callbacks.call(subject)
    assert reports == [subject, subject]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "raising failed" in caplog.text
    assert "our bug" in caplog.text


def test_callbacks_are_called_every_time() -> None:
    callbacks, reports = Callbacks[int](), list[int]()
    callbacks.append(reports.append)
    callbacks.call(1)
    callbacks.call(2)
    assert reports == [1, 2]


def test_a_callback_added_during_a_call_is_first_called_next_time() -> None:
    callbacks, reports = Callbacks[int](), list[int]()
    callbacks.append(lambda subject: callbacks.append(reports.append) if subject == 7 else None)
    callbacks.call(7)
    callbacks.call(8)
    assert reports == [8]


def test_a_keyboard_interrupt_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_guarded(lambda: (_ for _ in ()).throw(KeyboardInterrupt))

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
def test_one_that_fails_keeps_no_other_from_being_told(caplog, place) -> None:
    callbacks, told, subject = Callbacks[Subject](), list[Subject](), Subject()
    members = [told.append, told.append]
    members.insert(place, raising)
    for member in members:
        callbacks.append(member)
    callbacks.call(subject)
    assert told == [subject, subject]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "raising failed" in caplog.text
    assert "our bug" in caplog.text


def test_what_happens_again_is_told_again() -> None:
    callbacks, told = Callbacks[int](), list[int]()
    callbacks.append(told.append)
    callbacks.call(1)
    callbacks.call(2)
    assert told == [1, 2]


def test_who_comes_while_others_are_told_hears_of_the_next() -> None:
    callbacks, told = Callbacks[int](), list[int]()
    callbacks.append(lambda subject: callbacks.append(told.append) if subject == 7 else None)
    callbacks.call(7)
    callbacks.call(8)
    assert told == [8]


def test_what_is_not_an_error_goes_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_guarded(lambda: (_ for _ in ()).throw(KeyboardInterrupt))

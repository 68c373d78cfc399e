"""All are told, whatever one of them does."""

from __future__ import annotations

import gc
import logging
import weakref

import pytest

from zerogravity.core.callbacks import Callbacks, attempt


class Subject:
    """Something that can happen."""


def raising(_: object) -> None:
    raise RuntimeError("our bug")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("verb", ["tell", "over"])
def test_one_that_fails_keeps_no_other_from_being_told(caplog, verb, place) -> None:
    callbacks, told, subject = Callbacks[Subject](), list[Subject](), Subject()
    members = [told.append, told.append]
    members.insert(place, raising)
    for member in members:
        callbacks.append(member)
    getattr(callbacks, verb)(subject)
    assert told == [subject, subject]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "raising failed" in caplog.text
    assert "our bug" in caplog.text


def test_what_happens_again_is_told_again() -> None:
    callbacks, told = Callbacks[int](), list[int]()
    callbacks.append(told.append)
    callbacks.tell(1)
    callbacks.tell(2)
    assert told == [1, 2]


def test_who_comes_too_late_is_told_at_once_and_once(caplog) -> None:
    callbacks, told = Callbacks[int](), list[int]()
    callbacks.append(told.append)
    callbacks.over(7)
    callbacks.append(told.append)
    callbacks.append(raising)
    assert told == [7, 7]
    assert "raising failed" in caplog.text


def test_who_comes_while_others_are_told() -> None:
    callbacks, told = Callbacks[int](), list[int]()
    callbacks.append(lambda subject: callbacks.append(told.append))
    callbacks.over(7)
    assert told == [7]


def test_nobody_is_held_after_the_end() -> None:
    callbacks, subject = Callbacks[int](), Subject()
    callbacks.append(lambda _, held=subject: None)
    gone = weakref.ref(subject)
    del subject
    callbacks.over(1)
    gc.collect()
    assert gone() is None


def test_what_is_not_an_error_goes_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt(lambda: (_ for _ in ()).throw(KeyboardInterrupt))

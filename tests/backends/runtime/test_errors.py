"""The runtime's faults, and what to do about each."""

from __future__ import annotations

import pytest

from zerogravity.backends.runtime.errors import absent, gone, refused
from zerogravity.errors import Fault, Origin, Termination


@pytest.mark.parametrize(
    ("fault", "status", "code", "termination", "retryable"),
    [
        (gone("it ended"), 503, "ls_gone", Termination.LS_GONE, True),
        (absent("it ended"), 503, "ls_absent", Termination.LS_GONE, True),
        (refused("it ended"), 502, "ls_refused", Termination.LS_REFUSED, True),
        (refused("it ended", retryable=False), 502, "ls_refused", Termination.LS_REFUSED, False),
    ],
)
def test_each_has_a_remedy(fault: Fault, status: int, code: str, termination: Termination, retryable: bool) -> None:
    assert (fault.origin, fault.status, fault.code) == (Origin.LS, status, code)
    assert (fault.termination, fault.retryable) == (termination, retryable)
    assert fault.full_message == f"it ended. {fault.remedy}"
    assert fault.remedy.endswith(".")


def test_a_key_in_its_words_is_not_shown() -> None:
    assert "AIza" not in gone("bad key AIzaSy-invented-key-of-a-test-0123456789").message

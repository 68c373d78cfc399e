"""Every back end has the members of ``Backend``, with the same parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.backends.toy import Toy
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.base import Backend, BackendListener
from zerogravity.backends.polling.polling import Polling

METHODS = {name: method for name, method in inspect.getmembers(Backend, inspect.isfunction) if name[0] != "_"}


@pytest.mark.parametrize("kind", [Antigravity, Polling, Toy])
@pytest.mark.parametrize("name", METHODS)
def test_it_has_every_method(kind: type[Any], name: str) -> None:
    wanted, have = METHODS[name], getattr(kind, name)
    assert inspect.iscoroutinefunction(have) is inspect.iscoroutinefunction(wanted)
    assert list(inspect.signature(have).parameters) == list(inspect.signature(wanted).parameters)


def test_reports_that_nobody_wants_are_ignored() -> None:
    callbacks = BackendListener()
    callbacks.on_models([])
    callbacks.on_up(True)
    callbacks.on_degraded("a part", None)

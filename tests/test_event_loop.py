"""Which event loop ``serve`` runs on."""

from __future__ import annotations

import importlib.util

import pytest

from zerogravity import event_loop
from zerogravity.errors import FaultError
from zerogravity.uvloop_loop import Loop

FIND = importlib.util.find_spec


@pytest.fixture
def without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "find_spec", lambda name: None if name == "uvloop" else FIND(name))


@pytest.mark.parametrize(("choice", "made"), [("auto", Loop), ("uvloop", Loop), ("asyncio", None)])
def test_uvloop_where_it_is_installed_and_wanted(choice: event_loop.Choice, made: type[Loop] | None) -> None:
    assert event_loop.factory(choice) is made


@pytest.mark.usefixtures("without_uvloop")
@pytest.mark.parametrize("choice", ["auto", "asyncio"])
def test_without_uvloop_it_is_asyncios(choice: event_loop.Choice) -> None:
    assert event_loop.factory(choice) is None


@pytest.mark.usefixtures("without_uvloop")
def test_uvloop_that_is_wanted_and_not_there_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(FaultError) as refused:
        event_loop.factory("uvloop")
    fault = refused.value.fault
    assert (fault.code, fault.param) == ("invalid_config", "loop")
    assert "install zerogravity[uvloop]" in fault.message

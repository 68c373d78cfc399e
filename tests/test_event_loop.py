"""Which event loop ``serve`` runs on."""

from __future__ import annotations

import sys

import pytest

from zerogravity import event_loop
from zerogravity.errors import FaultError


@pytest.fixture
def without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.delitem(sys.modules, "zerogravity.uvloop_loop", raising=False)


@pytest.mark.parametrize(("choice", "made"), [("auto", "Loop"), ("uvloop", "Loop"), ("asyncio", None)])
def test_uvloop_where_it_is_installed_and_wanted(choice: str, made: str | None) -> None:
    pytest.importorskip("uvloop")
    assert getattr(event_loop.factory(choice), "__name__", None) == made


@pytest.mark.usefixtures("without_uvloop")
@pytest.mark.parametrize("choice", ["auto", "asyncio"])
def test_without_uvloop_it_is_asyncios(choice: str) -> None:
    assert event_loop.factory(choice) is None


@pytest.mark.usefixtures("without_uvloop")
def test_uvloop_that_is_wanted_and_not_there_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(FaultError) as refused:
        event_loop.factory("uvloop")
    fault = refused.value.fault
    assert (fault.code, fault.param) == ("invalid_config", "loop")
    assert "install zerogravity[uvloop]" in fault.message

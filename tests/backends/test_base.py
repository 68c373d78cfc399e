"""Every back end has the members of ``Backend``, with the same parameters."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.backends.toy import Toy
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.base import Backend, BackendListener, Route
from zerogravity.backends.polling.polling import Polling
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.backends.runtime.settings import Settings

METHODS = {name: method for name, method in inspect.getmembers(Backend, inspect.isfunction) if name[0] != "_"}


KINDS = [Antigravity, Polling, Runtime, Toy]
PROPERTIES = [name for name, _ in inspect.getmembers(Backend, lambda member: isinstance(member, property))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_it_has_every_method(kind: type[Any], name: str) -> None:
    wanted, have = METHODS[name], getattr(kind, name)
    assert inspect.iscoroutinefunction(have) is inspect.iscoroutinefunction(wanted)
    assert list(inspect.signature(have).parameters) == list(inspect.signature(wanted).parameters)


@pytest.mark.parametrize(
    "made", [Antigravity(), Polling(), Runtime(Settings(key="s3cret-key"), Route()), Toy("http://127.0.0.1:9")]
)
def test_it_says_what_it_is(made: Backend) -> None:
    for name in PROPERTIES:
        assert getattr(made, name) is not None
    assert (made.places > 0, bool(made.words.name), bool(made.words.no_call)) == (True, True, True)
    assert "s3cret" not in repr(made.google)


@pytest.mark.parametrize(
    ("route", "leads_here", "environment"),
    [
        (Route(), False, {}),
        (Route("http://127.0.0.1:1", google="https://g"), True, {}),
        (
            Route(proxy="http://127.0.0.1:1", bundle=Path("/b.pem")),
            True,
            {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "localhost,127.0.0.1,::1", "SSL_CERT_FILE": "/b.pem"},
        ),
    ],
)
def test_how_a_process_gets_to_our_proxy(route: Route, leads_here: bool, environment: dict[str, str]) -> None:
    assert (route.leads_here, route.environment) == (leads_here, environment)


def test_reports_that_nobody_wants_are_ignored() -> None:
    callbacks = BackendListener()
    callbacks.on_models([])
    callbacks.on_up(True)
    callbacks.on_degraded("a part", None)

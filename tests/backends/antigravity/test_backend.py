"""The editor's language server as a back end: readiness, what is checked before a turn, our own child."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.backends.antigravity.test_client import fault_of
from tests.backends.conftest import CSRF, Station
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.errors import error_of, gone, not_logged_in
from zerogravity.backends.base import BackendListener, Readiness, Route
from zerogravity.core.turn import Model
from zerogravity.errors import Fault, FaultError, Termination, language_server

STRANGER = FaultError(language_server(502, "ls_refused", "another certificate", Termination.LS_REFUSED))


class Ls:
    """What the back end asks a language server, answered as a test says."""

    second_choice = False
    endpoint = None

    def __init__(self, answer: Exception | None, heart: Exception | None = None) -> None:
        self.answer, self.heart = answer, heart

    async def find_better(self) -> None:
        pass

    async def models(self) -> tuple[Model, ...]:
        if self.answer is not None:
            raise self.answer
        return (Model("x"),)

    async def heartbeat(self) -> None:
        if self.heart is not None:
            raise self.heart


# -- looks -------------------------------------------------------------------------------------------------------


async def seen(ls: Ls, learnt: list[Any]) -> Fault | None:
    backend = Antigravity()
    backend.ls = ls  # type: ignore[assignment]
    backend.set_callbacks(BackendListener(learnt.append))
    return (await backend.readiness()).fault


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, ""),
        (FaultError(gone("nothing answers")), "nothing answers"),
        (FaultError(not_logged_in()), "not logged in"),
        (error_of(403, b"Invalid CSRF token"), "refused our CSRF token"),
        (error_of(401, b""), "refused our CSRF token"),
        (error_of(501, b'{"code":"unimplemented"}'), ""),  # another build: turns may work
        (STRANGER, "another certificate"),
    ],
)  # fmt: skip
async def test_why_it_is_not_ready(answer: Exception | None, text: str) -> None:
    learnt: list[Any] = []
    fault = await seen(Ls(answer), learnt)
    assert text in fault.message if fault is not None else not text
    assert bool(learnt) is (answer is None)


@pytest.mark.parametrize(
    ("heart", "ok"),
    [
        (None, True),
        (error_of(404, b"<html>"), False),  # some other server
        (error_of(501, b'{"code":"unimplemented"}'), True),
        (FaultError(gone("nothing answers")), False),
    ],
)
async def test_the_server_may_not_be_a_language_server(heart: Exception | None, ok: bool) -> None:
    assert (await seen(Ls(error_of(404, b"404 page not found"), heart), []) is None) is ok


@pytest.mark.parametrize(("kind", "provisional"), [("core", False), ("child", False), ("workspace", True)])
async def test_a_second_choice_may_be_replaced_soon(station: Station, kind: str, provisional: bool) -> None:
    backend = Antigravity(url=station.url, csrf=CSRF)
    backend.ls.endpoint = replace(station.endpoint, kind=kind)
    assert await backend.readiness() == Readiness(provisional=provisional)
    await backend.close()


# -- before a turn -----------------------------------------------------------------------------------------------


async def test_an_ls_that_is_not_logged_in_is_known_and_asked_again(station: Station) -> None:
    client = Antigravity(url=station.url, csrf=CSRF)
    assert client.ls.logged_in
    await client.check()
    await client.check()
    assert station.methods() == ["GetUserStatus"]  # once, for its models
    station.answers["GetUserStatus"] = (500, {"code": "unknown", "message": "not logged in"})
    fault = await fault_of(client.ls.models())
    assert (fault.status, fault.code, fault.retryable) == (401, "ls_not_logged_in", False)
    assert "log in" in fault.remedy
    assert not client.ls.logged_in
    assert (await client.readiness()).fault == fault
    assert await fault_of(client.check()) == fault
    station.answers["GetUserStatus"] = (200, {"userStatus": {"name": "Ada"}})
    await client.check()
    assert client.ls.logged_in
    await client.close()


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        ((200, {"userStatus": {"cascadeModelConfigData": {"clientModelConfigs": [{"modelOrAlias": {"model": "x"}}]}}}),
         [(Model("x"),)]),
        ((200, {"userStatus": {}}), [()]),
        ((501, {"code": "unimplemented"}), []),
        ((403, b"Invalid CSRF token"), []),
        ((503, {}), []),
        ((200, b"no json"), []),
    ],
)  # fmt: skip
async def test_a_new_server_is_asked_for_its_models_before_a_turn(station: Station, answer: Any, reported: Any) -> None:
    """Whatever it answers: it may serve turns. Its replacement is asked again."""
    learnt: list[Any] = []
    station.answers["GetUserStatus"] = answer
    client = Antigravity(url=station.url, csrf=CSRF)
    client.set_callbacks(BackendListener(learnt.append))
    for _ in range(3):
        await client.check()
    assert station.methods() == ["GetUserStatus"]
    assert learnt == reported
    client.ls.endpoint = replace(station.endpoint, pid=7)
    await client.check()
    assert station.methods() == ["GetUserStatus"] * 2
    await client.close()


async def test_a_callback_that_fails_is_not_the_servers_fault(station: Station, caplog: Any) -> None:
    def fails(_: Any) -> None:
        raise RuntimeError("our bug")

    client = Antigravity(url=station.url, csrf=CSRF)
    client.set_callbacks(BackendListener(fails))
    await client.check()
    assert await client.readiness() == Readiness()
    await client.close()
    assert "our bug" in caplog.text


# -- re-pointed ----------------------------------------------------------------------------------------------------


class Pointing:
    """What is asked of a ``Repointer``."""

    def __init__(self, station: Station) -> None:
        self.station, self.asked = station, []
        self.lost: Fault | None = None

    async def ensure(self, endpoint: Endpoint) -> None:
        self.asked.append(endpoint)
        self.station.seen.append(("re-pointed", {}))

    def astray(self, endpoint: Endpoint) -> Fault | None:
        return self.lost

    async def put_back(self) -> None:
        self.station.seen.append(("put back", {}))


@pytest.mark.parametrize(
    ("kind", "answer", "asked"),
    [
        ("core", (200, {"userStatus": {}}), True),
        ("given", (200, {"userStatus": {}}), True),
        ("core", (500, {"code": "unknown", "message": "not logged in"}), False),
        ("workspace", (200, {"userStatus": {}}), False),
    ],
)
async def test_a_server_that_could_serve_is_re_pointed(station: Station, kind: str, answer: Any, asked: bool) -> None:
    """One that cannot would make no call to be seen; a second choice may soon be none."""
    pointing: Any = Pointing(station)
    backend = Antigravity(url=station.url, csrf=CSRF, repointer=pointing)
    backend.ls.endpoint = endpoint = replace(station.endpoint, kind=kind)
    station.answers["GetUserStatus"] = answer
    await backend.readiness()
    assert pointing.asked == ([endpoint] if asked else [])
    await backend.close()


async def test_the_server_of_a_turn_is_re_pointed_before_its_message(station: Station) -> None:
    pointing: Any = Pointing(station)
    station.answers["StartCascade"] = (200, {"cascadeId": "c"})
    backend = Antigravity(url=station.url, csrf=CSRF, repointer=pointing)
    backend.ls.endpoint = replace(station.endpoint, kind="workspace")
    await backend.start_cascade("m")
    assert station.methods() == ["StartCascade", "re-pointed"]
    await backend.close()
    assert station.methods()[2:] == ["put back"]


async def test_no_message_goes_to_one_whose_calls_go_elsewhere(station: Station) -> None:
    """Google would answer it, on somebody's quota, to nobody."""
    pointing: Any = Pointing(station)
    pointing.lost = language_server(502, "ls_refused", "it calls elsewhere", Termination.LS_REFUSED, remedy="Say so.")
    station.answers["StartCascade"] = (200, {"cascadeId": "c"})
    backend = Antigravity(url=station.url, csrf=CSRF, repointer=pointing)
    assert await fault_of(backend.start_cascade("m")) == pointing.lost
    await backend.close()


# -- one of our own ----------------------------------------------------------------------------------------------


async def test_a_server_that_is_not_ours_is_neither_started_nor_called(station: Station) -> None:
    backend = Antigravity(url=station.url, csrf=CSRF, route=Route(proxy="http://127.0.0.1:1"))
    await backend.start()
    assert station.seen == []
    await backend.close()


async def test_a_child_that_is_not_up_is_named() -> None:
    backend = Antigravity(command="no-such-program-anywhere {port}")
    fault = (await backend.readiness()).fault
    assert fault is not None
    assert (fault.code, "ls_command is not up" in fault.message) == ("ls_absent", True)
    assert "cannot be started" in (await fault_of(backend.start())).message
    await backend.close()

"""The language server re-pointed while it runs, and what it tells of Google."""

from __future__ import annotations

from typing import Any

import pytest

from tests.testing.simulator.ls_support import MakeLs, RpcFailed
from zerogravity.testing.simulator.google import GoogleSimulator


async def test_its_calls_go_to_the_url_that_it_was_given(make_ls: MakeLs) -> None:
    ls = await make_ls()
    async with GoogleSimulator(tls=False) as other:
        assert await ls.call("SetCloudCodeURL", url=other.url) == {}
        answer = await ls.call("GetLoadCodeAssist", forceRefresh=True)
        assert answer["response"]["cloudaicompanionProject"]
        await ls.turn("sim:text")
        assert other.requests[0].path == "/v1internal:loadCodeAssist"
        assert len(other.agent_requests) == 1
        assert ls.google.requests == []
        assert await ls.call("SetCloudCodeURL", url=ls.google.url) == {}
        await ls.call("GetLoadCodeAssist", forceRefresh=True)
        assert len(ls.google.requests) == 1


@pytest.mark.parametrize(
    ("method", "path", "member"),
    [
        ("GetLoadCodeAssist", "/v1internal:loadCodeAssist", "currentTier"),
        ("GetAvailableModels", "/v1internal:fetchAvailableModels", "models"),
    ],
)
async def test_google_is_asked_once_and_again_when_forced(make_ls: MakeLs, method: str, path: str, member: str) -> None:
    ls = await make_ls()
    for more, times in (({}, 1), ({}, 1), ({"forceRefresh": True}, 2), ({"forceRefresh": False}, 2)):
        assert member in (await ls.call(method, **more))["response"]
        assert [one.path for one in ls.google.requests] == [path] * times


@pytest.mark.parametrize(
    ("url", "status", "word"), [("", 400, "invalid URL"), ("ftp://x", 400, "invalid URL"), (7, 400, "no string")]
)
async def test_what_is_no_url_is_refused(make_ls: MakeLs, url: Any, status: int, word: str) -> None:
    ls = await make_ls()
    with pytest.raises(RpcFailed) as caught:
        await ls.call("SetCloudCodeURL", url=url)
    assert (caught.value.status, word in caught.value.text) == (status, True)


async def test_a_build_in_which_it_has_no_effect(make_ls: MakeLs) -> None:
    ls = await make_ls(repointable=False)
    assert await ls.call("SetCloudCodeURL", url="http://127.0.0.1:9") == {}
    await ls.call("GetLoadCodeAssist", forceRefresh=True)
    assert len(ls.google.requests) == 1


@pytest.mark.parametrize(("endpoint", "status"), [("http://127.0.0.1:9", 503), ("{google}/nowhere", 500)])
async def test_without_an_answer_of_google_there_is_none(make_ls: MakeLs, endpoint: str, status: int) -> None:
    ls = await make_ls()
    ls.simulator.options.endpoint = endpoint.format(google=ls.google.url)
    with pytest.raises(RpcFailed) as caught:
        await ls.call("GetLoadCodeAssist")
    assert caught.value.status == status

"""The way to Google: proxies, trust, both protocols, streams that break."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from tests.strategies import json_values
from tests.testing.simulator.ls_support import MakeLs, connect_proxy
from zerogravity.testing.simulator.google import (
    Do,
    GoogleSimulator,
    Scenario,
)
from zerogravity.testing.simulator.language_server import LsOptions
from zerogravity.testing.simulator.language_server.google_client import GoogleRefused


async def test_through_a_proxy_to_a_host_of_googles(make_ls: MakeLs, google: GoogleSimulator) -> None:
    seen: list[str] = []
    async with connect_proxy(google.port, seen) as port:
        endpoint = "https://daily-cloudcode-pa.googleapis.com"
        ls = await make_ls(endpoint=endpoint, proxy_url=f"http://127.0.0.1:{port}", background=True)
        cascade = await ls.turn("sim:text")
        assert await ls.ended(cascade) == "NO_TOOL_CALL"
        await ls.simulator.google.close()
    assert set(seen) == {"daily-cloudcode-pa.googleapis.com:443"}
    assert {one.headers["host"] for one in google.requests} == {"daily-cloudcode-pa.googleapis.com"}


async def test_it_never_calls_google_by_itself(make_ls: MakeLs) -> None:
    ls = await make_ls(endpoint=LsOptions().endpoint, retries=0, background=True)
    cascade = await ls.turn("hello")
    error = (await ls.steps(cascade))[-1]["errorMessage"]["error"]
    assert error["shortError"] == "stream error: a stand-in talks to the real Google through a proxy only"


async def test_a_loopback_endpoint_is_never_proxied(make_ls: MakeLs) -> None:
    ls = await make_ls(proxy_url="http://127.0.0.1:9")
    assert await ls.ended(await ls.turn("sim:text")) == "NO_TOOL_CALL"


async def test_only_the_given_authority_is_trusted(make_ls: MakeLs) -> None:
    ls = await make_ls(proxy_ca=None, retries=0)
    cascade = await ls.turn("hello")
    assert await ls.ended(cascade) == "ERROR"
    assert "CertificateError" in (await ls.steps(cascade))[-1]["errorMessage"]["error"]["shortError"]
    assert ls.google.requests == []


async def test_the_way_may_change_while_it_runs(make_ls: MakeLs) -> None:
    ls = await make_ls(endpoint="http://127.0.0.1:9", retries=0)
    assert await ls.ended(await ls.turn("hello")) == "ERROR"
    ls.simulator.options.endpoint = ls.google.url
    assert await ls.ended(await ls.turn("hello")) == "NO_TOOL_CALL"


async def test_an_unreachable_google(make_ls: MakeLs) -> None:
    ls = await make_ls(endpoint="http://127.0.0.1:9", retries=1)
    cascade = await ls.turn("hello")
    assert [one.outcome for one in ls.simulator.calls] == ["gone", "gone"]
    assert await ls.ended(cascade) == "ERROR"


async def test_a_stream_that_is_cut_by_design_still_reads_its_last_line(make_ls: MakeLs) -> None:
    """Go's scanner hands out a last line without its end."""
    ls = await make_ls(checkpoint="none")
    candidate = {"content": {"parts": [{"text": "last"}]}, "finishReason": "STOP"}
    line = json.dumps({"response": {"candidates": [candidate]}})
    ls.google.script(Scenario([(0, f"data: {line}".encode()), (0, Do.END)]))
    cascade = await ls.turn("x")
    assert (await ls.planners(cascade))[0]["plannerResponse"]["response"] == "last"


@given(json_values)
def test_any_refusal(value: Any) -> None:
    assert str(GoogleRefused(500, {"error": value}))

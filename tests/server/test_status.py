"""Routes about ourselves: live, ready, metrics, and the bearer that is set at run time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.support import Serve
from zerogravity.config import McpServer
from zerogravity.cooldowns import Cooldowns
from zerogravity.core.turn import Model
from zerogravity.errors import Termination, language_server, upstream
from zerogravity.observe.health import Health
from zerogravity.observe.mcp_servers import McpServers
from zerogravity.server import welcome
from zerogravity.server.services import Bearer
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.testing.builders import TARGET


async def test_root_has_no_body(serve: Serve) -> None:
    served = await serve()
    status, headers, body = await served.get("/")
    assert (status, headers["Content-Length"], body) == (200, "0", b"")


async def test_a_browser_gets_a_page_at_the_root_and_nobody_else_does(serve: Serve) -> None:
    served = await serve()
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    status, headers, body = await served.get("/", headers=browser)
    assert status == 200
    assert b"zerogravity runs here" in body
    assert f"{served.url}/v1".encode() in body
    assert headers["Content-Security-Policy"] == welcome.HEADERS["Content-Security-Policy"]
    assert "Set-Cookie" not in headers
    for sent in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert (await served.get("/", headers=sent))[2] == b""


@pytest.mark.parametrize(
    ("sent", "status"), [({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)]
)
async def test_the_page_at_the_root_is_for_this_machine(serve: Serve, sent: dict[str, str], status: int) -> None:
    served = await serve()
    assert (await served.get("/", headers={"Accept": "text/html", **sent}))[0] == status


async def test_health(serve: Serve) -> None:
    served = await serve()
    status, headers, body = await served.get("/health")
    assert (status, body["status"], headers["Cache-Control"]) == (200, "ok", "no-store")
    assert body["server"] == "zerogravity"
    assert body["version"].count(".") >= 1
    assert body["uptime_seconds"] >= 0
    assert "quota" not in body, "nothing is known of it"


async def test_health_tells_what_is_left_of_the_quotas(serve: Serve) -> None:
    served = await serve()
    catalogue = served.services.catalogue
    assert isinstance(catalogue, Catalogue)
    catalogue.refresh([Model("MODEL_PLACEHOLDER_M18", "Gemini 3 Flash", 0.25, resets=1_770_000_000.0)])
    _, _, body = await served.get("/health")
    assert body["quota"] == [{"model": "gemini-3-flash", "left": 0.25, "resets": "2026-02-02T02:40:00.000Z"}]


async def test_health_lists_the_configured_mcp_servers(serve: Serve) -> None:
    servers = McpServers({"docs": McpServer(url="https://docs.example/SECRET/mcp"), "files": McpServer(command="f")})
    served = await serve(services={"mcp_servers": servers})
    _, _, body = await served.get("/health")
    unknown = {"reachable": None, "seen": None}
    assert body["mcp_servers"] == [
        {"name": "docs", "kind": "http"} | unknown,
        {"name": "files", "kind": "stdio"} | unknown,
    ]


async def test_ready_names_the_broken_hop(serve: Serve, clock: Any) -> None:
    health = Health(clock)
    served = await serve(services={"health": health})
    status, _, body = await served.get("/ready")
    assert (status, body["ready"]) == (200, True)
    health.ls_checked(language_server(503, "ls_not_found", "no language server is running", Termination.LS_GONE))
    status, headers, body = await served.get("/ready")
    assert (status, body["ready"], headers["Retry-After"]) == (503, False, "1")
    broken = [check for check in body["checks"] if not check["ok"]]
    assert "no language server is running" in broken[0]["text"]
    assert broken[0]["since"].endswith("Z")
    assert broken[0]["last_failure"]["code"] == "ls_not_found"
    status, _, body = await served.get("/health")
    assert (status, body["status"], body["ready"]) == (200, "degraded", False), "live all the same"
    assert body["broken"] == broken


async def test_who_has_no_key_learns_only_whether_it_works(serve: Serve, clock: Any) -> None:
    key = "zg-right-key-0123456789"
    health, cooldowns = Health(clock), Cooldowns(60)
    health.report("traces", "the disk is full")
    cooldowns.note(TARGET, upstream(429, "rate_limit_exceeded", "slow", retry_after=30.0, reason="rate"))
    served = await serve(key=key, services={"health": health, "cooldowns": cooldowns})
    catalogue = served.services.catalogue
    assert isinstance(catalogue, Catalogue)
    catalogue.refresh([Model("MODEL_PLACEHOLDER_M18", "Gemini 3 Flash", 0.25, resets=1_770_000_000.0)])
    alive = {"server": "zerogravity", "status": "degraded", "ready": True}
    for sent in ({}, {"x-api-key": "zg-wrong-key-0123456789"}):
        assert (await served.get("/health", headers=sent))[2] == alive
        assert (await served.get("/ready", headers=sent))[2] == {"ready": True}
    known = {"x-api-key": key}
    whole = (await served.get("/health", headers=known))[2]
    assert {"version", "uptime_seconds", "quota", "degraded", "cooldowns"} <= whole.keys()
    assert {"checks", "cooldowns"} <= (await served.get("/ready", headers=known))[2].keys()
    health.ls_checked(language_server(503, "ls_not_found", "no language server", Termination.LS_GONE))
    status, _, body = await served.get("/ready")
    assert (status, body) == (503, {"ready": False})


async def test_what_a_run_has_caused(serve: Serve) -> None:
    served = await serve(key="zg-right-key-0123456789", trace=True, trace_dir="/nowhere/traces")
    headers = {"x-api-key": "zg-right-key-0123456789"}
    body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "x"}]}
    assert (await served.post("/run/k3f9/v1/chat/completions", body, headers=headers))[0] == 200
    status, _, told = await served.get("/run/k3f9", headers=headers)
    assert (status, told["run"], told["turns"], told["running"], told["failed"]) == (200, "k3f9", 1, 0, 0)
    assert told["traces"] == "/nowhere/traces"
    assert (await served.get("/run/aaaa", headers=headers))[2]["turns"] == 0
    assert (await served.get("/run/k3f9"))[0] == 401
    assert (await (await serve(trace=False)).get("/run/k3f9"))[2]["traces"] is None


async def test_a_run_is_told_to_whose_key_it_is_of_and_ends_once_for_all(serve: Serve) -> None:
    keys = ("zg-right-key-0123456789", "zg-other-key-0123456789")
    served = await serve(key=keys[0], keys=keys[1:])
    mine, other = ({"x-api-key": key} for key in keys)
    body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "x"}]}
    assert (await served.post("/run/k3f9/v1/chat/completions", body, headers=mine))[0] == 200
    assert (await served.get("/run/k3f9", headers=other))[2]["turns"] == 0
    assert (await served.post("/run/k3f9", {}, headers=other))[2]["ended"] is False
    assert (await served.get("/run/k3f9", headers=mine))[2]["ended"] is False
    _, _, told = await served.post("/run/k3f9", {}, headers=mine)
    assert (told["turns"], told["ended"]) == (1, True)
    assert (await served.get("/run/k3f9", headers=mine))[2] == told


async def test_metrics(serve: Serve) -> None:
    served = await serve()
    await served.post(
        "/v1/chat/completions", {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "x"}]}
    )
    await served.get("/nothing")
    async with served.http.get(served.url + "/metrics") as answer:
        text = await answer.text()
        assert answer.content_type == "text/plain"
    assert 'zg_turns_total{code="ok",surface="chat"} 1.0' in text
    assert 'zg_requests_total{status_class="2xx",surface="chat"} 1.0' in text
    assert 'zg_requests_total{status_class="4xx",surface="responses"} 1.0' in text
    assert "zg_loop_lag_seconds" in text
    off = await serve(metrics=False)
    assert (await off.get("/metrics"))[0] == 404


async def test_token_is_set_and_never_shown(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    bearer = Bearer()
    served = await serve(services={"bearer": bearer})
    status, headers, body = await served.post("/v1/token", {"token": "ya29.new-token"})
    assert (status, body, headers["Cache-Control"]) == (200, {"object": "token", "set": True}, "no-store")
    assert bearer.value == "ya29.new-token"
    assert "ya29" not in repr(bearer)
    status, _, body = await served.post("/v1/token", {"token": None})
    assert (status, body["set"], bearer.value) == (200, False, None)
    for wrong in ({}, {"token": 1}, {"token": "short"}, {"token": "with blank in it"}, {"token": "new\nline-token"}):
        status, _, body = await served.post("/v1/token", wrong)
        assert (status, body["error"]["param"]) == (400, "token")
    assert bearer.value is None
    assert "ya29" not in caplog.text


async def test_another_login_begins_without_the_cooldowns_of_the_former(serve: Serve) -> None:
    """Quotas are counted for each account; the same one again changes nothing."""
    cooldowns = Cooldowns(60, lambda: 1_770_000_000.0)
    served = await serve(services={"cooldowns": cooldowns, "bearer": Bearer("ya29.the-first")})
    refusal = upstream(429, "rate_limit_exceeded", "slow", retry_after=30.0, reason="rate")
    for token, left in (("ya29.the-first", 1), ("ya29.another-one", 0), ("ya29.another-one", 1), (None, 0)):
        cooldowns.note(TARGET, refusal)
        await served.post("/v1/token", {"token": token})
        assert len(list(cooldowns)) == left
    assert "cooldowns" not in (await served.get("/health"))[2]


async def test_models_that_are_left_alone_are_named(serve: Serve) -> None:
    cooldowns = Cooldowns(60, lambda: 1_770_000_000.0)
    served = await serve(services={"cooldowns": cooldowns})
    for path in ("/health", "/ready"):
        assert "cooldowns" not in (await served.get(path))[2]
    cooldowns.note(TARGET, upstream(429, "rate_limit_exceeded", "slow", retry_after=30.0, reason="rate"))
    for path in ("/health", "/ready"):
        (found,) = (await served.get(path))[2]["cooldowns"]
        assert (found["model"], found["until"]) == ("gemini-3-flash", "2026-02-02T02:40:30.000Z")

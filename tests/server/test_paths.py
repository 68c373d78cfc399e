"""Spellings of our paths: which are served, which are told the right one, and that no guard is got past by one."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.support import Serve
from tests.server.test_middleware import ROUTES
from zerogravity.server import paths
from zerogravity.surfaces import REGISTRY

CALL = "models/gemini-3-flash:generateContent"
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"model": "gemini-3-flash", "input": "hi"},
    "/v1/responses/input_tokens": {"model": "gemini-3-flash", "input": "hi"},
    "/v1/messages": {"model": "gemini-3-flash", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages/count_tokens": {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]},
    f"/v1beta/{CALL}": {"contents": [{"parts": [{"text": "hi"}]}]},
    f"/v1/{CALL}": {"contents": [{"parts": [{"text": "hi"}]}]},
    "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse": {"contents": [{"parts": [{"text": "hi"}]}]},
}
GETS = ("/v1/models", "/v1/models/gemini-3-flash", "/v1beta/models", "/health", "/ready", "/metrics")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/v1/models", "/v1/models"),
        ("//v1/models", "/v1/models"),
        ("/v1///models//", "/v1/models"),
        ("/inspector", "/inspector"),
        ("/inspector/", "/inspector/"),
        ("//inspector//", "/inspector/"),
        ("/inspector//api/turns", "/inspector/api/turns"),
        ("/inspector/main.js/", "/inspector/main.js/"),
        ("/%2Fv1/models%2F", "/%2Fv1/models%2F"),
        ("/v1/../v1/models", "/v1/../v1/models"),
    ],
)
def test_slashes_mean_nothing(path: str, expected: str) -> None:
    assert paths.canonical(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        *((f"{base}/chat/completions", "/v1/chat/completions")
          for base in ("", "/api", "/api/v1", "/openai/v1", "/v1/v1", "/V1", "/v1beta", "/v1beta/openai", "/openai",
                       "/openai/deployments/gpt-5", "/v1//v1", "//api//v1", "/v2", "/v1/openai")),
        *((f"{base}/responses", "/v1/responses") for base in ("", "/api/v1", "/v1/v1", "/backend-api/codex", "/V1")),
        ("/openai/v1/responses/resp_1/input_items", "/v1/responses/resp_1/input_items"),
        ("/api/v1/responses/compact/", "/v1/responses/compact"),
        *((f"{base}/messages", "/v1/messages")
          for base in ("", "/api", "/v1/v1", "/anthropic", "/anthropic/v1", "/V1")),
        ("/v1/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/models", "/v1/models"),
        ("/v1beta/openai/models", "/v1/models"),
        ("/api/v1/models/gemini-3-flash", "/v1/models/gemini-3-flash"),
        ("/api/v1beta/models", "/v1beta/models"),
        *((f"{base}/{CALL}", f"/v1beta/{CALL}") for base in ("", "/gemini", "/v1/v1beta", "/api/v1beta", "/V1Beta")),
        (f"/google/v1alpha/{CALL}", f"/v1alpha/{CALL}"),
        ("/models/gemini-3-flash%3AcountTokens", "/v1beta/models/gemini-3-flash%3AcountTokens"),
        ("/Models/x:generateContent", "/v1beta/models/x:generateContent"),
        ("/tunedModels/x:generateContent", "/v1beta/tunedModels/x:generateContent"),
        ("/v1/health", "/health"),
        ("/api/ready/", "/ready"),
        ("/v1/metrics", "/metrics"),
        ("/v1/inspector", "/inspector"),
        ("/token", "/v1/token"),
        ("/v1/chat/completions", None),
        ("/v1/chat/completions/chatcmpl_1", None),
        ("/v1/responses/a/b/c", None),
        ("/v1/messages/batches", None),
        ("/v1/embeddings", None),
        ("/v1/completions", None),
        ("/oauth/token", None),
        ("/backend-api/ps/mcp", None),
        ("/", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_is_meant(path: str, expected: str | None) -> None:
    assert paths.suggestion(path, REGISTRY) == expected


@given(
    st.lists(st.sampled_from(["v1", "v1beta", "api", "", "models", "chat", "completions", "responses", "x:y", "%2F"]))
)
def test_what_is_meant_is_no_near_miss_itself(pieces: list[str]) -> None:
    path = "/" + "/".join(pieces)
    once = paths.canonical(path)
    assert paths.canonical(once) == once
    if (meant := paths.suggestion(path, REGISTRY)) is not None:
        assert paths.canonical(meant) == meant
        assert paths.suggestion(meant, REGISTRY) is None


def sloppy(path: str) -> list[str]:
    plain, mark, query = path.partition("?")
    spelled = (f"/{plain}", plain.replace("/", "//"), plain.replace("/v1/", "/v1//"), f"{plain}/", f"{plain}//")
    return [f"{each}{mark}{query}" for each in spelled]


@pytest.mark.parametrize(
    ("path", "run", "rest"),
    [
        ("/run/k3f9/v1/messages", "k3f9", "/v1/messages"),
        ("/run/k3f9/run/aaaa/health", "k3f9", "/run/aaaa/health"),
        (f"/run/{'9' * 32}/x", "9" * 32, "/x"),
        *((path, "", path) for path in (
            "/", "/v1/messages", "/run", "/run/k3f9", "/run/k3f/v1/messages", f"/run/{'9' * 33}/x", "/run/K3F9/v1/x",
            "/run/k3%46/x", "/run/k3f9\n/x", "/runs/k3f9/x", "/x/run/k3f9/x",
        )),
    ],
)  # fmt: skip
def test_the_run_in_front_of_a_path(path: str, run: str, rest: str) -> None:
    assert paths.split_run(path) == (run, rest)


@pytest.mark.parametrize("key", [None, "zg-right-key-0123456789"])
@pytest.mark.parametrize("path", BODIES)
async def test_every_path_is_served_to_a_run_and_its_turns_say_so(serve: Serve, path: str, key: str | None) -> None:
    served = await serve(key=key)
    body = json.dumps(BODIES[path]).encode()
    assert (await served.ask("POST", f"/run/k3f9{path}", body=body))[0] == (401 if key else 200)
    for prefix in ("/run/k3f9", "//run//k3f9/", ""):
        assert (await served.ask("POST", prefix + path, {"x-api-key": key or "any"}, body))[0] == 200
    runs = [channel.turn.run for channel in served.engine.channels]
    assert runs == [] or runs[-3:] == ["k3f9", "k3f9", ""]


async def test_a_websocket_of_a_run(serve: Serve) -> None:
    served = await serve()
    async with served.http.ws_connect(f"{served.url}/run/k3f9/v1/responses") as socket:
        await socket.send_json({"type": "response.create", "model": "gemini-3-flash", "input": "hi"})
        assert (await socket.receive_json())["type"] == "response.created"
        await served.engine.channels[-1].wait_closed()
    assert served.engine.channels[-1].turn.run == "k3f9"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/run", "There are /v1/responses"),
        ("/run/", "There are /v1/responses"),
        ("/run/K3F9", "There are /v1/responses"),
        ("/run/k3f9/nothing", "There are /v1/responses"),
        ("/run/k3-9/v1/messages", "Did you mean /v1/messages?"),
        ("/run/k3f9/run/k3f9/v1/messages", "Did you mean /v1/messages?"),
        ("/run//v1/messages", "Did you mean /v1/messages?"),
        ("/run/x/v1beta/models/m:generateContent", "Did you mean /v1beta/models/m:generateContent?"),
    ],
)
async def test_a_run_without_an_id_or_a_path_is_told_so(serve: Serve, path: str, said: str) -> None:
    """In the form of the API that was meant."""
    served = await serve()
    status, _, body = await served.ask("POST", path, body=b"{}")
    error = json.loads(body)["error"]
    assert status == 404
    assert said in error["message"]
    assert error.get("status" if "v1beta" in path else "type") in (
        "NOT_FOUND",
        "not_found_error",
        "invalid_request_error",
    )


@pytest.mark.parametrize("path", BODIES)
async def test_slashes_too_many_are_served(serve: Serve, path: str) -> None:
    served = await serve()
    expected = await served.ask("POST", path, body=json.dumps(BODIES[path]).encode())
    assert expected[0] == 200
    for spelled in sloppy(path):
        status, headers, body = await served.ask("POST", spelled, body=json.dumps(BODIES[path]).encode())
        assert (status, headers["content-type"]) == (200, expected[1]["content-type"]), (spelled, body)


@pytest.mark.parametrize("path", GETS)
async def test_slashes_too_many_are_served_to_those_who_only_look(serve: Serve, path: str) -> None:
    served = await serve()
    for spelled in sloppy(path):
        assert (await served.ask("GET", spelled))[0] == (await served.ask("GET", path))[0] == 200, spelled


async def test_a_websocket_and_an_absolute_target_of_too_many_slashes(serve: Serve) -> None:
    served = await serve()
    async with served.http.ws_connect(aiohttp.client.URL(f"{served.url}//v1//responses/", encoded=True)) as socket:
        await socket.send_json({"type": "response.create", "model": "gemini-3-flash", "input": "hi"})
        assert (await socket.receive_json())["type"] == "response.created"
        await served.engine.channels[-1].wait_closed()
    assert (await served.ask("GET", f"{served.url}//v1//models"))[0] == 200
    assert (await served.ask("GET", "http://evil.example//v1//models"))[0] == 421


@pytest.mark.parametrize(
    ("base", "path"), [(base, path) for path in BODIES for base in ("/api", "/openai", "/v1", "/x/y")]
)
async def test_a_wrong_base_gets_the_right_path_in_the_form_of_its_api(serve: Serve, base: str, path: str) -> None:
    served = await serve()
    for spelled in (base + path, base + path.replace("/", "//")):
        status, _, body = await served.ask("POST", spelled, body=json.dumps(BODIES[path]).encode())
        error = json.loads(body)["error"]
        assert status == 404
        assert error["message"].endswith(f"Did you mean {path.partition('?')[0]}?")
        if "/messages" in path:
            assert error["type"] == "not_found_error"
        else:
            assert error["code"] == (404 if ":" in path else "unknown_url")


async def test_no_guard_is_got_past_by_slashes(serve: Serve) -> None:
    served = await serve(key="zg-right-key-0123456789")
    for method, path in ROUTES:
        for spelled in (f"/{path}", f"{path}/", path.replace("/", "//")):
            own = {"Authorization": "Bearer zg-right-key-0123456789"}
            assert (await served.ask(method, spelled))[0] == 401, spelled
            assert (await served.ask(method, spelled, {**own, "Host": "evil.example"}))[0] == 421
            assert (await served.ask(method, spelled, {**own, "Origin": "https://evil.example"}))[0] == 403

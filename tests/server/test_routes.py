"""What is where: model lists, states of ourselves, and what is not there."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.support import Serve
from zerogravity.errors import Termination, language_server
from zerogravity.observe.health import Health
from zerogravity.server.fetch import Fetch
from zerogravity.server.services import Bearer

SERVED = "There are /v1/responses, /v1/chat/completions, /v1/models and /v1beta/models/{model}:generateContent."

# -- models --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers", "form"),
    [
        ("", {}, "openai"),
        ("", {"Authorization": "Bearer k"}, "openai"),
        ("?client_version=0.1", {}, "openai"),
        ("?key=k", {}, "google"),
        ("", {"x-goog-api-key": "k"}, "google"),
        ("", {"x-goog-api-client": "genai-js/3"}, "google"),
    ],
)
async def test_v1_models_is_told_apart(serve: Serve, query: str, headers: dict[str, str], form: str) -> None:
    served = await serve()
    _, _, body = await served.get(f"/v1/models{query}", headers=headers)
    _, _, entry = await served.get(f"/v1/models/gemini-3-flash{query}", headers=headers)
    status, _, missing = await served.get(f"/v1/models/no-such-model{query}", headers=headers)
    assert status == 404
    if form == "google":
        assert {model["name"] for model in body["models"]} >= {"models/gemini-3-flash", "models/gemini-2.5-pro"}
        assert entry["name"] == "models/gemini-3-flash"
        assert missing["error"]["code"] == 404
        assert missing["error"]["status"] == "NOT_FOUND"
    else:
        assert body["object"] == "list"
        assert {"id": "gemini-3-flash", "object": "model", "created": 1767225600, "owned_by": "google"} in body["data"]
        assert entry == {"id": "gemini-3-flash", "object": "model", "created": 1767225600, "owned_by": "google"}
        assert missing["error"]["code"] == "model_not_found"


async def test_models_by_alias_and_with_prefixes(serve: Serve) -> None:
    served = await serve(aliases={"team/mine": "gemini-3-flash"})
    _, _, entry = await served.get("/v1/models/team/mine")
    assert entry["id"] == "team/mine"
    for path in ("/v1beta/models/team/mine", "/v1beta/models/models/gemini-3-flash", "/v1alpha/models/gemini-3-flash",
                 "/v1beta/models/models%2Fgemini-3-flash", "/v1beta/models/google/gemini-3-flash"):  # fmt: skip
        status, _, entry = await served.get(path)
        assert (status, entry["name"]) == (200, "models/gemini-3-flash"), path
    for name in ("google/gemini-3-flash", "openrouter%2Fgoogle%2Fgemini-3-flash"):
        status, _, entry = await served.get(f"/v1/models/{name}")
        assert (status, entry["id"]) == (200, name.replace("%2F", "/"))


async def test_google_models_in_pages(serve: Serve) -> None:
    served = await serve()
    _, _, whole = await served.get("/v1beta/models")
    names, token = [], ""
    while True:
        _, _, page = await served.get(f"/v1beta/models?pageSize=3&pageToken={token}")
        assert len(page["models"]) <= 3
        names += [model["name"] for model in page["models"]]
        if not (token := page.get("nextPageToken", "")):
            break
    assert names == [model["name"] for model in whole["models"]]
    status, _, body = await served.get("/v1beta/models?pageSize=x")
    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")


# -- Gemini's paths ------------------------------------------------------------------------------------------------

GEMINI = {"contents": [{"parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("model", ["models/gemini-3-flash", "models/models%2Fgemini-3-flash",
                                   "tunedModels/gemini-3-flash", "models/models/gemini-3-flash",
                                   "models/google/gemini-3-flash", "models/vertex_ai%2Fgemini-3-flash"])  # fmt: skip
@pytest.mark.parametrize("colon", [":", "%3A"])
async def test_gemini_paths(serve: Serve, version: str, model: str, colon: str) -> None:
    served = await serve()
    path = f"/{version}/{model}{colon}generateContent"
    status, _, body = await served.ask("POST", path, body=json.dumps(GEMINI).encode())
    assert status == 200, body
    assert served.engine.channels[0].turn.target.name == "gemini-3-flash"


@pytest.mark.parametrize(
    ("query", "content_type", "begin", "end"),
    [
        ("?alt=sse", "text/event-stream", b"data: {", b"}\r\n\r\n"),
        ("?alt=sse&key=k", "text/event-stream", b"data: {", b"}\r\n\r\n"),
        ("", "application/json", b"[{", b"}]"),
        ("?alt=json", "application/json", b"[{", b"}]"),
    ],
)
async def test_gemini_streams(serve: Serve, query: str, content_type: str, begin: bytes, end: bytes) -> None:
    served = await serve()
    path = f"{served.url}/v1beta/models/gemini-3-flash:streamGenerateContent{query}"
    async with served.http.post(path, json=GEMINI) as answer:
        data = await answer.read()
        assert answer.content_type == content_type
    assert data.startswith(begin)
    assert data.endswith(end)


@pytest.mark.parametrize("alt", ["proto", "media", "SSE", ""])
async def test_other_forms_of_a_gemini_answer_are_refused(serve: Serve, alt: str) -> None:
    served = await serve()
    status, _, body = await served.post(f"/v1beta/models/gemini-3-flash:streamGenerateContent?alt={alt}", GEMINI)
    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert body["error"]["details"][0]["fieldViolations"][0]["field"] == "alt"
    assert not served.engine.channels


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1beta/models/gemini-3-flash:embedContent", 404),
        ("/v1beta/models/gemini-3-flash", 404),
        ("/v1beta/models/:generateContent", 404),
        ("/v1beta/models/no-such:generateContent", 404),
        ("/v1beta/cachedContents", 404),
    ],
)
async def test_gemini_paths_that_are_not_served(serve: Serve, path: str, status: int) -> None:
    served = await serve()
    found, _, body = await served.post(path, GEMINI)
    assert found == status
    assert body["error"]["code"] == status, "Google's form has a numeric code"
    assert body["error"]["status"] in ("NOT_FOUND", "UNIMPLEMENTED")


# -- countTokens ---------------------------------------------------------------------------------------------------

COUNT = "/v1beta/models/gemini-3-flash:countTokens"


MASKED = [  # (path, query or header, what is answered)
    ("/v1beta/models/gemini-3-flash:generateContent", "candidates/content/parts/text",
     {"candidates": [{"content": {"parts": [{"text": "Hello"}]}}]}),
    ("/v1beta/models/gemini-3-flash:generateContent", "candidates(finishReason,index)",
     {"candidates": [{"finishReason": "STOP", "index": 0}]}),
    ("/v1beta/models/gemini-3-flash:countTokens", "totalTokens", {"totalTokens": 5}),
    ("/v1beta/models/gemini-3-flash", "name,top_k", {"name": "models/gemini-3-flash", "topK": 64}),
    ("/v1beta/models?pageSize=1", "models.version", {"models": [{"version": "001"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "mask", "expected"), MASKED)
@pytest.mark.parametrize("how", ["fields", "$fields", "header"])
async def test_partial_responses(serve: Serve, path: str, mask: str, expected: Any, how: str) -> None:
    """Google's field masks on every answer of its surface."""
    served = await serve()
    headers = {"X-Goog-FieldMask": mask} if how == "header" else {}
    query = "" if how == "header" else f"{'&' if '?' in path else '?'}{quote(how)}={quote(mask)}"
    if ":" in path:
        status, _, body = await served.post(path + query, GEMINI, headers=headers)
    else:
        status, _, body = await served.get(path + query, headers=headers)
    assert (status, body) == (200, expected)


async def test_partial_streams(serve: Serve) -> None:
    served = await serve()
    path = f"{served.url}/v1beta/models/gemini-3-flash:streamGenerateContent?fields=candidates(content/parts)"
    async with served.http.post(path, json=GEMINI) as answer:
        chunks = json.loads(await answer.read())
    texts = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in ("Hel", "lo")]
    assert chunks[:2] == texts
    async with served.http.post(f"{path}&alt=sse", json=GEMINI) as answer:
        data = await answer.read()
    assert [json.loads(line[6:]) for line in data.splitlines() if line][:2] == texts
    assert b"modelVersion" not in data


@pytest.mark.parametrize(
    "path",
    ["/v1beta/models/gemini-3-flash:generateContent", "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse",
     "/v1beta/models/gemini-3-flash:countTokens", "/v1beta/models", "/v1beta/models/gemini-3-flash"],
)  # fmt: skip
async def test_a_wrong_field_mask_is_refused(serve: Serve, path: str) -> None:
    served = await serve()
    query = f"{'&' if '?' in path else '?'}fields=nothing"
    status, _, body = await (served.post(path + query, GEMINI) if ":" in path else served.get(path + query))
    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    (violation,) = body["error"]["details"][0]["fieldViolations"]
    assert violation["field"] == "fields"
    assert violation["description"].endswith("Cannot find matching fields for path 'nothing'.")
    assert not served.engine.channels


async def test_tokens_are_estimated_and_said_to_be(serve: Serve) -> None:
    served = await serve()
    text = {"contents": [{"role": "user", "parts": [{"text": "x" * 400}]}]}
    status, headers, body = await served.post(COUNT, text)
    assert (status, headers["x-zerogravity-tokens"]) == (200, "estimate")
    assert body == {"totalTokens": 104, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 104}]}
    whole = {
        "generateContentRequest": {"model": "models/gemini-3-flash", **text, "tools": [{"functionDeclarations": []}]}
    }
    _, _, more = await served.post(COUNT, whole)
    assert more["totalTokens"] > 104


async def test_tokens_are_counted_by_who_can(serve: Serve) -> None:
    asked: list[Any] = []

    async def count(turn: Any) -> int | None:
        asked.append(turn)
        return 7 if turn.target.name == "gemini-3-flash" else None

    served = await serve(services={"count_tokens": count})
    status, headers, body = await served.post(COUNT, {"generate_content_request": {**GEMINI, "model": "models/x"}})
    assert (status, body) == (200, {"totalTokens": 7})
    assert "x-zerogravity-tokens" not in headers
    assert asked[0].google_request["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]
    assert "model" not in asked[0].google_request
    _, headers, _ = await served.post(COUNT.replace("3-flash", "2.5-pro"), GEMINI)
    assert headers["x-zerogravity-tokens"] == "estimate", "whoever cannot tell says so, and is helped out"
    assert not served.engine.channels, "nothing is sent"


@pytest.mark.parametrize("body", [{}, {**GEMINI, "generateContentRequest": GEMINI}, {"contents": 1}])
async def test_what_cannot_be_counted(serve: Serve, body: Any) -> None:
    served = await serve()
    status, _, told = await served.post(COUNT, body)
    assert (status, told["error"]["status"]) == (400, "INVALID_ARGUMENT")
    status, _, told = await served.post("/v1beta/models/no-such:countTokens", GEMINI)
    assert (status, told["error"]["status"]) == (404, "NOT_FOUND")


# -- about ourselves -----------------------------------------------------------------------------------------------


async def test_health(serve: Serve) -> None:
    served = await serve()
    status, headers, body = await served.get("/health")
    assert (status, body["status"], headers["Cache-Control"]) == (200, "ok", "no-store")
    assert body["version"].count(".") >= 1
    assert body["uptime_seconds"] >= 0


async def test_ready_names_the_broken_hop(serve: Serve, clock: Any) -> None:
    health = Health(clock)
    served = await serve(services={"health": health})
    status, _, body = await served.get("/ready")
    assert (status, body["ready"]) == (200, True)
    health.looked(language_server(503, "ls_not_found", "no language server is running", Termination.LS_GONE))
    status, headers, body = await served.get("/ready")
    assert (status, body["ready"], headers["Retry-After"]) == (503, False, "1")
    broken = [check for check in body["checks"] if not check["ok"]]
    assert "no language server is running" in broken[0]["text"]
    assert broken[0]["since"].endswith("Z")
    assert broken[0]["last_failure"]["code"] == "ls_not_found"
    status, _, body = await served.get("/health")
    assert (status, body["status"], body["ready"]) == (200, "degraded", False), "live all the same"
    assert body["broken"] == broken


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


# -- media by URL --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [False, True])
async def test_remote_media_only_where_allowed(serve: Serve, allowed: bool) -> None:
    asked: list[str] = []

    class Fake(Fetch):
        async def get(self, url: str, param: str) -> bytes:
            asked.append(f"{param} {url}")
            return b"\x89PNG\r\n\x1a\n0000"

    served = await serve(remote_urls=allowed, services={"fetch": Fake()})
    picture = {"type": "input_image", "image_url": "https://pictures.example/a.png"}
    body = {"model": "gemini-3-flash", "input": [{"role": "user", "content": [picture]}]}
    status, _, told = await served.post("/v1/responses", body)
    if allowed:
        assert status == 200, told
        assert asked == ["input[0].content[0].image_url https://pictures.example/a.png"]
        parts = served.engine.channels[0].turn.google_request["contents"][0]["parts"]
        assert parts[0]["inlineData"]["mimeType"] == "image/png"
    else:
        assert (status, told["error"]["param"]) == (400, "input[0].content[0].image_url")
        assert not asked


# -- what is not there ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/responses", "/v1/responses"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/models", "/v1/models"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/chatcmpl_1", None),
        ("/v1/embeddings", None),
        ("/", None),
        ("/backend-api/ps/mcp", None),
    ],
)
async def test_unknown_paths(serve: Serve, path: str, hint: str | None) -> None:
    served = await serve()
    status, _, body = await served.get(path + "?key=hidden")
    assert status == 404
    message = body["error"]["message"]
    assert message == f"Unknown URL: GET {path}. " + (f"Did you mean {hint}?" if hint else SERVED)
    assert {**body["error"], "message": ""} == {
        "message": "", "type": "invalid_request_error", "param": None, "code": "unknown_url",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("GET", "/v1/token", "POST"),
    ],
)
async def test_wrong_methods(serve: Serve, method: str, path: str, allow: str) -> None:
    served = await serve()
    status, headers, body = await served.ask(method, path)
    assert (status, headers["allow"]) == (405, allow)
    error = json.loads(body)["error"]
    assert error["code"] == "method_not_allowed"
    assert allow.split(",")[0] in error["message"]


async def test_paths_that_would_break_out(serve: Serve) -> None:
    served = await serve()
    for odd in (
        "../../etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%00",
        "a" * 300,
        "%ff%fe",
        "resp_%0d%0aX-Evil:1",
    ):
        for method, path in (
            ("GET", f"/v1/responses/{odd}"),
            ("DELETE", f"/v1/responses/{odd}"),
            ("GET", f"/v1/responses/{odd}/input_items"),
            ("POST", f"/v1/responses/{odd}/cancel"),
            ("GET", f"/v1/models/{odd}"),
            ("GET", f"/v1beta/models/{odd}"),
        ):
            status, headers, body = await served.ask(method, path)
            assert status in (400, 404, 405), (method, path)
            assert "x-evil" not in headers
            assert b"root:" not in body

"""The routes below ``models``: lists in every form, in pages and parts, and countTokens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.support import Serve

GEMINI = {"contents": [{"parts": [{"text": "hi"}]}]}
COUNT = "/v1beta/models/gemini-3-flash:countTokens"


@pytest.mark.parametrize(
    ("query", "headers", "form"),
    [
        ("", {}, "openai"),
        ("", {"Authorization": "Bearer k"}, "openai"),
        ("?client_version=0.1", {}, "openai"),
        ("?key=k", {}, "google"),
        ("", {"x-goog-api-key": "k"}, "google"),
        ("", {"x-goog-api-client": "genai-js/3"}, "google"),
        ("?limit=1000", {"anthropic-version": "2023-06-01"}, "anthropic"),
        ("?limit=1000", {"anthropic-version": "2026-10-21", "Authorization": "Bearer k"}, "anthropic"),
        ("?limit=1000", {"x-api-key": "k"}, "anthropic"),
        ("?limit=1000&key=k", {"anthropic-version": "2023-06-01", "x-goog-api-key": "k"}, "anthropic"),
    ],
)
async def test_v1_models_has_the_form_of_the_callers_api(
    serve: Serve, query: str, headers: dict[str, str], form: str
) -> None:
    served = await serve()
    _, _, body = await served.get(f"/v1/models{query}", headers=headers)
    _, _, entry = await served.get(f"/v1/models/gemini-3-flash{query}", headers=headers)
    status, _, missing = await served.get(f"/v1/models/no-such-model{query}", headers=headers)
    assert status == 404
    if form == "anthropic":
        assert "gemini-3-flash" in [model["id"] for model in body["data"]]
        assert body["has_more"] is False
        assert (entry["type"], entry["id"]) == ("model", "gemini-3-flash")
        assert missing["error"]["type"] == "not_found_error"
        assert missing["error"]["message"].startswith("model: no-such-model does not exist")
    elif form == "google":
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


async def test_token_estimates_are_marked_as_such(serve: Serve) -> None:
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


async def test_tokens_are_counted_by_google_when_possible(serve: Serve) -> None:
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

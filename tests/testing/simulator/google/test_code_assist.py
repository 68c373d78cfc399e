"""The Google stand-in's other forms: public API, JSON array, one object, model lists, token counts, Code Assist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.testing.simulator.support import INTERNAL, contents, envelope, fetch, inner
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.google.catalogue import TEXTS, THOUGHTS
from zerogravity.testing.simulator.google.families import MODELS, PUBLIC_MODELS

TEXT, THOUGHT = "".join(TEXTS), "".join(THOUGHTS)
PUBLIC = "/v1beta/models/gemini-3-flash"
VERTEX = "/v1beta1/projects/p/locations/global/publishers/google/models/gemini-3-flash"


async def test_calls_have_ids_where_google_gives_them(google: GoogleSimulator) -> None:
    async def ids(path: str, body: Any) -> list[str | None]:
        return [call.get("id") for call in (await fetch(google, f"{path}?alt=sse", body)).stream.calls]

    body = inner("sim:tool")
    assert await ids("/v1beta/models/gemini-2.5-flash:streamGenerateContent", body) == [None]
    for found in (
        await ids(f"{PUBLIC}:streamGenerateContent", body),
        await ids("/v1internal:streamGenerateContent", envelope(body, "gemini-2.5-flash")),
    ):
        assert found[0]
        assert found[0].startswith("call_")
    claude = await ids("/v1internal:streamGenerateContent", envelope(body, "claude-sonnet-4-6"))
    assert claude[0]
    assert claude[0].startswith("toolu_vrtx_")


# -- models and counts -----------------------------------------------------------------------------------------------


async def test_the_model_list_is_paged(google: GoogleSimulator) -> None:
    names: list[str] = []
    token = ""
    for _ in range(len(PUBLIC_MODELS)):
        page = (await fetch(google, f"/v1beta/models?pageSize=3&pageToken={token}", method="GET")).json
        assert 1 <= len(page["models"]) <= 3
        names += [one["name"] for one in page["models"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == [f"models/{one.name}" for one in PUBLIC_MODELS]
    assert not any("claude" in name for name in names)


async def test_vertex_lists_in_a_form_of_its_own(google: GoogleSimulator) -> None:
    page = (await fetch(google, "/v1beta1/publishers/google/models?pageSize=1000", method="GET")).json
    assert [one["name"] for one in page["publisherModels"]] == [
        f"publishers/google/models/{one.name}" for one in PUBLIC_MODELS
    ]
    assert not {"supportedGenerationMethods", "displayName"} & page["publisherModels"][0].keys()


@pytest.mark.parametrize("path", ["/v1beta/models", "/v1beta1/publishers/google/models", PUBLIC])
@pytest.mark.parametrize(("key", "status", "word"), [("", 403, "PERMISSION_DENIED"), ("bad", 400, "INVALID_ARGUMENT")])
async def test_the_public_api_wants_a_key(google: GoogleSimulator, path: str, key: str, status: int, word: str) -> None:
    headers = {"Authorization": "", "x-goog-api-key": key}
    reply = await fetch(google, path, method="GET", **headers)
    assert (reply.status, reply.json["error"]["status"]) == (status, word)
    assert (await fetch(google, path, method="GET", **{**headers, "x-goog-api-key": "AIza-mine"})).status == 200


@pytest.mark.parametrize("query", ["pageSize=x", "pageToken=%21%21", "pageToken=eHg="])
async def test_pages_that_are_none(google: GoogleSimulator, query: str) -> None:
    assert (await fetch(google, f"/v1beta/models?{query}", method="GET")).status == 400


async def test_one_model(google: GoogleSimulator) -> None:
    value = (await fetch(google, PUBLIC, method="GET")).json
    assert value["name"] == "models/gemini-3-flash"
    assert "generateContent" in value["supportedGenerationMethods"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1beta/models/nope"), ("POST", "/v1beta/models/nope:generateContent"),
     ("POST", "/v1beta/models/claude-sonnet-4-6:generateContent"), ("POST", "/v1beta/models/nope:countTokens"),
     ("POST", f"{VERTEX.removesuffix('gemini-3-flash')}nope:generateContent")],
)  # fmt: skip
async def test_models_that_do_not_exist(google: GoogleSimulator, method: str, path: str) -> None:
    reply = await fetch(google, path, inner("x") if method == "POST" else None, method=method)
    name = path.split("/")[-1].split(":")[0]
    assert (reply.status, reply.json["error"]["status"]) == (404, "NOT_FOUND")
    said = f"models/{name} is not found for API version v1beta"
    if "publishers" in path:
        said = f"Publisher Model `projects/p/locations/global/publishers/google/models/{name}` was not found."
    assert reply.json["error"]["message"].startswith(said)


async def test_internal_models_that_do_not_exist(google: GoogleSimulator) -> None:
    reply = await fetch(google, INTERNAL, envelope(inner("x"), "nope"))
    assert (reply.status, reply.json["error"]["message"]) == (404, "Requested entity was not found.")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (PUBLIC, {"contents": contents("hello " * 100)}, 200),
        (PUBLIC, {"generateContentRequest": {"model": "models/gemini-3-flash", **inner("hello " * 100)}}, 200),
        (PUBLIC, {"generateContentRequest": inner("hello " * 100)}, 400),
        (PUBLIC, {"contents": contents("x"), "generateContentRequest": inner("x")}, 400),
        (PUBLIC, {"contents": contents("x"), "systemInstruction": {"parts": [{"text": "x"}]}}, 400),
        (PUBLIC, {}, 400),
        (VERTEX, inner("hello " * 100), 200),
        (VERTEX, {"generateContentRequest": {"model": "models/gemini-3-flash", **inner("hello " * 100)}}, 400),
    ],
)
async def test_public_token_counts(google: GoogleSimulator, path: str, body: Any, status: int) -> None:
    reply = await fetch(google, f"{path}:countTokens", body)
    assert reply.status == status, reply.json
    if status == 200:
        assert 150 <= reply.json["totalTokens"] <= 300
        assert google.requests[0].kind == "count"


async def test_internal_token_counts(google: GoogleSimulator) -> None:
    body = {"request": {"model": "models/gemini-3-flash", "contents": contents("hello " * 100)}}
    assert 150 <= (await fetch(google, "/v1internal:countTokens", body)).json["totalTokens"] <= 170
    assert (await fetch(google, "/v1internal:countTokens", {})).status == 400


# -- Code Assist -----------------------------------------------------------------------------------------------------


CODE_ASSIST: list[tuple[str, str]] = [
    ("loadCodeAssist", "cloudaicompanionProject"), ("onboardUser", "response"), ("fetchAvailableModels", "models"),
    ("listExperiments", "experimentIds"), ("retrieveUserQuota", "buckets"), ("fetchUserInfo", "userSettings"),
    ("listCloudAICompanionProjects", "projects"), ("fetchAdminControls", ""), ("recordCodeAssistMetrics", ""),
    ("recordClientEvent", ""), ("recordTrajectoryAnalytics", ""), ("cascadeNuxes", ""),
]  # fmt: skip


@pytest.mark.parametrize(("method", "member"), CODE_ASSIST)
async def test_the_other_internal_calls(google: GoogleSimulator, method: str, member: str) -> None:
    reply = await fetch(google, f"/v1internal:{method}", {})
    assert reply.status == 200
    assert (member in reply.json) if member else (reply.json == {})
    assert google.requests[0].kind == "background"
    assert (await fetch(google, f"/v1internal:{method}", {}, Authorization="")).status == 401


async def test_available_models_are_those_of_the_table(google: GoogleSimulator) -> None:
    value = (await fetch(google, "/v1internal:fetchAvailableModels", {})).json
    assert {(name, one["displayName"], one["model"]) for name, one in value["models"].items()} == set(MODELS)
    assert value["defaultAgentModelId"] in value["models"]

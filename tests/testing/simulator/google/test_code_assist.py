"""The Google stand-in's other forms: public API, JSON array, one object, model lists, token counts, Code Assist."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.testing.simulator.support import INTERNAL, Reply, contents, envelope, fetch, inner
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.google.catalogue import TEXTS, THOUGHTS
from zerogravity.testing.simulator.google.families import MODELS, PUBLIC_MODELS
from zerogravity.testing.simulator.google.signatures import STAND_INS, Signer

TEXT, THOUGHT = "".join(TEXTS), "".join(THOUGHTS)
PUBLIC = "/v1beta/models/gemini-3-flash"


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
async def test_the_public_stream_has_no_envelope(google: GoogleSimulator, version: str) -> None:
    reply = await fetch(google, f"/{version}/models/gemini-3-flash:streamGenerateContent?alt=sse", inner("sim:think"))
    assert reply.stream.text == TEXT
    for event in reply.stream.events:
        assert {"candidates", "usageMetadata", "modelVersion", "responseId"} == set(event)
    assert google.requests[0].model == "gemini-3-flash"


@pytest.mark.parametrize("name", ["models/gemini-3-flash", "models%2Fgemini-3-flash"])
async def test_the_models_prefix_may_be_there_twice(google: GoogleSimulator, name: str) -> None:
    reply = await fetch(google, f"/v1beta/models/{name}:generateContent", inner("sim:text"))
    assert reply.status == 200


@pytest.mark.parametrize("path", [f"{PUBLIC}:streamGenerateContent", INTERNAL.partition("?")[0]])
@pytest.mark.parametrize("scenario", ["think", "parallel", "split 3", "gzip"])
async def test_without_alt_sse_it_is_a_json_array(google: GoogleSimulator, path: str, scenario: str) -> None:
    body = inner(f"sim:{scenario}")
    reply = await fetch(google, path, envelope(body) if "v1internal" in path else body)
    whole = reply.json
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert isinstance(whole, list)
    assert len(whole) > 1
    assert reply.body.startswith(b"[{\n")
    assert reply.body.endswith(b"}]")
    assert reply.body.count(b"}\n,") == 0
    assert reply.body.count(b",\r\n{") == len(whole) - 1
    parts = [part for one in whole for part in one.get("response", one)["candidates"][0]["content"]["parts"]]
    if scenario == "parallel":
        assert len([part for part in parts if "functionCall" in part]) == 3
    else:
        assert "".join(part["text"] for part in parts if not part.get("thought")) == TEXT


async def test_an_array_that_is_empty_or_cut(google: GoogleSimulator) -> None:
    empty = await fetch(google, f"{PUBLIC}:streamGenerateContent", inner("sim:empty-body"))
    assert empty.json == []
    cut = await fetch(google, f"{PUBLIC}:streamGenerateContent", inner("sim:drop"))
    assert cut.end == "closed"
    assert not cut.body.endswith(b"]")


@pytest.mark.parametrize("alt", ["", "?alt=sse"])
async def test_errors_are_in_an_array_only_without_alt_sse(google: GoogleSimulator, alt: str) -> None:
    value = (await fetch(google, f"{PUBLIC}:streamGenerateContent{alt}", inner("sim:503"))).json
    assert isinstance(value, dict if alt else list)
    assert (value if alt else value[0])["error"]["code"] == 503


@pytest.mark.parametrize("internal", [True, False])
async def test_one_object_holds_the_whole_answer(google: GoogleSimulator, internal: bool) -> None:
    body = inner("sim:think")
    path = "/v1internal:generateContent" if internal else f"{PUBLIC}:generateContent"
    value = (await fetch(google, path, envelope(body) if internal else body)).json
    assert ("response" in value) is internal
    value = value.get("response", value)
    (candidate,) = value["candidates"]
    thought, text = candidate["content"]["parts"]
    assert (thought["text"], thought["thought"], text["text"]) == (THOUGHT, True, TEXT)
    assert "thoughtSignature" in text
    assert candidate["finishReason"] == "STOP"
    assert value["usageMetadata"]["candidatesTokenCount"] > 0


@pytest.mark.parametrize(
    ("scenario", "status", "end"), [("503-mid", 503, "complete"), ("drop", None, "closed"), ("reset", None, "reset")]
)
async def test_one_object_that_does_not_come(
    google: GoogleSimulator, scenario: str, status: int | None, end: str
) -> None:
    reply = await fetch(google, f"{PUBLIC}:generateContent", inner(f"sim:{scenario}"))
    assert (reply.status, reply.end) == (status, end)


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


@pytest.mark.parametrize(
    ("model", "signed"), [("gemini-3-flash", 1), ("gemini-2.5-flash", 0), ("gpt-oss-120b-medium", 0)]
)
async def test_signatures_only_where_the_family_has_them(google: GoogleSimulator, model: str, signed: int) -> None:
    stream = (await fetch(google, INTERNAL, envelope(inner("sim:tool"), model))).stream
    assert sum("thoughtSignature" in part for part in stream.parts) == signed


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
    assert names == [f"models/{name}" for name, _ in PUBLIC_MODELS]
    assert not any("claude" in name for name in names)


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
     ("POST", "/v1beta/models/claude-sonnet-4-6:generateContent"), ("POST", "/v1beta/models/nope:countTokens")],
)  # fmt: skip
async def test_models_that_do_not_exist(google: GoogleSimulator, method: str, path: str) -> None:
    reply = await fetch(google, path, inner("x") if method == "POST" else None, method=method)
    name = path.split("/")[3].split(":")[0]
    assert (reply.status, reply.json["error"]["status"]) == (404, "NOT_FOUND")
    assert reply.json["error"]["message"].startswith(f"models/{name} is not found for API version v1beta")


async def test_internal_models_that_do_not_exist(google: GoogleSimulator) -> None:
    reply = await fetch(google, INTERNAL, envelope(inner("x"), "nope"))
    assert (reply.status, reply.json["error"]["message"]) == (404, "Requested entity was not found.")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"contents": contents("hello " * 100)}, 200),
        ({"generateContentRequest": {"model": "models/gemini-3-flash", **inner("hello " * 100)}}, 200),
        ({"contents": contents("x"), "generateContentRequest": inner("x")}, 400),
        ({}, 400),
    ],
)
async def test_public_token_counts(google: GoogleSimulator, body: Any, status: int) -> None:
    reply = await fetch(google, f"{PUBLIC}:countTokens", body)
    assert reply.status == status
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


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1internal:noSuchThing"), ("GET", "/v1internal:loadCodeAssist"), ("POST", "/"), ("GET", "/v1/other"),
     ("GET", INTERNAL), ("POST", "/v1beta/models"), ("POST", f"{PUBLIC}:embedContent")],
)  # fmt: skip
async def test_paths_that_do_not_exist_are_a_page(google: GoogleSimulator, method: str, path: str) -> None:
    reply = await fetch(google, path, {} if method == "POST" else None, method=method)
    assert reply.status == 404
    assert reply.headers["content-type"].startswith("text/html")
    assert b"That's an error" in reply.body


# -- calls of other kinds, signatures --------------------------------------------------------------------------------


def checkpoint(**more: Any) -> dict[str, Any]:
    declared = {"name": "do_not_call", "parameters": {"type": "OBJECT", "properties": {}}}
    request = {"contents": contents("title?"), "tools": [{"functionDeclarations": [declared]}],
               "toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}  # fmt: skip
    return {**envelope(request, "gemini-3.1-flash-lite"), **more}


@pytest.mark.parametrize("kind", ["checkpoint", None])
async def test_checkpoints_are_answered_without_usage(google: GoogleSimulator, kind: str | None) -> None:
    body = checkpoint(requestType="checkpoint")
    if kind is None:
        del body["requestType"]
    reply: Reply = await fetch(google, INTERNAL, body)
    assert reply.stream.text == "A short title"
    assert reply.stream.usages == []
    assert google.requests[0].kind == "checkpoint"
    assert google.agent_requests == []


def test_signatures_are_bound_to_family_kind_and_function() -> None:
    signer = Signer()
    minted = signer.mint("gemini-3-flash", "call", "f")
    assert signer.verify(minted, "gemini-3-pro", "call", "f"), "the same maker and generation"
    assert signer.verify(minted.replace("+", "-").replace("/", "_").rstrip("="), "gemini-3-flash", "call", "f")
    others = [
        ("gemini-2.5-flash", "call", "f"),
        ("claude", "call", "f"),
        ("gemini-3-flash", "text", ""),
        ("gemini-3-flash", "call", "g"),
    ]
    for family, kind, name in others:
        assert not signer.verify(minted, family, kind, name)  # type: ignore[arg-type]
    assert not Signer(b"another").verify(minted, "gemini-3-flash", "call", "f")
    assert not signer.verify(minted[:-8], "gemini-3-flash", "call", "f")
    assert minted != signer.mint("gemini-3-flash", "call", "f")


def test_signatures_have_geminis_envelope_and_claudes_are_encoded_twice() -> None:
    signer = Signer()
    data = base64.b64decode(signer.mint("gemini-3-flash", "text"))
    assert (data[0], data[2], data[4]) == (0x12, 0x0A, 0x01)
    once = base64.b64decode(signer.mint("claude", "text"))
    assert base64.b64decode(once)[0] == 0x12
    assert signer.mint("claude", "text").startswith("R")


@pytest.mark.parametrize("value", STAND_INS)
def test_stand_in_signatures_are_taken_raw_and_encoded(value: str) -> None:
    signer = Signer()
    assert signer.verify(value, "gemini-3-flash", "call", "any")
    assert signer.verify(base64.b64encode(value.encode()).decode(), "gemini-3-flash", "call", "any")
    assert not signer.verify(json.dumps(value), "gemini-3-flash", "call", "any")

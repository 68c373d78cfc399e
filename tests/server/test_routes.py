"""What is where: Gemini's paths, field masks, and what is not there."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.support import Serve, forever

SERVED = (
    "There are /v1/responses, /v1/chat/completions, /v1/messages, /v1/models and "
    "/v1beta/models/{model}:generateContent."
)

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


# -- field masks ---------------------------------------------------------------------------------------------------


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
        ("/messages", "/v1/messages"),
        ("/backend-api/ps/mcp", None),
    ],
)
async def test_unknown_paths(serve: Serve, path: str, hint: str | None) -> None:
    served = await serve()
    status, _, body = await served.get(path + "?word=hidden")
    assert status == 404
    message = body["error"].pop("message")
    instead = f". Did you mean {hint}?" if hint else f" is not supported by this server. {SERVED}"
    assert message == f"Unknown URL: GET {path}{instead}"
    if hint == "/v1/messages":
        assert body["error"] == {"type": "not_found_error"}
        return
    assert body["error"] == {"type": "invalid_request_error", "param": None, "code": "unknown_url"}


@pytest.mark.parametrize(
    ("path", "headers", "form"),
    [
        ("/v1/files", {}, "openai"),
        ("/v1/files", {"anthropic-version": "2026-10-21"}, "anthropic"),
        ("/v1/files", {"x-api-key": "k"}, "anthropic"),
        ("/upload/v1beta/files", {"x-goog-api-key": "k"}, "google"),
        ("/v1/files", {"x-goog-api-key": "k", "anthropic-version": "2023-06-01"}, "anthropic"),
        ("/v1/messages/batches", {}, "anthropic"),
        ("/v1/messages/batches?beta=true", {"x-goog-api-key": "k"}, "anthropic"),
        ("/v1/messages/batches/msgbatch_1/results", {}, "anthropic"),
        ("/v1/chat/completions/chatcmpl_1", {"anthropic-version": "2023-06-01"}, "openai"),
        ("/v1beta/cachedContents", {"anthropic-version": "2023-06-01"}, "google"),
    ],
)
async def test_what_is_not_supported_is_said_in_the_clients_form(
    serve: Serve, path: str, headers: dict[str, str], form: str
) -> None:
    """By the path, else by the client."""
    served = await serve()
    for method in ("GET", "POST"):
        status, told, data = await served.ask(method, path, headers)
        body = json.loads(data)
        asked = f"Unknown URL: {method} {path.partition('?')[0]} is not supported by this server."
        assert (status, body["error"]["message"].startswith(asked)) == (404, True)
        match form:
            case "anthropic":
                assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
                assert body["request_id"] == told["request-id"]
            case "google":
                assert body["error"]["code"] == 404
            case _:
                assert body["error"]["code"] == "unknown_url"
        assert told["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
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


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/messages"), ("HEAD", "/v1/messages"), ("OPTIONS", "/v1/messages"), ("DELETE", "/v1/messages"),
     ("GET", "/v1/messages/count_tokens"), ("OPTIONS", "/v1/messages/count_tokens")],
)  # fmt: skip
async def test_wrong_methods_in_anthropics_form(serve: Serve, method: str, path: str) -> None:
    served = await serve()
    status, headers, body = await served.ask(method, path)
    assert (status, headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert json.loads(body) == {
            "type": "error", "request_id": headers["request-id"],
            "error": {"type": "invalid_request_error", "message": f"{method} is not allowed here; use POST"},
        }  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_somebody_is_at_home(serve: Serve, method: str) -> None:
    """Older Claude Codes ask before their first request (wire-anthropic 0)."""
    served = await serve(key="zg-right-key-0123456789")
    status, headers, body = await served.ask(method, "/")
    assert (status, headers.get("content-length", "0"), body) == (200, "0", b"")
    assert headers["request-id"].startswith("req_")


@pytest.mark.parametrize(
    "headers",
    [
        {"anthropic-version": "2023-06-01", "anthropic-beta": "new-thing-2027-01-01,other-2026-02-05"},
        {"anthropic-version": "2026-10-21", "anthropic-beta": ""},
        {"anthropic-version": "tomorrow"},
        {"anthropic-dangerous-direct-browser-access": "true", "x-app": "cli", "X-Claude-Code-Session-Id": "0-1"},
    ],
)
async def test_no_version_and_no_beta_of_anthropics_is_refused_or_needed(serve: Serve, headers: dict[str, str]) -> None:
    served = await serve()
    body = {"model": "gemini-3-flash", "max_tokens": 9, "messages": HI}
    status, told, answer = await served.post("/v1/messages?beta=true", body, headers=headers)
    assert (status, answer["type"], answer["model"]) == (200, "message", "gemini-3-flash")
    assert told["request-id"].startswith("req_")
    assert not [name for name in told if "ratelimit" in name.lower()], "no limits are known"


async def test_a_body_too_large_in_anthropics_form(serve: Serve) -> None:
    served = await serve(limits={"body_bytes": 1024})
    status, headers, body = await served.post("/v1/messages", {"messages": "x" * 2000})
    assert (status, body["error"]["type"], headers["Connection"]) == (413, "request_too_large", "close")
    assert body["request_id"] == headers["request-id"]


# -- counting ------------------------------------------------------------------------------------------------------

HI = [{"role": "user", "content": "hi"}]
COUNTS = [
    ("/v1/responses/input_tokens", {"model": "gemini-3-flash", "input": "hi"}, "input_tokens"),
    ("/v1/messages/count_tokens?beta=true", {"model": "gemini-3-flash", "messages": HI}, "input_tokens"),
    ("/v1beta/models/gemini-3-flash:countTokens", GEMINI, "totalTokens"),
]


@pytest.mark.parametrize(("path", "body", "member"), COUNTS)
async def test_counting_is_googles_or_marked_as_an_estimate(serve: Serve, path: str, body: Any, member: str) -> None:
    served = await serve()
    status, headers, told = await served.post(path, body)
    assert (status, told[member], headers["x-zerogravity-tokens"]) == (200, 5, "estimate")

    async def count(turn: Any) -> int:
        assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]
        return 7

    served = await serve(services={"count_tokens": count})
    status, headers, told = await served.post(path, body)
    assert (status, told[member]) == (200, 7)
    assert "x-zerogravity-tokens" not in headers
    assert not served.engine.channels, "nothing is sent"


@pytest.mark.parametrize(("path", "body", "member"), COUNTS)
async def test_counts_wait_neither_for_each_other_nor_for_turns(
    serve: Serve, path: str, body: Any, member: str
) -> None:
    """Claude Code's ``/context`` asks for 25 at once (wire-anthropic 1)."""
    together = asyncio.Barrier(25)

    async def count(turn: Any) -> int:
        async with asyncio.timeout(10):
            return await together.wait()

    served = await serve(services={"count_tokens": count})
    served.engine.script = forever
    turns = [
        asyncio.create_task(served.post("/v1/messages", {"model": "gemini-3-flash", "max_tokens": 9, "messages": HI}))
        for _ in range(8)
    ]
    while len(served.engine.turns) < len(turns):
        await served.engine.begun()
    counted = await asyncio.gather(*(served.post(path, body) for _ in range(25)))
    assert sorted(told[member] for _, _, told in counted) == list(range(25))
    assert not any(turn.done() for turn in turns)
    for channel in served.engine.channels:
        served.engine.cancel(channel)
    assert {(await turn)[0] for turn in turns} == {499}


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

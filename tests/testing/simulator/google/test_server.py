"""The Google stand-in over real sockets: every scenario of the table is what the table says it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.testing.simulator.support import INTERNAL, TEXT, THOUGHT, Reply, contents, envelope, fetch, inner
from zerogravity.testing.simulator.google import GoogleSimulator, answer


async def test_flaky_fails_as_often_as_configured(google: GoogleSimulator) -> None:
    statuses = [(await fetch(google, INTERNAL, envelope(inner("again sim:flaky 2")))).status for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert (await fetch(google, INTERNAL, envelope(inner("other sim:flaky")))).status == 503


@pytest.mark.parametrize("once", ["malformed-once", "nameless-once"])
async def test_a_call_that_is_broken_once(google: GoogleSimulator, once: str) -> None:
    body = envelope(inner(f"sim:{once} what is the weather?"))
    first, second = [(await fetch(google, INTERNAL, body)).stream for _ in range(2)]
    assert [call["name"] for call in first.calls] == [""] * (once == "nameless-once")
    assert [call["name"] for call in second.calls] == ["get_weather"]


async def test_thinking_once_thinks_then_answers(google: GoogleSimulator) -> None:
    first, second = [(await fetch(google, INTERNAL, envelope(inner("sim:thinking-once")))).stream for _ in range(2)]
    assert (first.text, first.thoughts) == ("", THOUGHT)
    assert second.text


async def test_without_a_keyword_the_tool_that_fits_is_called_and_its_result_quoted(google: GoogleSimulator) -> None:
    first = (await fetch(google, INTERNAL, envelope(inner("Weather in Rome and in Oslo?")))).stream
    assert [call["args"] for call in first.calls] == [{"city": "Rome"}, {"city": "Oslo"}]
    answers = [{"functionResponse": {"id": call["id"], "name": call["name"], "response": {"output": f"{n} degrees"}}}
               for n, call in enumerate(first.calls)]  # fmt: skip
    history = [*inner("Weather in Rome and in Oslo?")["contents"], {"role": "model", "parts": first.call_parts},
               {"role": "user", "parts": answers}]  # fmt: skip
    second = (await fetch(google, INTERNAL, envelope(inner("", contents=history)))).stream
    assert "0 degrees" in second.text
    assert "1 degrees" in second.text


async def test_scripts_come_before_keywords_in_order(google: GoogleSimulator) -> None:
    google.script(answer("one"))
    google.script(answer("two"), match="hello")
    texts = [
        (await fetch(google, INTERNAL, envelope(inner(prompt)))).stream.text for prompt in ("x", "sim:text", "hello")
    ]
    assert texts == ["one", TEXT, "two"]


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

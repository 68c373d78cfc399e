"""What the Google stand-in refuses: bad request → the exact message; and what it must not refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.testing.simulator.google.bodies import (
    AFTER_SEARCH,
    PICTURE,
    ROUND,
    SEARCH,
    SIGNER,
    UNKNOWN,
    Json,
    call,
    complaint,
    json_schema,
    model,
    refused,
    request,
    result,
    schema,
    thinking,
    user,
)
from tests.testing.simulator.support import INTERNAL, WEATHER, envelope, fetch
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.google.signatures import STAND_INS

GOOD: dict[str, Json] = {
    "the smallest": {"contents": [{"parts": [{"text": "hi"}]}]},
    "single values for lists": {"contents": {"parts": {"text": "hi"}}},
    "snake case": {"contents": [user("hi")], "generation_config": {"max_output_tokens": 5, "stop_sequences": ["x"]}},
    "numbers as text": request(generationConfig={"maxOutputTokens": "5", "seed": "-3", "temperature": "0.5"}),
    "512 functions": request(tools=[{"functionDeclarations": [{"name": f"f{number}"} for number in range(512)]}]),
    "nulls": request(generationConfig=None, safetySettings=None),
    "a round": request(*ROUND),
    "a round with ids": request(user("hi"), model(call(id="a")), user(result(id="a"))),
    "an answer without the call's id": request(user("hi"), model(call(id="a")), user(result())),
    "two rounds": request(*ROUND, model(call()), user(result())),
    "parallel, the first signed": request(user("hi"), model(call(), call(signature=None)), user(result(), result())),
    "responses in a model content": request(user("hi"), model(call()), {"role": "model", "parts": [result()]}),
    "unsigned in an older turn": request(
        user("hi"), model(call(signature=None)), user(result()), model({"text": "ok"}), user("and now?")),
    "stand-in": request(user("hi"), model(call(signature=STAND_INS[0])), user(result())),
    "a search before a call": request(user("hi"), model(*SEARCH, AFTER_SEARCH), user(result())),
    "a search behind a call": request(user("hi"), model(call(), *SEARCH), user(result())),
    "signature in a part of its own": request(user("hi"), model({"thoughtSignature": SIGNER.mint("gemini-3-flash",
        "call", "get_weather")}, call(signature=None)), user(result())),
    "empty text that is signed": request(user("hi"), model({"text": "",
        "thoughtSignature": SIGNER.mint("gemini-3-flash", "text")}), user("go on")),
    "users in a row": request(user("a"), user("b")),
    "a picture": request(user("see", {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})),
    "a picture to look at closely": request(
        user({**PICTURE, "mediaResolution": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}})),
    "url-safe base64 without padding": request(user({"inline_data": {"mime_type": "image/png", "data": "_-8"}})),
    "level": thinking(includeThoughts=True, thinkingLevel="low"),
    "budget": thinking(thinkingBudget=10000),
    "budget off": thinking(thinkingBudget=0),
    "dynamic": thinking(thinkingBudget=-1),
    "types in lower case": schema(
        a={"type": "string", "enum": ["x"]}, b={"type": "array", "items": {"type": "integer"}}),
    "anyOf": schema(a={"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}),
    "a property named like a keyword": schema(type={"type": "STRING"}, required={"type": "STRING"}),
    "JSON schema of an answer": json_schema({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "required": ["m"],
        "additionalProperties": {"type": ["string", "null"]}, "properties": {"m": {"$ref": "#/$defs/m"},
        "kids": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}, "m": {"oneOf": [{"const": 1}, {"type": "object",
        "additionalProperties": True}]}}}),
    "json schema": {"contents": [user("hi")], "tools": [{"functionDeclarations": [{"name": "f",
        "parametersJsonSchema": {"type": ["object", "null"], "additionalProperties": False}}]}]},
    "one of the functions": request(
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}}),
    "search with functions": request(tools=[{"functionDeclarations": [WEATHER]}, {"googleSearch": {}}],
        toolConfig={"includeServerSideToolInvocations": True}),
    "json answer": {"contents": [user("hi")], "generationConfig": {"responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}},
    "labels and session": request(labels={"a": "b"}, sessionId="-3"),
    "service tier": request(serviceTier="flex"),
    "five stop sequences": request(generationConfig={"stopSequences": list("abcde"), "temperature": 0}),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_requests_pass(name: str) -> None:
    assert refused(GOOD[name]) is None


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
ODD = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(name=st.sampled_from(sorted(GOOD)), choose=st.data())
def test_any_value_anywhere_is_answered_or_refused_properly(name: str, choose: st.DataObject) -> None:
    body = copy.deepcopy(GOOD[name])
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            places.append((node, key))
            walk(value)

    walk(body)
    node, key = choose.draw(st.sampled_from(places))
    node[key] = choose.draw(ODD)
    for internal in (True, False):
        error = refused(body, internal=internal)
        assert error is None or (error["code"] == 400 and error["message"])


PUBLIC: list[tuple[str, Json, str | None]] = [
    ("gemini-3-flash", request(*ROUND), None),
    ("gemini-3-flash", request(user("hi"), model(call(id="a")), user(result(id="a"))), None),
    (
        "gemini-2.5-flash", request(user("hi"), model(call(id="a")), user(result())),
        UNKNOWN + "\"id\" at 'contents[1].parts[0].function_call': Cannot find field."),
    (
        "gemini-2.5-flash", request(user("hi"), model(call()), user(result(id="a"))),
        UNKNOWN + "\"id\" at 'contents[2].parts[0].function_response': Cannot find field."),
    ("gemini-3-flash", request(labels={"a": "b"}), UNKNOWN + '"labels": Cannot find field.'),
    ("gemini-3-flash", request(sessionId="1"), UNKNOWN + '"sessionId": Cannot find field.'),
    (
        "gemini-3-flash", envelope(request()),
        "\n".join(UNKNOWN + f'"{name}": Cannot find field.' for name in ("project", "requestId", "requestType",
            "request"))),
    ("gemini-3-flash", request(model="models/gemini-3-flash", serviceTier="flex"), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "message"), PUBLIC)
def test_the_public_form_has_other_members(name: str, body: Json, message: str | None) -> None:
    assert complaint(body, name, internal=False) == message


def test_strict_off_refuses_nothing_but_what_cannot_be_read() -> None:
    assert refused(request(foo=1), strict=False) is None
    assert refused(request(), "no-such-model", strict=False) is not None


@pytest.mark.parametrize(
    ("headers", "path", "status", "reason"),
    [
        ({"Authorization": ""}, INTERNAL, 401, "CREDENTIALS_MISSING"),
        ({"Authorization": "Bearer expired"}, INTERNAL, 401, "ACCESS_TOKEN_EXPIRED"),
        (
            {"Authorization": "", "x_goog_api_key": "bad"},
            "/v1beta/models/gemini-3-flash:generateContent",
            400,
            "API_KEY_INVALID",
        ),
        ({"Authorization": ""}, "/v1beta/models/gemini-3-flash:generateContent", 403, None),
        ({"Authorization": ""}, "/v1/models/gemini-3-flash:generateContent?key=k", 200, None),
        ({"Authorization": "", "x_goog_api_key": "k"}, "/v1alpha/models/gemini-3-flash:generateContent", 200, None),
    ],
)
async def test_credentials(
    google: GoogleSimulator, headers: dict[str, str], path: str, status: int, reason: str | None
) -> None:
    body = request() if "/models/" in path else envelope(request())
    reply = await fetch(google, path, body, **headers)
    assert reply.status == status
    reasons = [one.get("reason") for one in reply.json.get("error", {}).get("details", [])]
    assert reasons == ([reason] if reason else [])


@pytest.mark.parametrize(("body", "text"), [(b"{", "Invalid JSON payload received. Unexpected token."), (b"", "empty")])
async def test_bodies_that_are_no_json(google: GoogleSimulator, body: bytes, text: str) -> None:
    reply = await fetch(google, INTERNAL, body)
    assert reply.status == 400
    assert text in reply.json["error"]["message"]


async def test_a_refusal_goes_over_the_wire_as_it_is(google: GoogleSimulator) -> None:
    reply = await fetch(google, INTERNAL, envelope(request({"role": "tool", "parts": [{"text": "x"}]})))
    assert reply.status == 400
    assert reply.json["error"]["message"] == "Please use a valid role: user, model."
    assert google.requests[-1].ended == "refused"


def roundtrips() -> list[tuple[str, Callable[[Json], list[Json]]]]:
    """How a client gives back what it got: as it was, and the ways that lose something."""
    return [
        ("as it was", lambda part: [part]),
        ("without signature", lambda part: [{"functionCall": part["functionCall"]}]),
    ]


@pytest.mark.parametrize(("how", "release"), roundtrips())
@pytest.mark.parametrize("scenario", ["tool", "parallel", "sig-before", "sig-after", "tool-apart"])
async def test_what_the_stand_in_signs_it_takes_back(
    google: GoogleSimulator, scenario: str, how: str, release: Callable[[Json], list[Json]]
) -> None:
    first = (await fetch(google, INTERNAL, envelope(request(user(f"sim:{scenario} sim:text"))))).stream
    parts = [part for part in first.parts if not part.get("thought") and part.get("text") != ""]
    if how == "without signature":
        parts = [one for part in parts if "functionCall" in part for one in release(part)]
    answers = [result(one["name"], id=one["id"]) for one in first.calls]
    history = request(user(f"sim:{scenario} sim:text"), model(*parts), user(*answers))
    reply = await fetch(google, INTERNAL, envelope(history))
    assert reply.status == (200 if how == "as it was" else 400)

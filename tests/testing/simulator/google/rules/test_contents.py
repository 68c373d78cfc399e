"""Contents without sense: turns, parts, calls, signatures."""

from __future__ import annotations

import pytest

from tests.testing.simulator.google.bodies import (
    AFTER_SEARCH,
    REQUEST,
    ROUND,
    SEARCH,
    SIGNER,
    Json,
    call,
    model,
    refused,
    request,
    result,
    step,
    user,
)
from zerogravity.testing.simulator.google.rules.contents import (
    CALL_TURN,
    CORRUPTED,
    COUNT,
    FIRST_TURN,
    INVALID,
    LAST_TURN,
    RESOLUTION,
    RESPONSE_TURN,
)


def unsigned(name: str, position: int) -> str:
    return (
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
        "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
        f"call `default_api:{name}`, position {position}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )


EMPTY_DATA = REQUEST + "contents[{}].parts[{}].data: required oneof field 'data' must have one initialized field\n"
SENSE: dict[str, tuple[Json, str]] = {
    "no contents": ({}, REQUEST + "contents: contents is not specified\n"),
    "empty contents": ({"contents": []}, REQUEST + "contents: contents is not specified\n"),
    "role": (request({"role": "assistant", "parts": [{"text": "x"}]}), "Please use a valid role: user, model."),
    "system role": (request({"role": "system", "parts": [{"text": "x"}]}), "Please use a valid role: user, model."),
    "no parts": (request({"role": "user"}), REQUEST + "contents[0].parts: contents.parts must not be empty.\n"),
    "empty parts": (
        request(user("x"), {"role": "user", "parts": []}),
        REQUEST + "contents[1].parts: contents.parts must not be empty.\n",
    ),
    "an empty part": (request(user({})), EMPTY_DATA.format(0, 0)),
    "an empty text": (request(user("x", "")), EMPTY_DATA.format(0, 1)),
    "an unsupported type": (
        request(user({"inlineData": {"mimeType": "application/octet-stream", "data": ""}})),
        "Unsupported MIME type: application/octet-stream",
    ),
    "picture in the system instruction": (
        request(systemInstruction={"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}),
        REQUEST + "system_instruction: only text parts are supported\n",
    ),
    "the model first": (request(model({"text": "x"}), user("hi")), FIRST_TURN),
    "a call first": (request(model(call()), user(result())), CALL_TURN),
    "a call after the model": (request(user("hi"), model({"text": "x"}), model(call()), user(result())), CALL_TURN),
    "the model last": (request(user("hi"), model({"text": "I will"})), LAST_TURN),
    "a call last": (request(user("hi"), model(call())), LAST_TURN),
    "a response without a call": (request(user("hi"), user(result())), RESPONSE_TURN),
    "a response missing": (request(user("hi"), model(call(), call(signature=None)), user(result())), COUNT),
    "a call unanswered": (request(user("hi"), model(call()), user("never mind")), COUNT),
    "one content per result": (
        request(user("hi"), model(call(), call(signature=None)), user(result()), user(result())),
        COUNT,
    ),
    "another name": (request(user("hi"), model(call()), user(result("get_time"))), INVALID),
    "another order": (
        request(user("hi"), model(call(id="a"), call(signature=None, id="b")), user(result(id="b"), result(id="a"))),
        INVALID,
    ),
    "an id of its own": (request(user("hi"), model(call(id="a")), user(result(id="b"))), INVALID),
    "an id without the call's": (request(user("hi"), model(call()), user(result(id="b"))), INVALID),
    "a call without a name": (
        request(user("hi"), model(call("")), user(result(""))),
        REQUEST + "contents[1].parts[0].function_call.name: Name cannot be empty.\n",
    ),
    "unsigned": (request(user("hi"), model(call(signature=None)), user(result())), unsigned("get_weather", 1)),
    "unsigned second step": (request(*ROUND, model(call(signature=None)), user(result())), unsigned("get_weather", 3)),
    "only the second is signed": (
        request(user("hi"), model(call(signature=None), call()), user(result(), result())),
        unsigned("get_weather", 1),
    ),
    "made up": (request(user("hi"), model(call(signature="EgQKAgEC")), user(result())), CORRUPTED),
    "of another function": (
        request(user("hi"), model(call(signature=SIGNER.mint("gemini-3-flash", "call", "other"))), user(result())),
        CORRUPTED,
    ),
    "of another model": (
        request(user("hi"), model(call(signature=SIGNER.mint("claude", "call", "get_weather"))), user(result())),
        CORRUPTED,
    ),
    "without the search it was made behind": (request(user("hi"), model(AFTER_SEARCH), user(result())), CORRUPTED),
    "with half of the search": (request(user("hi"), model(SEARCH[0], AFTER_SEARCH), user(result())), INVALID),
    "with half of the search, alone": (request(user("hi"), model(SEARCH[1]), user("go on")), INVALID),
    "another search": (
        request(user("hi"), model(step("toolCall", "s2"), step("toolResponse", "s2"), AFTER_SEARCH), user(result())),
        CORRUPTED,
    ),
    "a search in another place": (request(user("hi"), model(AFTER_SEARCH, *SEARCH), user(result())), CORRUPTED),
    "an unsigned search": (
        request(user("hi"), model({"toolCall": {"id": "s1"}}, SEARCH[1], AFTER_SEARCH), user(result())),
        CORRUPTED,
    ),
    "a text to look at closely": (request(user({"text": "x", "mediaResolution": {}})), RESOLUTION),
    "a search of the user's": (request(user("hi", *SEARCH)), INVALID),
    "made up, in an older turn": (
        request(user("hi"), model({"text": "x", "thoughtSignature": "EgQKAgEC"}), user("go on")),
        CORRUPTED,
    ),
    "signature on a response": (
        request(
            user("hi"), model(call()), user({**result(), "thoughtSignature": SIGNER.mint("gemini-3-flash", "text")})
        ),
        INVALID,
    ),
}


@pytest.mark.parametrize("name", SENSE)
def test_requests_without_sense_are_refused(name: str) -> None:
    body, message = SENSE[name]
    error = refused(body)
    assert error is not None
    assert (error["code"], error["status"], error["message"]) == (400, "INVALID_ARGUMENT", message)

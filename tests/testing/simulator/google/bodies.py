"""Requests to be judged, and what Google says to them."""

from __future__ import annotations

import copy
from typing import Any

from tests.testing.simulator.support import INTERNAL, WEATHER, envelope
from zerogravity.testing.simulator.google import Received, validation
from zerogravity.testing.simulator.google.signatures import Signer, call_binding

SIGNER = Signer()


Json = dict[str, Any]


UNKNOWN = "Invalid JSON payload received. Unknown name "


REQUEST = "* GenerateContentRequest."


def user(*parts: Json | str) -> Json:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: Json) -> Json:
    return {"role": "model", "parts": list(parts)}


def call(name: str = "get_weather", signature: str | None = "", **more: Any) -> Json:
    """A call, signed well unless told otherwise."""
    part: Json = {"functionCall": {"name": name, "args": {"city": "Rome"}, **more}}
    if signature == "":
        signature = SIGNER.mint("gemini-3-flash", "call", name)
    return {**part, "thoughtSignature": signature} if signature else part


def result(name: str = "get_weather", response: Any = None, **more: Any) -> Json:
    return {"functionResponse": {"name": name, "response": {"output": "18C"} if response is None else response, **more}}


def request(*contents: Json, **more: Any) -> Json:
    return {
        "contents": list(contents or [user("hi")]),
        "tools": [{"functionDeclarations": [copy.deepcopy(WEATHER)]}],
        **more,
    }


def thinking(**config: Any) -> Json:
    return request(generationConfig={"thinkingConfig": config})


def json_schema(schema: Json) -> Json:
    config = {"responseMimeType": "application/json", "responseJsonSchema": schema}
    return {"contents": [user("hi")], "generationConfig": config}


def schema(**parameters: Any) -> Json:
    declared = {"name": "f", "parameters": {"type": "OBJECT", "properties": parameters}}
    return {"contents": [user("hi")], "tools": [{"functionDeclarations": [declared]}]}


def refused(body: Any, name: str = "gemini-3-flash", *, internal: bool = True, strict: bool = True) -> Json | None:
    """The error object of a refusal."""
    path = INTERNAL.partition("?")[0] if internal else f"/v1beta/models/{name}:generateContent"
    received = Received(
        "POST",
        path,
        {},
        {"authorization": "Bearer t"},
        envelope(body, name) if internal else body,
        "1.1",
        model=name,
    )
    scenario = validation.refusal(received, SIGNER, internal=internal, auth=True, strict=strict)
    return None if scenario is None else scenario.body["error"]


def step(kind: str, number: str = "s1", **more: Any) -> Json:
    """A step of Google's own search, signed well."""
    inner = {"id": number, "toolType": "GOOGLE_SEARCH_WEB", **more}
    return {kind: inner, "thoughtSignature": SIGNER.mint("gemini-3-flash", "server", f"{kind} {number}")}


SEARCH = (step("toolCall"), step("toolResponse"))


AFTER_SEARCH = call(
    signature=SIGNER.mint("gemini-3-flash", "call", call_binding("get_weather", ("toolCall s1", "toolResponse s1")))
)


PICTURE: Json = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


ROUND = (user("hi"), model(call()), user(result()))

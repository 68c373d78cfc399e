"""Gemini requests: the turn, its model and limits; requests to count tokens."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini import parse_request
from zerogravity.surfaces.gemini.proto_json import GENERATION, REQUEST
from zerogravity.surfaces.gemini.request import RULES, count_request, table

CONTEXT = Context("turn_" + "5" * 32, 1_770_000_000, Catalogue().resolve, owner="someone")
HI = [{"role": "user", "parts": [{"text": "hi"}]}]


def parse(**body: Any) -> Turn:
    return parse_request({"contents": HI, **body}, CONTEXT, model="gemini-3-flash")


@pytest.mark.parametrize(("asked", "sent"), [("100000", 65_536), (1e6, 65_536), ("many", "many")])
def test_a_limit_in_any_spelling(asked: Any, sent: Any) -> None:
    turn = parse(generationConfig={"maxOutputTokens": asked, "topK": 3})
    assert turn.google_request["generationConfig"] == {"maxOutputTokens": sent, "topK": 3}


def test_a_value_in_an_error_message_is_shortened() -> None:
    with pytest.raises(FaultError) as caught:
        parse(systemInstruction="x" * 10_000)
    assert len(caught.value.fault.message) < 200


@pytest.mark.parametrize(
    ("config", "thoughts"),
    [
        (None, False),
        ({}, False),
        ({"thinkingConfig": {"thinkingLevel": "LOW"}}, False),
        ({"thinkingConfig": {"includeThoughts": False}}, False),
        ({"thinking_config": {"include_thoughts": True}}, True),
    ],
)
def test_whether_thoughts_were_asked_for(config: Any, thoughts: bool) -> None:
    assert parse(generationConfig=config).details.thoughts is thoughts


def test_count_requests() -> None:
    assert count_request({"contents": {"parts": {"text": "a"}}}) == {
        "contents": [{"role": "user", "parts": [{"text": "a"}]}]
    }
    inner = {"model": "models/x", "contents": HI, "system_instruction": {"parts": [{"text": "s"}]}}
    assert count_request({"generateContentRequest": inner}) == {
        "contents": HI, "systemInstruction": {"parts": [{"text": "s"}]},
    }  # fmt: skip
    for body in ({}, {"contents": HI, "generateContentRequest": inner}):
        with pytest.raises(FaultError):
            count_request(body)


def test_functions_beside_a_form_that_google_refuses_are_left_to_google() -> None:
    body = {
        "contents": HI, "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "generationConfig": {"responseMimeType": "application/json"},
    }  # fmt: skip
    turn = parse_request(body, CONTEXT, model="gemini-2.5-flash")
    assert turn.google_request == body
    assert turn.notes == ()


RESULT = {"id": "c1", "name": "f", "response": {"output": "Tool response for f:\n```json\n1\n```"}}
OF_THE_RUNTIME: dict[str, Any] = {  # facts antigravity-runtime
    "contents": [
        *HI,
        {"role": "model", "parts": [
            {"text": "hm", "thought": True},
            {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
        ]},
        {"role": "model", "parts": [{"functionResponse": RESULT}]},
        {"role": "user", "parts": [{"text": "Error: There was a problem. "}]},
    ],
    "systemInstruction": {"role": "user", "parts": [{"text": "<System>\nPlain.\n</System>"}]},
    "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    "generationConfig": {
        "maxOutputTokens": 65535, "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "high"},
    },
    "serviceTier": "flex",
}  # fmt: skip


@pytest.mark.parametrize("without", [(), ("tools",), ("serviceTier",), ("tools", "systemInstruction")])
def test_a_request_of_googles_runtime_reaches_google_as_it_is(without: tuple[str, ...]) -> None:
    """All but its session: the language server has one of its own."""
    body = {name: value for name, value in OF_THE_RUNTIME.items() if name not in without}
    turn = parse_request({**body, "sessionId": "-42"}, CONTEXT, model="gemini-3-flash")
    assert turn.google_request == body
    assert turn.conversation == "-42"
    assert turn.notes == ("sessionId: the language server's own is kept",)


def test_the_table_tells_every_rule_and_every_known_member() -> None:
    rows = {name: becomes for name, _, becomes in table()}
    assert {rule.member: rows[rule.member] for rule in RULES} == {rule.member: rule.becomes for rule in RULES}
    assert rows.keys() >= {*REQUEST.members, *(f"generationConfig.{name}" for name in GENERATION.members)}
    assert rows["systemInstruction"] == "the same"

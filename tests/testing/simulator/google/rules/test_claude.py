"""What Anthropic says, through Google."""

from __future__ import annotations

from typing import Any

import pytest

from tests.testing.simulator.google.bodies import (
    SIGNER,
    Json,
    call,
    model,
    refused,
    request,
    result,
    user,
)
from tests.testing.simulator.support import WEATHER
from zerogravity.testing.simulator.google.rules import claude as rules_claude
from zerogravity.testing.simulator.google.signatures import STAND_INS


def thought(text: str = "x", **more: Any) -> Json:
    return {"text": text, "thought": True, "thoughtSignature": SIGNER.mint("claude", "text", text), **more}


UNSIGNED_CALL = call(signature=None)


OFF = {"thinkingConfig": {"thinkingBudget": 0}}


ANY = {"functionCallingConfig": {"mode": "ANY"}}


LONE = rules_claude.NO_THINKING_FIRST.format(index=1, found="tool_use")


CLAUDE: dict[str, tuple[Json, str | None]] = {
    "a step behind its thought": (request(user("hi"), model(thought(), UNSIGNED_CALL), user(result())), None),
    "several thoughts": (request(user("hi"), model(thought(), thought("y"), UNSIGNED_CALL), user(result())), None),
    "thoughts of a turn that is over": (request(user("hi"), model(thought()), user("y")), None),
    "a step of a turn that is over": (
        request(user("hi"), model(UNSIGNED_CALL), user(result()), model({"text": "x"}), user("y")), None),
    "a step without thought": (request(user("hi"), model(UNSIGNED_CALL), user(result())), LONE),
    "the second of two steps": (
        request(user("hi"), model(thought(), UNSIGNED_CALL), user(result()), model(UNSIGNED_CALL), user(result())),
        rules_claude.NO_THINKING_FIRST.format(index=3, found="tool_use")),
    "the first of two steps": (
        request(user("hi"), model(UNSIGNED_CALL), user(result()), model(thought(), UNSIGNED_CALL), user(result())),
        LONE),
    "words beside the results": (request(user("hi"), model(UNSIGNED_CALL), user(result()), user("and?")), LONE),
    "text before the thought": (
        request(user("hi"), model({"text": "So"}, thought(), UNSIGNED_CALL), user(result())),
        rules_claude.NO_THINKING_FIRST.format(index=1, found="text")),
    "no thinking, no thought": (
        request(user("hi"), model(UNSIGNED_CALL), user(result()), generationConfig=OFF), None),
    "no thinking, but a thought": (
        request(user("hi"), model(thought(), UNSIGNED_CALL), user(result()), generationConfig=OFF),
        rules_claude.THINKING_WHILE_OFF.format(index=1, at=0)),
    "an unsigned thought": (
        request(user("hi"), model({"text": "x", "thought": True}), user("y")),
        rules_claude.UNSIGNED.format(index=1, at=0)),
    "another text under a signature": (
        request(user("hi"), model(thought(), UNSIGNED_CALL) | {"parts": [{**thought("y"), "text": "z"}, UNSIGNED_CALL]},
                user(result())),
        rules_claude.SIGNATURE.format(index=1, at=0)),
    "a stand-in": (
        request(user("hi"), model(thought(thoughtSignature=STAND_INS[0])), user("y")),
        rules_claude.SIGNATURE.format(index=1, at=0)),
    "Gemini's signature on a call": (
        request(user("hi"), model(thought(), call()), user(result())), rules_claude.MISPLACED.format(index=1, at=1)),
    "a forced call": (request(toolConfig=ANY), rules_claude.FORCED),
    "a forced call without thinking": (request(toolConfig=ANY, generationConfig=OFF), None),
    "a small limit": (
        request(generationConfig={"maxOutputTokens": 1024, "thinkingConfig": {"thinkingBudget": 1024}}),
        rules_claude.ABOVE),
    "a small budget": (request(generationConfig={"thinkingConfig": {"thinkingBudget": 512}}), rules_claude.BUDGET),
    "a dynamic budget": (request(generationConfig={"thinkingConfig": {"thinkingBudget": -1}}), rules_claude.BUDGET),
    "a large limit": (
        request(generationConfig={"maxOutputTokens": 65536}),
        rules_claude.MAX_TOKENS.format(limit=65536, most=64000)),
    "no schema": (
        request(tools=[{"functionDeclarations": [WEATHER, {"name": "now"}]}]),
        rules_claude.SCHEMA.format(index=1, member="")),
    "a schema without type": (
        request(tools=[{"functionDeclarations": [{"name": "now", "parametersJsonSchema": {}}]}]),
        rules_claude.SCHEMA.format(index=0, member=".type")),
    "no properties": (
        request(tools=[{"functionDeclarations": [
            {"name": "now", "parameters": {"type": "object", "properties": {}}}]}]), None),
    "a blank text": (request(user("hi", " \n")), rules_claude.BLANK.format(where="messages.0")),
    "a blank result": (
        request(user("hi"), model(thought(), UNSIGNED_CALL), user(result(response={"output": ""}))),
        rules_claude.BLANK.format(where="messages.2")),
    "a blank system text": (
        request(systemInstruction={"parts": [{"text": "\t"}]}), rules_claude.BLANK.format(where="system")),
    "a blank stop sequence": (request(generationConfig={"stopSequences": ["\n"]}), rules_claude.BLANK_STOP),
}  # fmt: skip


@pytest.mark.parametrize("case", CLAUDE)
def test_what_anthropic_says_through_google(case: str) -> None:
    body, message = CLAUDE[case]
    error = refused(body, "claude-sonnet-4-6")
    assert (error and error["message"]) == message


@pytest.mark.parametrize("case", CLAUDE)
def test_other_models_do_not_mind(case: str) -> None:
    body, _ = CLAUDE[case]
    if "budget" not in case and "thinking" not in case and "limit" not in case:
        assert refused(body, "gpt-oss-120b-medium") is None

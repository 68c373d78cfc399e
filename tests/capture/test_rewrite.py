"""What of the LS's request is replaced and what is kept (facts D.6), in both forms."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_objects
from zerogravity.capture.rewrite import REPLACED, rewrite
from zerogravity.core.turn import Target, Turn

MakeTurn = Callable[..., Turn]
LS_REQUEST: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"text": "<USER_REQUEST>.<cid:c>"}]}],
    "systemInstruction": {"parts": [{"text": "(agent prompt)"}]},
    "tools": [{"functionDeclarations": [{"name": "run_command"}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
    "generationConfig": {
        "temperature": 0.4, "topP": 1, "topK": 50, "candidateCount": 1, "maxOutputTokens": 65536,
        "stopSequences": ["<|user|>", "<|endoftext|>"], "seed": 5, "presencePenalty": 1, "responseLogprobs": True,
        "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}, "responseModalities": ["TEXT"],
        "mediaResolution": "MEDIA_RESOLUTION_LOW", "newMember": {},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 10000},
    },
    "labels": {"trajectory_id": "t"},
    "sessionId": "-3750763034362895579",
}  # fmt: skip
ENVELOPE: dict[str, Any] = {
    "project": "p", "requestId": "agent/c/1/t/2", "model": "gemini-3-flash-agent", "userAgent": "antigravity",
    "requestType": "agent",
}  # fmt: skip
CONTENTS = [{"role": "user", "parts": [{"text": "Grüße"}]}]
TAKEN_OVER = {"maxOutputTokens": 65536, "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 10000}}


def rewritten(generate: dict[str, Any], make_turn: MakeTurn, request: dict[str, Any] = LS_REQUEST) -> dict[str, Any]:
    """The inner request that is sent; that both forms agree (but for ``public_config``) and the
    rest of the envelope stays is checked here."""
    turn = make_turn(google_request=MappingProxyType(generate))
    before = copy.deepcopy(request)
    with_envelope = json.loads(rewrite({**ENVELOPE, "request": request}, turn).body)
    without = json.loads(rewrite(request, turn).body)
    sent = with_envelope.pop("request")
    assert {**sent, "generationConfig": 0} == {**without, "generationConfig": 0}
    assert with_envelope == ENVELOPE
    assert request == before, "pure"
    return sent


def test_the_turn_replaces_what_the_model_gets(make_turn: MakeTurn) -> None:
    generate = {
        "contents": CONTENTS,
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "safetySettings": [{"category": "c", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x",
        "newMember": {"a": [1]},
    }
    kept = {name: LS_REQUEST[name] for name in ("labels", "sessionId")}
    assert rewritten(generate, make_turn) == {**generate, **kept, "generationConfig": TAKEN_OVER}


def test_members_that_the_turn_lacks_are_removed(make_turn: MakeTurn) -> None:
    request = {**LS_REQUEST, "safetySettings": []}
    assert rewritten({"contents": CONTENTS}, make_turn, request) == {
        "contents": CONTENTS,
        **{name: LS_REQUEST[name] for name in ("labels", "sessionId")},
        "generationConfig": TAKEN_OVER,
    }


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, TAKEN_OVER),
        ({"temperature": 0}, {**TAKEN_OVER, "temperature": 0}),
        ({"topP": 1, "stopSequences": ["x"]}, {**TAKEN_OVER, "topP": 1, "stopSequences": ["x"]}),
        ({"thinkingConfig": {"thinkingLevel": "LOW"}}, {**TAKEN_OVER, "thinkingConfig": {"thinkingLevel": "LOW"}}),
        ({"thinkingConfig": {}}, {**TAKEN_OVER, "thinkingConfig": {}}),
        ({"responseJsonSchema": {"b": 2}}, {**TAKEN_OVER, "responseJsonSchema": {"b": 2}}),
        ({"responseModalities": ["IMAGE"], "new": 1}, {**TAKEN_OVER, "responseModalities": ["IMAGE"], "new": 1}),
        ({"maxOutputTokens": 9, "topK": 50, "candidateCount": 1, "seed": 5},
         {**TAKEN_OVER, "maxOutputTokens": 9, "topK": 50, "candidateCount": 1, "seed": 5}),
    ],
)  # fmt: skip
def test_only_limit_and_thinking_are_kept_of_generation_config(
    wanted: Any, expected: dict[str, Any], make_turn: MakeTurn
) -> None:
    sent = rewritten({"contents": CONTENTS, "generationConfig": wanted}, make_turn)
    assert sent["generationConfig"] == expected


@pytest.mark.parametrize("own", [None, 5, {}])
def test_an_ls_without_generation_config(own: Any, make_turn: MakeTurn) -> None:
    request = {**LS_REQUEST, "generationConfig": own}
    sent = rewritten({"contents": CONTENTS, "generationConfig": {"seed": 7}}, make_turn, request)
    assert sent["generationConfig"] == {"seed": 7}
    del request["generationConfig"]
    assert "generationConfig" not in rewritten({"contents": CONTENTS}, make_turn, request)


@pytest.mark.parametrize(("wire_model", "sent"), [(None, "gemini-3-flash-agent"), ("gemini-x", "gemini-x")])
def test_the_model(wire_model: str | None, sent: str, make_turn: MakeTurn) -> None:
    turn = make_turn(target=Target("g", "M18", wire_model=wire_model))
    done = rewrite({**ENVELOPE, "request": LS_REQUEST}, turn)
    assert json.loads(done.body)["model"] == sent
    assert ("model gemini-3-flash-agent -> gemini-x" in done.notes) is (wire_model is not None)
    done = rewrite(LS_REQUEST, turn)
    assert "model" not in json.loads(done.body)
    assert ("model in the path kept, not gemini-x" in done.notes) is (wire_model is not None)


def test_notes_say_what_was_done(make_turn: MakeTurn) -> None:
    turn = make_turn(
        google_request={"contents": CONTENTS, "cachedContent": "x", "generationConfig": {"seed": 1, "topP": 1}}
    )
    assert rewrite({**ENVELOPE, "request": LS_REQUEST}, turn).notes == (
        "systemInstruction removed", "tools removed", "toolConfig removed", "contents replaced", "cachedContent added",
        "generationConfig: seed, topP",
        "generationConfig of the language server's removed: temperature, topK, candidateCount, stopSequences, "
        "presencePenalty, responseLogprobs, responseMimeType, responseSchema, responseModalities, mediaResolution, "
        "newMember",
    )  # fmt: skip


def test_values_survive_exactly(make_turn: MakeTurn) -> None:
    parts = [{"functionCall": {"name": "f", "args": {"n": 2**70, "s": "\u2028\U0001f600"}}}]
    sent = rewritten({"contents": [{"role": "model", "parts": parts}]}, make_turn)
    assert sent["contents"][0]["parts"] == parts


members = st.dictionaries(st.sampled_from([*REPLACED, "generationConfig", "labels", "x"]), json_objects, max_size=5)


@given(members, members)
def test_nothing_of_the_ls_prompt_ever_stays(own: dict[str, Any], wanted: dict[str, Any]) -> None:
    turn = Turn("turn_1", "responses", "m", Target("g", "M18"), {"contents": [], **wanted})
    sent = json.loads(rewrite({"model": "m", "request": own}, turn).body)["request"]
    assert {name: sent[name] for name in REPLACED if name in sent} == {
        name: turn.google_request[name] for name in REPLACED if name in turn.google_request
    }
    assert sent.get("labels") == wanted.get("labels", own.get("labels"))
    assert sent.get("generationConfig", {}) == wanted.get("generationConfig", {})

"""Any sequence of chunk shapes on every surface: a stream that ends properly, a whole answer that agrees with it, no
call that a client cannot run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from tests.strategies import shapes
from tests.surfaces.playing import ALL, SECRET, SURFACES, ask, frames, hear, play
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Finished
from zerogravity.surfaces.base import Answer
from zerogravity.testing.builders import call, chunk
from zerogravity.testing.check import check_gemini

TOOLS: dict[str, dict[str, Any]] = {
    "chat": {"tools": [{"type": "function", "function": {"name": name}} for name in ("f", "my tool")]},
    "responses": {"tools": [{"type": "function", "name": name} for name in ("f", "my tool")]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "my_tool"}]}]},
    "messages": {"tools": [{"name": name, "input_schema": {"type": "object"}} for name in ("f", "my tool")]},
}


def whole(name: str, channel: CascadeChannel) -> Answer:
    return SURFACES[name].answer(channel, SECRET)


def calls_of(name: str, body: Any) -> list[tuple[str, str]]:
    """The calls of a whole answer."""
    match name:
        case "chat":
            made = body["choices"][0]["message"].get("tool_calls", [])
            return [(one["function"]["name"], one["function"]["arguments"]) for one in made]
        case "responses":
            return [(one["name"], one["arguments"]) for one in body["output"] if one["type"] == "function_call"]
        case "messages":
            made = [one for one in body["content"] if one["type"] == "tool_use"]
            return [(one["name"], json.dumps(one["input"])) for one in made]
        case _:
            parts = [part for one in body.get("candidates", ()) for part in one.get("content", {}).get("parts", ())]
            made = [part["functionCall"] for part in parts if "functionCall" in part]
            return [(one["name"], json.dumps(one.get("args", {}))) for one in made]


@pytest.mark.parametrize("name", ALL)
@given(chunks=shapes())
def test_any_shapes(name: str, chunks: list[Any]) -> None:
    channel = play(ask(name, **TOOLS[name]), *chunks)
    heard, answer = hear(name, channel), whole(name, channel)
    for _, called, args in heard.calls:
        assert called.strip()
        assert isinstance(json.loads(args), dict)
    if isinstance(channel.terminal, Finished):
        assert answer.status == 200
        assert [called for called, _ in calls_of(name, answer.body)] == [called for _, called, _ in heard.calls]
    elif name != "gemini" or not channel.terminal.fault.finish:
        assert heard.error is not None
        assert answer.status == channel.terminal.fault.status
    else:
        assert answer.status == 200
        assert heard.finish == channel.terminal.fault.finish


@given(chunks=shapes())
def test_every_surface_tells_the_same_calls_and_thoughts(chunks: list[Any]) -> None:
    heard = {name: hear(name, play(ask(name, **TOOLS[name]), *chunks)) for name in ALL}
    assert [one[1] for one in heard["gemini"].calls] == [one[1] for one in heard["chat"].calls]
    assert heard["responses"].calls == heard["chat"].calls
    assert [one[1:] for one in heard["messages"].calls] == [one[1:] for one in heard["chat"].calls]
    assert heard["gemini"].thoughts == heard["messages"].thoughts == heard["chat"].thoughts


END = {"candidates": [{"finishReason": "STOP"}]}


@pytest.mark.parametrize(
    "chunks",
    [
        (chunk({"text": "a"}), END, END),
        (chunk({"text": "a"}), END, {"usageMetadata": {"totalTokenCount": 1}}, END),
        (END, chunk({"text": "a"}), END),
        (END, END, chunk({"text": "a"})),
        (chunk({"text": "a"}, finish="STOP"), END),
        (chunk({"text": "a"}), {"candidates": [{"finishReason": 1}]}),
        (chunk({"text": "a"}), {"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]}, END),
        (chunk({"text": "a"}), {}, {"candidates": []}, END, {}),
    ],
)
@pytest.mark.parametrize("name", ALL)
def test_finish_reasons_in_chunks_of_their_own(name: str, chunks: tuple[Any, ...]) -> None:
    channel = play(ask(name), *chunks)
    heard = hear(name, channel)
    assert (heard.text, heard.error) == ("a", None)
    assert heard.finish in ("STOP", "stop", "completed", "end_turn")
    assert whole(name, channel).status == 200


NAMES = {"chat": "my tool", "responses": "my tool", "gemini": "my_tool", "messages": "my tool"}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("separator", [":", "."])
def test_the_models_default_api_prefix_is_removed(name: str, separator: str) -> None:
    turn = ask(name, **TOOLS[name])
    (wire,) = [one["name"] for one in turn.google_request["tools"][0]["functionDeclarations"] if one["name"] != "f"]
    channel = play(turn, chunk(call(f"default_api{separator}{wire}", a=1), finish="STOP"))
    expected = NAMES[name]
    assert [one[1] for one in hear(name, channel).calls] == [expected]
    assert [one[0] for one in calls_of(name, whole(name, channel).body)] == [expected]
    assert b"default_api" in channel.records[1].data, "what is recorded is what came"


THOUGHT_CALL = chunk({"functionCall": {"name": "f", "args": {"a": 1}}, "thought": True}, finish="STOP")
DRAFT = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "BBBB"}}
NO_THOUGHTS: dict[str, dict[str, Any]] = {
    "chat": {}, "responses": {}, "gemini": {"generationConfig": {}}, "messages": {"thinking": {"type": "disabled"}},
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("asked", [True, False])
def test_a_call_marked_as_a_thought_is_a_call(name: str, asked: bool) -> None:
    channel = play(ask(name, **TOOLS[name], **({} if asked else NO_THOUGHTS[name])), THOUGHT_CALL)
    assert [one[1] for one in hear(name, channel).calls] == ["f"]
    assert [one[0] for one in calls_of(name, whole(name, channel).body)] == ["f"]


NOTE = "[image/png: this API cannot show it]"


def pictures(name: str, body: Any) -> list[str]:
    match name:
        case "chat":
            return [one["image_url"]["url"][-4:] for one in body["choices"][0]["message"].get("images", ())]
        case "responses":
            return [one["result"] for one in body["output"] if one["type"] == "image_generation_call"]
        case "messages":
            return [one["text"] for one in body["content"] if one["type"] == "text"]
        case _:
            parts = [part for one in body["candidates"] for part in one.get("content", {}).get("parts", ())]
            return [part["inlineData"]["data"] for part in parts if "inlineData" in part]


@pytest.mark.parametrize(("parts", "expected"), [((DRAFT,), ["AAAA"]), ((DRAFT, PICTURE), ["BBBB"])])
@pytest.mark.parametrize("name", ALL)
def test_a_draft_picture_is_shown_when_there_is_no_other(
    name: str, parts: tuple[Any, ...], expected: list[str]
) -> None:
    chunks = (*(chunk(part) for part in parts), END)
    channel = play(ask(name, **NO_THOUGHTS[name]), *chunks)
    assert hear(name, channel).error is None
    shown = pictures(name, whole(name, channel).body)
    assert shown == (expected if name != "messages" else [NOTE])


def test_a_gemini_client_that_asked_for_thoughts_gets_drafts_as_they_came() -> None:
    channel = play(ask("gemini"), chunk(DRAFT), chunk(PICTURE, finish="STOP"))
    parts = [
        part for one in check_gemini(frames("gemini", channel)) for part in one["candidates"][0]["content"]["parts"]
    ]
    assert parts == [DRAFT, PICTURE]
    alone = play(ask("gemini"), chunk(DRAFT, finish="STOP"))
    assert pictures("gemini", whole("gemini", alone).body) == ["AAAA"]


FAILURES = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
            "MISSING_THOUGHT_SIGNATURE", "NO_IMAGE", "OTHER")  # fmt: skip
USAGE = {"promptTokenCount": 5, "totalTokenCount": 5}


@pytest.mark.parametrize("finish", FAILURES)
def test_a_gemini_client_gets_googles_finish_reason_for_a_failure(finish: str) -> None:
    channel = play(ask("gemini"), chunk(finish=finish, usage=USAGE, finishMessage="why"))
    assert isinstance(channel.terminal, Failed)
    answer = whole("gemini", channel)
    assert answer.status == 200
    candidate = answer.body["candidates"][0]
    assert (candidate["finishReason"], candidate["finishMessage"]) == (finish, "why")
    assert answer.body["usageMetadata"] == USAGE
    (streamed,) = check_gemini(frames("gemini", channel))
    assert streamed["candidates"] == answer.body["candidates"]
    assert SURFACES["gemini"].has_output(channel), "a stream of it begins with 200"
    for name in ("chat", "responses", "messages"):
        other = play(ask(name), chunk(finish=finish, usage=USAGE, finishMessage="why"))
        assert whole(name, other).status == 502
        assert not SURFACES[name].has_output(other)


@pytest.mark.parametrize("parts", [(), ({"text": "x"},)])
@pytest.mark.parametrize("broken", [{"args": {"a": 1}}, {"name": "f", "args": [1]}, {"name": "f", "args": "x"}])
def test_a_broken_call_is_a_malformed_one(broken: dict[str, Any], parts: tuple[Any, ...]) -> None:
    chunks = (chunk(*parts, {"functionCall": broken}, finish="STOP", usage=USAGE),)
    for name in ("chat", "responses", "messages"):
        channel = play(ask(name), *chunks)
        error = whole(name, channel).body["error"]
        assert error.get("code", error["type"]) == ("malformed_function_call" if name != "messages" else "api_error")
        heard = hear(name, channel)
        assert heard.error is not None
        assert not heard.calls
    channel = play(ask("gemini"), *chunks)
    heard = hear("gemini", channel)
    assert (heard.calls, heard.error, heard.finish) == ([], None, "MALFORMED_FUNCTION_CALL")
    candidate = whole("gemini", channel).body["candidates"][0]
    assert candidate["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert candidate["finishMessage"]
    assert heard.text == ("x" if parts else "")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("behind", [{"text": "y"}, call("f", a="y"), {"inlineData": {"mimeType": "y", "data": "eQ=="}}])
@pytest.mark.parametrize("broken", [{"args": {"a": 1}}, {"name": "f", "args": [1]}, {"name": "f", "args": "x"}])
@pytest.mark.parametrize("name", ALL)
def test_parts_after_a_broken_call_are_dropped(
    name: str, broken: dict[str, Any], behind: dict[str, Any], together: bool
) -> None:
    first, then = {"functionCall": broken}, chunk({"text": "z"}, finish="STOP", usage=USAGE)
    channel = play(ask(name), *([chunk(first, behind)] if together else [chunk(first), chunk(behind)]), then)
    assert not (channel.state.has_text or channel.state.has_calls or channel.state.has_media), "it can be healed"
    heard = hear(name, channel)
    assert (heard.text, heard.calls) == ("", [])
    assert b'"y"' not in b"".join(frames(name, channel))
    if name == "gemini":
        assert heard.finish == "MALFORMED_FUNCTION_CALL"
        assert whole(name, channel).body["candidates"][0].get("content") is None
        assert whole(name, channel).body["usageMetadata"] == USAGE


PIECES = [
    ({"functionCall": {"name": "f"}}, {"functionCall": {"args": {"a": "b"}}}),
    ({"functionCall": {"name": "f", "willContinue": True}},
     {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "b"}], "willContinue": True}},
     {"functionCall": {}}),
    ({"functionCall": {"name": "f", "args": '{"a":"b"}'}},),
]  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("name", ALL)
def test_pieces_are_one_call(name: str, pieces: tuple[Any, ...], together: bool) -> None:
    chunks = (chunk(*pieces),) if together else tuple(map(chunk, pieces))
    channel = play(ask(name), chunk({"text": "x"}), *chunks, END)
    assert [(one[1], json.loads(one[2])) for one in hear(name, channel).calls] == [("f", {"a": "b"})]
    ((called, args),) = calls_of(name, whole(name, channel).body)
    assert (called, json.loads(args)) == ("f", {"a": "b"})
    assert hear(name, channel).text == "x"


@pytest.mark.parametrize("name", ALL)
def test_null_arguments_are_an_empty_object(name: str) -> None:
    channel = play(ask(name), chunk({"functionCall": {"name": "f", "args": None}}, finish="STOP"))
    assert [(called, json.loads(arguments)) for _, called, arguments in hear(name, channel).calls] == [("f", {})]

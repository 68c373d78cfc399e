"""Calls in every form that Google or somebody in between gives them → calls that a client can run, or a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_objects
from zerogravity.core.events import AttemptClosed, Event, FunctionCall, InlineData, Notice, Signature, TextDelta
from zerogravity.wire.calls import declared_names
from zerogravity.wire.google import GoogleDecoder

DECLARED = frozenset({"f", "view", "tool_1a2b3c4d", "default_api:both", "both"})
TEXT = {"text": "x"}


def f(**call: Any) -> dict[str, Any]:
    return {"functionCall": call}


def piece(path: str, more: bool = False, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path, **value, **({"willContinue": True} if more else {})}


def decoded(chunks: list[list[Any] | bytes], finish: str | None = "STOP") -> tuple[list[Event], AttemptClosed]:
    decoder = GoogleDecoder(str, DECLARED)
    events: list[Event] = []
    for parts in chunks:
        data = (
            parts if isinstance(parts, bytes) else json.dumps({"candidates": [{"content": {"parts": parts}}]}).encode()
        )
        events += decoder.decode(data)
    events += decoder.decode(json.dumps({"candidates": [{"finishReason": finish}]}).encode())
    *rest, closed = decoder.close()
    assert isinstance(closed, AttemptClosed)
    return [*events, *rest], closed


def calls(chunks: list[list[Any] | bytes], finish: str | None = "STOP") -> list[tuple[str, str]]:
    return [(event.name, event.args_json) for event in decoded(chunks, finish)[0] if isinstance(event, FunctionCall)]


GOES_ON = {"willContinue": True}
RUN: list[tuple[str, list[Any], list[tuple[str, str]]]] = [
    ("whole", [[f(name="f", args={"a": 1})]], [("f", '{"a": 1}')]),
    ("no arguments", [[f(name="f")]], [("f", "{}")]),
    ("null arguments", [[f(name="f", args=None)]], [("f", "{}")]),
    ("empty text", [[f(name="f", args="")]], [("f", "{}")]),
    ("name first", [[f(name="f")], [f(args={"a": 1})]], [("f", '{"a": 1}')]),
    ("name first, empty arguments", [[f(name="f", args={})], [f(args={"a": 1})]], [("f", '{"a": 1}')]),
    ("name first, empty name", [[f(name="f")], [f(name="", args={"a": 1})]], [("f", '{"a": 1}')]),
    ("in one chunk", [[f(name="f"), f(args={"a": 1})]], [("f", '{"a": 1}')]),
    ("arguments in two", [[f(name="f")], [f(args={"a": 1})], [f(args={"b": 2})], [f()]], [("f", '{"a":1,"b":2}')]),
    ("snake", [[{"function_call": {"name": "f", "will_continue": True}}], [{"function_call": {"args": {"a": 1}}}]],
     [("f", '{"a": 1}')]),
    ("a closing {}", [[f(name="f", args={"a": 1})], [f()]], [("f", '{"a": 1}')]),
    ("a closing {} of no arguments", [[f(name="f")], [f()], [f(args={})]], [("f", "{}")]),
    ("a closing {} after text", [[f(name="f", args={"a": 1}), TEXT, f()]], [("f", '{"a": 1}')]),
    ("goes on", [[f(name="f", **GOES_ON)], [f(args={"a": 1}, **GOES_ON)], [f()]], [("f", '{"a": 1}')]),
    ("goes on over text", [[f(name="f", **GOES_ON), TEXT], [f(args={"a": 1})]], [("f", '{"a": 1}')]),
    ("never closed", [[f(name="f", args={"a": 1}, **GOES_ON)]], [("f", '{"a": 1}')]),
    ("its name again", [[f(name="f", **GOES_ON)], [f(name="f", args={"a": 1})]], [("f", '{"a": 1}')]),
    ("its id again", [[f(name="f", id="1", **GOES_ON)], [f(name="f", id="1", **GOES_ON)], [f(id="1", args={"a": 1})]],
     [("f", '{"a": 1}')]),
    ("two that go on", [[f(name="f", id="1", **GOES_ON)], [f(args={"a": 1})], [f(name="f", id="2", **GOES_ON)],
                        [f(args={"a": 2})]], [("f", '{"a": 1}'), ("f", '{"a": 2}')]),
    ("two without arguments", [[f(name="f"), f(name="f")]], [("f", "{}"), ("f", "{}")]),
    ("text between two", [[f(name="f"), TEXT, f(name="view")]], [("f", "{}"), ("view", "{}")]),
    ("pieces", [
        [f(name="f", **GOES_ON)],
        [f(partialArgs=[piece("$.s", more=True, stringValue="New ")], **GOES_ON)],
        [f(partialArgs=[piece("$.s", stringValue="Delhi"), piece("$.n", numberValue=50)], **GOES_ON)],
        [f(partialArgs=[piece("$.b", boolValue=False), piece("$.z", nullValue="NULL_VALUE")], **GOES_ON)],
        [f(partialArgs=[piece("$.l[0].a", stringValue="x"), piece("$.l[1]['b c']", numberValue=2)], **GOES_ON)],
        [f()],
    ], [("f", '{"s":"New Delhi","n":50,"b":false,"z":null,"l":[{"a":"x"},{"b c":2}]}')]),
    ("a string that ends without more", [
        [f(name="f", partialArgs=[piece("$.s", more=True, stringValue="a")], **GOES_ON)],
        [f(partialArgs=[piece("$.s")])],
    ], [("f", '{"s":"a"}')]),
    ("pieces behind an object", [[f(name="f", args={"a": 1}, **GOES_ON)],
                                 [f(partialArgs=[piece("$.b", stringValue="c")])]], [("f", '{"a":1,"b":"c"}')]),
    ("the text of an object", [[f(name="f", args=' {"a": [1, "b"]} ')]], [("f", '{"a": [1, "b"]}')]),
    ("the text of an object in pieces", [[f(name="f", args='{"a"', **GOES_ON)], [f(args=": 1}")]], [("f", '{"a": 1}')]),
    ("the text of an empty object", [[f(name="f", args="{}")]], [("f", "{}")]),
    ("numbers keep their text", [
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true,"partialArgs":'
        b'[{"jsonPath":"$.a","numberValue":1.10},{"jsonPath":"$.b","numberValue":1E400}]}}]}}]}'],
     [("f", '{"a":1.10,"b":1E400}')]),
    ("NaN in a text", [b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"NaN, Infinity"}}}'
                       b']}}],"x":NaN}'], [("f", '{"a":"NaN, Infinity"}')]),
    ("prefix with a colon", [[f(name="default_api:view", args={"a": 1})]], [("view", '{"a": 1}')]),
    ("prefix with a full stop", [[f(name="default_api.view")]], [("view", "{}")]),
    ("prefix of a translated name", [[f(name="default_api:tool_1a2b3c4d")]], [("tool_1a2b3c4d", "{}")]),
    ("prefix that was declared", [[f(name="default_api:both")]], [("default_api:both", "{}")]),
    ("prefix of nothing declared", [[f(name="default_api:other")]], [("default_api:other", "{}")]),
    ("another prefix", [[f(name="my_api:view")]], [("my_api:view", "{}")]),
    ("thought", [[{**f(name="f", args={"a": 1}), "thought": True}]], [("f", '{"a": 1}')]),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "expected"), [row[1:] for row in RUN], ids=[row[0] for row in RUN])
def test_usable_calls(chunks: list[Any], expected: list[tuple[str, str]]) -> None:
    assert calls(chunks) == expected
    assert decoded(chunks)[1] == AttemptClosed("STOP")
    assert all(isinstance(json.loads(args), dict) for _, args in calls(chunks))


BROKEN: list[tuple[str, list[Any], str]] = [
    ("no name", [[f(args={"a": 1})]], "without a name"),
    ("empty name", [[f(name="", args={"a": 1})]], "without a name"),
    ("blank name", [[f(name=" \n")]], "without a name"),
    ("a name that is no text", [[f(name=5)]], "without a name"),
    ("nothing at all", [[f()]], "without a name"),
    ("of another id", [[f(name="f", id="1", **GOES_ON)], [f(id="2", args={"a": 1})]], "without a name"),
    ("after a whole one", [[f(name="f", args={"a": 1})], [f(args={"b": 1})]], "without a name"),
    ("after text", [[f(name="f"), TEXT, f(args={"a": 1})]], "without a name"),
    ("list", [[f(name="f", args=[1])]], "no object"),
    ("empty list", [[f(name="f", args=[])]], "no object"),
    ("number", [[f(name="f", args=0)]], "no object"),
    ("flag", [[f(name="f", args=False)]], "no object"),
    ("text", [[f(name="f", args="a: 1")]], "no object"),
    ("text of a list", [[f(name="f", args="[1]")]], "no object"),
    ("text of a text", [[f(name="f", args='"{}"')]], "no object"),
    ("text of half an object", [[f(name="f", args='{"a": ')]], "no object"),
    ("text with a NaN", [[f(name="f", args='{"a": NaN}')]], "no object"),
    ("a string that stays open", [[f(name="f", partialArgs=[piece("$.a", more=True, stringValue="x")])]], "no object"),
    ("another call while a string is open",
     [[f(name="f", partialArgs=[piece("$.a", more=True, stringValue="x")]), f(name="view")]], "no object"),
    ("NaN", [b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":[{"b":NaN}]}}}]}}]}'],
     "JSON does not have"),
    ("Infinity", [b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":-Infinity}}}]}}]}'],
     "JSON does not have"),
    ("pieces", [[f(name="f", partialArgs=[piece("$.a[1]", stringValue="x")])]], "do not fit"),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "why"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken_calls_are_reported(chunks: list[Any], why: str) -> None:
    events, closed = decoded(chunks)
    assert closed.broken is not None
    assert why in closed.broken
    assert [event.code for event in events if isinstance(event, Notice) and event.code == "broken_call"] == [
        "broken_call"
    ]
    for event in events:
        if isinstance(event, FunctionCall):
            assert event.name
            assert isinstance(json.loads(event.args_json), dict)


BEHIND: list[Any] = [
    TEXT, f(name="f", args={"b": 1}), {"text": "x", "thought": True}, {"inlineData": {"mimeType": "image/png"}},
    {"toolCall": {"id": "1"}}, {"text": "", "thoughtSignature": "c2ln"}, {"executableCode": {"code": "1"}},
]  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("chunks", [row[1] for row in BROKEN[:15]], ids=[row[0] for row in BROKEN[:15]])
def test_parts_after_a_broken_call_are_dropped(chunks: list[Any], together: bool) -> None:
    alone, _ = decoded([*chunks, [f(name="view")]])
    for behind in BEHIND:
        events, closed = decoded([*chunks[:-1], [*chunks[-1], behind]] if together else [*chunks, [behind]])
        assert events == alone
        assert closed.broken is not None


@pytest.mark.parametrize("finish", ["MAX_TOKENS", "SAFETY", None])
def test_a_call_cut_off_by_the_end_is_neither_a_call_nor_a_fault(finish: str | None) -> None:
    chunks: list[Any] = [
        [f(name="view", args={"a": 1}), f(name="f", partialArgs=[piece("$.a", more=True, stringValue="x")])]
    ]
    assert calls(chunks, finish) == [("view", '{"a": 1}')]
    assert decoded(chunks, finish)[1] == AttemptClosed(finish)


def test_signature_and_id_come_with_any_piece() -> None:
    chunks: list[Any] = [
        [{**f(name="f", willContinue=True), "thoughtSignature": "c2ln"}], [f(id="u", args={"a": 1})],
    ]  # fmt: skip
    found = [event for event in decoded(chunks)[0] if isinstance(event, FunctionCall)]
    assert found == [FunctionCall("0", "f", '{"a": 1}', "c2ln", "u")]


def test_a_call_stands_where_it_came() -> None:
    events, _ = decoded([[f(name="f"), TEXT], [f(name="view"), {"thoughtSignature": "c2ln"}]])
    assert events == [
        FunctionCall("0", "f", "{}"), TextDelta("x"), FunctionCall("1", "view", "{}"), Signature("c2ln", "alone"),
    ]  # fmt: skip


@given(st.dictionaries(st.text("abc", min_size=1), st.text(max_size=9), min_size=1), st.data())
def test_any_strings_in_any_pieces(args: dict[str, str], data: st.DataObject) -> None:
    chunks: list[Any] = [[f(name="f", willContinue=True)]]
    for name, value in args.items():
        cut = data.draw(st.integers(0, len(value)))
        for text, more in ((value[:cut], True), (value[cut:], False)):
            chunks.append([f(partialArgs=[piece(f"$['{name}']", more=more, stringValue=text)], willContinue=True)])
    ((_, made),) = calls([*chunks, [f()]])
    assert json.loads(made) == args


@given(json_objects, st.booleans())
def test_an_objects_json_is_that_object(args: dict[str, Any], ascii_only: bool) -> None:
    ((_, made),) = calls([[f(name="f", args=json.dumps(args, ensure_ascii=ascii_only))]])
    assert json.loads(made) == args


# -- pictures of the thinking --------------------------------------------------------------------------------------

DRAFT = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True, "thoughtSignature": "c2ln"}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "BBBB"}}


@pytest.mark.parametrize(
    ("chunks", "finish", "expected"),
    [
        ([[DRAFT]], "STOP", [InlineData("image/png", "AAAA", draft=True)]),
        ([[DRAFT, {**DRAFT, "inlineData": {"mimeType": "image/png", "data": "CCCC"}}]], "STOP",
         [InlineData("image/png", "CCCC", draft=True)]),
        ([[DRAFT], [TEXT]], "STOP", [InlineData("image/png", "AAAA", draft=True)]),
        ([[DRAFT], [PICTURE]], "STOP", [InlineData("image/png", "BBBB")]),
        ([[PICTURE], [DRAFT]], "STOP", [InlineData("image/png", "BBBB")]),
        ([[DRAFT]], "IMAGE_SAFETY", []),
        ([[DRAFT]], None, []),
    ],
)  # fmt: skip
def test_a_draft_picture_is_delivered_when_there_is_no_other(
    chunks: list[Any], finish: str | None, expected: list[Event]
) -> None:
    assert [event for event in decoded(chunks, finish)[0] if isinstance(event, InlineData)] == expected


def test_declared_names() -> None:
    generate = {"tools": [{"functionDeclarations": [{"name": "f"}, {}, "x"]}, {"googleSearch": {}}, {}, 1]}
    assert declared_names(generate) == {"f"}
    assert declared_names({}) == declared_names({"tools": None}) == frozenset()

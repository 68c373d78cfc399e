"""Google's chunks → events in every spelling of facts C.4: the unknown never raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import answers, json_objects, json_values
from zerogravity.core.events import (
    AttemptClosed,
    Event,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.testing.builders import chunk
from zerogravity.wire import google_errors
from zerogravity.wire.google import GoogleDecoder

SIG = "EgQKAgEC"


def decoder() -> GoogleDecoder:
    return GoogleDecoder(lambda number: f"call_{number}")


def events_of(*chunks: object, envelope: bool = False) -> list[Event]:
    fresh = decoder()
    found: list[Event] = []
    for item in chunks:
        found += fresh.decode(json.dumps({"response": item, "traceId": "t"} if envelope else item).encode())
    fresh.decode(b'{"candidates": [{"finishReason": "STOP"}]}')
    return [*found, *(event for event in fresh.close() if not isinstance(event, AttemptClosed))]


def call(number: int, name: str, args: str = "{}", signature: str | None = None, upstream: str | None = None) -> Event:
    return FunctionCall(f"call_{number}", name, args, signature, upstream)


# -- parts ---------------------------------------------------------------------------------------------------------

PARTS: list[tuple[str, list[object], list[Event]]] = [
    ("text", [{"text": "a"}], [TextDelta("a")]),
    ("several parts", [{"text": "a"}, {"text": "b"}], [TextDelta("a"), TextDelta("b")]),
    ("empty text", [{"text": ""}], []),
    ("thinking", [{"text": "a", "thought": True}], [ThinkingDelta("a")]),
    ("a thought that is none", [{"text": "a", "thought": False}], [TextDelta("a")]),
    ("thinking then text", [{"thought": True, "text": "a"}, {"text": "b"}], [ThinkingDelta("a"), TextDelta("b")]),
    ("signed text is text", [{"text": "a", "thoughtSignature": SIG}], [TextDelta("a"), Signature(SIG, "text")]),
    ("signature in an empty text", [{"text": "", "thoughtSignature": SIG}], [Signature(SIG, "text")]),
    ("signature on a thought", [{"text": "", "thought": True, "thoughtSignature": SIG}], [Signature(SIG, "thought")]),
    ("the same without text", [{"thought": True, "thoughtSignature": SIG}], [Signature(SIG, "thought")]),
    ("signature alone", [{"thoughtSignature": SIG}], [Signature(SIG, "alone")]),
    ("snake signature", [{"text": "a", "thought_signature": SIG}], [TextDelta("a"), Signature(SIG, "text")]),
    ("empty signature", [{"text": "a", "thoughtSignature": ""}], [TextDelta("a")]),
    ("call", [{"functionCall": {"name": "f", "args": {"a": 1}}}], [call(0, "f", '{"a": 1}')]),
    ("call with all", [{"functionCall": {"id": "u", "name": "f", "args": {}}, "thoughtSignature": SIG}],
     [call(0, "f", "{}", SIG, "u")]),
    ("call without args", [{"functionCall": {"name": "f"}}], [call(0, "f")]),
    ("call with null args", [{"functionCall": {"name": "f", "args": None}}],
     [Notice("call_mended", "a call of f was put together"), call(0, "f")]),
    ("snake call", [{"function_call": {"name": "f", "args": {"a": [2]}}, "thought_signature": SIG}],
     [call(0, "f", '{"a": [2]}', SIG)]),
    ("parallel calls", [{"functionCall": {"name": "f", "args": {"n": 1}}, "thoughtSignature": SIG}, {"text": "x"},
                        {"functionCall": {"name": "f", "args": {"n": 2}}}],
     [call(0, "f", '{"n": 1}', SIG), TextDelta("x"), call(1, "f", '{"n": 2}')]),
    ("call without a name", [{"functionCall": {"args": {}}}],
     [Notice("broken_call", "a function call without a name")]),
    ("a call's signature in an empty text after it",
     [{"functionCall": {"name": "f"}}, {"text": "", "thoughtSignature": SIG}], [call(0, "f"), Signature(SIG, "alone")]),
    ("image", [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": SIG}],
     [InlineData("image/png", "AAAA"), Signature(SIG, "text")]),
    ("snake image", [{"inline_data": {"mime_type": "image/png", "data": "AAAA"}}], [InlineData("image/png", "AAAA")]),
    ("blob without type", [{"inlineData": {}}], [InlineData("application/octet-stream", "")]),
    ("code", [{"executableCode": {"language": "PYTHON", "code": "1+1"}}], [TextDelta("\n```python\n1+1\n```\n")]),
    ("snake code", [{"executable_code": {"code": "1+1\n"}}], [TextDelta("\n```\n1+1\n```\n")]),
    ("code of a numbered language", [{"executableCode": {"language": 1, "code": "1"}}],
     [TextDelta("\n```python\n1\n```\n")]),
    ("code of no language", [{"executableCode": {"language": 0, "code": "1"}}], [TextDelta("\n```\n1\n```\n")]),
    ("code with a fence in it", [{"executableCode": {"code": '"```"'}}], [TextDelta('\n````\n"```"\n````\n')]),
    ("result", [{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2\n"}}], [TextDelta("\n```\n2\n```\n")]),
    ("no output", [{"codeExecutionResult": {"outcome": "OUTCOME_OK"}}], [TextDelta("\n```\n\n```\n")]),
    ("server tool", [{"toolCall": {"id": "1"}, "thoughtSignature": SIG}],
     [ServerTool('{"toolCall": {"id": "1"}, "thoughtSignature": "EgQKAgEC"}')]),
    ("server tool, snake", [{"tool_response": {"id": "1", "response": {"n": 1.0}}, "thought": True}],
     [ServerTool('{"tool_response": {"id": "1", "response": {"n": 1.0}}, "thought": true}')]),
    ("server tool and call", [{"toolResponse": {}}, {"functionCall": {"name": "f", "args": {"a": 1}}}],
     [ServerTool('{"toolResponse": {}}'), call(0, "f", '{"a": 1}')]),
    ("no server tool", [{"toolCall": "x"}], [Notice("unknown_part", "a part with toolCall")]),
    ("draft image", [{"inlineData": {"data": "AAAA"}, "thought": True}],
     [Notice("thought_part", "thinking that is no text: inlineData, thought"),
      InlineData("application/octet-stream", "AAAA", draft=True)]),
    ("nothing", [{}], []),
    ("only thought", [{"thought": True}], []),
    ("unknown", [{"newPart": 1, "b": 2}], [Notice("unknown_part", "a part with b, newPart")]),
    ("null text", [{"text": None}], [Notice("unknown_part", "a part with text")]),
    ("call that is none", [{"functionCall": None}], [Notice("unknown_part", "a part with functionCall")]),
    ("no object", ["text"], [Notice("unknown_part", "a part that is no object")]),
]  # fmt: skip


@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize(("parts", "expected"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS])
def test_parts(parts: list[object], expected: list[Event], envelope: bool) -> None:
    assert events_of(chunk(*parts), envelope=envelope) == expected
    assert events_of([chunk(*parts)], envelope=False) == expected


@pytest.mark.parametrize("between", [{"text": "x"}, {"text": "x", "thought": True}, {"inlineData": {}}])
def test_an_empty_text_signs_what_it_follows(between: dict[str, Any]) -> None:
    signed = {"text": "", "thoughtSignature": SIG}
    assert events_of(chunk({"functionCall": {"name": "f"}}), chunk(signed))[-1] == Signature(SIG, "alone")
    assert events_of(chunk({"functionCall": {"name": "f"}}, between), chunk(signed))[-1] == Signature(SIG, "text")


@pytest.mark.parametrize(
    "data",
    [
        b"{}", b'{"candidates": []}', b'{"candidates": [{}]}', b'{"candidates": [{"content": {}}]}', b"[]",
        b'{"candidates": [{"content": null}]}', b'{"candidates": [{"content": {"parts": null}}]}', b'{"candidates": 1}',
        b'{"candidates": {"a": 1}}', b'{"candidates": ["x"]}', b'{"response": {}}', b'{"response": null}',
        b'{"candidates": [{"finishReason": 0, "groundingMetadata": {}}]}', b'{"usageMetadata": {}}', b'{"error": null}',
        b'{"usageMetadata": []}', b'{"promptFeedback": {}}', b'{"promptFeedback": []}', b'{"modelVersion": 1}',
    ],
)  # fmt: skip
def test_chunks_that_say_nothing(data: bytes) -> None:
    fresh = decoder()
    assert fresh.decode(data) == ()
    assert fresh.close()[-1] == AttemptClosed(None)
    assert fresh.fault is None


TEXT, CALL = {"text": "functionCall"}, {"functionCall": {"name": "f"}}


@pytest.mark.parametrize(
    ("payload", "only_text"),
    [
        (chunk(TEXT), True),
        (chunk(TEXT, TEXT, finish="STOP"), True),
        (chunk(finish="STOP"), True),
        ({"response": chunk(TEXT)}, True),
        (chunk({**TEXT, "thought": True}), False),
        (chunk({**TEXT, "thoughtSignature": SIG}), False),
        (chunk(TEXT, CALL), False),
        (chunk(TEXT, "no object"), False),
        ({"candidates": [*chunk(TEXT)["candidates"], *chunk(CALL, index=1)["candidates"]]}, False),
        (chunk(TEXT, index=1), False),
        ({"response": {**chunk(TEXT), "response": chunk(CALL)}}, False),  # whoever reads it may look deeper
        ([chunk(TEXT)], False),
        ([chunk(TEXT), chunk(CALL)], False),
        ({"usageMetadata": {}}, False),
        ("no chunk", False),
    ],
)
def test_whether_a_payload_may_hold_a_call_is_known(payload: object, only_text: bool) -> None:
    fresh = decoder()
    for before in (chunk(TEXT), chunk(CALL), "no chunk"):
        fresh.decode(json.dumps(before).encode())
        fresh.decode(json.dumps(payload).encode())
        assert fresh.only_text is only_text


def test_behind_a_call_that_cannot_be_run_nothing_is_only_text() -> None:
    fresh = decoder()
    fresh.decode(json.dumps(chunk({"functionCall": {"args": {}}})).encode())
    fresh.decode(json.dumps(chunk(TEXT)).encode())
    assert fresh.broken is not None
    assert not fresh.only_text


def test_only_the_candidate_with_index_0() -> None:
    one, other = chunk({"text": "a"}, index=0)["candidates"], chunk({"functionCall": {"name": "f"}}, index=1)
    assert events_of({"candidates": other["candidates"] + one}) == [TextDelta("a")]
    assert events_of({"candidates": other["candidates"]}) == []
    called = chunk({"functionCall": {"name": "g", "args": {"x": 1}}}, index=0)["candidates"]
    assert events_of({"candidates": other["candidates"] + called}, envelope=True) == [call(0, "g", '{"x": 1}')]


def test_h12_calls_are_numbered_over_the_answer() -> None:
    part = {"functionCall": {"name": "f"}}
    assert events_of(chunk(part), chunk(part, part)) == [call(0, "f"), call(1, "f"), call(2, "f")]


# -- arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "args"),
    [
        ('{"n": 123456789012345678901234567890, "f": 1.10, "e": 1E+2}', None),
        ('{"s": "\\u00e4\\/\\ud83d\\ude00 ä", "b": "}\\"]{"}', None),
        ('{"a":{"args":{"b":[]}},  "c" : [1 , 2]}', None),
        ('{\r\n  "a": 1,\n  "b": "\\n"\n}', '{ "a": 1, "b": "\\n" }'),
        ('{"z": 1, "a": 2}', None),
        ('{"a": 1, "a": 2}', None),
    ],
)
@pytest.mark.parametrize(
    "frame",
    [
        '{"response": {"candidates": [{"content": {"parts": [{"text": "functionCall"}, %s]}}]}, "traceId": "t"}',
        '{"candidates":[{"content":{"role":"model","parts":[{"text":"{"},%s]},"index":0}]}',
        '[{"a": [1, {}]}, {"candidates": [{"content": {"parts": [{"text": ""}, %s]}}]}]',
        '\ufeff{"candidates":[{"content":{"parts":[{}, %s]}}], "x": NaN}',
    ],
)
def test_arguments_are_the_source_text(frame: str, source: str, args: str | None) -> None:
    events = decoder().decode((frame % f'{{"functionCall": {{"args": {source}, "name": "f"}}}}').encode())
    assert [event.args_json for event in events if isinstance(event, FunctionCall)] == [args or source]


@given(st.lists(json_objects, min_size=1, max_size=4), st.booleans(), st.sampled_from((None, 1)))
def test_any_arguments(objects: list[dict[str, Any]], ascii_only: bool, indent: int | None) -> None:
    parts = [{"functionCall": {"name": "f", "args": item}} for item in objects]
    data = json.dumps(chunk(*parts), ensure_ascii=ascii_only, indent=indent).encode()
    fresh = decoder()
    events = [*fresh.decode(data), *fresh.decode(b'{"candidates": [{"finishReason": "STOP"}]}'), *fresh.close()]
    assert [json.loads(event.args_json) for event in events if isinstance(event, FunctionCall)] == objects
    assert not any("\n" in event.args_json for event in events if isinstance(event, FunctionCall))


# -- the end, usage, grounding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "closed"),
    [
        ([], AttemptClosed(None)),
        ([chunk({"text": "a"})], AttemptClosed(None)),
        ([chunk({"text": "a"}, finishReason="STOP"), {"usageMetadata": {"promptTokenCount": 1}}],
         AttemptClosed("STOP")),
        ([chunk(finishReason="FINISH_REASON_UNSPECIFIED")], AttemptClosed(None)),
        ([chunk(finishReason="STOP"), chunk(finishReason="FINISH_REASON_UNSPECIFIED")], AttemptClosed("STOP")),
        ([chunk(finishReason="MALFORMED_FUNCTION_CALL", finishMessage="call:f{")],
         AttemptClosed("MALFORMED_FUNCTION_CALL", "call:f{")),
        ([chunk(finishReason="SOMETHING_NEW")], AttemptClosed("SOMETHING_NEW")),
        ([{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}], AttemptClosed("BLOCKED:PROHIBITED_CONTENT")),
        ([{"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "no"}}],
         AttemptClosed("BLOCKED:OTHER", "no")),
        ([{"promptFeedback": {"blockReason": "OTHER"}}, chunk(finishReason="STOP")], AttemptClosed("BLOCKED:OTHER")),
        ([{"promptFeedback": {"safetyRatings": []}}, chunk(finishReason="STOP")], AttemptClosed("STOP")),
    ],
)  # fmt: skip
def test_the_end(chunks: list[object], closed: AttemptClosed) -> None:
    fresh = decoder()
    for item in chunks:
        fresh.decode(json.dumps(item).encode())
    assert fresh.close()[-1] == closed
    assert fresh.finish == closed.finish


FULL = {
    "promptTokenCount": 5321, "candidatesTokenCount": 28, "thoughtsTokenCount": 20, "totalTokenCount": 5369,
    "cachedContentTokenCount": 4096, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5321}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (FULL, Usage(5321, 4096, 28, 20, 0, 5369)),
        ({"promptTokenCount": 5}, Usage(prompt=5, total=5)),
        ({"totalTokenCount": 5}, Usage(total=5)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 1},
         Usage(5, 0, 2, 1, 3, 11)),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 9}, Usage(5, 5, total=5)),
        ({"promptTokenCount": -5, "candidatesTokenCount": "7", "totalTokenCount": None}, Usage()),
    ],
)  # fmt: skip
def test_h14_usage(counts: dict[str, Any], usage: Usage) -> None:
    assert events_of({"usageMetadata": counts}) == [usage]
    assert events_of({"response": {"usageMetadata": counts}}) == [usage]
    assert events_of({"response": {"candidates": []}, "usageMetadata": counts}) == [usage]


def test_h14_usage_is_reported_when_it_changes_and_the_last_one_counts() -> None:
    first, more = {"promptTokenCount": 5}, {"promptTokenCount": 5, "candidatesTokenCount": 2}
    found = events_of(
        {**chunk({"text": "a"}), "usageMetadata": first},
        {**chunk({"text": "b"}), "usageMetadata": first},
        chunk({"text": "c"}),
        {"usageMetadata": {**first, "trafficType": "ON_DEMAND"}},
        {**chunk(finishReason="STOP"), "usageMetadata": more},
        {"usageMetadata": more},
    )
    assert found == [
        TextDelta("a"), Usage(prompt=5, total=5), TextDelta("b"), TextDelta("c"),
        Usage(prompt=5, candidates=2, total=7),
    ]  # fmt: skip


def test_grounding_comes_with_its_candidate() -> None:
    grounding = {"webSearchQueries": ["capital"], "groundingSupports": [{"segment": {"endIndex": 3}}]}
    assert events_of(chunk({"text": "a"}, groundingMetadata=grounding)) == [TextDelta("a"), Grounding(grounding)]


def test_model_and_form() -> None:
    fresh = decoder()
    assert (fresh.model, fresh.enveloped) == (None, True)
    fresh.decode(b'{"candidates": [], "modelVersion": "gemini-x"}')
    assert (fresh.model, fresh.enveloped) == ("gemini-x", False)
    fresh.decode(b'{"response": {"modelVersion": "gemini-y"}}')
    fresh.decode(b'{"error": {"code": 500}}')
    assert (fresh.model, fresh.enveloped) == ("gemini-y", True)


# -- bodies that are not one chunk, and what is no JSON ---------------------------------------------------------------


def test_a_whole_body() -> None:
    array = [
        chunk({"text": "a"}),
        chunk({"functionCall": {"name": "f", "args": {"x": 1}}}),
        5,
        chunk(finishReason="STOP"),
    ]
    fresh = decoder()
    events = fresh.decode(json.dumps(array, indent=2).encode())
    assert events == (
        TextDelta("a"), call(0, "f", '{ "x": 1 }'),
        Notice("not_an_object", "a chunk that is no JSON object"),
    )  # fmt: skip
    assert fresh.close()[-1] == AttemptClosed("STOP")


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"", (Notice("no_chunk", "an event that holds nothing"),)),
        (b" \r\n", (Notice("no_chunk", "an event that holds nothing"),)),
        (b"[DONE]", (Notice("no_chunk", "an event that holds nothing"),)),
        (b'{"candidates": [{"content"', (Notice("not_json", "26 bytes that are no JSON"),)),
        (b"[" * 5000, (Notice("not_json", "5000 bytes that are no JSON"),)),
        (b"null", (Notice("not_an_object", "a chunk that is no JSON object"),)),
        (b'"text"', (Notice("not_an_object", "a chunk that is no JSON object"),)),
    ],
)
def test_what_is_no_chunk(data: bytes, events: tuple[Event, ...]) -> None:
    assert decoder().decode(data) == events


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b'{"candidates":[{"content":{"parts":[{"text":"a\\ud800b"}]}}]}', TextDelta("a\ufffdb")),
        (b'{"candidates":[{"content":{"parts":[{"text":"a\xffb"}]}}]}', TextDelta("a\ufffdb")),
        (b'\xef\xbb\xbf{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}', TextDelta("a")),
        (b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"avgLogprobs":NaN}]}', TextDelta("a")),
    ],
)
def test_json_for_lenient_readers_is_repaired_and_noted(data: bytes, event: Event) -> None:
    assert decoder().decode(data) == (Notice("json_repaired", "a chunk that is JSON only to a lenient reader"), event)


@given(answers())
def test_both_forms_and_the_array_say_the_same(chunks: list[dict[str, Any]]) -> None:
    plain = events_of(*chunks)
    assert events_of(*chunks, envelope=True) == plain
    assert events_of(chunks) == plain


@given(json_values, st.sampled_from(("response", "candidates", "content", "part", "usage", "feedback", "error")))
def test_any_json_anywhere_is_decoded_without_raising(value: Any, place: str) -> None:
    data: Any = {
        "response": {"response": value},
        "candidates": {"candidates": value},
        "content": {"candidates": [{"content": value, "finishReason": value, "groundingMetadata": value}]},
        "part": chunk(value, {"functionCall": value, "text": "x"}, {"inlineData": value}, {"executableCode": value}),
        "usage": {"usageMetadata": value, "modelVersion": value},
        "feedback": {"promptFeedback": value},
        "error": {"error": value},
    }[place]
    fresh = decoder()
    assert all(isinstance(event, Event) for event in fresh.decode(json.dumps(data).encode()))
    assert isinstance(fresh.close()[-1], AttemptClosed)
    google_errors.decode_error(500, {}, json.dumps(data).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_without_raising(data: bytes) -> None:
    assert all(isinstance(event, Event) for event in decoder().decode(data))
    assert google_errors.decode_error(500, {}, data).status == 500

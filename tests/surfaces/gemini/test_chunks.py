"""Chunk by chunk: what Google sent and what the client gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.surfaces.gemini.support import (
    CALL,
    SIGNED,
    THOUGHT,
    captured,
    chunk,
    frames_of,
    parts,
    stream,
    turn,
    whole,
)
from zerogravity import errors
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import AttemptClosed, AttemptOpened, Failed, Finished, FunctionCall, TextDelta, ToolsListed
from zerogravity.surfaces.gemini import surface
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.testing.builders import FakeClock
from zerogravity.testing.check import check_gemini

STOP = chunk({"text": ""}, finish="STOP")
END = chunk(finish="STOP")


# -- bytes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("envelope", [True, False])
def test_a_chunk_is_its_source_text(envelope: bool) -> None:
    text = b'{"candidates": [{"content": {"parts": [{"text": "\\u00e9 \\/"}], "role": "model"}}], "x":1.0,"y":1e400}'
    source = b'{"response": ' + text + b', "traceId": "t"}' if envelope else text
    frames = frames_of(captured([source, END]))
    assert frames[0] == b"data: " + text + b"\r\n\r\n"


def test_pretty_json_becomes_one_line() -> None:
    text = json.dumps({"response": chunk({"text": "a\nb"})}, indent=2).replace("\n", "\r\n").encode()
    frames = frames_of(captured([text, END]))
    assert frames[0].count(b"\n") == 2
    assert parts(check_gemini(frames))[0] == [{"text": "a\nb"}]


def test_broken_utf8_and_a_byte_order_mark_do_not_reach_the_client() -> None:
    text = b'\xef\xbb\xbf{"candidates":[{"content":{"parts":[{"text":"a\xff"}],"role":"model"}}]}'
    assert parts(check_gemini(frames_of(captured([text, END]))))[0] == [{"text": "a\ufffd"}]


def test_a_json_array_of_chunks_is_taken_apart() -> None:
    payload = json.dumps([{"response": chunk({"text": "a"})}, {"response": chunk({"text": "b"})}]).encode()
    assert parts(stream([payload, END]))[:2] == [[{"text": "a"}], [{"text": "b"}]]


@pytest.mark.parametrize("payload", [b"<html>", b"{", b"[1]", b"7", b'{"traceId":"t"}', b'{"response":{}}'])
def test_what_is_no_chunk_is_left_out(payload: bytes) -> None:
    assert stream([payload, chunk({"text": "a"}), END]) == stream([chunk({"text": "a"}), END])


def test_usage_outside_of_the_response_is_kept() -> None:
    value = {"response": chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 3}}
    assert stream([json.dumps(value).encode(), END])[0]["usageMetadata"] == {"promptTokenCount": 3}


# -- forms -------------------------------------------------------------------------------------------------------


def test_the_array_form() -> None:
    frames = frames_of(captured([chunk({"text": "a"}), END], details=GeminiDetails(alt="json")))
    assert frames[0].startswith(b'[{"')
    assert frames[1].startswith(b',\r\n{"')
    assert frames[-1] == b"]"
    assert [value["candidates"] for value in json.loads(b"".join(frames))] == [
        value["candidates"] for value in (chunk({"text": "a"}), END)
    ]
    emitter = surface.emitter(captured([END], details=GeminiDetails(alt="json")), bytes(32))
    assert emitter.content_type.startswith("application/json")


def test_the_sse_form_has_no_heartbeat_and_no_beginning() -> None:
    emitter = surface.emitter(captured([END]), bytes(32))
    assert (emitter.heartbeat, emitter.begin(), emitter.content_type) == (b"", [], "text/event-stream")


FAULT = errors.upstream(
    429, "rate_limit_exceeded", "slow down", retry_after=22.0, rpc_status="RESOURCE_EXHAUSTED",
    details=({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"},),
)  # fmt: skip


@pytest.mark.parametrize("alt", ["sse", "json"])
def test_a_failure_is_the_last_element_and_begins_exactly_so(alt: str) -> None:
    writer = ChannelWriter(turn(GeminiDetails(alt=alt)), lambda: 0)
    channel = writer.channel
    writer.append(0, json.dumps(chunk({"text": "a"})).encode(), (TextDelta("a"),))
    writer.close(Failed(FAULT))
    frames = frames_of(channel)
    last = frames[1]
    assert last.startswith(b'data: {"error":{' if alt == "sse" else b',\r\n{"error":{')
    error = check_gemini(frames)[-1]["error"]
    assert error == {
        "code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": list(FAULT.details),
    }  # fmt: skip
    answer = surface.answer(channel, bytes(32))
    assert (answer.status, answer.body["error"], answer.headers["Retry-After"]) == (429, error, "22")


def test_a_failure_before_anything_is_a_whole_array() -> None:
    writer = ChannelWriter(turn(GeminiDetails(alt="json")), lambda: 0)
    channel = writer.channel
    writer.close(Failed(FAULT))
    assert json.loads(b"".join(frames_of(channel)))[0]["error"]["code"] == 429


def test_an_error_event_of_googles_is_sent_once() -> None:
    payload = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    found = stream([chunk({"text": "a"}), json.dumps(payload).encode()])
    assert len(found) == 2
    assert found[1]["error"].pop("message").startswith("overloaded. Google has no room for this model")
    assert found[1] == {"error": {"code": 503, "status": "UNAVAILABLE"}}


def test_a_break_after_the_finish_reason_leaves_no_finish_reason() -> None:
    writer = ChannelWriter(turn(), lambda: 0)
    channel = writer.channel
    for value in (
        chunk({"text": "a"}),
        chunk(CALL, {"text": "b"}, finish="STOP", usageMetadata={"promptTokenCount": 1}),
    ):
        writer.append(0, json.dumps(value).encode(), ())
    writer.close(Failed(FAULT))
    found = check_gemini(frames_of(channel))
    assert parts(found) == [[{"text": "a"}], [CALL, {"text": "b"}]]
    assert "finishReason" not in json.dumps(found)
    assert "error" in found[-1]


# -- empty parts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([CALL], [[CALL]]),
        ([CALL, {"text": ""}], [[CALL]]),
        ([{"text": ""}, CALL], [[CALL]]),
        ([{}, CALL], [[CALL]]),
        ([CALL, SIGNED], [[CALL], [SIGNED]]),
        ([SIGNED, CALL], [[SIGNED], [CALL]]),
        ([CALL, SIGNED, CALL], [[CALL], [SIGNED], [CALL]]),
        ([THOUGHT, {"text": "a"}, {"text": ""}, CALL], [[THOUGHT, {"text": "a"}, CALL]]),
        ([{"text": "a"}, {"text": ""}], [[{"text": "a"}]]),
        ([{"text": "a"}, SIGNED], [[{"text": "a"}], [SIGNED]]),
        ([{"text": ""}], [[{"text": ""}]]),
        ([{"text": ""}, {"text": ""}], [[{"text": ""}]]),
        ([{"text": ""}, {}], [[{"text": ""}]]),
        ([SIGNED], [[SIGNED]]),
        ([{"text": ""}, SIGNED], [[SIGNED]]),
        ([SIGNED, SIGNED], [[SIGNED], [SIGNED]]),
        ([{"thoughtSignature": "U0lH"}, CALL], [[{"thoughtSignature": "U0lH"}, CALL]]),
        ([{"text": "", "thought": True, "thoughtSignature": "U0lH"}, CALL],
         [[{"text": "", "thought": True, "thoughtSignature": "U0lH"}, CALL]]),
    ],
)  # fmt: skip
def test_no_empty_part_beside_another_and_no_signature_lost(given: list[Any], made: list[Any]) -> None:
    assert parts(stream([chunk(*given, modelVersion="m", responseId="r"), chunk({"text": "x"}), END]))[:-2] == made


def test_only_the_last_part_of_a_split_chunk_has_the_other_members() -> None:
    found = stream(
        [chunk(CALL, SIGNED, finish="STOP", modelVersion="m", responseId="r", usageMetadata={"promptTokenCount": 1})]
    )
    assert found == [
        {"candidates": [{"content": {"parts": [CALL], "role": "model"}, "index": 0}], "modelVersion": "m",
         "responseId": "r"},
        chunk(SIGNED, finish="STOP", modelVersion="m", responseId="r", usageMetadata={"promptTokenCount": 1}),
    ]  # fmt: skip


# -- thoughts ----------------------------------------------------------------------------------------------------


def test_thoughts_only_for_those_who_asked() -> None:
    chunks = [chunk(THOUGHT, usageMetadata={"promptTokenCount": 1}), chunk(THOUGHT, {"text": "a"}), STOP]
    assert parts(stream(chunks))[0] == [THOUGHT]
    assert parts(stream(chunks, details=GeminiDetails(thoughts=False))) == [[{"text": "a"}], [{"text": ""}]]
    assert whole(chunks, details=GeminiDetails(thoughts=False))["candidates"][0]["content"]["parts"] == [{"text": "a"}]


def test_a_last_chunk_of_unwanted_thoughts_keeps_its_end() -> None:
    chunks = [chunk({"text": "a"}), chunk(THOUGHT, finish="MAX_TOKENS")]
    estimate = {"candidatesTokenCount": 1, "thoughtsTokenCount": 1, "totalTokenCount": 2}
    last = chunk(finish="MAX_TOKENS", usageMetadata=estimate)
    assert stream(chunks, details=GeminiDetails(thoughts=False))[-1] == last


# -- several calls -----------------------------------------------------------------------------------------------


def test_a_second_upstream_call_shows_one_end_and_the_sum_of_usage() -> None:
    first = [
        chunk(THOUGHT),
        chunk({"text": ""}, finish="STOP", usageMetadata={"promptTokenCount": 5, "thoughtsTokenCount": 2}),
    ]
    second = [chunk({"text": "a"}, usageMetadata={"promptTokenCount": 6}),
              chunk(finish="STOP", usageMetadata={"promptTokenCount": 7, "candidatesTokenCount": 1})]  # fmt: skip
    found = stream(first, second)
    assert parts(found) == [[THOUGHT], [{"text": "a"}], []]
    assert found[1]["usageMetadata"] == {"promptTokenCount": 11, "thoughtsTokenCount": 2}
    assert found[2]["usageMetadata"] == {"promptTokenCount": 12, "thoughtsTokenCount": 2, "candidatesTokenCount": 1}
    assert whole(first, second)["usageMetadata"] == found[2]["usageMetadata"]


def test_thinking_that_shares_its_chunk_with_the_end_is_shown_without_it() -> None:
    found = stream([chunk(THOUGHT, finish="STOP")], [chunk({"text": "a"}), END])
    estimate = {"candidatesTokenCount": 1, "thoughtsTokenCount": 1, "totalTokenCount": 2}
    assert found == [chunk(THOUGHT), chunk({"text": "a"}), {**END, "usageMetadata": estimate}]


def test_usage_of_the_first_call_is_sent_at_the_end_when_the_second_has_none() -> None:
    first, second = chunk(finish="STOP", usageMetadata={"promptTokenCount": 5}), chunk(finish="MAX_TOKENS")
    found = stream([first], [second])
    assert found[-1]["usageMetadata"] == {"promptTokenCount": 5}


ESTIMATE = {"candidatesTokenCount": 1, "totalTokenCount": 1}
FIRST = [chunk(THOUGHT, finish="STOP", usageMetadata={"promptTokenCount": 5, "totalTokenCount": 5})]
UNTOLD: list[tuple[list[list[Any]], dict[str, Any]]] = [
    ([[chunk({"text": "a"}), END]], ESTIMATE),
    ([[chunk({"text": "a"}, usageMetadata={"serviceTier": "x"}), END]], {"serviceTier": "x", **ESTIMATE}),
    ([FIRST, [chunk({"text": "a"}), END]], {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6}),
]


@pytest.mark.parametrize(("attempts", "usage"), UNTOLD)
def test_an_estimate_is_told_with_the_end_where_google_has_told_nothing(attempts: Any, usage: dict[str, Any]) -> None:
    assert stream(*attempts)[-1] == {**END, "usageMetadata": usage}
    assert whole(*attempts)["usageMetadata"] == usage


def test_a_turn_that_failed_has_no_end_to_tell_an_estimate_with() -> None:
    assert not [found for found in stream([chunk({"text": "a"})]) if "usageMetadata" in found]


def test_three_calls_add_up() -> None:
    calls = [[chunk(THOUGHT), chunk(finish="STOP", usageMetadata={"promptTokenCount": 5})] for _ in range(2)]
    found = stream(*calls, [chunk({"text": "a"}), chunk(finish="STOP", usageMetadata={"promptTokenCount": 1})])
    assert found[-1]["usageMetadata"] == {"promptTokenCount": 11}


# -- ends --------------------------------------------------------------------------------------------------------


def test_parts_after_the_finish_reason_are_sent_before_it() -> None:
    """Signatures and usage may follow STOP; a client that stops reading there must not lose them."""
    found = stream(
        [
            chunk({"text": "a"}),
            chunk({"text": "b"}, finish="STOP"),
            chunk(SIGNED),
            {"usageMetadata": {"totalTokenCount": 1}},
        ]
    )
    assert found == [
        chunk({"text": "a"}), chunk({"text": "b"}), chunk(SIGNED, finish="STOP"),
        {"usageMetadata": {"totalTokenCount": 1}},
    ]  # fmt: skip


def test_the_last_of_two_finish_reasons_counts() -> None:
    ends = [
        chunk({"text": "a"}, finish="STOP"),
        {"candidates": [{"finishReason": "MAX_TOKENS", "finishMessage": "long"}]},
    ]
    found = stream(ends)
    assert found == [chunk({"text": "a"}), {**ends[1], "usageMetadata": ESTIMATE}]


def test_a_blocked_prompt_passes_unchanged() -> None:
    value = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1}}
    assert stream([value]) == [value]
    assert whole([value]) == value


@pytest.mark.parametrize("word", ["SAFETY", "RECITATION", "MAX_TOKENS", "OTHER", "A_WORD_OF_TOMORROW"])
def test_googles_words_are_not_translated(word: str) -> None:
    found = stream([chunk({"text": "a"}), chunk(finish=word)])
    assert found[-1]["candidates"][0]["finishReason"] == word
    assert whole([chunk({"text": "a"}), chunk(finish=word)])["candidates"][0]["finishReason"] == word


def test_the_last_chunk_is_held_until_the_turn_is_over() -> None:
    channel = captured([chunk({"text": "a"}), END])
    emitter = surface.emitter(channel, bytes(32))
    sizes = [len(emitter.feed(record)) for record in channel.records]
    assert sizes == [0, 1, 0, 0, 0, 1]


def test_other_candidates_pass() -> None:
    value = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "index": 0},
                            {"content": {"parts": [{"text": "b"}]}, "index": 1, "finishReason": "STOP"}]}  # fmt: skip
    assert stream([value, END])[0] == value
    assert [candidate["content"]["parts"] for candidate in whole([value, END])["candidates"]] == [
        [{"text": "a"}], [{"text": "b"}],
    ]  # fmt: skip


def test_a_function_that_the_gateway_runs_is_known_by_its_newest_name() -> None:
    """The model that is asked now has another one for it; the old one is the client's own there."""
    writer = ChannelWriter(turn(), FakeClock())
    for name in ("s.f", "s.f_"):
        writer.append(-1, b"", (ToolsListed("s", ({"name": "f"},), (name,)),))
    writer.append(0, b"", (AttemptOpened(),))
    for name in ("s.f_", "s.f"):
        data = chunk({"functionCall": {"name": name, "args": {}}})
        writer.append(0, json.dumps(data).encode(), (FunctionCall(f"call_{name}", name, "{}"),))
    writer.append(0, json.dumps(END).encode(), ())
    writer.append(0, b"", (AttemptClosed("STOP"),))
    writer.close(Finished("tool"))
    shown = [part for each in parts(check_gemini(frames_of(writer.channel))) for part in each]
    assert [part["functionCall"]["name"] for part in shown if "functionCall" in part] == ["s.f"]

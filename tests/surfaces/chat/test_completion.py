"""The whole answer of a turn, and that it says what the stream says."""

from __future__ import annotations

from openai.types.chat import ChatCompletion

from tests.surfaces.chat.test_emit import CALL, TOOL, channel_of, frames_of
from zerogravity.core.events import Finished, InlineData, Signature, TextDelta, ThinkingDelta, Usage
from zerogravity.surfaces.chat import surface
from zerogravity.testing.builders import records
from zerogravity.testing.check import check_chat


def test_a_filtered_answer_keeps_its_partial_text() -> None:
    channel = channel_of(records([TextDelta("so far")], Finished("filtered", "SAFETY")), {})
    message = surface.answer(channel, bytes(32)).body["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == ("so far", None)


def test_thoughts_that_ate_all_tokens_are_a_length_with_empty_content() -> None:
    channel = channel_of(records([ThinkingDelta("hm")], Finished("length", "MAX_TOKENS")), {})
    choice = surface.answer(channel, bytes(32)).body["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", "")
    assert choice["message"]["reasoning_content"] == "hm"


def test_the_members_of_a_completion() -> None:
    channel = channel_of(records([CALL, Usage(9, 0, 4)], TOOL), {"service_tier": "default", "metadata": {"k": "v"}})
    body = surface.answer(channel, bytes(32)).body
    assert list(body) == [
        "id", "object", "created", "model", "system_fingerprint", "service_tier", "choices", "usage", "metadata",
    ]  # fmt: skip
    assert body["object"] == "chat.completion"
    assert body["metadata"] == {"k": "v"}
    choice = body["choices"][0]
    assert choice["logprobs"] is None
    assert choice["message"]["content"] is None
    assert choice["message"]["refusal"] is None
    chunks = check_chat(frames_of(channel))
    for name in ("id", "created", "model", "system_fingerprint", "service_tier"):
        assert {chunk[name] for chunk in chunks} == {body[name]}
    ChatCompletion.model_validate(body)


def test_usage_that_google_has_not_told_is_left_out() -> None:
    channel = channel_of(records([CALL], TOOL), {"include_usage": True})
    body = surface.answer(channel, bytes(32)).body
    assert "usage" not in body
    ChatCompletion.model_validate(body)
    chunks = check_chat(frames_of(channel))
    assert {str(chunk["usage"]) for chunk in chunks} == {"None"}
    assert all(chunk["choices"] for chunk in chunks)


def test_a_signed_picture_and_another_file() -> None:
    events = [InlineData("image/png", "AAAA"), Signature("U0lH", "alone"), InlineData("audio/wav", "BBBB")]
    message = surface.answer(channel_of(records(events, Finished("stop")), {}), bytes(32)).body["choices"][0]["message"]
    assert message["images"] == [
        {"index": 0, "type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"},
         "extra_content": {"google": {"thought_signature": "U0lH"}}}
    ]  # fmt: skip
    assert message["files"] == [{"index": 0, "type": "file", "file": {"file_data": "data:audio/wav;base64,BBBB"}}]

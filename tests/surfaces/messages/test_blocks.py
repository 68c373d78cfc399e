"""The blocks of an answer: which there are, in which order, and what their signatures carry."""

from __future__ import annotations

import pytest

from tests.surfaces.messages.answering import STOP, TARGETS, TOOL, Json, content, signature, turn_with
from tests.surfaces.playing import SECRET
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.fold import Call, Reasoning
from zerogravity.surfaces.common.sealed_state import MAX_PARTS, Carried, unseal
from zerogravity.surfaces.messages.blocks import Blocks

SIGNED = FunctionCall("call_1", "f", '{"a": 1}', "U0lH")
PLAIN = FunctionCall("call_2", "g", "{}")
THOUGHT = [ThinkingDelta("hm"), Signature("VEhP", "thought")]
OF_CALL = Carried("U0lH", "gemini-3", "call_1")


def kinds(blocks: list[Json]) -> list[str]:
    return [block["type"] for block in blocks]


# -- signatures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thoughts", "events", "text", "carried"),
    [
        ("shown", [*THOUGHT, SIGNED], "hm", [Carried("VEhP", "gemini-3"), OF_CALL]),
        ("shown", [ThinkingDelta("hm"), SIGNED], "hm", [OF_CALL]),
        ("shown", [SIGNED], "", [OF_CALL]),
        ("omitted", [*THOUGHT, SIGNED], "", [Carried("VEhP", "gemini-3", None, ("hm",)), OF_CALL]),
        ("omitted", [SIGNED], "", [OF_CALL]),
        ("hidden", [*THOUGHT, SIGNED], "", [OF_CALL]),
        ("hidden", [SIGNED], "", [OF_CALL]),
    ],
)
def test_a_calls_signature_is_on_a_thinking_block_directly_before_it(
    thoughts: str, events: list[Event], text: str, carried: list[Carried]
) -> None:
    thinking, call = content(events, TOOL, thoughts=thoughts)
    assert (thinking["type"], thinking["thinking"]) == ("thinking", text)
    assert signature(thinking) == carried
    assert call == {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}


def test_text_between_a_thought_and_its_call() -> None:
    blocks = content([*THOUGHT, TextDelta("I look"), SIGNED, PLAIN], TOOL, thoughts="shown")
    assert kinds(blocks) == ["thinking", "text", "thinking", "tool_use", "tool_use"]
    assert [signature(blocks[0]), signature(blocks[2])] == [[Carried("VEhP", "gemini-3")], [OF_CALL]]


def test_a_thought_without_a_signature_is_signed_with_nothing() -> None:
    """Clients take a thinking block without a signature for text."""
    thinking, _ = content([ThinkingDelta("hm"), TextDelta("a")], STOP, thoughts="shown")
    assert thinking["signature"]
    assert signature(thinking) == []


def test_claudes_signature_is_sealed_with_its_text() -> None:
    blocks = Blocks(turn_with({"thoughts": "shown"}, target=TARGETS[1]), SECRET)
    thought = Reasoning(0, ["h", "m"], "VEhP")
    assert blocks.opened(thought) == []
    (made,) = blocks.closed(thought)
    assert made["thinking"] == "hm"
    assert unseal(SECRET, made["signature"]) == [Carried("VEhP", "claude", None, ("hm",))]


def test_what_googles_own_tools_did_travels_with_the_call() -> None:
    part = '{"toolCall": {"id": "1"}}'
    thinking, _ = content([ServerTool(part), SIGNED], TOOL)
    assert signature(thinking) == [Carried("U0lH", "gemini-3", "call_1", (part,))]


def test_state_that_is_too_large_does_not_travel() -> None:
    assert kinds(content([ServerTool("x" * (MAX_PARTS + 1)), SIGNED], TOOL)) == ["tool_use"]
    thinking, _ = content([ThinkingDelta("x" * (MAX_PARTS + 1)), Signature("VEhP", "thought"), TextDelta("a")], STOP,
                          thoughts="omitted")  # fmt: skip
    assert signature(thinking) == []


@pytest.mark.parametrize("thoughts", ["shown", "omitted", "hidden"])
def test_signatures_that_come_too_late_are_not_shown(thoughts: str) -> None:
    blocks = content([PLAIN, Signature("U0lH", "alone"), TextDelta("a"), Signature("VEhP", "text")], TOOL,
                     thoughts=thoughts)  # fmt: skip
    assert kinds(blocks) == ["tool_use", "text"]


# -- calls ---------------------------------------------------------------------------------------------------------


def test_parallel_calls_share_the_first_ones_signature() -> None:
    blocks = content([SIGNED, PLAIN], TOOL)
    assert kinds(blocks) == ["thinking", "tool_use", "tool_use"]
    assert [block["id"] for block in blocks[1:]] == ["toolu_1", "toolu_2"]


def test_only_the_first_call_where_the_client_takes_one() -> None:
    signed = FunctionCall("call_2", "g", "{}", "U0lH")
    blocks = content([FunctionCall("call_1", "f", "{}"), ThinkingDelta("hm"), signed], TOOL, one_call=True,
                     thoughts="shown")  # fmt: skip
    assert kinds(blocks) == ["tool_use", "thinking"]
    assert signature(blocks[1]) == [], "what nobody is told of is not carried"


def test_calls_have_the_clients_names() -> None:
    """Case counts."""
    blocks = Blocks(turn_with({}, tool_names={"g": "MyTool"}), SECRET)
    (call,) = blocks.opened(Call(0, "call_2", "g", "{}"))
    assert call["name"] == "MyTool"


# -- texts and media -----------------------------------------------------------------------------------------------


def test_a_new_block_only_after_another_kind() -> None:
    events: list[Event] = [TextDelta("a"), TextDelta("b"), PLAIN, TextDelta("c")]
    assert [block.get("text") for block in content(events, TOOL)] == ["ab", None, "c"]


def test_media_leave_a_note() -> None:
    (note, text) = content([InlineData("image/png", "AAAA"), TextDelta("a")], STOP)
    assert note == {"type": "text", "text": "[image/png: this API cannot show it]"}
    assert text["text"] == "a"


def test_two_attempts_are_one_answer() -> None:
    events: list[Event] = [ThinkingDelta("hm"), AttemptClosed("STOP"), AttemptOpened(), TextDelta("a")]
    assert kinds(content(events, STOP, thoughts="shown")) == ["thinking", "text"]


# -- searches ------------------------------------------------------------------------------------------------------

SEARCHED = Grounding({
    "webSearchQueries": ["sky colour", "sky"],
    "groundingChunks": [{"web": {"uri": "https://example.com/a", "title": "a"}}],
    "groundingSupports": [
        {"segment": {"startIndex": 3, "endIndex": 7, "text": "blue"}, "groundingChunkIndices": [0]}
    ],
})  # fmt: skip
TEXT = [TextDelta("é bl"), TextDelta("ue sky")]
CITED = {
    "type": "web_search_result_location", "url": "https://example.com/a", "title": "a", "cited_text": "blue",
    "encrypted_index": "",
}  # fmt: skip


def test_a_streamed_text_has_its_citations_and_the_search_behind_it() -> None:
    text, use, result = content([*TEXT, SEARCHED], STOP, search="beside")
    assert text == {"type": "text", "text": "é blue sky", "citations": [CITED]}
    assert use["input"] == {"query": "sky colour; sky"}
    assert result["tool_use_id"] == use["id"]
    assert [one["url"] for one in result["content"]] == ["https://example.com/a"]


def test_in_a_search_the_search_comes_first_and_the_text_is_cut() -> None:
    blocks = content([*TEXT, SEARCHED], STOP, search="alone")
    assert kinds(blocks) == ["server_tool_use", "web_search_tool_result", "text", "text", "text"]
    assert [block["text"] for block in blocks[2:]] == ["é ", "blue", " sky"]
    assert [block.get("citations") for block in blocks[2:]] == [None, [CITED], None]


def test_who_declared_no_search_gets_the_text_alone() -> None:
    assert content([*TEXT, SEARCHED], STOP) == [{"type": "text", "text": "é blue sky"}]


def test_a_search_that_found_nothing_to_say() -> None:
    assert kinds(content(TEXT, STOP, search="alone")) == ["text"]
    assert kinds(content([SEARCHED], Finished("filtered"), search="alone")) == [
        "server_tool_use", "web_search_tool_result",
    ]  # fmt: skip


def test_citations_that_come_after_the_next_block_has_begun_are_not_shown() -> None:
    blocks = content([*TEXT, PLAIN, SEARCHED], TOOL, search="beside")
    assert kinds(blocks) == ["text", "tool_use", "server_tool_use", "web_search_tool_result"]
    assert "citations" not in blocks[0]
    held = content([*TEXT, PLAIN, SEARCHED], TOOL, search="alone")
    assert [block["text"] for block in held if block["type"] == "text"] == ["é ", "blue", " sky"]


def test_the_same_words_are_the_same_search() -> None:
    blocks = content([*TEXT, SEARCHED, TextDelta("."), SEARCHED], STOP, search="beside")
    assert kinds(blocks) == ["text", "server_tool_use", "web_search_tool_result"]

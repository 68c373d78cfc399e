"""A turn that ends with a compaction_trigger: asked without tools, answered by one item, which stands for the dialogue
from then on; a summary that is not whole is a failure, streamed or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseCompactionItem

from tests.strategies import record_lists
from tests.surfaces.playing import replayed
from tests.surfaces.responses.asking import (
    SECRET,
    call,
    check_contents,
    context,
    function,
    output,
    parse,
    refused,
    user,
)
from zerogravity import errors
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Record,
    Signature,
    Terminal,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.turn import Turn
from zerogravity.surfaces.responses import surface
from zerogravity.surfaces.responses.compaction import PROMPT
from zerogravity.surfaces.responses.items import SUMMARY
from zerogravity.surfaces.responses.stored import StoredResponse, of_turn
from zerogravity.testing import builders
from zerogravity.testing.check import check_responses

TRIGGER = {"type": "compaction_trigger"}
DIALOGUE = [
    {"role": "developer", "content": "D"}, user("one"), call("c"), output("c"),
    {"role": "assistant", "content": "done"},
]  # fmt: skip
STOP = Finished("stop")
SUMMED: list[Event] = [ThinkingDelta("hm"), TextDelta("It went "), TextDelta("well."), Signature("s", "text"), Usage(9)]


def asked(*items: Any, within: Any = None, **body: Any) -> Turn:
    return parse(within, input=[*(items or DIALOGUE), TRIGGER], **body)


def kept(turn: Turn, events: Sequence[Event] = SUMMED, end: Terminal = STOP) -> StoredResponse:
    return of_turn(builders.channel(turn, *events, end=end), SECRET)


def streamed(channel: CascadeChannel) -> list[dict[str, Any]]:
    emitter = surface.emitter(channel, SECRET)
    return check_responses([*emitter.begin(), *(frame for each in channel.records for frame in emitter.feed(each))])


# -- what the model is asked -------------------------------------------------------------------------------------


def test_the_model_is_asked_for_a_summary_and_nothing_else() -> None:
    turn = asked(
        tools=[function("f"), {"type": "web_search"}], tool_choice="required", temperature=0.5, instructions="I",
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {}}}},
        reasoning={"effort": "low", "summary": "auto"}, include=["reasoning.encrypted_content"],
    )  # fmt: skip
    check_contents(turn.google_request["contents"], turn.target.family)
    assert turn.google_request["contents"][-1]["parts"][-1] == {"text": PROMPT}
    assert set(turn.google_request) == {"contents", "systemInstruction", "generationConfig"}
    assert turn.google_request["generationConfig"] == {
        "maxOutputTokens": 65_536, "temperature": 0.5,
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": False},
    }  # fmt: skip
    assert turn.details.echo["tools"], "the answer repeats what was asked"


@pytest.mark.parametrize(
    ("model", "most"),
    [("gemini-3-flash", 65_536), ("gemini-2.5-pro", 65_536), ("claude-sonnet-4-6", 64_000), ("gpt-oss", 65_536)],
)
def test_the_limit_is_the_clients_or_the_models(model: str, most: int) -> None:
    assert asked(model=model).google_request["generationConfig"]["maxOutputTokens"] == most
    limited = asked(model=model, max_output_tokens=20_000)
    assert limited.google_request["generationConfig"]["maxOutputTokens"] == 20_000


FORM = {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize("tool_choice", ["auto", "required", "none"])
@pytest.mark.parametrize("model", ["gemini-3-flash", "gemini-2.5-flash", "claude-sonnet-4-6"])
def test_a_compaction_ignores_the_form(model: str, tool_choice: str) -> None:
    text = {"format": {"type": "json_schema", "name": "n", "schema": FORM}}
    turn = asked(model=model, tools=[function("f")], tool_choice=tool_choice, text=text)
    assert turn.google_request == asked(model=model).google_request
    assert not [note for note in turn.notes if "text.format" in note]


def test_nothing_to_sum_up_is_refused() -> None:
    for instructions in (None, "I"):
        fault = refused(input=[TRIGGER], instructions=instructions)
        assert (fault.param, fault.code) == ("input", "invalid_value")
    assert refused(input=[{"role": "developer", "content": "D"}, TRIGGER]).param == "input"
    assert refused(input=[user("x"), call("c"), TRIGGER]).message.startswith("No tool output found")


def test_only_a_trailing_trigger_counts() -> None:
    """One further ahead was answered, whoever keeps it in the history."""
    first = asked(user("one"))
    item = kept(first).response["output"][0]
    turn = parse(input=[user("one"), TRIGGER, item, user("two")])
    assert turn.notes == ("input[1]: compaction_trigger skipped: it only counts as the last item",)
    (content,) = turn.google_request["contents"]
    assert [part["text"] for part in content["parts"]] == ["one", f"{SUMMARY}It went well.", "two"]
    assert not turn.details.compacts


# -- what is made of the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("include", [[], ["reasoning.encrypted_content"]])
@pytest.mark.parametrize("background", [False, True])
def test_one_item_and_nothing_else(include: list[str], background: bool) -> None:
    turn = asked(stream=True, include=include, background=background, reasoning={"summary": "auto"})
    channel = builders.channel(turn, *SUMMED, end=STOP)
    values = streamed(channel)
    beginning = ["response.created", "response.queued", "response.in_progress"]
    assert [value["type"] for value in values] == [
        *(beginning if background else beginning[::2]),
        "response.output_item.added", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    final = values[-1]["response"]
    assert final == surface.answer(channel, SECRET).body
    (item,) = final["output"]
    assert "went" not in str(final["output"])
    ResponseCompactionItem.model_validate(item)
    Response.model_validate(final)


NOT_WHOLE = [
    ([TextDelta("half")], Finished("length", "MAX_TOKENS"), "compaction_incomplete", "MAX_TOKENS"),
    ([TextDelta("half")], Finished("filtered", "SAFETY"), "compaction_incomplete", "SAFETY"),
    ([TextDelta("half")], Finished("filtered", "RECITATION"), "compaction_incomplete", "RECITATION"),
    ([], Finished("filtered", "PROHIBITED_CONTENT"), "compaction_incomplete", "PROHIBITED_CONTENT"),
    ([TextDelta("so"), FunctionCall("call_1", "f", "{}")], Finished("tool"), "compaction_incomplete", "function"),
    ([], STOP, "empty_response", "no summary"),
    ([ThinkingDelta("hm")], STOP, "empty_response", "no summary"),
    ([TextDelta(" \n")], STOP, "empty_response", "no summary"),
    ([InlineData("image/png", "AAAA")], STOP, "empty_response", "no summary"),
    ([TextDelta("half")], Failed(errors.upstream(502, "malformed_call", "malformed")), "malformed_call", "malformed"),
]


@pytest.mark.parametrize(("events", "end", "code", "word"), NOT_WHOLE)
def test_a_summary_that_is_not_whole_is_a_failure(events: list[Event], end: Terminal, code: str, word: str) -> None:
    plain = surface.answer(builders.channel(asked(), *events, end=end), SECRET)
    assert (plain.status, plain.body["error"]["code"]) == (502, code)
    assert word in plain.body["error"]["message"]
    channel = builders.channel(asked(stream=True), *events, end=end)
    final = streamed(channel)[-1]
    assert final["type"] == "response.failed"
    assert final["response"]["output"] == []
    assert word in final["response"]["error"]["message"]
    polled = surface.answer(builders.channel(asked(background=True), *events, end=end), SECRET)
    assert (polled.status, polled.body["status"]) == (200, "failed")


@given(record_lists(), st.booleans())
def test_any_answer_gives_a_legal_stream(made: list[Record], background: bool) -> None:
    channel = replayed(made, asked(stream=True, background=background))
    final = streamed(channel)[-1]["response"]
    assert [item["type"] for item in final["output"]] in ([], ["compaction"])
    assert bool(final["output"]) == (final["status"] == "completed")


# -- what goes on from it ----------------------------------------------------------------------------------------


def test_a_dialogue_goes_on_from_its_summary() -> None:
    """By id, or with the item as input: the same request."""
    first = kept(parse(input=[{"role": "developer", "content": "D"}, user("one")]), [TextDelta("1")])
    within = context(stored={"r": first.turn})
    turn = parse(within, previous_response_id="r", input=[user("two"), TRIGGER])
    texts = [part["text"] for content in turn.google_request["contents"] for part in content["parts"]]
    assert texts == ["one", "1", "two", PROMPT]
    made = kept(turn)
    by_id = parse(context(stored={"s": made.turn}), previous_response_id="s", input="three")
    check_contents(by_id.google_request["contents"], by_id.target.family)
    by_item = parse(
        input=[{"role": "developer", "content": "D"}, user("one"), user("two"), *made.response["output"], user("three")]
    )
    assert by_id.google_request == by_item.google_request
    after = kept(by_id, [TextDelta("3")])
    longer = parse(context(stored={"t": after.turn}), previous_response_id="t", input="four")
    told = [part["text"] for content in longer.google_request["contents"] for part in content["parts"]]
    assert told == ["one", "two", f"{SUMMARY}It went well.", "three", "3", "four"]
    again = asked(user("five"), within=context(stored={"t": after.turn}), previous_response_id="t")
    users = kept(again).turn.users
    assert [item["content"][0]["text"] for item in users] == ["one", "two", "three", "five"]


@pytest.mark.parametrize(("events", "end", "code", "word"), NOT_WHOLE)
def test_a_failed_compaction_leaves_the_dialogue(events: list[Event], end: Terminal, code: str, word: str) -> None:
    first = kept(parse(input="one"), [TextDelta("1")])
    turn = parse(context(stored={"r": first.turn}), previous_response_id="r", input=[TRIGGER])
    failed = kept(turn, events, end)
    after = parse(context(stored={"f": failed.turn}), previous_response_id="f", input="two")
    texts = [part["text"] for content in after.google_request["contents"] for part in content["parts"]]
    assert texts == ["one", "1", "two"]

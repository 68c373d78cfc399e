"""The Responses stream: legal for any turn, equal to the whole Response, built up by OpenAI's own accumulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openai import OpenAI, omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.strategies import record_lists
from tests.surfaces.responses.strict import faults
from tests.surfaces.responses.support import SEALED, SECRET, TURN, frames, records, stream, turn
from zerogravity import errors
from zerogravity.core.events import (
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Record,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.fold import fold
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination
from zerogravity.surfaces.responses import response
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.testing.check import check_responses

STOP, TOOL = Finished("stop"), Finished("tool")
SOURCES = ("reasoning.encrypted_content", "web_search_call.action.sources")
KINDS = ("", "", "custom", *CLIENT_TOOLS)


@st.composite
def answered(draw: st.DrawFn) -> tuple[list[Record], Turn]:
    """Any records, and a turn in whose answer their functions are tools of any kind."""
    made = draw(record_lists())
    names = sorted({call.name for call in fold(made).function_calls})
    kinds = {name: kind for name in names if (kind := draw(st.sampled_from(KINDS)))}
    spaces = {name: {"namespace": "n", "name": "f"} for name in names if draw(st.booleans())}
    background = draw(st.booleans())
    return made, turn(
        background=background,
        include=draw(st.sampled_from(((), SOURCES))),
        namespaces=spaces,
        echo={"parallel_tool_calls": draw(st.booleans()), "background": background},
        tool_kinds=kinds,
    )


# -- any turn ----------------------------------------------------------------------------------------------------


@given(answered())
def test_any_turn_gives_a_legal_stream_that_ends_with_its_response(asked: tuple[list[Record], Turn]) -> None:
    made, of = asked
    values = check_responses(frames(made, of))
    assert values[-1]["response"] == response.render(of, fold(made), SECRET)


@given(record_lists(), st.integers(0, 8))
def test_frames_depend_on_the_records_alone(made: list[Record], pauses: int) -> None:
    """A second reader gets the same bytes, one frame per sequence number, however late it reads."""
    first, second = ResponsesEmitter(TURN, SECRET), ResponsesEmitter(TURN, SECRET)
    known = first.begin()
    for record in made[:pauses]:
        known += first.feed(record)
    whole = [*second.begin(), *(frame for record in made for frame in second.feed(record))]
    assert whole[: len(known)] == known
    for number, frame in enumerate(whole):
        assert f'"sequence_number":{number},'.encode() in frame
        assert frame.startswith(b"event: response.")
        assert frame.endswith(b"}\n\n")
        assert frame.count(b"\n") == 3


def accumulated(made: list[Record], of: Turn) -> Iterator[Any]:
    """The stream as the SDK sees it, event by event, and the last event it fires."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for value in check_responses(frames(made, of)):
        yield from state.handle_event(adapter.validate_python(value))


@settings(max_examples=25)
@given(answered())
def test_openais_accumulator_ends_with_the_same_response(asked: tuple[list[Record], Turn]) -> None:
    made, of = asked
    *_, last = accumulated(made, of)
    whole = Response.model_validate(response.render(of, fold(made), SECRET)).model_dump(mode="json", exclude_unset=True)
    streamed = last.response.model_dump(mode="json", exclude_unset=True)
    assert unparsed(streamed) == unparsed(whole)
    assert last.type == f"response.{whole['status']}".replace("cancelled", "failed")


def unparsed(value: Any) -> Any:
    """Without what the SDK's parsing adds."""
    if isinstance(value, dict):
        return {name: unparsed(inner) for name, inner in value.items() if name not in ("parsed", "parsed_arguments")}
    return [unparsed(inner) for inner in value] if isinstance(value, list) else value


def test_openais_snapshots_grow_with_the_deltas() -> None:
    events: list[Event] = [TextDelta("a"), TextDelta("b"), FunctionCall("call_1", "f", '{"a": 1}')]
    fired = list(accumulated(records(events, TOOL), TURN))
    texts = [each.snapshot for each in fired if each.type == "response.output_text.delta"]
    calls = [each.snapshot for each in fired if each.type == "response.function_call_arguments.delta"]
    assert (texts, calls) == (["a", "ab"], ['{"a": 1}'])


def test_openais_client_reads_the_bytes() -> None:
    """Its own SSE decoder and stream helper, whatever separators the text holds."""
    events: list[Event] = [ThinkingDelta("hm"), TextDelta("a\u2028b\x85c\r\n\nd"), FunctionCall("call_1", "f", "{}")]
    body = b": keep-alive\n\n".join(frames(records(events, TOOL)))
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))
    with (
        OpenAI(api_key="k", base_url="http://test/v1", http_client=httpx2.Client(transport=transport)) as client,
        client.responses.stream(model="gemini-3-flash", input="hi") as stream,
    ):
        final = stream.get_final_response()
    assert final.output_text == "a\u2028b\x85c\r\n\nd"
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]


@settings(max_examples=25)
@given(answered())
def test_every_event_has_the_members_of_openais_types_and_no_others(asked: tuple[list[Record], Turn]) -> None:
    made, of = asked
    for value in check_responses(frames(made, of)):
        assert faults(value, ResponseStreamEvent) == [], value["type"]


# -- the published schema ---------------------------------------------------------------------------------------

SCHEMA = Path(__file__).parents[4] / "shared" / "facts" / "openai_openapi_subset.json"
NULLED = ("usage", "user", "service_tier")  # null where there is nothing, as the API sends it; its schema knows no null


@pytest.fixture(scope="module")
def published() -> dict[str, Draft202012Validator]:
    """A validator per event type. Two of its unions are nullable in a way that JSON Schema does not read as such."""
    if not SCHEMA.exists():
        pytest.skip("the published schema is not here")
    definitions = json.loads(SCHEMA.read_text())["$defs"]
    found: dict[str, Draft202012Validator] = {}
    for name, schema in definitions.items():
        kinds = schema.get("properties", {}).get("type", {}).get("enum", [])
        if name.endswith("Event") and len(kinds) == 1:
            found[kinds[0]] = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})
    return found


@settings(max_examples=15)
@given(asked=answered())
def test_every_event_is_valid_by_the_published_schema(
    published: dict[str, Draft202012Validator], asked: tuple[list[Record], Turn]
) -> None:
    made, of = asked
    for value in check_responses(frames(made, of)):
        if "response" in value:
            object_ = value["response"]
            value["response"] = {k: v for k, v in object_.items() if v is not None or k not in NULLED}
        found = [f"{list(each.absolute_path)}: {each.message}" for each in published[value["type"]].iter_errors(value)]
        assert found == [], value["type"]


# -- single turns -------------------------------------------------------------------------------------------------


def shown(values: list[dict[str, Any]]) -> list[str]:
    """The types, without the prefix."""
    return [value["type"].removeprefix("response.") for value in values]


def test_the_events_of_a_whole_turn() -> None:
    events: list[Event] = [
        ThinkingDelta("hm"), TextDelta("I "), TextDelta("look"), FunctionCall("call_1", "f", "{}"),
        FunctionCall("call_2", "patch", '{"input":"*** Begin"}'), InlineData("image/png", "AAAA"), Usage(10, 4, 5, 3),
    ]  # fmt: skip
    values = stream(events, TOOL, turn(tool_kinds={"patch": "custom"}))
    assert shown(values) == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done",
        "output_item.added", "image_generation_call.in_progress", "image_generation_call.generating",
        "image_generation_call.completed", "output_item.done",
        "completed",
    ]  # fmt: skip
    final = values[-1]["response"]
    assert [item["id"].partition("_")[0] for item in final["output"]] == ["rs", "msg", "fc", "ctc", "ig"]
    assert final["output"][3]["input"] == "*** Begin"
    assert final["usage"]["input_tokens"] == 10
    assert final["usage"]["output_tokens"] == 8


def test_the_bytes_of_the_hot_frame() -> None:
    """Written out once: what is rendered from a template equals what is rendered whole."""
    made = records([TextDelta('a"\u2028\x85é')], STOP)
    frame = frames(made)[4]
    item = check_responses(frames(made))[2]["item"]["id"]
    assert frame.decode() == (
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,'
        f'"item_id":"{item}","output_index":0,"content_index":0,"delta":"a\\"\\u2028\\u0085é","logprobs":[]}}\n\n'
    )


def test_in_the_background_it_is_queued_until_something_comes() -> None:
    of = turn(background=True, echo={"background": True})
    emitter = ResponsesEmitter(of, SECRET)
    begun = emitter.begin()
    assert [frame.partition(b"\n")[0] for frame in begun] == [b"event: response.created", b"event: response.queued"]
    made = records([TextDelta("a")], STOP)
    (running,) = emitter.feed(made[0])
    assert running.startswith(b"event: response.in_progress")
    values = check_responses([*begun, running, *(frame for record in made[1:] for frame in emitter.feed(record))])
    assert [value["response"]["status"] for value in values[:3]] == ["queued", "queued", "in_progress"]


@pytest.mark.parametrize(
    ("end", "kind", "reason"),
    [
        (STOP, "response.completed", None),
        (TOOL, "response.completed", None),
        (Finished("length"), "response.incomplete", "max_output_tokens"),
        (Finished("filtered"), "response.incomplete", "content_filter"),
    ],
)
def test_ends(end: Finished, kind: str, reason: str | None) -> None:
    last = stream([TextDelta("a")], end)[-1]
    assert last["type"] == kind
    assert last["response"]["incomplete_details"] == ({"reason": reason} if reason else None)
    assert last["response"]["output"][0]["status"] == ("incomplete" if reason else "completed")
    assert last["response"]["completed_at"] == (None if reason else 1_770_000_001)


def test_text_that_was_whole_before_the_end_is_not_cut() -> None:
    """The language server's next call ended in nothing: the message of the first one had been done."""
    made = records([TextDelta("a"), AttemptOpened()], Finished("length"))
    assert check_responses(frames(made))[-1]["response"]["output"][0]["status"] == "completed"


def test_a_failure_after_text_is_a_whole_response_with_its_error() -> None:
    fault = errors.upstream(429, "rate_limit_exceeded", "slow down", retry_after=22.0)
    values = stream([TextDelta("a"), Usage(3, 0, 1)], Failed(fault))
    assert shown(values).count("output_text.done") == 1
    last = values[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"] == {
        "code": "rate_limit_exceeded", "message": "slow down. Please try again in 22s.",
    }  # fmt: skip
    assert last["response"]["output"][0]["content"][0]["text"] == "a"
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert last["response"]["usage"]["total_tokens"] == 4


def test_a_cancelled_turn_ends_its_stream_as_failed_without_an_error() -> None:
    fault = errors.internal("cancelled", Termination.CANCELLED)
    last = stream([TextDelta("a")], Failed(fault))[-1]
    assert (last["type"], last["response"]["status"], last["response"]["error"]) == (
        "response.failed",
        "cancelled",
        None,
    )


def test_a_blocked_prompt_is_a_refusal() -> None:
    values = stream([], Finished("filtered", "PROHIBITED_CONTENT"))
    assert shown(values)[3:7] == ["content_part.added", "refusal.delta", "refusal.done", "content_part.done"]
    (item,) = values[-1]["response"]["output"]
    assert item["content"][0]["type"] == "refusal"
    assert "PROHIBITED_CONTENT" in item["content"][0]["refusal"]


def test_a_filtered_answer_keeps_its_text_and_has_no_refusal() -> None:
    (item,) = stream([TextDelta("so far")], Finished("filtered", "SAFETY"))[-1]["response"]["output"]
    assert [part["type"] for part in item["content"]] == ["output_text"]


def test_an_empty_input_has_no_delta_but_is_done() -> None:
    values = stream([FunctionCall("call_1", "patch", '{"input":""}')], TOOL, turn(tool_kinds={"patch": "custom"}))
    assert shown(values)[2:5] == ["output_item.added", "custom_tool_call_input.done", "output_item.done"]


def test_a_call_alone_has_no_message() -> None:
    values = stream([FunctionCall("call_1", "f", "{}")], TOOL)
    assert [item["type"] for item in values[-1]["response"]["output"]] == ["function_call"]
    assert values[2]["item"]["arguments"] == ""
    assert values[4]["name"] == "f"


GROUNDING = Grounding(
    {
        "webSearchQueries": ["blue sky", "why"],
        "groundingChunks": [{"web": {"uri": "https://example.com/a", "title": "a"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 3, "endIndex": 7, "text": "blue"}, "groundingChunkIndices": [0]}
        ],
    }
)


def test_a_search_stands_behind_its_message_and_citations_count_characters() -> None:
    """é has two bytes and is one character."""
    values = stream([TextDelta("é blue"), GROUNDING, TextDelta(" sky"), FunctionCall("call_1", "f", "{}")], TOOL)
    assert shown(values)[6:15] == [
        "output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed",
        "output_item.done",
    ]  # fmt: skip
    message, search, call = values[-1]["response"]["output"]
    assert message["content"][0]["annotations"] == [
        {"type": "url_citation", "url": "https://example.com/a", "title": "a", "start_index": 2, "end_index": 6}
    ]
    assert search["action"] == {"type": "search", "query": "blue sky", "queries": ["blue sky", "why"]}
    assert call["type"] == "function_call"


def test_a_search_that_is_told_after_its_message_stands_last() -> None:
    of = turn(include=("web_search_call.action.sources",))
    values = stream([TextDelta("é blue sky"), FunctionCall("call_1", "f", "{}"), GROUNDING], TOOL, of)
    message, _, search = values[-1]["response"]["output"]
    assert message["content"][0]["annotations"] == []
    assert search["action"]["sources"] == [{"type": "url", "url": "https://example.com/a"}]


def test_a_signature_that_comes_behind_its_call_changes_no_item() -> None:
    of = turn(**SEALED)
    values = stream([FunctionCall("call_1", "f", "{}"), Signature("U0lH", "alone")], TOOL, of)
    assert [item["type"] for item in values[-1]["response"]["output"]] == ["function_call"]


def test_comments_are_the_heartbeat() -> None:
    assert ResponsesEmitter.content_type == "text/event-stream"
    first, *rest = frames(records([TextDelta("a")], STOP))
    check_responses([first, ResponsesEmitter.heartbeat, *rest])

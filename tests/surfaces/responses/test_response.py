"""The Response object: its members and ids, its items by kind, what a fault becomes, what stateless clients carry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from tests.strategies import TURN_ID, json_values, record_lists
from tests.surfaces.responses.support import ECHO, SEALED, SECRET, TURN, frames, records, rendered, turn
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
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.fold import Call, fold
from zerogravity.errors import Fault, Origin, Termination
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.common.sealed_state import Carried, unseal
from zerogravity.surfaces.responses import response, surface
from zerogravity.testing.check import check_response, check_responses
from zerogravity.wire import jsonio

STOP, TOOL = Finished("stop"), Finished("tool")


# -- the object -------------------------------------------------------------------------------------------------


@given(record_lists(), st.booleans())
def test_any_turn_gives_a_whole_response(made: list[Record], sealed: bool) -> None:
    of = turn(**(SEALED if sealed else {}))
    whole = response.render(of, fold(made), SECRET)
    check_response(whole)
    assert whole == response.render(of, fold(made), SECRET)


@pytest.mark.parametrize(
    ("terminal", "events", "told"),
    [
        (Failed(errors.upstream(500, "x", "it broke")), [], None),
        (Failed(errors.upstream(500, "x", "it broke")), [Usage(3, 0, 2)], 5),
        (Failed(errors.upstream(499, "x", "gone", Termination.CANCELLED)), [], None),
        (STOP, [], 0),  # clients fail without integers there
        (Finished("length"), [], 0),
    ],
)
def test_of_a_turn_that_has_not_ended_well_no_figures_are_told_that_nobody_knows(
    terminal: Any, events: list[Any], told: int | None
) -> None:
    whole = rendered([TextDelta("a"), *events], terminal)
    check_response(whole)
    Response.model_validate(whole)
    assert (None if whole["usage"] is None else whole["usage"]["total_tokens"]) == told


def test_members_of_the_request_are_repeated_in_the_response() -> None:
    whole = rendered([TextDelta("a"), Usage(3, 1, 2, 1, 1)], STOP)
    assert {name: whole[name] for name in ECHO} == ECHO
    assert whole["id"] == "resp_" + TURN_ID.removeprefix("turn_")
    assert (whole["object"], whole["model"], whole["created_at"]) == ("response", "gemini-3-flash", 1_770_000_000)
    assert whole["usage"] == {
        "input_tokens": 4,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 7,
    }
    Response.model_validate(whole)


def test_it_was_completed_as_long_after_its_creation_as_its_records_say() -> None:
    """Six records, 400 ms apart."""
    assert rendered([TextDelta("a")] * 4, STOP)["completed_at"] == 1_770_000_002


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_turn_that_is_not_over_has_no_output(status: str) -> None:
    running = fold(records([TextDelta("a"), FunctionCall("call_1", "f", "{}"), Usage(1)], STOP)[:-1])
    whole = response.render(TURN, running, SECRET, status=status)
    check_response(whole)
    assert (whole["status"], whole["output"], whole["usage"]) == (status, [], None)


def test_ids_are_the_turns_and_differ_by_place() -> None:
    events: list[Event] = [TextDelta("a"), FunctionCall("call_1", "f", "{}"), TextDelta("b")]
    found = [item["id"] for item in rendered(events, TOOL)["output"]]
    assert found == [item["id"] for item in rendered(events, TOOL)["output"]]
    other = [item["id"] for item in rendered(events, TOOL, turn(id="turn_" + "6" * 32))["output"]]
    assert len({*found, *other}) == 6


# -- items ------------------------------------------------------------------------------------------------------


def test_thinking_and_text_that_alternate_are_items_of_their_own() -> None:
    events: list[Event] = [ThinkingDelta("a"), TextDelta("b"), TextDelta("c"), ThinkingDelta("d"), TextDelta("e")]
    output = rendered(events, STOP)["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "reasoning", "message"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "a"}]
    assert output[1]["content"] == [{"type": "output_text", "text": "bc", "annotations": [], "logprobs": []}]
    assert "encrypted_content" not in output[0]


@pytest.mark.parametrize(
    ("kind", "arguments", "members"),
    [
        (None, '{"a": 1}', {"type": "function_call", "name": "t", "arguments": '{"a": 1}'}),
        ("custom", '{"input":"x\\ny"}', {"type": "custom_tool_call", "name": "t", "input": "x\ny"}),
        ("custom", '{"patch":"x"}', {"type": "custom_tool_call", "name": "t", "input": "x"}),
        ("custom", "{}", {"type": "custom_tool_call", "name": "t", "input": ""}),
        ("custom", '{"other":1}', {"type": "custom_tool_call", "name": "t", "input": '{"other":1}'}),
        ("tool_search", '{"query":"q"}',
         {"type": "tool_search_call", "execution": "client", "arguments": {"query": "q"}}),
        ("tool_search", "[" * 100_000,
         {"type": "tool_search_call", "execution": "client", "arguments": {"arguments": "[" * 100_000}}),
        (
            "local_shell",
            '{"command":["ls",1],"working_directory":"/tmp","timeout_ms":5}',
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls", "1"], "env": {},
                                                    "working_directory": "/tmp", "timeout_ms": 5, "user": None}},
        ),
        (
            "local_shell",
            '{"command":"ls | wc"}',
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["sh", "-c", "ls | wc"], "env": {},
                                                    "working_directory": None, "timeout_ms": None, "user": None}},
        ),
    ],
    ids=["function", "custom", "custom, another name", "custom, nothing", "custom, odd", "tool_search",
         "tool_search, too deep", "shell", "shell, one string"],
)  # fmt: skip
def test_a_call_is_told_as_its_tool_was_declared(kind: str | None, arguments: str, members: dict[str, Any]) -> None:
    of = turn(tool_kinds={"t": kind} if kind else {}, tool_names={"t_1f": "t"})
    (item,) = rendered([FunctionCall("call_1", "t_1f", arguments)], TOOL, of)["output"]
    assert item == {"id": item["id"], "status": "completed", "call_id": "call_1", **members}


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_a_tool_of_a_namespace_shows_both_names(kind: str) -> None:
    spaces = {"agents.spawn": {"namespace": "agents", "name": "spawn"}}
    of = turn(tool_kinds={"agents.spawn": kind}, namespaces=spaces)
    (item,) = rendered([FunctionCall("call_1", "agents.spawn", "{}")], TOOL, of)["output"]
    assert (item["namespace"], item["name"]) == ("agents", "spawn")


@given(json_values)
def test_any_arguments_are_some_shell_command(value: Any) -> None:
    item = response.call_item(turn(tool_kinds={"sh": "local_shell"}), Call(0, "call_1", "sh", _text(value)))
    assert all(isinstance(word, str) for word in item["action"]["command"])


def _text(value: Any) -> str:
    return jsonio.dumps({"command": value, "timeout_ms": value, "working_directory": value}).decode()


def test_only_the_first_call_where_parallel_calls_are_off() -> None:
    events: list[Event] = [FunctionCall("call_1", "f", "{}"), FunctionCall("call_2", "g", "{}"), TextDelta("a")]
    output = rendered(events, TOOL, turn(echo={"parallel_tool_calls": False}))["output"]
    assert [item.get("call_id") for item in output] == ["call_1", None]


def test_pictures_and_other_blobs() -> None:
    picture, sound = rendered([InlineData("image/webp", "AAAA"), InlineData("audio/wav", "BBBB")], STOP)["output"]
    assert picture == {
        "id": picture["id"], "type": "image_generation_call", "status": "completed", "output_format": "webp",
        "result": "AAAA",
    }  # fmt: skip
    assert sound["content"][0]["text"] == "data:audio/wav;base64,BBBB"


# -- what went wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (errors.upstream(429, "insufficient_quota", "quota", retry_after=9000.0), "rate_limit_exceeded"),
        (errors.upstream(400, "context_length_exceeded", "too long"), "invalid_prompt"),
        (Fault(Origin.CLIENT, 408, "timeout", "late"), "server_error"),
        (Fault(Origin.CLIENT, 424, "http_error", "no tools"), "server_error"),
        (errors.upstream(503, "upstream_error", "overloaded"), "server_error"),
        (errors.internal(), "server_error"),
    ],
)
def test_errors_have_a_code_of_the_closed_list(fault: Fault, code: str) -> None:
    assert response.error(fault)["code"] == code


def test_a_failure_in_the_foreground_is_an_http_error_even_after_text() -> None:
    fault = errors.upstream(429, "rate_limit_exceeded", "slow down", retry_after=2.4)
    answer = response.answer(TURN, fold(records([TextDelta("a")], Failed(fault))), SECRET)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert answer.body["error"]["code"] == "rate_limit_exceeded"


def test_a_failure_in_the_background_is_a_response() -> None:
    fault = errors.upstream(429, "rate_limit_exceeded", "slow down", retry_after=2.4)
    of = turn(background=True, echo={"background": True})
    answer = response.answer(of, fold(records([TextDelta("a")], Failed(fault))), SECRET)
    check_response(answer.body)
    assert (answer.status, answer.body["status"]) == (200, "failed")
    assert answer.body["error"]["message"] == "slow down. Please try again in 3s."
    assert answer.body["output"][0]["content"][0]["text"] == "a"


def test_a_good_answer_is_the_response() -> None:
    state = fold(records([TextDelta("a")], STOP))
    assert response.answer(TURN, state, SECRET).body == response.render(TURN, state, SECRET)


def test_a_cancelled_response_has_no_error() -> None:
    whole = rendered([], Failed(errors.internal("stopped", Termination.CANCELLED)))
    assert (whole["status"], whole["error"], whole["output"]) == ("cancelled", None, [])


# -- what stateless clients carry -------------------------------------------------------------------------------


def carried(events: list[Event], end: Finished = TOOL, **fields: Any) -> list[tuple[str, list[Carried] | None]]:
    """(type, signatures) of each item, the stream's and the whole object's alike."""
    of = turn(**SEALED, **fields)
    whole = rendered(events, end, of)["output"]
    streamed = check_responses(frames(records(events, end), of))
    assert [value["item"] for value in streamed if value["type"] == "response.output_item.done"] == whole
    return [
        (item["type"], unseal(SECRET, item["encrypted_content"]) if "encrypted_content" in item else None)
        for item in whole
    ]


def of_call(signature: str, call_id: str | None = None) -> list[Carried]:
    return [Carried(signature, "gemini-3", call_id)]


CALL, SIGNED = FunctionCall("call_1", "f", "{}"), FunctionCall("call_1", "f", "{}", "U0lH")
MORE = FunctionCall("call_2", "g", "{}")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # thinking leads to a call: its item carries the call's signature, beside its own
        ([ThinkingDelta("hm"), SIGNED, MORE],
         [("reasoning", of_call("U0lH", "call_1")), ("function_call", None), ("function_call", None)]),
        ([ThinkingDelta("hm"), Signature("dGg=", "thought"), SIGNED],
         [("reasoning", [*of_call("dGg="), *of_call("U0lH", "call_1")]), ("function_call", None)]),
        # the signature comes before its call, in a part of its own
        ([ThinkingDelta("hm"), Signature("U0lH", "alone"), CALL],
         [("reasoning", of_call("U0lH", "call_1")), ("function_call", None)]),
        # no thinking, or none directly before the call: an item for the signature alone
        ([SIGNED, MORE], [("reasoning", of_call("U0lH", "call_1")), ("function_call", None), ("function_call", None)]),
        ([ThinkingDelta("hm"), TextDelta("a"), SIGNED],
         [("reasoning", []), ("message", None), ("reasoning", of_call("U0lH", "call_1")), ("function_call", None)]),
        # what Google's own tools did before it goes along; what they do behind it comes too late
        ([ThinkingDelta("hm"), ServerTool("a"), ServerTool("b"), SIGNED, ServerTool("c")],
         [("reasoning", [Carried("U0lH", "gemini-3", "call_1", ("a", "b"))]), ("function_call", None)]),
        ([ServerTool("a"), SIGNED],
         [("reasoning", [Carried("U0lH", "gemini-3", "call_1", ("a",))]), ("function_call", None)]),
        # nothing to carry, or too late for it: the memory of calls has it
        ([CALL], [("function_call", None)]),
        ([CALL, Signature("U0lH", "alone")], [("function_call", None)]),
        ([ThinkingDelta("hm"), TextDelta("a")], [("reasoning", []), ("message", None)]),
        # a picture carries its own, until something else begins
        ([InlineData("image/png", "AAAA"), Signature("U0lH", "text")], [("image_generation_call", of_call("U0lH"))]),
        ([InlineData("image/png", "AAAA"), Signature("U0lH", "alone"), CALL],
         [("image_generation_call", None), ("reasoning", of_call("U0lH", "call_1")), ("function_call", None)]),
        ([InlineData("image/png", "AAAA"), Signature("U0lH", "alone"), TextDelta("a"), CALL],
         [("image_generation_call", of_call("U0lH")), ("message", None), ("function_call", None)]),
    ],
)  # fmt: skip
def test_signatures_travel_with_stateless_clients(
    events: list[Event], expected: list[tuple[str, list[Carried] | None]]
) -> None:
    assert carried(events) == expected


def test_a_signature_of_the_next_upstream_call_is_not_the_closed_thoughts() -> None:
    events: list[Event] = [ThinkingDelta("hm"), AttemptOpened(), Signature("U0lH", "text"), TextDelta("a")]
    assert carried(events, STOP) == [("reasoning", []), ("message", None)]


def test_without_include_nothing_is_carried() -> None:
    output = rendered([SIGNED], TOOL)["output"]
    assert [item["type"] for item in output] == ["function_call"]
    assert b"U0lH" not in b"".join(frames(records([ThinkingDelta("hm"), SIGNED], TOOL)))


def test_a_call_that_is_not_shown_has_no_item_for_its_signature() -> None:
    second = FunctionCall("call_2", "g", "{}", "U0lH")
    found = carried([CALL, TextDelta("a"), second], echo={"parallel_tool_calls": False})
    assert [kind for kind, _ in found] == ["function_call", "message"]


@pytest.mark.parametrize("events", [[SIGNED, MORE], [ThinkingDelta("hm"), SIGNED, MORE]], ids=["calls", "thinking"])
def test_what_a_stateless_client_sends_back_restores_the_signature(events: list[Event]) -> None:
    """The answer's items as input, without any memory on our side: the first call has its signature again."""
    output = rendered(events, TOOL, turn(**SEALED, target=Catalogue().resolve("gemini-3-flash")))["output"]
    results = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "ok"} for n in (1, 2)]
    tools = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("f", "g")]
    history = [{"role": "user", "content": "hi"}, *output, *results]
    body = {
        "model": "gemini-3-flash",
        "input": history,
        "tools": tools,
        "store": False,
        "include": [*SEALED["include"]],
    }
    back = surface.parse(body, Context("turn_" + "7" * 32, 1, Catalogue().resolve, secret=SECRET))
    parts = back.google_request["contents"][1]["parts"]
    assert [(part["functionCall"]["name"], part.get("thoughtSignature")) for part in parts] == [
        ("f", "U0lH"),
        ("g", None),
    ]


# -- whether thinking is shown ----------------------------------------------------------------------------------

THOUGHT: list[Event] = [ThinkingDelta("hm"), Signature("dGg=", "thought"), TextDelta("a")]
SHOWN = [{"type": "summary_text", "text": "hm"}]


@pytest.mark.parametrize(
    ("reasoning", "include", "expected"),
    [
        (None, (), None),
        ({"effort": "high"}, (), None),
        ({"effort": "high", "summary": "none"}, (), None),
        ({"summary": "auto"}, (), (SHOWN, None)),
        ({"effort": "low", "summary": "detailed"}, (), (SHOWN, None)),
        ({"generate_summary": "concise"}, (), (SHOWN, None)),
        ({"summary": "auto"}, SEALED["include"], (SHOWN, ())),
        (None, SEALED["include"], ([], ("hm",))),
        ({"effort": "high"}, SEALED["include"], ([], ("hm",))),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_items_come_as_the_request_wants_them(
    reasoning: dict[str, Any] | None, include: tuple[str, ...], expected: Any, stream: bool
) -> None:
    """Whatever the model thinks unasked. A thought that is not shown travels with its signature."""
    body = {"model": "gemini-3-flash", "input": "x", "reasoning": reasoning, "include": [*include], "stream": stream}
    of = surface.parse(body, Context("turn_" + "7" * 32, 1, Catalogue().resolve, secret=SECRET))
    whole = rendered(THOUGHT, STOP, of)
    check_response(whole)
    *found, message = whole["output"]
    assert message["content"][0]["text"] == "a"
    if stream:
        assert check_responses(frames(records(THOUGHT, STOP), of))[-1]["response"] == whole
    if expected is None:
        assert found == []
        return
    (item,) = found
    summary, text = expected
    sealed = None if text is None else unseal(SECRET, item["encrypted_content"])
    assert item["summary"] == summary
    assert sealed == (None if text is None else [Carried("dGg=", "gemini-3-flash", None, text)])
    back = surface.parse(
        {"model": "gemini-3-flash", "input": [{"role": "user", "content": "x"}, item, message, {"role": "user",
         "content": "y"}]}, Context("turn_" + "8" * 32, 1, Catalogue().resolve, secret=SECRET),
    )  # fmt: skip
    signed = {"text": "hm", "thought": True, "thoughtSignature": "dGg="}
    assert back.google_request["contents"][1]["parts"] == [*([signed] if sealed else []), {"text": "a"}]


@given(record_lists(), st.booleans(), st.sampled_from((None, "auto")), st.sampled_from(((), SEALED["include"])))
def test_no_member_is_null_where_something_is_sealed(
    made: list[Record], stream: bool, summary: str | None, include: tuple[str, ...]
) -> None:
    of = turn(stream=stream, include=include, echo={"reasoning": {"effort": None, "summary": summary}})
    items = response.render(of, fold(made), SECRET)["output"]
    streamed = [value.get("item", {}) for value in check_responses(frames(made, of))]
    for item in [*items, *streamed]:
        assert item.get("encrypted_content", "") is not None
        assert item.get("type") != "reasoning" or summary or include


# -- the signature of a text ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["gemini-3-flash", "gemini-2.5-pro"])
@pytest.mark.parametrize(
    ("events", "kinds", "parts"),
    [
        ([TextDelta("a"), Signature("U0lH", "text")], ["message", "reasoning"],
         [{"text": "a", "thoughtSignature": "U0lH"}]),
        ([TextDelta("a"), Signature("U0lH", "alone")], ["message", "reasoning"],
         [{"text": "a", "thoughtSignature": "U0lH"}]),
        ([ThinkingDelta("hm"), TextDelta("a"), Signature("U0lH", "text")], ["reasoning", "message", "reasoning"],
         [{"text": "a", "thoughtSignature": "U0lH"}]),
        ([TextDelta("a"), Signature("U0lH", "text"), ThinkingDelta("hm"), TextDelta("b")],
         ["message", "reasoning", "reasoning", "message"], [{"text": "a", "thoughtSignature": "U0lH"}, {"text": "b"}]),
        ([TextDelta("a")], ["message"], [{"text": "a"}]),
    ],
)  # fmt: skip
def test_the_signature_of_a_text_travels_too(
    model: str, events: list[Event], kinds: list[str], parts: list[dict[str, Any]]
) -> None:
    of = turn(**SEALED, target=Catalogue().resolve(model))
    output = rendered(events, STOP, of)["output"]
    assert check_responses(frames(records(events, STOP), of))[-1]["response"]["output"] == output
    assert [item["type"] for item in output] == kinds
    for other in (model, "claude-sonnet-4-6"):
        body = {"model": other, "input": [{"role": "user", "content": "x"}, *output, {"role": "user", "content": "y"}]}
        back = surface.parse(body, Context("turn_" + "7" * 32, 1, Catalogue().resolve, secret=SECRET))
        bare = [{"text": part["text"]} for part in parts]
        assert back.google_request["contents"][1]["parts"] == (parts if other == model else bare)


def test_a_text_that_is_closed_takes_no_signature_of_the_next_answer() -> None:
    events: list[Event] = [TextDelta("a"), AttemptOpened(), Signature("U0lH", "alone"), TextDelta("b")]
    assert [kind for kind, _ in carried(events, STOP)] == ["message", "message"]


# -- where a search stands --------------------------------------------------------------------------------------

FOUND = Grounding({"webSearchQueries": ["q"], "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}]})
OTHER = Grounding({"webSearchQueries": ["r"]})


@pytest.mark.parametrize(
    ("events", "whole", "streamed"),
    [
        ([TextDelta("a"), FOUND], "wm", "mw"),
        ([FOUND, TextDelta("a")], "wm", "mw"),
        ([ThinkingDelta("hm"), TextDelta("a"), FOUND], "rwm", "rmw"),
        ([TextDelta("a"), FOUND, FunctionCall("call_1", "f", "{}"), TextDelta("b"), OTHER], "wmfwm", "mwfmw"),
        ([TextDelta("a"), FunctionCall("call_1", "f", "{}"), FOUND], "wmf", "mfw"),
        ([FunctionCall("call_1", "f", "{}"), FOUND], "fw", "fw"),
        ([TextDelta("a"), FOUND, TextDelta("b"), FOUND], "wm", "mw"),
        ([TextDelta("a")], "m", "m"),
    ],
)
def test_a_search_precedes_its_message_where_nothing_is_streamed(
    events: list[Event], whole: str, streamed: str
) -> None:
    first = {"m": "message", "w": "web_search_call", "f": "function_call", "r": "reasoning"}
    for stream, background, expected in (
        (False, False, whole), (True, False, streamed), (False, True, streamed), (True, True, streamed),
    ):  # fmt: skip
        of = turn(stream=stream, background=background, echo={"background": background})
        made = rendered(events, STOP, of)
        check_response(made)
        assert [item["type"] for item in made["output"]] == [first[letter] for letter in expected]
        assert [item["id"] for item in rendered(events, STOP, of)["output"]] == [item["id"] for item in made["output"]]
        if stream or background:
            assert check_responses(frames(records(events, STOP), of))[-1]["response"] == made

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given

from tests.strategies import record_lists
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    RoundOpened,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
    Usage,
)
from zerogravity.core.fold import Assembler, Call, Closed, Ended, Listed, Media, Message, Opened, Reasoning, fold
from zerogravity.errors import internal

CALL = FunctionCall("call_1", "shell", '{"a":1}')
SIGNED = FunctionCall("call_1", "shell", "{}", "sig-own", "up-1")
SECOND = FunctionCall("call_2", "read", "{}")
A, B = ServerTool("a"), ServerTool("b")


def records(*events: Event, attempt_no: int = 0) -> list[Record]:
    return [Record(seq, seq, attempt_no, b"", (event,)) for seq, event in enumerate(events)]


def brief(item):
    match item:
        case Reasoning():
            return ("thinking", item.text, item.signature)
        case Message():
            return ("text", item.text, item.signature)
        case Call():
            return ("call", item.call_id, item.signature)
        case Media():
            return ("media", item.data, item.signature)


T, S = TextDelta, Signature
ITEMS = [
    ("deltas of a kind run together", (T("a"), T(""), T("b")), [("text", "ab", None)]),
    ("thinking then text", (ThinkingDelta("x"), T("a")), [("thinking", "x", None), ("text", "a", None)]),
    ("text around a call is two items", (T("a"), CALL, T("b")),
     [("text", "a", None), ("call", "call_1", None), ("text", "b", None)]),
    ("a blob stands alone", (T("a"), InlineData("image/png", "AA"), T("b")),
     [("text", "a", None), ("media", "AA", None), ("text", "b", None)]),
    ("empty deltas open nothing", (T(""), ThinkingDelta("")), []),
    ("a call's own signature", (SIGNED,), [("call", "call_1", "sig-own")]),
    ("text signature on its text", (T("a"), S("s", "text")), [("text", "a", "s")]),
    ("text signature after a blob", (InlineData("image/png", "AA"), S("s", "text")), [("media", "AA", "s")]),
    ("signature of an empty text after thinking", (ThinkingDelta("x"), S("s", "text")), [("thinking", "x", "s")]),
    ("thought signature on its thinking", (ThinkingDelta("x"), S("s", "thought"), T("a")),
     [("thinking", "x", "s"), ("text", "a", None)]),
    ("thought signature before its thinking (Claude)", (S("s", "thought"), ThinkingDelta("x"), CALL),
     [("thinking", "x", "s"), ("call", "call_1", None)]),
    ("two thoughts, each signed behind it", (
        ThinkingDelta("x"), S("s", "thought"), ThinkingDelta("y"), ThinkingDelta("z"), S("t", "thought"), CALL),
     [("thinking", "x", "s"), ("thinking", "yz", "t"), ("call", "call_1", None)]),
    ("two thoughts, each signed before it", (
        S("s", "thought"), ThinkingDelta("x"), ThinkingDelta("y"), S("t", "thought"), ThinkingDelta("z"), CALL),
     [("thinking", "xy", "s"), ("thinking", "z", "t"), ("call", "call_1", None)]),
    ("a thought signed before and behind", (S("s", "thought"), ThinkingDelta("x"), S("s", "thought"), CALL),
     [("thinking", "x", "s"), ("call", "call_1", None)]),
    ("thought signature without thinking goes to the call", (S("s", "thought"), CALL), [("call", "call_1", "s")]),
    ("alone before its call", (S("s", "alone"), CALL), [("call", "call_1", "s")]),
    ("alone after its call", (CALL, S("s", "alone")), [("call", "call_1", "s")]),
    ("alone after parallel calls: the first has it", (CALL, SECOND, S("s", "alone")),
     [("call", "call_1", "s"), ("call", "call_2", None)]),
    ("alone after a signed call waits for the next", (SIGNED, S("s", "alone"), SECOND),
     [("call", "call_1", "sig-own"), ("call", "call_2", "s")]),
    ("alone after text", (T("a"), S("s", "alone")), [("text", "a", "s")]),
    ("alone between text and its call", (T("a"), S("s", "alone"), CALL),
     [("text", "a", None), ("call", "call_1", "s")]),
    ("alone after text, then other text: it stays there", (T("a"), S("s", "alone"), ThinkingDelta("x"), CALL),
     [("text", "a", "s"), ("thinking", "x", None), ("call", "call_1", None)]),
    ("text signature of the next answer is not the closed thought's",
     (ThinkingDelta("x"), AttemptClosed("STOP"), AttemptOpened(), S("s", "text"), T("a")),
     [("thinking", "x", None), ("text", "a", None)]),
    ("alone after text, the call has its own", (T("a"), S("s", "alone"), SIGNED),
     [("text", "a", "s"), ("call", "call_1", "sig-own")]),
    ("one signature serves one call", (S("s", "alone"), CALL, SECOND),
     [("call", "call_1", "s"), ("call", "call_2", None)]),
    ("a signature does not survive its answer", (S("s", "alone"), AttemptClosed("STOP"), AttemptOpened(), CALL),
     [("call", "call_1", None)]),
    ("a further answer starts a new item",
     (ThinkingDelta("x"), AttemptClosed("STOP"), AttemptOpened(), ThinkingDelta("y")),
     [("thinking", "x", None), ("thinking", "y", None)]),
]  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), [row[1:] for row in ITEMS], ids=[row[0] for row in ITEMS])
def test_items(events, expected):
    assert [brief(item) for item in fold(records(AttemptOpened(), *events)).items] == expected


def test_a_call_keeps_everything_google_said():
    assert fold(records(SIGNED)).items == [Call(0, "call_1", "shell", "{}", "sig-own", "up-1")]


def test_a_call_knows_whether_its_signature_came_behind_it():
    late, early = fold(records(CALL, Signature("s", "alone"))), fold(records(Signature("s", "alone"), CALL))
    assert (late.items[0].late, early.items[0].late) == (True, False)


def test_the_state_knows_when_its_records_came():
    made = [Record(number, 5 + number, 0, b"", ()) for number in range(3)]
    assert (fold(made).began_ns, fold(made).ended_ns) == (5, 7)
    assert (fold([]).began_ns, fold([]).ended_ns) == (None, None)


def test_thinking_knows_the_calls_that_followed_it():
    state = fold(records(ThinkingDelta("x"), SIGNED, SECOND))
    assert state.items[0].carries is state.items[1]
    assert fold(records(ThinkingDelta("x"), SECOND, SIGNED)).items[0].carries is None


@pytest.mark.parametrize(
    ("events", "around"),
    [
        ([A, B, CALL], [(["a", "b"], [])]),
        ([A, TextDelta("x"), B, CALL, SECOND], [(["a", "b"], []), ([], [])]),
        ([CALL, A, SECOND, B], [([], ["a"]), ([], ["b"])]),
        ([A, CALL, TextDelta("x"), B], [(["a"], ["b"])]),
        ([A, AttemptOpened(), CALL, AttemptOpened(), B, SECOND], [([], []), (["b"], [])]),
        ([A, TextDelta("x")], []),
    ],
)
def test_what_googles_own_tools_did_stays_around_the_calls_of_its_answer(events, around):
    state = fold(records(*events))
    assert [(call.before, call.after) for call in state.function_calls] == around


def test_a_server_tool_ends_no_thinking_and_is_no_item():
    state = fold(records(ThinkingDelta("x"), A, ThinkingDelta("y"), SIGNED))
    assert [type(item).__name__ for item in state.items] == ["Reasoning", "Call"]
    assert state.items[0].carries is state.items[1]
    assert not fold(records(A)).emitted


def test_usage_is_the_last_of_each_call_added_up():
    first = [Record(0, 0, 0, b"", (Usage(5, candidates=1, total=6),)), Record(1, 0, 0, b"", (Usage(5, total=9),))]
    second = [Record(2, 0, 1, b"", (Usage(7, candidates=3, total=10),))]
    assert fold(first + second).usage == Usage(12, candidates=3, total=19)


def test_grounding_belongs_to_the_text_being_written():
    state = fold(records(TextDelta("a"), Grounding({"x": 1})))
    assert state.grounding == {"x": 1}
    assert state.items[0].grounding == {"x": 1}


def test_the_rest_of_the_state():
    state = fold(records(AttemptOpened("m-1"), Notice("odd", "a part"), AttemptClosed("MAX_TOKENS", "why")))
    assert (state.attempts, state.model) == (1, "m-1")
    assert (state.finish, state.finish_message) == ("MAX_TOKENS", "why")
    assert state.notices == [Notice("odd", "a part")]
    assert not state.emitted


def test_a_new_call_forgets_the_finish_of_the_last_but_not_the_model():
    state = fold(records(AttemptOpened("m-1"), AttemptClosed("STOP"), AttemptOpened()))
    assert (state.finish, state.model) == (None, "m-1")


@pytest.mark.parametrize(
    ("terminal", "cut"),
    [
        (Finished("stop"), False),
        (Finished("stop_sequence", "END"), False),
        (Finished("tool"), False),
        (Finished("length"), True),
        (Finished("filtered"), True),
        (Failed(internal("x")), True),
    ],
)
def test_what_was_growing_at_the_end_is_closed_as_cut(terminal, cut):
    assembler = Assembler()
    steps = [step for record in records(TextDelta("a"), terminal) for step in assembler.feed(record)]
    message = assembler.state.items[0]
    assert steps == [Opened(message), TextDelta("a"), Closed(message, cut), Ended(terminal)]
    assert message.cut == cut


# -- invariants ----------------------------------------------------------------------------------------------


@given(record_lists())
def test_steps_add_up_to_the_fold(records_):
    """Invariant 3: the deltas that were streamed are the finished objects."""
    assembler = Assembler()
    order, grown, closed, ended = [], {}, [], []
    for record in records_:
        for step in assembler.feed(record):
            assert not ended
            match step:
                case Opened(item):
                    assert len(order) == len(closed), "one item open at a time"
                    order.append(item)
                    grown[item.index] = []
                case TextDelta(delta) | ThinkingDelta(delta):
                    assert delta
                    assert isinstance(order[-1], Message if isinstance(step, TextDelta) else Reasoning)
                    grown[order[-1].index].append(delta)
                case Closed(item):
                    assert item is order[-1]
                    closed.append(item)
                case Ended(terminal):
                    ended.append(terminal)
    state = fold(records_)
    assert ended == [state.terminal]
    assert order == closed == state.items
    assert [item.index for item in state.items] == list(range(len(state.items)))
    for item in state.items:
        if isinstance(item, Message | Reasoning):
            assert "".join(grown[item.index]) == item.text != ""
        else:
            assert grown[item.index] == []


@given(record_lists())
def test_nothing_is_lost_or_invented(records_):
    state = fold(records_)
    events = [event for record in records_ for event in record.events]
    assert state.text == "".join(event.text for event in events if isinstance(event, TextDelta))
    assert state.thinking == "".join(event.text for event in events if isinstance(event, ThinkingDelta))
    calls = [event for event in events if isinstance(event, FunctionCall)]
    assert [(c.call_id, c.name, c.args_json) for c in state.function_calls] == [
        (c.call_id, c.name, c.args_json) for c in calls
    ]
    assert state.has_text == any(isinstance(item, Message) for item in state.items)
    assert state.has_thinking == any(isinstance(item, Reasoning) for item in state.items)
    assert state.has_calls == bool(calls)
    assert state.emitted == bool(state.items)
    sent = [event.data for event in events if isinstance(event, Signature)] + [c.signature for c in calls]
    for item in state.items:
        assert item.signature is None or item.signature in sent


@given(record_lists())
def test_a_prefix_folds_to_a_prefix(records_):
    """What has been shown is never taken back: items only grow and are only added."""
    whole = fold(records_)
    for end in range(len(records_)):
        part = fold(records_[:end])
        assert part.terminal is None
        for ours, final in zip(part.items, whole.items, strict=False):
            assert type(ours) is type(final)
            if isinstance(ours, Message | Reasoning):
                assert final.text.startswith(ours.text)


def test_every_kind_of_event_is_taken():
    assert Assembler._TAKE.keys() == set(get_args(Event))


def test_what_a_failed_round_brought_is_no_part_of_the_answer():
    events = (
        AttemptOpened(), ThinkingDelta("hm"), CALL, AttemptClosed("STOP"), RoundOpened("m"),
        AttemptOpened(), ThinkingDelta("so"), Grounding({"a": 1}), RoundOpened("other", "it was busy"),
        AttemptOpened(), T("yes"),
    )  # fmt: skip
    state = fold(records(*events))
    assert [brief(item) for item in state.items] == [
        ("thinking", "hm", None), ("call", "call_1", None), ("text", "yes", None),
    ]  # fmt: skip
    assert [item.index for item in state.items] == [0, 1, 2]
    assert (state.rounds, state.round.begins_at, state.round.attempts, state.attempts) == (3, 2, 1, 3)
    assert (state.has_thinking, state.has_calls, state.has_text, state.has_media) == (True, True, True, False)
    assert (state.grounding, state.served_by) == (None, "other")


def test_a_tool_is_known_by_its_newest_name_and_listed_once():
    """Another model may have other names for a server's tools; the old one can be the client's own there."""
    tools = ({"name": "f"},)
    made, steps = Assembler(), []
    for record in records(
        ToolsListed("s", tools, ("s.f",)), ToolsListed("t", tools, ("t.f",)), ToolsListed("s", tools, ("s.f_",)),
        *(FunctionCall(f"call_{name}", name, "{}") for name in ("s.f", "s.f_", "t.f")),
    ):  # fmt: skip
        steps += made.feed(record)
    assert [call.server for call in made.state.function_calls] == ["", "s", "t"]
    assert [(each.server, each.names) for each in made.state.listings] == [("s", ("s.f_",)), ("t", ("t.f",))]
    assert [step.listing.server for step in steps if isinstance(step, Listed)] == ["s", "t"]


def test_attempts_keep_who_was_asked_in_them():
    """Also those before the turn became another model's."""
    asked = [
        AttemptOpened(), RoundOpened("m", "it was busy"), AttemptOpened(), RoundOpened("other", "it was busy", "m"),
        AttemptOpened(), RoundOpened("third", "it was busy", "other"), AttemptOpened(),
    ]  # fmt: skip
    numbers = [0, -1, 1, -1, 2, -1, 3]
    state = fold(
        Record(seq, 0, number, b"", (event,)) for seq, (number, event) in enumerate(zip(numbers, asked, strict=True))
    )
    assert [attempt.asked for attempt in state.tried.values()] == ["m", "m", "other", "third"]


def test_nothing_is_shown_of_its_end():
    """Its thought was hidden, and closes without a step."""
    made = Assembler()
    (record,) = records(ThinkingDelta("hm"))
    made.feed(record)
    (record,) = records(RoundOpened("other", "it was busy"))
    assert made.feed(record) == []


def test_a_picture_keeps_its_own_signature() -> None:
    """As it has been shown with it."""
    state = fold(records(InlineData("image/png", "aa"), Signature("own", "text"), Signature("other", "text")))
    assert [item.signature for item in state.items] == ["own"]

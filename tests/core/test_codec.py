"""What trace files hold, and those of before."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from tests.strategies import faults, record_lists, served_lists
from zerogravity.core import codec
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    Record,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.turn import Details, Target
from zerogravity.errors import Fault, Origin, Termination, upstream
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.wire import jsonio

FAULT = upstream(429, "rate_limited", "wait", Termination.UPSTREAM_STATUS, details=({"a": 1},))
LINE = {
    "seq": 1, "t_ms": [1, 2], "call": 0, "span": [[0, 1], [1, 2]], "file": [[0, 1], [1, 2]],
    "events": [{"type": "TextDelta", "text": ["a", "b"]}],
}  # fmt: skip
TARGET = {"name": "gemini-3-flash", "ls_model": "M18"}
DETAILS = [
    ChatDetails(include_usage=True, reasoning=(), one_call=True, service_tier="default", metadata={"k": "v"}),
    GeminiDetails(alt="json", thoughts=False, fields={"candidates": {}}),
    ResponsesDetails(
        echo={"metadata": {"k": "v"}, "tools": []}, include=("reasoning.encrypted_content",), compacts=True,
        namespaces={"crm.find": {"namespace": "crm", "name": "find"}},
        input=({"id": "msg_1"},), users=({"id": "msg_0"},),
        system=("S",), tools=({"type": "function"},), dialogue=({"role": "user"},),
    ),
]  # fmt: skip


@pytest.mark.parametrize("details", DETAILS, ids=lambda details: type(details).__name__)
def test_a_turn_comes_back_from_its_file(make_turn, details: Details) -> None:
    turn = make_turn(
        details=details, tool_names={"f_": "f"}, notes=("n",), stream=True, conversation="-42", run="k3f9",
        stops=("END", "\n\n"), at_once=True,
    )  # fmt: skip
    read = codec.turn_in(jsonio.loads(jsonio.dumps(codec.turn_out(turn))), turn.google_request)
    assert read.details_as(type(details)) == details
    assert (read.id, read.target, read.tool_names, read.notes, read.stream, read.conversation, read.run) == (
        turn.id, turn.target, turn.tool_names, turn.notes, True, "-42", "k3f9",
    )  # fmt: skip
    assert (read.stops, read.at_once) == (("END", "\n\n"), True)


@pytest.mark.parametrize(
    ("surface", "written", "details"),
    [
        (
            "chat",
            {"echo": {"include_usage": True, "reasoning": [], "legacy": False, "one_call": True,
                      "service_tier": "default"}, "metadata": {"k": "v"}},
            DETAILS[0],
        ),
        ("gemini", {"echo": {"alt": "json", "thoughts": False, "fields": {"candidates": {}}}}, DETAILS[1]),
        ("gemini", {"echo": {"alt": "sse", "thoughts": True}, "metadata": {}}, GeminiDetails()),
        (
            "responses",
            {
                "echo": {"metadata": {"k": "v"}, "tools": []},
                "metadata": {
                    "include": ["reasoning.encrypted_content"], "compacts": True, "input": [{"id": "msg_1"}],
                    "namespaces": {"crm.find": {"namespace": "crm", "name": "find"}}, "users": [{"id": "msg_0"}],
                    "system": ["S"], "tools": [{"type": "function"}], "dialogue": [{"role": "user"}],
                },
            },
            DETAILS[2],
        ),
    ],
)  # fmt: skip
def test_a_turn_of_before_is_read(surface: str, written: dict[str, object], details: Details) -> None:
    """Once a turn held ``echo`` and ``metadata``."""
    file = {"id": "turn_1", "surface": surface, "model": "m", "target": TARGET, "notes": [], **written}
    read = codec.turn_in(json.loads(json.dumps(file)), {"contents": []})
    assert read.target == Target("gemini-3-flash", "M18")
    assert (read.stops, read.at_once) == ((), False)
    assert read.details_as(type(details)) == details


@pytest.mark.parametrize(
    ("event", "written"),
    [
        (TextDelta("a"), {"type": "TextDelta", "text": "a"}),
        (AttemptOpened(), {"type": "AttemptOpened"}),
        (AttemptClosed("STOP"), {"type": "AttemptClosed", "finish": "STOP"}),
        (Finished("stop"), {"type": "Finished", "reason": "stop"}),
    ],
)
def test_an_event_and_its_line(event, written) -> None:
    assert codec.event_out(event) == written
    assert codec.event_in(written) == event


def test_names_of_before_are_read() -> None:
    fault = codec.fault_out(FAULT)
    before = {"guilt": fault.pop("origin"), "heals": fault.pop("retryable"), **fault}
    assert codec.event_in({"type": "Failed", "fault": before}) == Failed(FAULT)
    assert codec.event_in({"type": "CallOpened", "status": 503}) == AttemptOpened(status=503)
    assert FAULT.origin is Origin.UPSTREAM


def test_a_record_comes_back_with_its_bytes() -> None:
    record = Record(3, 2_500_000, 1, b"data", (TextDelta("a"), Finished("stop")), (10, 14))
    line = codec.record_out(record, 500_000, (0, 4))
    assert (line["t_ms"], line["file"]) == (2.0, (0, 4))
    assert codec.record_in(jsonio.loads(jsonio.dumps(line)), b"data") == Record(
        3, 2_000_000, 1, b"data", record.events, (10, 14)
    )


@pytest.mark.parametrize(
    ("record", "written"),
    [
        (Record(1, 1_500_000, 0, b"", (TextDelta('a "\n\u2028\ud800'),), (2, 3)),
         b'{"seq":1,"t_ms":1.5,"call":0,"span":[2,3],"file":[4,5],"events":'
         b'[{"type":"TextDelta","text":"a \\"\\n\xe2\x80\xa8\xef\xbf\xbd"}]}'),
        (Record(2**70, 1, -1, b"", (ThinkingDelta(""), Usage(prompt=1))),
         b'{"seq":1180591620717411303424,"t_ms":1e-6,"call":-1,"span":[0,0],"file":[4,5],"events":'
         b'[{"type":"ThinkingDelta","text":""},{"type":"Usage","prompt":1}]}'),
    ],
)  # fmt: skip
def test_a_record_and_the_bytes_of_its_line(record: Record, written: bytes) -> None:
    assert jsonio.dumps(codec.record_out(record, 0, (4, 5))) == written


@given(record_lists() | served_lists())
def test_any_records_come_back(records: list[Record]) -> None:
    for record in records:
        line = json.loads(json.dumps(codec.record_out(record, record.t_ns, (0, 0))))
        assert codec.record_in(line, record.data) == replace(record, t_ns=0)


def said(seq: int, *events: Event, call: int = 0, data: bytes = b"{}") -> Record:
    return Record(seq, seq * 1000, call, data, events, (seq * 10, seq * 10 + 10))


A, T, U = TextDelta("a"), ThinkingDelta("t"), Usage(prompt=1)


@pytest.mark.parametrize(
    ("records", "sizes"),
    [
        ([], []),
        ([said(0, A)], [1]),
        ([said(0, A), said(1, A), said(2, A)], [3]),
        ([said(0, A, U), said(1, A, U)], [2]),
        ([said(0, A), said(1, A, U), said(2, A, U)], [1, 2]),  # usage has come
        ([said(0, T), said(1, T), said(2, A), said(3, A)], [2, 2]),  # thinking is over
        ([said(0, AttemptOpened()), said(1, A), said(2, A), said(3, Finished("stop"))], [1, 2, 1]),
        ([said(0, Finished("stop")), said(1, Finished("stop"))], [1, 1]),  # no kind of which there are many
        ([said(0, A), said(1, A, call=1), said(2, A)], [1, 1, 1]),  # each of another call
        ([said(0, A, data=b""), said(1, A, data=b"")], [1, 1]),  # polled: nothing of Google's
        ([said(0), said(1)], [1, 1]),
    ],
)
def test_what_is_alike_in_a_row_is_a_group(records: list[Record], sizes: list[int]) -> None:
    made = list(codec.groups(records))
    assert [len(group) for group in made] == sizes
    assert [record for group in made for record in group] == records


def test_a_group_and_the_bytes_of_its_line() -> None:
    group = [said(7, A, Usage(total=3)), said(8, TextDelta("b"), Usage(total=4))]
    assert jsonio.dumps(codec.group_out(group, 6000, [(0, 12), (12, 24)])) == (
        b'{"seq":7,"t_ms":[0.001,0.002],"call":0,"span":[[70,80],[80,90]],"file":[[0,12],[12,24]],"events":'
        b'[{"type":"TextDelta","text":["a","b"]},{"type":"Usage","total":[3,4]}]}'
    )


@given(record_lists() | served_lists())
def test_any_groups_come_back(records: list[Record]) -> None:
    places = [(number, number + 1) for number in range(len(records))]
    payloads = [record.data for record in records]
    made: list[Record] = []
    for group in codec.groups(records):
        here, origin = places[len(made) : len(made) + len(group)], group[0].t_ns
        line = codec.group_out(group, origin, here) if len(group) > 1 else codec.record_out(group[0], origin, here[0])
        told = codec.records_in(json.loads(jsonio.dumps(line)), lambda start, end: b"".join(payloads[start:end]))
        made += (replace(record, t_ns=record.t_ns + origin) for record in told)
    assert made == records


@given(faults())
def test_any_fault_comes_back(fault: Fault) -> None:
    assert codec.fault_in(json.loads(json.dumps(codec.fault_out(fault)))) == fault


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (codec.event_in, {"type": "Elephant"}),
        (codec.event_in, {}),
        (codec.event_in, {"type": "TextDelta"}),
        (codec.event_in, {"type": "TextDelta", "words": "a"}),
        (codec.event_in, {"type": "TextDelta", "text": "x", "more": 1}),
        (codec.event_in, {"type": "Failed"}),
        (codec.event_in, {"type": "Failed", "fault": {"origin": "nobody"}}),
        (codec.fault_in, {"status": 400}),
        (lambda value: codec.record_in(value, b""), {"seq": 1}),
        (lambda value: codec.record_in(value, b""), {"seq": 1, "t_ms": 1, "call": 0, "span": [0, 1], "events": [""]}),
        *((lambda value: codec.records_in(value, lambda start, end: b""), {**LINE, **odd}) for odd in (
            {"t_ms": None}, {"t_ms": [1, 2, 3]}, {"t_ms": [1]},
            {"events": [{"type": "TextDelta", "text": "ab"}]}, {"t_ms": 1}, {"t_ms": [[], []]}, {"seq": "one"},
            {"t_ms": [1e999, 1]}, {"span": [[0, 1]]},
            {"span": [1, 2]}, {"file": [[0, 1], [1]]}, {"file": 3}, {"events": [{"type": "TextDelta"}]},
            {"events": [{"type": "TextDelta", "text": ["a"]}]}, {"events": [{"type": "Elephant", "text": ["a", "b"]}]},
            {"events": [{"text": ["a", "b"]}]}, {"events": ["TextDelta"]}, {"events": [{}]}, {"events": None},
        )),
        (lambda value: codec.turn_in(value, {}), {"id": "turn_1"}),
    ],
)  # fmt: skip
def test_values_of_an_unknown_form_are_refused(read, value) -> None:
    with pytest.raises(ValueError, match=r"unknown|not a"):
        read(value)


@given(record_lists())
def test_events_are_the_same_after_a_round_through_json(records) -> None:
    for record in records:
        line = json.loads(json.dumps(codec.record_out(record, 0, (0, 0))))
        assert codec.record_in(line, record.data) == record

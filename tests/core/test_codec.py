"""Events, faults, records and turns as JSON, and back; what an older version wrote is read, what is none is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from tests.strategies import faults, record_lists
from zerogravity.core import codec
from zerogravity.core.events import AttemptOpened, Failed, Record, RequestLine, TextDelta
from zerogravity.errors import internal
from zerogravity.testing import builders


@given(record_lists())
def test_any_records_come_back(records: list[Record]) -> None:
    for record in records:
        written = json.loads(json.dumps(codec.record_out(record, record.t_ns, (3, 9))))
        assert codec.record_in(written, record.data) == replace(record, t_ns=0)
        assert written["file"] == [3, 9]


@given(faults())
def test_any_fault_comes_back(fault: Any) -> None:
    assert codec.fault_in(json.loads(json.dumps(codec.fault_out(fault)))) == fault


def test_a_turn_comes_back() -> None:
    turn = builders.turn(notes=("a", "b"), echo={"x": (1, 2)}, tool_names={"a": "b"}, stream=True, owner="me")
    written = json.loads(json.dumps(codec.turn_out(turn)))
    assert codec.turn_in(written, turn.google_request) == replace(turn, echo={"x": [1, 2]}, owner="")


def test_members_at_their_default_are_not_written() -> None:
    assert codec.event_out(AttemptOpened()) == {"type": "AttemptOpened"}
    assert codec.event_out(TextDelta("a")) == {"type": "TextDelta", "text": "a"}


def test_names_of_before_are_read() -> None:
    assert codec.event_in({"type": "CallOpened"}) == AttemptOpened()
    fault = codec.fault_out(internal("x"))
    before = {{"origin": "guilt", "retryable": "heals"}.get(name, name): value for name, value in fault.items()}
    assert codec.event_in({"type": "Failed", "fault": before}) == Failed(internal("x"))


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ({"method": "POST", "url": "u", "http_version": "HTTP/1.1"}, RequestLine("POST", "u", "HTTP/1.1")),
        ({}, RequestLine("", "", "")),
    ],
)
def test_request_lines(line: dict[str, str], made: RequestLine) -> None:
    assert codec.line_in(line) == made
    assert codec.line_out(made) == {"method": "", "url": "", "http_version": "", **line}


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (lambda: codec.event_in({}), "unknown kind of event"),
        (lambda: codec.event_in({"type": "Novelty"}), "unknown kind of event: 'Novelty'"),
        (lambda: codec.event_in({"type": "TextDelta", "words": "a"}), "not a TextDelta"),
        (lambda: codec.event_in({"type": "Failed"}), "not a fault"),
        (lambda: codec.fault_in({"origin": "nobody"}), "nobody"),
        (lambda: codec.record_in({}, b""), "not a record"),
        (lambda: codec.record_in({"seq": 0, "t_ms": 0, "call": 0, "span": None, "events": []}, b""), "not a record"),
        (lambda: codec.turn_in({}, {}), "not a turn"),
    ],
)
def test_what_is_none_is_refused(read: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read()

"""What readers of a turn share: the items of an answer for people, lines of ``emitted.jsonl``, a copy of a channel."""

from __future__ import annotations

import pytest

from tests.strategies import CALL_ERRORS, LISTINGS
from zerogravity.core.events import (
    CallReturned,
    FunctionCall,
    InlineData,
    Record,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.fold import fold
from zerogravity.observe.source import INDENTED, ChannelCopy, Emitted, ShownItem, indented, shown_items

DEEP = "[" * 20_000 + "]" * 20_000
LONG = '{"a":"' + "x" * INDENTED + '"}'


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ((ThinkingDelta("h"), ThinkingDelta("m")), ShownItem("thinking", "hm", signed=False)),
        ((TextDelta("Hi"), Signature("sig", "text")), ShownItem("text", "Hi", signed=True)),
        ((FunctionCall("call_1", "f_sh", '{"a":1}', "sig"),),
         ShownItem("call", '{\n  "a": 1\n}', signed=True, name="shell", call_id="call_1")),
        ((FunctionCall("call_2", "g", "{broken"),), ShownItem("call", "{broken", False, "g", "call_2")),
        ((LISTINGS[0], FunctionCall("call_3", "docs.find", "{}")),
         ShownItem("call", "{}", False, "docs.find", "call_3", server="docs")),
        ((LISTINGS[0], FunctionCall("call_3", "docs.find", "{}"), CallReturned("call_3", "busy", CALL_ERRORS[2])),
         ShownItem("call", "{}", False, "docs.find", "call_3", server="docs", result="busy", failed=True)),
        ((InlineData("image/png", "AAAA"),), ShownItem("media", "image/png, 3 bytes", False, mime="image/png", size=3)),
    ],
)  # fmt: skip
def test_an_item_for_people(events, shown):
    assert shown_items(fold([Record(0, 0, 0, b"", events)]).items, {"f_sh": "shell"}) == [shown]


@pytest.mark.parametrize(
    ("given", "shown"),
    [('{"a":[1.10]}', '{\n  "a": [\n    1.10\n  ]\n}'), ("", ""), ("x", "x"), (DEEP, DEEP), (LONG, LONG)],
    ids=["json", "nothing", "text", "deep", "long"],
)
def test_json_is_indented_where_it_can_be(given, shown):
    assert indented(given) == shown


@pytest.mark.parametrize(
    ("emitted", "line", "text"),
    [
        (Emitted(-1, 0.5, "data: x\n\n"), {"seq": 0, "t_ms": 0.5, "frame": "data: x\n\n"}, "data: x\n\n"),
        (Emitted(2, 1.0, None, 200, {"a": "b"}, {"c": 1}),
         {"seq": 2, "t_ms": 1.0, "status": 200, "headers": {"a": "b"}, "body": {"c": 1}}, '{"c":1}'),
    ],
)  # fmt: skip
def test_a_line_of_what_the_client_got(emitted, line, text):
    assert emitted.as_json() == line
    assert emitted.text == text


def test_a_copy_keeps_the_times_of_its_records(make_turn):
    copy = ChannelCopy(make_turn())
    records = [Record(n, n * 500, 0, b"", (TextDelta(str(n)),)) for n in range(3)]
    assert [copy.add(record) for record in records] == list(copy.channel.records)
    assert [record.t_ns for record in copy.channel.records] == [0, 500, 1000]

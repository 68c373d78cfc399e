"""What the page shows of a channel: states, lanes, rows. And the bodies that are kept."""

from __future__ import annotations

import pytest

from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    RequestLine,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.turn import Target
from zerogravity.errors import internal
from zerogravity.observe.inspector import conversation, rows
from zerogravity.observe.inspector.bodies import Bodies
from zerogravity.surfaces import REGISTRY


def state(scene, channel, answered=()):
    """(words, seconds since)"""
    words, since = rows.activity(channel, scene.store.clock(), answered, REGISTRY)
    return words, (scene.store.clock() - since) / 1e9


@pytest.mark.parametrize(
    ("to", "words"),
    [("queued", "queued"), ("admitted", "starting cascade"), ("told", "waiting for LS"), ("matched", "matched")],
)
def test_states_before_the_first_byte(scene, to, words):
    channel = scene.open(to=to)
    scene.advance(3)
    assert state(scene, channel) == (words, 3)


def test_states_of_an_answer(scene):
    channel = scene.open()
    scene.advance(1)
    scene.begin(channel)
    assert state(scene, channel) == ("first byte", 0)
    for step, words in ((scene.think, "thinking"), (scene.text, "text")):
        scene.advance(1)
        step(channel, "x")
        scene.advance(2)
        assert state(scene, channel) == (words, 2)
    scene.call(channel)
    scene.advance(4)
    assert state(scene, channel) == ("tool wait", 4)
    scene.advance(7)
    assert state(scene, channel) == ("stalled", 11)
    scene.text(channel, "on")
    scene.say(channel, None, AttemptClosed("STOP"))
    scene.advance(5)
    assert state(scene, channel) == ("waiting for LS", 5)
    scene.inside(channel).attempt_sent(RequestLine("POST", "https://x.example", "HTTP/1.1"))
    assert state(scene, channel)[0] == "text"
    scene.fail(channel)
    scene.advance(100)
    assert state(scene, channel) == ("failed", 100)


def test_a_turn_that_only_got_matched_can_stall(scene):
    channel = scene.open()
    scene.advance(10.5)
    assert state(scene, channel) == ("stalled", 10.5)
    early = scene.open(to="told")
    scene.advance(60)
    assert state(scene, early) == ("waiting for LS", 60)


def tool_turn(scene, surface="chat", family="gemini-3-flash", upstream_id=None):
    channel = scene.open(surface=surface, target=Target("m", "M", family=family))
    scene.begin(channel)
    scene.say(channel, {"text": ""}, FunctionCall("call_1", "f", "{}", None, upstream_id))
    scene.end(channel, "tool")
    scene.advance(5)
    return channel


@pytest.mark.parametrize(
    ("surface", "family", "upstream_id", "answered", "words"),
    [
        ("chat", "gemini-3-flash", None, (), "tool wait"),
        ("chat", "gemini-3-flash", None, ("call_1",), "done"),
        ("chat", "gemini-3-flash", "up_1", ("up_1",), "done"),
        ("chat", "gemini-3-flash", "up_1", ("other",), "tool wait"),
        ("gemini", "gemini-3-flash", "up_1", (), "tool wait"),
        ("gemini", "gemini-3-flash", None, (), "done"),  # the client could not name the call
        ("chat", "gemini-2.5-flash", None, (), "done"),  # nor can it here
    ],
)
def test_after_calls_the_client_is_at_work_until_it_brings_results(
    scene, surface, family, upstream_id, answered, words
):
    channel = tool_turn(scene, surface, family, upstream_id)
    assert state(scene, channel, answered) == (words, 5)


def test_nobody_works_at_tools_for_ever(scene):
    channel = tool_turn(scene)
    scene.advance(rows.TOOLS_NS / 1e9)
    assert state(scene, channel)[0] == "done"


def test_results_are_named_by_their_ids(scene):
    part = {"functionResponse": {"id": "call_1", "name": "f", "response": {}}}
    other = {"functionResponse": {"name": "g", "response": {}}}
    turn = scene.turn(google_request={"contents": [{"role": "user", "parts": [part, other, {"text": "and"}]}]})
    assert rows.results(turn) == {"call_1"}


@pytest.mark.parametrize(
    ("generate", "text"),
    [
        ({}, ""),
        ({"contents": "x"}, ""),
        ({"contents": [{"parts": [{"text": "  a \n b "}]}]}, "a b"),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}, "a"),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "user", "parts": [{"x": 1}]}]}, "a"),
        ({"contents": [None, {"role": "user", "parts": [None, {"text": 7}, {"text": "w" * 500}]}]}, "w" * rows.PREVIEW),
    ],
)
def test_what_was_asked(scene, generate, text):
    channel = scene.store.open(scene.turn(google_request=generate)).channel
    assert rows.summary(channel, 0)["asked"] == text


def test_what_was_asked_is_looked_for_once(scene, monkeypatch):
    channel = scene.store.open(scene.turn()).channel
    first = rows.summary(channel, 0)["asked"]
    monkeypatch.setattr(rows, "asked", lambda _: "once more")
    assert rows.summary(channel, 1)["asked"] == first


def test_lanes_runs_ticks_and_gaps(scene):
    channel = scene.open()
    scene.advance(1)
    scene.begin(channel)
    scene.advance(1)
    scene.think(channel, "a")
    scene.advance(1)
    scene.think(channel, "b")
    scene.advance(3)
    scene.text(channel, "c")
    scene.call(channel, "run")
    scene.say(channel, None, AttemptClosed("STOP"))
    scene.advance(2.5)
    scene.say(channel, None, AttemptOpened(), call=1)
    scene.say(channel, {"text": "d"}, TextDelta("d"), call=1)
    time = rows.timeline(channel)
    first, second = time["lanes"]
    assert (first["call"], first["open"], first["close"]) == (0, 1000, 6000)
    assert first["runs"] == [["thinking", 2000, 3000], ["text", 6000, 6000]]
    assert first["ticks"] == [[6000, "run"]]
    assert (second["open"], second["close"], second["runs"]) == (8500, None, [["text", 8500, 8500]])
    assert time["gaps"] == [(3000, 6000), (6000, 8500)]
    assert time["marks"]["first_thinking"] == 2000


@pytest.mark.parametrize(
    ("event", "brief"),
    [
        (TextDelta("a\nb"), "a\nb"),
        (ThinkingDelta("t"), "t"),
        (FunctionCall("c", "f", '{"a":1}'), 'f({"a":1})'),
        (InlineData("image/png", "AAAA"), "image/png, 3 bytes"),
        (Usage(1, 2, 3, 4), "1 in, 2 cached, 4 thinking, 3 out"),
        (Notice("dropped", "why"), "dropped: why"),
        (AttemptOpened("m"), "200 m"),
        (AttemptOpened(), "200"),
        (AttemptClosed("STOP"), "STOP"),
        (AttemptClosed(None), "no finish reason"),
        (AttemptClosed("SAFETY", "because"), "SAFETY because"),
        (Finished("filtered", "SAFETY"), "filtered SAFETY"),
        (Failed(internal("bug")), "internal: bug"),
        (Signature("c2ln", "alone"), "signature of alone"),
        (Grounding({}), "grounding"),
        (ServerTool('{"toolCall": {}}'), '{"toolCall": {}}'),
    ],
)
def test_every_event_in_a_few_words(event, brief):
    row = next(rows.record_rows([Record(0, 5, 0, b"{}", (event,))], 0, 1, 0))
    assert row["brief"] == brief
    assert row["kinds"] == [type(event).__name__]
    assert rows.events_out(Record(0, 5, 0, b"{}", (event,)))[0]["type"] == type(event).__name__


def test_very_long_texts_are_cut_and_say_so(scene):
    channel = scene.open()
    scene.text(channel, "x" * (rows.TEXT + 5))
    item = rows.details(channel)["items"][0]
    assert (len(item["text"]), item["cut"]) == (rows.TEXT, 5)


# -- what was asked ------------------------------------------------------------------------------------------------


def test_calls_are_paired_with_their_results(scene):
    def call(name, call_id=None):
        return {"functionCall": {"name": name, "args": {"n": 1}, **({"id": call_id} if call_id else {})}}

    def result(name, value, call_id=None):
        return {"functionResponse": {"name": name, "response": value, **({"id": call_id} if call_id else {})}}

    generate = {
        "systemInstruction": {"parts": [{"text": "be good"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "go"}, {"inlineData": {"mimeType": "image/png", "data": "A" * 8}}]},
            {"role": "model", "parts": [{"text": "hm", "thought": True}, call("f", "1"), call("f", "2"), call("g")]},
            {"role": "user", "parts": [result("f", {"r": 2}, "2"), result("f", {"r": 1}, "1"), result("g", {"r": 3}),
                                       result("h", {"r": 4}), {"executableCode": {"code": "1"}}]},
        ],
    }  # fmt: skip
    lines = conversation.conversation(scene.turn(google_request=generate, tool_names={"f": "F"}))
    told = [(line["role"], line["kind"], line.get("name"), line.get("result")) for line in lines]
    assert told == [
        ("system", "text", None, None),
        ("user", "text", None, None),
        ("user", "media", None, None),
        ("model", "thinking", None, None),
        ("model", "call", "F", '{"r":1}'),
        ("model", "call", "F", '{"r":2}'),
        ("model", "call", "g", '{"r":3}'),
        ("user", "result", "h", None),
        ("user", "other", None, None),
    ]
    assert lines[2]["size"] == 6
    assert lines[4]["arguments"] == '{"n":1}'


SCHEMA = {"type": "object", "$schema": "x"}
AFTER = {"type": "object"}


@pytest.mark.parametrize(
    "request_",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]},
        {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}]},
        {"tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": SCHEMA}]}]},
    ],
)
def test_tools_before_and_after(scene, request_):
    declared = {"name": "f_", "description": "does", "parametersJsonSchema": AFTER}
    generate = {"tools": [{"functionDeclarations": [declared, {"name": "new"}]}, {"googleSearch": {}}]}
    turn = scene.turn(google_request=generate, tool_names={"f_": "f"})
    assert conversation.tools(turn, request_) == [
        {"name": "f", "description": "does", "before": SCHEMA, "after": AFTER},
        {"name": "new", "description": "", "before": None, "after": None},
        {"name": "googleSearch", "description": "served by Google", "before": None, "after": {}},
    ]


@pytest.mark.parametrize("request_", [None, [], "x", {"tools": "x"}, {"tools": [None, 7, {"function": 7}]}])
def test_requests_that_hold_no_tools(scene, request_):
    turn = scene.turn(google_request={"tools": [{"functionDeclarations": [{"name": "f"}]}]})
    assert conversation.tools(turn, request_) == [{"name": "f", "description": "", "before": None, "after": None}]
    assert conversation.tools(scene.turn(google_request={}), request_) == []


# -- bodies --------------------------------------------------------------------------------------------------------


def test_the_oldest_bodies_are_forgotten_first_by_number():
    bodies = Bodies(max_turns=2)
    for name in "abc":
        bodies.client_request(name, b"1")
    assert [bodies.get(name) is not None for name in "abc"] == [False, True, True]


def test_and_by_bytes_but_never_the_newest():
    bodies = Bodies(max_bytes=10)
    bodies.client_request("a", b"123456")
    bodies.client_request("a", b"12")  # again: counts once
    bodies.upstream_request("a", b"12", b"12")
    bodies.client_request("b", b"1234")
    assert bodies.get("a") is not None
    bodies.upstream_request("b", b"1", b"")
    assert bodies.get("a") is None
    bodies.upstream_request("c", b"1" * 50, b"2" * 50)
    kept = bodies.get("c")
    assert kept is not None
    assert kept.upstream == [(b"1" * 50, b"2" * 50)]
    assert bodies.get("b") is None

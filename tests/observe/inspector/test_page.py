"""What the page shows of a turn: lanes, events in a few words, long texts."""

from __future__ import annotations

from types import SimpleNamespace

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
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.errors import internal
from zerogravity.observe.inspector import page
from zerogravity.observe.inspector.conversation import TEXT
from zerogravity.observe.replica import Replica


def source(event):
    return SimpleNamespace(
        records=[Record(0, 5, 0, b"{}", (event,))], channel=SimpleNamespace(marks={"received": 0}), frames=[]
    )


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
    time = page.timeline(channel)
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
    row = page.events(source(event), 0, 1)["rows"][0]
    assert row["brief"] == brief
    assert row["kinds"] == [type(event).__name__]
    assert page.event(source(event), 0)["record"]["events"][0]["type"] == type(event).__name__


def test_very_long_texts_are_cut_and_say_so(scene):
    channel = scene.open()
    scene.text(channel, "x" * (TEXT + 5))
    copy = Replica(channel, channel.records, None, b"")
    assert len(list(copy.grow())) == 1
    item = page.details(copy)["items"][0]
    assert (len(item["text"]), item["cut"]) == (TEXT, 5)

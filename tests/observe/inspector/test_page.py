"""What the page shows of a turn: lanes, events in a few words, long texts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
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
        (RoundOpened("m"), "now m"),
        (RoundOpened("m", "it was busy", "other"), "now m · it was busy"),
        (ToolsListed("docs", ({"name": "find"},), ("docs.find",), ("docs.find",)), "docs: 1 tools"),
        (ToolsListed("docs", error="it cannot be reached"), "docs: it cannot be reached"),
        (CallReturned("c", "found"), "found"),
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


def copied(channel):
    copy = Replica(channel, channel.records, None, b"")
    list(copy.grow())
    return copy


def said(*roles):
    return {"contents": [{"role": role, "parts": [{"text": f"{role} {n}"}]} for n, role in enumerate(roles)]}


@pytest.mark.parametrize(
    ("start", "first", "shown"),
    [(0, 0, 5), (3, 3, 2), (9, 9, 0), (-1, 4, 1), (-2, 3, 2), (-4, 3, 2), (-99, 3, 2)],  # the last two are new
)
def test_a_page_of_the_conversation(scene, start, first, shown):
    channel = scene.open(google_request=said("user", "model", "user", "model", "user"))
    found = page.messages(copied(channel), start, 5)
    assert (found["total"], found["earlier"], found["from"], len(found["rows"])) == (5, 3, first, shown)
    assert all(row["blocks"] for row in found["rows"])


@pytest.mark.parametrize("part", [page.events, page.frames])
def test_pages_are_counted_from_the_end_too(scene, part):
    copy = copied(scene.whole("one two three"))
    assert part(copy, -2, 5)["from"] == max(0, part(copy, 0, 5)["total"] - 2)
    assert part(copy, -99, 5)["from"] == 0


def test_items_get_their_blocks_when_they_are_whole(scene):
    channel = scene.open()
    scene.begin(channel)
    scene.text(channel, "**a**")
    assert "blocks" not in page.details(copied(channel))["items"][0]
    scene.call(channel)
    assert page.details(copied(channel))["items"][1]["blocks"][0]["kind"] == "code"
    scene.say(channel, {"text": ""}, InlineData("image/png", "AAAA"))
    scene.end(channel)
    text, _, picture = page.details(copied(channel))["items"]
    assert text["blocks"][0]["marked"]
    assert picture["blocks"][0]["src"] == "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("stream", "spoken", "end", "status"),
    [
        (True, False, None, None),
        (True, True, None, 200),
        (False, True, None, None),
        (True, True, "stop", 200),
        (False, True, "stop", 200),
        (True, False, "fail", 502),
        (True, True, "fail", 200),  # its headers had gone out
        (False, True, "fail", 502),
    ],
)
def test_the_status_that_the_client_got(scene, stream, spoken, end, status):
    channel = scene.open(stream=stream)
    scene.begin(channel)
    if spoken:
        scene.text(channel, "a")
    if end:
        scene.fail(channel) if end == "fail" else scene.end(channel, end)
    assert page.details(copied(channel))["http"] == {"client": status, "google": [200]}


def test_when_something_came_last(scene):
    channel = scene.open()
    assert page.timeline(channel)["last"] == 0
    scene.begin(channel)
    scene.advance(2)
    scene.text(channel, "a")
    scene.advance(5)
    assert page.timeline(channel)["last"] == 2000

"""A turn that has just been written: its entry from memory is the one from its folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recording import CHUNK, WALL
from tests.strategies import record_lists, served_lists
from zerogravity.core.channel import CascadeChannel, ChannelWriter
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Notice,
    RoundOpened,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
)
from zerogravity.core.fold import Call
from zerogravity.errors import upstream
from zerogravity.observe import trace_folders, turn_texts
from zerogravity.observe.indexing import entry
from zerogravity.observe.trace_reader import Trace, load
from zerogravity.observe.trace_writer import TurnWriter
from zerogravity.observe.turn_texts import Said
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

SECRET = "sk-abcdefgh1234567890"
FAILED = Failed(upstream(429, "rate", "slow down", upstream_status=429))
SAYS = (AttemptOpened(), ThinkingDelta("hm"), ThinkingDelta(" hm"), TextDelta("Hel"), TextDelta("lo"))
CALLS = (FunctionCall("call_1", "f_sh", '{"cmd": "ls"}', "c2ln", "google_1"), FunctionCall("call_2", "f_sh", "{}"))
SERVED = (ToolsListed("docs", ({"name": "find"},), ("docs.find",)), AttemptOpened(),
          FunctionCall("call_1", "docs.find", "{}"), AttemptClosed("STOP"), CallReturned("call_1", "a result"),
          RoundOpened("gemini-3-flash"), AttemptOpened(), TextDelta("Found."))  # fmt: skip
WITHDRAWN = (*SAYS, AttemptClosed("OTHER"), RoundOpened("other", why="it was busy"), AttemptOpened(), TextDelta("new"))
KNOWN: dict[str, tuple[Event, ...]] = {
    "text": SAYS,
    "nothing": (),
    "calls": (*SAYS, *CALLS, Finished("tool")),
    "calls that were run here": SERVED,
    "calls that were run here in vain": (*SERVED[:4], CallReturned("call_1", error={"type": "http_error"}), FAILED),
    "a picture": (AttemptOpened(), InlineData("image/png", "AAAA"), TextDelta("a cat")),
    "a failure": (*SAYS, FAILED),
    "a failure at once": (FAILED,),
    "an attempt that was made again": (*SAYS, AttemptClosed(None, broken="cut"), AttemptOpened(), TextDelta("again")),
    "a round that was made again": WITHDRAWN,
    "a text that ended early": (*SAYS, Finished("length")),
    "text that is no JSON's": (TextDelta("a\0b\u2028\r\n\U0001f600"),),
}
READ: dict[str, tuple[Event, ...]] = {
    "a secret in a text": (TextDelta(f"it is {SECRET}!"),),
    "a secret in a thought": (ThinkingDelta(SECRET), TextDelta("x")),
    "a secret in arguments": (FunctionCall("call_1", "f", json.dumps({"key": SECRET})), Finished("tool")),
    "a secret in a name": (FunctionCall("call_1", SECRET, "{}"), Finished("tool")),
    "a secret in a result": (*SERVED[:4], CallReturned("call_1", SECRET), Finished("stop")),
    "a secret in several texts": (TextDelta("it is sk-abc"), TextDelta("defgh1234"), TextDelta("567890 yes")),
    "a secret in several thoughts": (ThinkingDelta("sk-abc"), Notice("odd", ""), ThinkingDelta("defgh1234567890")),
}


def written(root: Path, channel: CascadeChannel) -> tuple[Trace, Said | None]:
    """The turn as the recorder writes it, and what it tells of the answer."""
    folder = trace_folders.create(root, channel.id, WALL)
    writer = TurnWriter(folder, channel, channel.records)
    writer.advance()
    said = writer.finish()
    return load(folder), said


def spoken(*events: Event) -> CascadeChannel:
    """A turn of these; of no other end it ends well. A frame of Google's belongs to each text."""
    writer = ChannelWriter(builders.turn(tool_names={"f_sh": "shell"}), FakeClock())
    attempt_no = -1
    for event in events:
        attempt_no += isinstance(event, AttemptOpened)
        if isinstance(event, Failed | Finished):
            writer.close(event)
        else:
            frame = CHUNK % event.text.encode() if isinstance(event, TextDelta) and event.text.isprintable() else b""
            writer.append(max(attempt_no, 0), frame, (event,))
    writer.close(Finished("stop"))
    return writer.channel


@pytest.mark.parametrize("events", KNOWN.values(), ids=KNOWN)
def test_what_has_just_been_said_need_not_be_read(tmp_path, events):
    trace, said = written(tmp_path, spoken(*events))
    assert said is not None
    assert entry(trace, "x", 1, said) == entry(trace, "x", 1)
    (trace.folder / "records.jsonl").unlink()
    assert entry(load(trace.folder), "x", 1, said) == entry(trace, "x", 1)


@pytest.mark.parametrize("events", READ.values(), ids=READ)
def test_where_a_secret_was_said_the_redacted_folder_is_read(tmp_path, events):
    trace, said = written(tmp_path, spoken(*events))
    assert said is None
    assert not [part for part in entry(trace, "x", 1).parts.values() if "1234567890" in part or SECRET in part]


def test_so_it_is_of_a_turn_that_is_not_over(tmp_path):
    writer = ChannelWriter(builders.turn(), FakeClock())
    writer.append(0, b"", SAYS)
    trace, said = written(tmp_path, writer.channel)
    assert said is None
    assert entry(trace, "x", 1).parts["text"] == "Hello"


def test_a_turn_whose_records_have_been_freed_has_said_the_same(tmp_path):
    channel, freed = spoken(*SAYS), ChannelWriter(builders.turn(tool_names={"f_sh": "shell"}), FakeClock())
    writer = TurnWriter(trace_folders.create(tmp_path, freed.id, WALL), freed.channel, freed.channel.records)
    builders.replay(channel.records, freed)
    freed.release()
    writer.advance()
    assert writer.finish() == Said.of(channel.state)
    assert Said.of(load(writer.folder).state) == Said.of(channel.state)


@given(record_lists() | served_lists())
def test_any_turn_has_one_entry_from_memory_and_from_its_folder(records):
    channel = builders.replay(records, ChannelWriter(builders.turn(), FakeClock()))
    with tempfile.TemporaryDirectory() as root:
        trace, said = written(Path(root), channel)
        assert said is not None
        assert entry(trace, "x", 1, said) == entry(trace, "x", 1)


PIECES = st.sampled_from(["sk-", "abcdefgh", "1234567890", SECRET, "ok", " ", ""])
TOLD = st.one_of(
    st.builds(TextDelta, PIECES), st.builds(ThinkingDelta, PIECES),
    st.builds(FunctionCall, st.just("call_1"), PIECES, st.builds('{{"a":"{}"}}'.format, PIECES)),
    st.builds(CallReturned, st.just("call_1"), PIECES), st.builds(Notice, st.just("odd"), PIECES),
)  # fmt: skip


@given(st.lists(TOLD, max_size=8))
def test_and_so_has_one_with_secrets(events):
    with tempfile.TemporaryDirectory() as root:
        trace, said = written(Path(root), spoken(*events))
        assert said is None or entry(trace, "x", 1, said) == entry(trace, "x", 1)


def test_of_what_is_said_no_pictures_and_signatures_are_kept_and_no_endless_text(monkeypatch):
    monkeypatch.setattr(turn_texts, "MOST", 4)
    picture = CallReturned("call_1", "seen", media=({"inlineData": {"data": "AAAA"}},))
    said = Said.of(spoken(*SAYS, InlineData("image/png", "AAAA"), CALLS[0], picture).state)
    (call,) = said.calls
    assert said[:2] == ("Hell", "hm h")
    assert call == Call(call.index, "call_1", "f_sh", '{"cmd": "ls"}', upstream_id="google_1", returned=call.returned)
    assert call.returned == CallReturned("call_1", "seen")
    assert said.size == len('Hellhm h{"cmd": "ls"}seen')

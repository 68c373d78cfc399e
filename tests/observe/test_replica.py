"""The redacted copy of a turn: grows with it, renders when it is asked, and forgets no secret."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given

from tests.conftest import evict
from tests.recording import PLAIN, PlainEmitter
from tests.strategies import record_lists
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import AttemptOpened, Finished, RequestLine, TextDelta
from zerogravity.core.fold import fold
from zerogravity.core.running import Following, RunningTurn
from zerogravity.observe import replica
from zerogravity.observe.replica import Replica
from zerogravity.observe.source import BEFORE
from zerogravity.testing.builders import FakeClock, replay, turn


def counting():
    """A surface, and the list of the emitters that it has made."""
    made = []

    def emitter(channel, secret):
        made.append(PlainEmitter(channel))
        return made[-1]

    return replace(PLAIN, emitter=emitter), made


def copy_of(channel, surface=None):
    return Replica(channel, channel.records, surface, bytes(32))


def say(scene, channel, *texts):
    for text in texts:
        scene.inside(channel).append(0, b"{}", (TextDelta(text),))


def stop(scene, channel):
    scene.inside(channel).close(Finished("stop"))


def test_times_count_from_the_arrival(scene):
    scene.advance(5)
    channel = scene.open()
    copy = copy_of(channel)
    scene.advance(2)
    say(scene, channel, "a")
    assert [record.t_ns for record in copy.grow()] == [2_000_000_000]
    assert copy.channel.marks["received"] == 0
    assert copy.channel.marks["first_text"] == 2_000_000_000
    assert copy.info["marks_ms"]["first_text"] == 2000


def test_it_grows_with_the_turn_and_learns_what_records_do_not_say(scene):
    channel = scene.open(to="queued")
    copy = copy_of(channel)
    assert list(copy.grow()) == []
    say(scene, channel, "a", "b")
    assert [record.seq for record in copy.grow()] == [0, 1]
    assert list(copy.grow()) == []
    running = scene.inside(channel)
    scene.store.bind(running, "c-1")
    running.attempt_sent(RequestLine("POST", "https://x.example/?access_token=ya29.abcdefghijkl", "HTTP/2.0"))
    stop(scene, channel)
    assert len(list(copy.grow())) == 1
    assert copy.channel.closed
    assert (copy.info["cascade_id"], copy.info["code"]) == ("c-1", "ok")
    assert copy.lines()[0].url == "https://x.example/?access_token=[redacted]"
    assert copy.state.text == "ab"


def test_frames_are_rendered_when_somebody_asks_and_once(scene):
    channel, (surface, emitters) = scene.open(), counting()
    copy = copy_of(channel, surface)
    say(scene, channel, "a", "b")
    assert len(list(copy.grow())) == 2
    assert emitters == []
    assert [frame.seq for frame in copy.frames] == [BEFORE, 0, 1]
    held = copy.size
    say(scene, channel, "c")
    assert len(list(copy.grow())) == 1
    assert [frame.seq for frame in copy.frames] == [BEFORE, 0, 1, 2]
    assert [frame.seq for frame in copy.emitted] == [0, 0, 1, 2]
    assert len(emitters) == 1
    assert copy.size > held


def test_a_secret_spread_over_deltas_is_found_once(scene):
    channel, surface = scene.open(), PLAIN
    copy = copy_of(channel, surface)
    say(scene, channel, "key sk-abc", "defgh1234567890")
    stop(scene, channel)
    assert len(list(copy.grow())) == 3
    assert "defgh" in "".join(frame.text for frame in copy.frames)
    assert copy.mask_spread_secrets()
    assert copy.state.text == "key [redacted]"
    assert "defgh" not in "".join(frame.text for frame in copy.frames)
    assert not copy.mask_spread_secrets()


@pytest.mark.parametrize("stream", [True, False])
def test_a_turn_that_cannot_be_rendered_is_reported(scene, stream):
    def broken(channel, secret):
        raise KeyError("sk-abcdefgh1234567890")

    channel = scene.open(stream=stream)
    copy = copy_of(channel, replace(PLAIN, emitter=broken, answer=broken))
    say(scene, channel, "a")
    stop(scene, channel)
    assert len(list(copy.grow())) == 2
    assert copy.trouble is None
    assert list(copy.emitted) == []
    assert copy.info["trouble"] == copy.trouble
    assert "could not be rendered: KeyError: '[redacted]'" in copy.info["trouble"]


def test_an_evicted_turn_is_copied_whole(scene):
    channel = scene.open()
    copy = copy_of(channel)
    say(scene, channel, "a")
    stop(scene, channel)
    evict(scene.store, channel.id)
    assert len(list(copy.grow())) == 2


@given(record_lists())
def test_the_copy_of_any_turn_is_the_fold_of_its_records(records):
    channel = replay(records, ChannelWriter(turn(surface="passive"), FakeClock()))
    copy = copy_of(channel)
    assert len(list(copy.grow())) == len(channel.records)
    copy.mask_spread_secrets()
    assert copy.state == fold(copy.records)
    assert copy.channel.termination == channel.termination
    assert [record.span for record in copy.records] == [record.span for record in channel.records]


@pytest.mark.parametrize(
    ("each_ms", "slept_after"),
    [(0.008, [200]), (0.02, [100, 200, 300]), (0.0001, [])],
)
def test_long_work_pauses_by_the_time_it_takes(monkeypatch, each_ms, slept_after):
    """So that a stream gets its turn, however dear a record is, and cheap ones are not slowed."""
    now, done, slept = 0.0, [], []

    def sleep(_):
        slept.append(len(done))

    monkeypatch.setattr(replica, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    records = list(range(340))
    for some in replica.paced(records):
        done += some
        now += len(some) * each_ms / 1000
    assert done == records
    assert slept == slept_after


def test_it_becomes_the_turn_of_the_model_that_answers():
    surface, made = counting()
    follow = Following(lambda running: None, "it was busy")  # type: ignore[arg-type, return-value]
    running = RunningTurn(turn(stream=True), FakeClock(), follow=lambda _, end: follow)
    copy = copy_of(running.channel, surface)
    running.append(0, b"{}", (AttemptOpened(503),))
    assert len(list(copy.grow())) == 1
    assert copy.frames
    running.close(Finished("stop"))
    other = turn(stream=True, target=replace(turn().target, name="other"), served_by="other", notes=("moved",))
    again = running.again(other)
    again.append(1, b"{}", (TextDelta("hello"),))
    assert [record.seq for record in copy.grow()] == [1, 2]  # each is told once
    shown, info = copy.channel.turn, copy.info
    assert (shown.served_by, info["target"]["name"], info["notes"]) == ("other", "other", ["moved"])
    assert (copy.state.text, copy.channel.count) == ("hello", 3)
    assert copy.channel.turn.fallbacks == ()
    assert len(made) == 1
    assert copy.frames
    assert len(made) == 2

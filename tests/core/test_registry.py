from __future__ import annotations

import pytest

from zerogravity.core.channel import RECORD_OVERHEAD, TURN_OVERHEAD
from zerogravity.core.events import (
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.registry import CallMemory, MitmStore, RememberedCall
from zerogravity.core.turn import Target
from zerogravity.errors import internal

BUDGET = 10_000 + 2 * TURN_OVERHEAD  # two turns of 4,000 bytes


@pytest.fixture
def store(clock):
    return MitmStore(clock, max_bytes=BUDGET, max_age_s=3600)


def filled(store, turn, size, *, end=True):
    channel = store.open(turn)
    channel.append(0, b"x" * size, (TextDelta("x"),))
    if end:
        channel.close(Finished("stop"))
    return channel


# -- opening and claiming ------------------------------------------------------------------------------------------


def test_a_channel_is_found_by_its_turn_and_claimed_by_its_cascade(store, make_turn):
    channel = store.open(make_turn())
    assert store.get(channel.id) is channel
    assert store.claim("c-1") is None
    store.bind(channel, "c-1")
    assert store.claim("c-1") is store.find("c-1") is channel
    assert store.claim("c-1") is channel, "one turn may make several calls"
    assert channel.cascade_id == "c-1"


@pytest.mark.parametrize("unknown", ["", "c", "c-11", "C-1", "c-1 "])
def test_only_the_exact_cascade_id_claims(store, make_turn, unknown):
    store.bind(store.open(make_turn()), "c-1")
    assert store.claim(unknown) is None


def test_a_closed_turn_is_found_but_not_claimed(store, make_turn):
    channel = store.open(make_turn())
    store.bind(channel, "c-1")
    channel.close(Failed(internal("x")))
    assert store.claim("c-1") is None
    assert store.find("c-1") is channel


def test_an_id_is_used_once(store, make_turn):
    first, second = store.open(make_turn()), store.open(make_turn())
    with pytest.raises(ValueError, match="open already"):
        store.open(first.turn)
    store.bind(first, "c-1")
    with pytest.raises(ValueError, match="bound already"):
        store.bind(second, "c-1")
    with pytest.raises(ValueError, match="bound already"):
        store.bind(first, "c-2")
    assert store.find("c-2") is None


def test_an_evicted_turn_can_not_be_bound(store, make_turn):
    channel = store.open(make_turn())
    channel.close(Finished("stop"))
    assert store.drop(channel.id)
    with pytest.raises(ValueError, match="evicted"):
        store.bind(channel, "c-1")


def test_whoever_watches_sees_every_new_channel(store, make_turn):
    seen = []
    store.on_open.append(seen.append)
    channel = store.open(make_turn())
    assert seen == [channel]


def test_the_turn_limit_is_handed_on(clock, make_turn):
    store = MitmStore(clock, turn_bytes=500)
    channel = filled(store, make_turn(), 600, end=False)
    assert channel.closed


def test_counts(store, make_turn):
    running, ended = filled(store, make_turn(), 10, end=False), filled(store, make_turn(), 10)
    assert len(store) == 2
    assert store.open_count == 1
    assert set(store) == {running, ended}
    assert store.bytes == running.held + ended.held == 20 + 3 * RECORD_OVERHEAD + 2 * TURN_OVERHEAD


# -- budgets -------------------------------------------------------------------------------------------------------


def test_the_oldest_finished_turns_go_until_the_budget_holds(store, make_turn):
    turns = [filled(store, make_turn(), 4_000) for _ in range(4)]
    store.sweep()
    assert [store.get(channel.id) is None for channel in turns] == [True, True, False, False]
    assert 0 < store.bytes <= BUDGET
    assert store.evicted == 2
    assert turns[0].expired


def test_a_turn_counts_with_its_request(store, make_turn):
    turns = [filled(store, make_turn(size=4_000), 0) for _ in range(4)]
    store.sweep()
    assert [store.get(channel.id) is None for channel in turns] == [True, True, False, False]


def test_the_oldest_finished_turns_go_when_there_are_too_many(clock, make_turn):
    store = MitmStore(clock, max_turns=3)
    running = [filled(store, make_turn(), 10, end=False) for _ in range(5)]
    ended = [filled(store, make_turn(), 10) for _ in range(5)]
    store.sweep()
    assert [store.get(channel.id) is None for channel in ended] == [True, True, False, False, False]
    running[0].close(Finished("stop"))
    store.sweep()
    assert [store.get(channel.id) is None for channel in ended] == [True, True, True, False, False]
    assert all(store.get(channel.id) is channel for channel in running)


def test_what_is_evicted_is_not_counted_any_more(store, make_turn):
    for _ in range(20):
        filled(store, make_turn(size=100), 3_000)
    for channel in store:
        assert store.drop(channel.id)
    assert (store.bytes, len(store), store.open_count) == (0, 0, 0)


def test_running_turns_are_never_evicted(store, make_turn, clock):
    running = [filled(store, make_turn(), 9_000, end=False) for _ in range(3)]
    clock.advance(10_000)
    assert store.sweep() == 0
    assert all(store.get(channel.id) is channel and not channel.expired for channel in running)


def test_finished_turns_go_with_age_unless_they_are_read(store, make_turn, clock):
    read, unread = filled(store, make_turn(), 10), filled(store, make_turn(), 10)
    store.bind(unread, "c-1")
    cursor = read.cursor()
    clock.advance(3600)
    assert store.sweep() == 0
    clock.advance(1)
    assert store.sweep() == 1
    assert (store.get(unread.id), store.find("c-1")) == (None, None)
    cursor.close()
    assert store.sweep() == 1
    assert len(store) == 0


def test_age_counts_from_the_end_of_the_turn(store, make_turn, clock):
    channel = filled(store, make_turn(), 10, end=False)
    clock.advance(5000)
    channel.close(Finished("stop"))
    assert store.sweep() == 0


def test_opening_sweeps(store, make_turn):
    old = filled(store, make_turn(), 9_000)
    filled(store, make_turn(), 9_000, end=False)
    store.open(make_turn())
    assert store.get(old.id) is None


def test_drop(store, make_turn):
    running, ended = store.open(make_turn()), filled(store, make_turn(), 10)
    assert store.drop("turn_unknown") is False
    assert store.drop(running.id) is False
    assert store.drop(ended.id) is True
    assert ended.expired
    assert store.get(ended.id) is None


# -- call memory -----------------------------------------------------------------------------------------------------


def call(args="{}", name="f"):
    return RememberedCall(name, args, "sig", None, "gemini-3")


def test_calls_are_remembered_when_their_turn_ends(store, make_turn):
    channel = store.open(make_turn(target=Target("claude-x", "M", family="claude")))
    channel.append(0, b"1", (FunctionCall("call_1", "shell", '{"a": 1}', None, "up-1"),))
    channel.append(0, b"2", (FunctionCall("call_2", "read", "{}"), Signature("sig", "alone")))
    channel.append(0, b"3", (TextDelta("x"), FunctionCall("call_3", "read", "{}")))
    assert store.calls.get("call_1") is None
    channel.close(Failed(internal("the client left")))
    assert store.calls.get("call_1") == RememberedCall("shell", '{"a": 1}', "sig", "up-1", "claude", first=True)
    assert store.calls.get("call_2") == RememberedCall("read", "{}", None, None, "claude", first=False)
    assert store.calls.get("call_3").first
    assert len(store.calls) == 3


def test_thoughts_are_remembered_with_the_first_call_of_their_step(store, make_turn):
    channel = store.open(make_turn(target=Target("claude-x", "M", family="claude")))
    channel.append(0, b"1", (Signature("s1", "thought"), ThinkingDelta("one"), TextDelta("So."), ThinkingDelta("un")))
    channel.append(0, b"2", (TextDelta("signed"), ThinkingDelta("two"), Signature("s2", "thought")))
    channel.append(0, b"3", (FunctionCall("call_1", "f", "{}", None, "toolu_1"), FunctionCall("call_2", "f", "{}")))
    channel.append(0, b"4", (ThinkingDelta("three"), Signature("s3", "thought"), FunctionCall("call_3", "f", "{}")))
    channel.close(Finished("tool"))
    assert store.calls.get("call_1").thoughts == (("one", "s1"), ("two", "s2"))
    assert store.calls.get("toolu_1") == store.calls.get("call_1")
    assert store.calls.get("call_2").thoughts == ()
    assert store.calls.get("call_3").thoughts == (("three", "s3"),)
    assert store.calls.get("call_2").signature is None
    assert store.calls.bytes == 2 * (3 + 10) + 3 + 3 + 7


def test_the_thoughts_of_an_answer_before_led_to_no_call_of_this_one(store, make_turn):
    """What was thought before the language server asked once more stands in another answer."""
    channel = store.open(make_turn())
    for number, text in enumerate(("one", "two")):
        channel.append(number, b"", (AttemptOpened(), ThinkingDelta(text), Signature(f"s{number}", "thought")))
    channel.append(1, b"", (FunctionCall("call_1", "f", "{}"),))
    channel.close(Finished("tool"))
    assert store.calls.get("call_1").thoughts == (("two", "s1"),)


def test_a_call_without_thoughts_is_known_by_our_id_alone(store, make_turn):
    channel = store.open(make_turn())
    channel.append(0, b"1", (ThinkingDelta("one"), FunctionCall("call_1", "f", "{}", "sig", "call_up")))
    channel.close(Finished("tool"))
    assert (len(store.calls), store.calls.get("call_up")) == (1, None)


def test_what_googles_own_tools_did_is_remembered_with_its_call_and_counted(store, make_turn):
    channel = store.open(make_turn())
    events = (ServerTool("x" * 100), FunctionCall("call_1", "f", "{}"), ServerTool("y" * 10), ServerTool("z"))
    channel.append(0, b"1", events)
    channel.close(Finished("tool"))
    remembered = store.calls.get("call_1")
    assert (remembered.before, remembered.after) == (("x" * 100,), ("y" * 10, "z"))
    assert store.calls.bytes == 3 + 111


def test_call_memory_is_bounded_in_number(clock):
    memory = CallMemory(clock, limit=3)
    for number in range(5):
        memory.put(f"call_{number}", call())
    assert [memory.get(f"call_{number}") is not None for number in range(5)] == [False, False, True, True, True]
    assert len(memory) == 3


def test_call_memory_is_bounded_in_bytes(clock):
    memory = CallMemory(clock, max_bytes=1000)
    for number in range(5):
        memory.put(f"call_{number}", call("x" * 400))
    assert len(memory) == 2
    assert memory.bytes == 2 * (400 + 1 + 3)
    memory.put("huge", call("x" * 2000))
    assert (len(memory), memory.bytes) == (0, 0)


def test_calls_expire(clock):
    memory = CallMemory(clock, max_age_s=60)
    memory.put("call_1", call())
    clock.advance(60)
    assert memory.get("call_1") is not None
    clock.advance(1)
    assert memory.get("call_1") is None
    assert (len(memory), memory.bytes) == (0, 0)


def test_expired_calls_are_dropped_though_nobody_asks(clock):
    memory = CallMemory(clock, max_age_s=60)
    memory.put("call_1", call())
    clock.advance(61)
    memory.put("call_2", call())
    assert len(memory) == 1


def test_a_call_put_again_is_young_again_and_counted_once(clock):
    memory = CallMemory(clock, limit=2)
    memory.put("call_1", call())
    memory.put("call_2", call())
    memory.put("call_1", call("{}", "g"))
    memory.put("call_3", call())
    assert memory.get("call_2") is None
    assert memory.get("call_1").name == "g"
    assert memory.bytes == 2 * 6

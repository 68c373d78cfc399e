from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from tests.conftest import evict
from zerogravity.core.channel import RECORD_OVERHEAD, TURN_OVERHEAD
from zerogravity.core.events import (
    AttemptOpened,
    CallReturned,
    Failed,
    Finished,
    FunctionCall,
    RoundOpened,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
)
from zerogravity.core.registry import NOT_KEPT, CallMemory, MitmStore, RememberedCall, size_around
from zerogravity.core.turn import Approval, Target
from zerogravity.errors import internal

BUDGET = 10_000 + 2 * TURN_OVERHEAD  # two turns of 4,000 bytes


@pytest.fixture
def store(clock):
    return MitmStore(clock, max_bytes=BUDGET, max_age_s=3600)


def filled(store, turn, size, *, end=True):
    running = store.open(turn)
    channel = running.channel
    running.append(0, b"x" * size, (TextDelta("x"),))
    if end:
        running.close(Finished("stop"))
    return channel


# -- opening and claiming ------------------------------------------------------------------------------------------


def test_a_turn_is_found_by_its_id_and_by_its_cascade(store, make_turn):
    running = store.open(make_turn())
    channel = running.channel
    assert store.get(channel.id) is channel
    assert store.running(channel.id) is running
    assert store.find("c-1") is None
    store.bind(running, "c-1")
    assert store.find("c-1") is running
    assert store.find("c-1") is running, "one turn may make several attempts"
    assert channel.cascade_id == "c-1"


@pytest.mark.parametrize("unknown", ["", "c", "c-11", "C-1", "c-1 "])
def test_only_the_exact_cascade_id_finds(store, make_turn, unknown):
    store.bind(store.open(make_turn()), "c-1")
    assert store.find(unknown) is None


def test_a_closed_turn_is_found_but_does_not_run(store, make_turn):
    running = store.open(make_turn())
    store.bind(running, "c-1")
    running.close(Failed(internal("x")))
    assert store.running(running.id) is None
    assert store.find("c-1") is running
    assert running.closed


def test_close_ends_every_running_turn(store, make_turn):
    ended, running = filled(store, make_turn(), 10), filled(store, make_turn(), 10, end=False)
    store.close(Failed(internal("x")))
    assert (ended.terminal, running.terminal) == (Finished("stop"), Failed(internal("x")))
    assert store.open_count == 0


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


def test_an_evicted_turn_cannot_be_bound(store, make_turn):
    running = store.open(make_turn())
    running.close(Finished("stop"))
    evict(store, running.id)
    with pytest.raises(ValueError, match="evicted"):
        store.bind(running, "c-1")


def test_on_open_callbacks_get_every_new_channel(store, make_turn):
    seen = []
    store.on_open.append(seen.append)
    channel = store.open(make_turn()).channel
    assert seen == [channel]


@pytest.mark.parametrize("failing", ["first", "middle", "last"])
def test_a_failing_on_closed_callback_does_not_stop_the_others(store, make_turn, caplog, failing):
    reports = []

    def fails(_):
        raise RuntimeError("our bug")

    for name in ("first", "middle", "last"):
        store.on_closed.append(fails if name == failing else reports.append)
    channel = filled(store, make_turn(), 10)
    assert reports == [channel, channel]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_on_closed_callbacks_see_the_turn_closed_and_its_calls_stored(store, make_turn):
    seen = []
    store.on_closed.append(
        lambda channel: seen.append((store.running(channel.id), store.open_count, len(store.calls), channel.closed))
    )
    running = store.open(make_turn())
    running.append(0, b"", (FunctionCall("call_1", "f", "{}"),))
    running.close(Finished("tool"))
    assert seen == [(None, 0, 1, True)]


def test_a_call_that_was_approved_later_is_remembered_as_it_was_made(store, make_turn):
    first = store.open(make_turn())
    first.append(0, b"", (FunctionCall("call_1", "docs.read", "{}", "c2ln"),))
    first.close(Finished("stop"))
    approval = Approval("mcpr_1", "call_1", "docs", "read", "{}", True)
    later = store.open(replace(make_turn(), id="turn_" + "9" * 32, approvals=(approval,)))
    later.append(-1, b"", (FunctionCall("call_1", "docs.read", "{}"), FunctionCall("call_2", "f", "{}")))
    later.close(Finished("stop"))
    known = store.calls.get("call_1")
    assert known is not None
    assert known.signature == "c2ln"
    assert store.calls.get("call_2") is not None


def test_an_abandoned_callback_is_called_when_the_last_reader_leaves(store, make_turn):
    left = []
    running = store.open(make_turn(), abandoned=left.append)
    running.channel.cursor().close()
    assert left == [running.channel]


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
    store.running(running[0].id).close(Finished("stop"))
    store.sweep()
    assert [store.get(channel.id) is None for channel in ended] == [True, True, True, False, False]
    assert all(store.get(channel.id) is channel for channel in running)


def test_what_is_evicted_is_not_counted_any_more(store, make_turn):
    for _ in range(20):
        filled(store, make_turn(size=100), 3_000)
    for channel in store:
        evict(store, channel.id)
    assert (store.bytes, len(store), store.open_count) == (0, 0, 0)


def test_running_turns_are_never_evicted(store, make_turn, clock):
    running = [filled(store, make_turn(), 9_000, end=False) for _ in range(3)]
    clock.advance(10_000)
    assert store.sweep() == 0
    assert all(store.get(channel.id) is channel and not channel.expired for channel in running)


def test_finished_turns_go_with_age_unless_they_are_read(store, make_turn, clock):
    read, unread = filled(store, make_turn(), 10), filled(store, make_turn(), 10)
    store.bind(store._turns[unread.id], "c-1")
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
    store.running(channel.id).close(Finished("stop"))
    assert store.sweep() == 0


def calls_per_turn(clock, make_turn, *, running, finished):
    """Functions that are called to open and close a turn, on average, with so many of them in the store."""
    store, count, turns = MitmStore(clock, max_turns=finished), 0, 50
    for _ in range(finished):
        filled(store, make_turn(), 10)
    for _ in range(running):
        filled(store, make_turn(), 10, end=False)
    more = [make_turn() for _ in range(turns)]

    def called(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        for turn in more:
            filled(store, turn, 10)
    finally:
        sys.setprofile(None)
    assert store.open_count == running
    assert store.evicted == turns - 1, "the budget of finished turns is full, so that each one takes another's place"
    return count / turns


def test_a_turn_costs_the_same_however_many_there_are(clock, make_turn):
    few = calls_per_turn(clock, make_turn, running=1, finished=50)
    many = calls_per_turn(clock, make_turn, running=1000, finished=10_000)
    assert many == few


def test_what_is_held_is_what_all_turns_hold(store, make_turn):
    for size, end in ((10, True), (4000, False), (0, True), (3000, True), (2500, False)):
        filled(store, make_turn(size=size), size, end=end)
        assert store.bytes == sum(channel.held for channel in store)
    assert store.evicted


def test_opening_sweeps(store, make_turn):
    old = filled(store, make_turn(), 9_000)
    filled(store, make_turn(), 9_000, end=False)
    store.open(make_turn())
    assert store.get(old.id) is None


# -- call memory -----------------------------------------------------------------------------------------------------


def call(args="{}", name="f"):
    return RememberedCall(name, args, "sig", None, "gemini-3")


def test_calls_are_remembered_when_their_turn_ends(store, make_turn):
    running = store.open(make_turn(target=Target("claude-x", "M", family="claude")))
    running.append(0, b"1", (FunctionCall("call_1", "shell", '{"a": 1}', None, "up-1"),))
    running.append(0, b"2", (FunctionCall("call_2", "read", "{}"), Signature("sig", "alone")))
    running.append(0, b"3", (TextDelta("x"), FunctionCall("call_3", "read", "{}")))
    assert store.calls.get("call_1") is None
    running.close(Failed(internal("the client left")))
    assert store.calls.get("call_1") == RememberedCall("shell", '{"a": 1}', "sig", "up-1", "claude", first=True)
    assert store.calls.get("call_2") == RememberedCall("read", "{}", None, None, "claude", first=False)
    assert store.calls.get("call_3").first
    assert len(store.calls) == 3


def test_thoughts_are_remembered_with_the_first_call_of_their_step(store, make_turn):
    running = store.open(make_turn(target=Target("claude-x", "M", family="claude")))
    running.append(0, b"1", (Signature("s1", "thought"), ThinkingDelta("one"), TextDelta("So."), ThinkingDelta("un")))
    running.append(0, b"2", (TextDelta("signed"), ThinkingDelta("two"), Signature("s2", "thought")))
    running.append(0, b"3", (FunctionCall("call_1", "f", "{}", None, "toolu_1"), FunctionCall("call_2", "f", "{}")))
    running.append(0, b"4", (ThinkingDelta("three"), Signature("s3", "thought"), FunctionCall("call_3", "f", "{}")))
    running.close(Finished("tool"))
    assert store.calls.get("call_1").thoughts == (("one", "s1"), ("two", "s2"))
    assert store.calls.get("toolu_1") == store.calls.get("call_1")
    assert store.calls.get("call_2").thoughts == ()
    assert store.calls.get("call_3").thoughts == (("three", "s3"),)
    assert store.calls.get("call_2").signature is None
    assert store.calls.bytes == 2 * (3 + 10) + 3 + 3 + 7


def test_the_thoughts_of_an_answer_before_led_to_no_call_of_this_one(store, make_turn):
    """What was thought before the language server asked once more stands in another answer."""
    running = store.open(make_turn())
    for number, text in enumerate(("one", "two")):
        running.append(number, b"", (AttemptOpened(), ThinkingDelta(text), Signature(f"s{number}", "thought")))
    running.append(1, b"", (FunctionCall("call_1", "f", "{}"),))
    running.close(Finished("tool"))
    assert store.calls.get("call_1").thoughts == (("two", "s1"),)


def test_a_call_without_thoughts_is_known_by_our_id_alone(store, make_turn):
    running = store.open(make_turn())
    running.append(0, b"1", (ThinkingDelta("one"), FunctionCall("call_1", "f", "{}", "sig", "call_up")))
    running.close(Finished("tool"))
    assert (len(store.calls), store.calls.get("call_up")) == (1, None)


def test_what_googles_own_tools_did_is_remembered_with_its_call_and_counted(store, make_turn):
    running = store.open(make_turn())
    events = (ServerTool("x" * 100), FunctionCall("call_1", "f", "{}"), ServerTool("y" * 10), ServerTool("z"))
    running.append(0, b"1", events)
    running.close(Finished("tool"))
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


def test_expired_calls_are_dropped_without_a_lookup(clock):
    memory = CallMemory(clock, max_age_s=60)
    memory.put("call_1", call())
    clock.advance(61)
    memory.put("call_2", call())
    assert len(memory) == 1


def test_storing_a_call_again_refreshes_it(clock):
    memory = CallMemory(clock, limit=2)
    memory.put("call_1", call())
    memory.put("call_2", call())
    memory.put("call_1", call("{}", "g"))
    memory.put("call_3", call())
    assert memory.get("call_2") is None
    assert memory.get("call_1").name == "g"
    assert memory.bytes == 2 * 6


def ran_beside(store, turn, *, result="found", calls=("s.f", "mine")):
    """A turn that ends with calls of the client's own, beside those that the gateway has run in two rounds."""
    running = store.open(turn)
    running.add(ToolsListed("s", ({"name": "f"},), ("s.f",)))
    for number, names in enumerate((("s.f",), calls)):
        if number:
            running.add(RoundOpened("m"))
        made = [FunctionCall(f"call_{number}{at}", name, "{}", upstream_id=f"up_{number}{at}")
                for at, name in enumerate(names)]  # fmt: skip
        running.append(number, b"", (AttemptOpened(), ThinkingDelta("hm"), Signature(f"t{number}", "thought"), *made))
        running.add(*(CallReturned(call.call_id, result) for call in made if call.name == "s.f"))
    running.close(Finished("tool"))
    return running.channel


@pytest.mark.parametrize(
    ("calls", "first", "before", "behind"),
    [(("mine",), 0, "", ""), (("s.f", "mine", "mine"), 1, "0", ""), (("mine", "s.f", "mine", "s.f"), 0, "", "13"),
     (("s.f", "mine", "s.f"), 1, "0", "2")],
)  # fmt: skip
def test_what_was_run_beside_a_clients_calls_is_remembered_with_the_first(
    store, make_turn, calls, first, before, behind
):
    ran_beside(store, replace(make_turn(), owner="me"), calls=calls)
    known = store.calls.get(f"call_1{first}")
    assert [[call.call_id for call in step] for step in known.ran.steps] == [["call_00"]]
    assert [call.call_id for call in known.ran.before] == [f"call_1{at}" for at in before]
    assert [call.call_id for call in known.ran.behind] == [f"call_1{at}" for at in behind]
    assert known == store.calls.get(f"up_1{first}") == store.calls.of("me")(f"call_1{first}")
    others = [number for number in range(len(calls)) if number != first]
    assert [store.calls.get(f"call_1{number}").ran for number in others] == [None] * len(others)
    assert store.calls.of("you")(f"call_1{first}") == replace(known, ran=None)


def test_each_rounds_first_call_has_the_thoughts_of_its_own_round(store, make_turn):
    ran_beside(store, make_turn())
    calls = [store.calls.get(f"call_{number}") for number in ("00", "10", "11")]
    assert [call.thoughts for call in calls] == [(("hm", "t0"),), (("hm", "t1"),), ()]
    assert [call.first for call in calls] == [True, True, False]


def test_a_result_that_is_too_large_to_be_kept_says_so(clock, make_turn):
    store = MitmStore(clock, call_bytes=8000)
    ran_beside(store, make_turn(), result="x" * 2000)
    results = [call.returned for call in store.calls.get("call_11").ran.calls]
    assert [(each.output, each.error is None) for each in results] == [(NOT_KEPT, False)] * 2
    assert store.calls.bytes < 1500


def test_what_comes_back_with_a_call_is_counted(store, make_turn):
    ran_beside(store, make_turn(), result="x" * 2000)
    assert size_around(store.calls.get("call_11")) > 4000
    assert store.calls.bytes > 8000  # by Google's id, too

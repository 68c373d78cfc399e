"""Which turns belong together, and which one each goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.cases import cases, runtime_requests
from tests.observe.speaking import Client, called, contents, ended, said
from tests.surfaces.playing import ALL, SURFACES, context
from zerogravity.agents.recognise import recognise
from zerogravity.capture import passive
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Event, Failed, Finished, TextDelta
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.errors import upstream
from zerogravity.observe import summary
from zerogravity.observe.sessions import NOWHERE, Past, Placement, Sessions
from zerogravity.surfaces.responses.ids import response_id
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

NUMBERS = count(1)
LOST = Failed(upstream(502, "upstream_drop", "lost"))


def turn(*texts: str, **fields: Any) -> Turn:
    """A turn of this dialogue: user, model, user …"""
    return builders.turn(**{"id": f"turn_{next(NUMBERS):032x}", "google_request": contents(*texts), **fields})


def tools(*names: str) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": name} for name in names]}]} if names else {}


class Day:
    """What was placed, and how."""

    def __init__(self, sessions: Sessions | None = None) -> None:
        self.sessions = sessions or Sessions()

    def open(self, made: Turn) -> Placement:
        return self.sessions.place(made)

    def end(self, made: Turn, *answer: Event, failed: bool = False) -> CascadeChannel:
        over = builders.channel(made, *answer, end=LOST if failed else Finished("stop"))
        self.sessions.end(over)
        return over

    def run(self, made: Turn, answer: str = "", *, failed: bool = False) -> Placement:
        """Place it, and end it with that answer."""
        placed = self.open(made)
        self.end(made, *([TextDelta(answer)] if answer else []), failed=failed)
        return placed


@pytest.fixture
def day() -> Day:
    return Day()


# -- by history --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", ALL)
def test_turns_of_one_conversation_are_one_session_on_every_surface(day: Day, surface: str) -> None:
    client = Client(surface).ask("List the files.")
    session, before = "", ""
    for number in range(1, 5):
        made = client.turn()
        placed = day.open(made)
        answer = called(f"ls {number}", thought="I look", text="Wait.") if number < 4 else said("Do", "ne.")
        over = ended(made, *answer)
        day.sessions.end(over)
        client.hear(over)
        if number < 4:
            client.result(f"file {number}")
        assert placed == Placement(session or placed.session, before, "", 2 * number - 2 if before else 0)
        session, before = placed.session, made.id
    assert session


@pytest.mark.parametrize("surface", ALL)
def test_two_runs_of_the_same_question_are_two_sessions(day: Day, surface: str) -> None:
    one, two = Client(surface).ask("Hi"), Client(surface).ask("Hi")
    turns = [one.turn(), two.turn()]
    placed = [day.open(made) for made in turns]
    for client, made, answer in zip((one, two), turns, ("Hello", "Good day"), strict=True):
        over = ended(made, *said(answer))
        day.sessions.end(over)
        client.hear(over).ask("And?")
    assert placed[0].session != placed[1].session
    assert day.open(two.turn()) == Placement(placed[1].session, turns[1].id, "", 2)
    assert day.open(one.turn()) == Placement(placed[0].session, turns[0].id, "", 2)


def test_the_second_run_of_a_dialogue_that_goes_the_same_way_is_a_session_of_its_own(day: Day) -> None:
    first, second = [day.run(turn("q"), "a")], [NOWHERE]
    first.append(day.run(turn("q", "a", "r"), "b"))
    second = [day.run(turn("q"), "a")]
    second.append(day.run(turn("q", "a", "r"), "b"))
    second.append(day.run(turn("q", "a", "r", "b", "s"), "c"))
    assert {placed.session for placed in first}.isdisjoint(placed.session for placed in second)
    assert len({placed.session for placed in first}) == len({placed.session for placed in second[:2]}) == 1
    assert not any(placed.branch for placed in (*first, *second))


def test_when_nothing_tells_two_sessions_apart_a_third_one_begins(day: Day) -> None:
    one, two = day.run(turn("q"), "a"), day.run(turn("q"), "a")
    third = day.open(turn("q", "a", "r"))
    assert third.previous == ""
    assert third.session not in (one.session, two.session)


def test_a_changed_answer_does_not_part_a_conversation(day: Day) -> None:
    first = turn("q")
    session = day.run(first, "A long answer, cut off by").session
    assert day.open(turn("q", "A long answer [interrupted]", "go on")) == Placement(session, first.id, "", 1)


def test_an_unanswered_question_goes_on_in_the_next_one(day: Day) -> None:
    first = turn("q")
    session = day.run(first, failed=True).session
    joined = {"contents": [{"role": "user", "parts": [{"text": "q"}, {"text": "r"}]}]}
    assert day.open(turn(google_request=joined)) == Placement(session, first.id, "", 0)


def test_a_retry_of_a_later_turn_stands_where_the_first_try_stands(day: Day) -> None:
    session = day.run(turn("q"), "a").session
    first = day.run(turn("q", "a", "r"), failed=True)
    retry = turn("q", "a", "r")
    assert day.run(retry, "b") == first
    assert day.run(turn("q", "a", "r", "b", "s"), "c") == Placement(session, retry.id, "", 4)


def test_a_retry_of_a_first_question_is_one_only_if_that_failed(day: Day) -> None:
    one = day.run(turn("q"), failed=True)
    two = day.run(turn("q"), "a")
    assert one == two
    day.run(turn("r"), "a")
    assert day.run(turn("r"), "a").session != day.run(turn("r"), "a").session


def test_an_edited_question_is_a_branch_and_stays_one(day: Day) -> None:
    root = turn("q")
    session = day.run(root, "a").session
    day.run(turn("q", "a", "r"), "b")
    edited = turn("q", "a", "s")
    assert day.run(edited, "c") == Placement(session, root.id, edited.id, 2)
    assert day.run(turn("q", "a", "s", "c", "t"), "d") == Placement(session, edited.id, edited.id, 4)
    assert day.run(turn("q", "a", "r", "b", "u"), "e").branch == ""


def test_the_longest_beginning_counts(day: Day) -> None:
    day.run(turn("q"), "a")
    later = turn("q", "a", "r")
    day.run(later, "b")
    assert day.open(turn("q", "a", "r", "b", "s")).previous == later.id


@pytest.mark.parametrize("fields", [{"owner": "another"}, {"client": "another"}])
def test_other_owners_and_other_programs_are_never_joined(day: Day, fields: dict[str, str]) -> None:
    first = turn("q", conversation="c", client="codex", owner="me")
    session = day.run(first, "a").session
    for named in ("c", ""):
        other = replace(turn("q", "a", "r", client="codex", owner="me", conversation=named), **fields)
        placed = day.open(other)
        assert placed.session != session
        assert placed.previous == ""
    named_one = turn("x", previous_id=response_id(first.id), **{"client": "codex", "owner": "me", **fields})
    assert day.open(named_one).previous == ""


def test_a_request_without_contents_is_a_session_of_its_own(day: Day) -> None:
    placed = [day.run(turn(google_request={}), "a") for _ in range(2)]
    assert placed[0].session != placed[1].session


# -- by what programs say ----------------------------------------------------------------------------------------------


def test_a_turn_goes_on_from_the_response_that_it_names(day: Day) -> None:
    one, two = turn("q"), turn("q")
    sessions = [day.run(made, "a").session for made in (one, two)]
    on = turn("q", "a", "r", previous_id=response_id(one.id))
    assert day.open(on) == Placement(sessions[0], one.id, "", 2)
    again = turn("q", "a", "s", previous_id=response_id(one.id))
    assert day.open(again) == Placement(sessions[0], one.id, again.id, 2)
    compacted = turn("summary", previous_id=response_id(two.id))
    assert day.open(compacted) == Placement(sessions[1], two.id, "", 0)
    assert day.open(turn("new", previous_id="resp_unknown")).previous == ""


def test_a_program_that_names_its_conversation_decides(day: Day) -> None:
    one, two = turn("q", conversation="c1"), turn("q", conversation="c1")
    placed = [day.run(one, "a"), day.run(two, "a")]
    other = day.run(turn("q", conversation="c2"), "a")
    assert placed[0] == placed[1]
    assert other.session != placed[0].session
    assert day.open(turn("q", "a", "r", conversation="c1")) == Placement(placed[0].session, two.id, "", 2)
    assert day.sessions.known(one.id) == placed[0]
    assert day.sessions.known("turn_unknown") == NOWHERE


def test_the_turns_of_a_stored_conversation_are_one_session(day: Day) -> None:
    """Also where an item has been deleted meanwhile, so that nothing else joins them; another one is another."""

    def asked(conversation: str, text: str) -> Turn:
        within = replace(context(f"turn_{next(NUMBERS):032x}"), conversation=lambda _: ())
        body = {"model": "gemini-3-flash", "input": text, "conversation": conversation}
        return SURFACES["responses"].parse(body, within)

    turns = [asked("conv_1", "a"), asked("conv_1", "b"), asked("conv_2", "a")]
    first, second, other = (day.run(made, "answer") for made in turns)
    assert (second.session, second.previous) == (first.session, turns[0].id)
    assert other.session != first.session


def test_a_compacted_history_stays_on_the_main_line(day: Day) -> None:
    def made(*texts: str) -> Turn:
        return turn(google_request={**contents(*texts), **tools("shell")}, conversation="c")

    session = day.run(made("q"), "a").session
    last = made("q", "a", "r")
    day.run(last, "b")
    short = made("A summary.", "ok", "s")
    assert day.run(short, "c") == Placement(session, last.id, "", 0)
    assert day.open(made("A summary.", "ok", "s", "c", "t")) == Placement(session, short.id, "", 4)


def test_side_requests_with_other_tools_are_branches(day: Day) -> None:
    def made(text: str, *names: str) -> Turn:
        return turn(google_request={**contents(text), **tools(*names)}, conversation="c")

    session = day.run(made("q", "shell", "agent"), "a").session
    title, agent = made("Write a title for: q"), made("Look into it.", "shell")
    assert day.run(title, "A title") == Placement(session, "", title.id, 0)
    assert day.run(agent, "b") == Placement(session, "", agent.id, 0)


def test_a_side_request_that_comes_first_does_not_push_the_main_line_aside(day: Day) -> None:
    title = turn("Write a title for: q", conversation="c")
    session = day.run(title, "A title").session
    assert day.open(turn(google_request={**contents("q"), **tools("shell")}, conversation="c")) == Placement(session)


def test_a_named_sub_agent_is_a_branch_whatever_its_history(day: Day) -> None:
    session = day.run(turn("q", conversation="c"), "a").session
    first = turn("Look into it.", conversation="c", agent="a1")
    assert day.run(first, "b") == Placement(session, "", first.id, 0)
    second = turn("Look into it.", "b", "r", conversation="c", agent="a1")
    assert day.run(second, "c") == Placement(session, first.id, first.id, 2)
    assert day.run(turn("A summary.", conversation="c", agent="a1"), "d") == Placement(session, second.id, first.id, 0)
    other = turn("Look into it.", conversation="c", agent="a2")
    assert day.run(other, "b") == Placement(session, "", other.id, 0)
    assert day.run(turn("q", "a", "r", conversation="c"), "d").branch == ""


def test_a_sub_agent_that_begins_with_the_main_history_does_not_make_the_main_line_a_branch(day: Day) -> None:
    root = turn("q", conversation="c")
    session = day.run(root, "a").session
    side = turn("q", "a", "suggest something", conversation="c", agent="a1")
    assert day.run(side, "b") == Placement(session, root.id, side.id, 2)
    assert day.run(turn("q", "a", "r", conversation="c"), "d") == Placement(session, root.id, "", 2)


# -- what real programs send -------------------------------------------------------------------------------------------


@pytest.mark.skipif(cases() is None, reason="needs the shared cases")
@pytest.mark.parametrize("situation", sorted({name for name, *_ in runtime_requests()}))
def test_what_the_runtime_sends_in_one_conversation_is_one_session_without_branches(day: Day, situation: str) -> None:
    placed: list[tuple[str, Placement]] = []
    for number, (name, _, path, body) in enumerate(runtime_requests()):
        if name == situation:
            made = passive.turn_of(path, body, f"turn_{number:032x}", 0, {"User-Agent": "google-antigravity-sdk"})
            placed.append((made.id, day.open(made)))
    assert len({place.session for _, place in placed}) == 1
    assert not any(place.branch for _, place in placed)
    assert {place.previous for _, place in placed} <= {"", *(identity for identity, _ in placed)}


def claude_code(situation: str) -> list[Turn]:
    """The turns of one situation of real Claude Code's."""
    folder, made = cases(), list[Turn]()
    requests = json.loads((folder / "claude-code" / f"{situation}.json").read_text())["requests"] if folder else []
    for request in requests:
        body = {name: value for name, value in request["body"].items() if not name.startswith("tool")}
        caller = recognise(CIMultiDict(request["headers"]), body)
        read = SURFACES["messages"].parse({**body, "model": "gemini-3-flash"}, context(f"turn_{next(NUMBERS):032x}"))
        made.append(replace(read, client=caller.client, conversation=caller.conversation, agent=caller.agent))
    return made


@pytest.mark.skipif(cases() is None, reason="needs the shared cases")
def test_claude_codes_compaction_stays_on_the_main_line_and_its_sub_agent_is_a_branch(day: Day) -> None:
    before, after = claude_code("compaction")
    session = day.run(before, "A summary.").session
    assert day.run(after, "ok") == Placement(session, before.id)
    (side,) = claude_code("subagent")
    assert day.open(side) == Placement(session, "", side.id)


# -- random days -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=40), st.data())
def test_conversations_that_branch_are_recovered_in_whatever_order_they_come(
    drawn: list[tuple[int, str]], data: st.DataObject
) -> None:
    """``drawn``: which turn each goes on from (0: none), and its question: few, so that histories are alike. All
    answers differ. A turn comes at any time after the one that it goes on from has ended."""
    parents = [before - 1 if 0 < before <= number else None for number, (before, _) in enumerate(drawn)]
    histories = list[tuple[str, ...]]()
    for number, (parent, (_, question)) in enumerate(zip(parents, drawn, strict=True)):
        before = () if parent is None else (*histories[parent], f"answer {parent}")
        retry = parent is not None and (*before, question) in histories
        histories.append((*before, f"{question} {number}" if retry else question))
    waiting, placed, turns, day = set(range(len(drawn))), dict[int, Placement](), dict[int, Turn](), Day()
    continued = set[int]()
    while waiting:
        ready = sorted(one for one in waiting if parents[one] is None or parents[one] in placed)
        number = data.draw(st.sampled_from(ready))
        waiting.discard(number)
        made = turns[number] = turn(*histories[number])
        place, parent = day.run(made, f"answer {number}"), parents[number]
        if parent is None:
            assert place == Placement(place.session)
            assert place.session not in {other.session for other in placed.values()}
        else:
            branch = made.id if parent in continued else placed[parent].branch
            assert place == Placement(placed[parent].session, turns[parent].id, branch, len(histories[number]) - 1)
            continued.add(parent)
        placed[number] = place


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_sessions_go_on_after_a_restart(day: Day) -> None:
    key = b"k" * 32
    before = Day(Sessions(key))
    root, side = turn("q", conversation="c"), turn("Look.", conversation="c", agent="a1")
    plain, lost = turn("x"), turn("y")
    places = [before.run(root, "a"), before.run(side, "b"), before.run(plain, "a"), before.run(lost, failed=True)]
    running = turn("z")
    places.append(before.open(running))
    turns = [root, side, plain, lost, running]
    past = [
        Past(made.id, before.sessions.known(made.id).lineage, placed, number)
        for number, (made, placed) in enumerate(zip(turns, places, strict=True))
    ]
    after = Day(Sessions(key))
    after.sessions.seed(reversed(past))
    assert [after.sessions.known(made.id) for made in turns] == places
    assert after.open(turn("q", "a", "r", conversation="c")) == Placement(places[0].session, root.id, "", 2)
    assert after.open(turn("Anew.", conversation="c", agent="a1")) == Placement(places[1].session, side.id, side.id, 0)
    assert after.open(turn("x", "a", "r")) == Placement(places[2].session, plain.id, "", 2)
    assert after.open(turn("y")) == places[3]
    assert after.open(turn("z", "b", "r")) == Placement(places[4].session, running.id, "", 1)
    edited = turn("x", "a", "s")
    assert after.open(edited).branch == edited.id


def test_a_branch_is_one_after_a_restart_too() -> None:
    before, after = Day(), Day()
    root, on = turn("q"), turn("q", "a", "r")
    placed = [before.run(root, "a"), before.run(on, "b")]
    after.sessions.seed(
        Past(made.id, before.sessions.known(made.id).lineage, place, number)
        for number, (made, place) in enumerate(zip((root, on), placed, strict=True))
    )
    edited = turn("q", "a", "s")
    assert after.open(edited) == Placement(placed[0].session, root.id, edited.id, 2)


@pytest.mark.parametrize("lineage", ["", "x", "....", "zz.zz.zz..", "00.00.00"])
def test_what_cannot_be_read_of_the_past_is_passed_over(day: Day, lineage: str) -> None:
    day.sessions.seed([Past("turn_1", lineage, Placement("s1"))])
    assert day.sessions.known("turn_1") in (NOWHERE, Placement("s1"))


def test_the_past_does_not_undo_what_was_placed(day: Day) -> None:
    root = turn("q")
    placed = day.run(root, "a")
    day.sessions.seed([Past(root.id, day.sessions.known(root.id).lineage, Placement("other"))])
    assert day.sessions.known(root.id) == placed == day.open(root)


def test_only_so_many_turns_are_known() -> None:
    day = Day(Sessions(limit=10))
    turns = [turn("same", conversation=f"c{number % 30}") for number in range(100)]
    for made in turns:
        day.run(made, "a")
    assert sum(day.sessions.known(made.id) != NOWHERE for made in turns) == 10
    held = vars(day.sessions)
    assert all(len(held[name]) <= 20 for name in ("_turns", "_by_mark", "_tips"))


# -- a store's turns ---------------------------------------------------------------------------------------------------


@contextmanager
def attached(past: Callable[[], list[Past]] = list) -> Iterator[tuple[Sessions, MitmStore]]:
    sessions, store = Sessions(), MitmStore(FakeClock())
    sessions.attach(store, past)
    try:
        yield sessions, store
    finally:
        sessions.close()


def test_a_stores_turns_are_placed_and_their_answers_known() -> None:
    first, second = turn("q"), turn("q", "a", "r")
    with attached() as (sessions, store):
        running = store.open(first)
        placed = sessions.of(running.channel)
        assert placed.session
        running.append(0, b"", (TextDelta("a"),))
        running.close(Finished("stop"))
        assert sessions.of(running.channel) == placed
        again = store.open(second)
        again.close(LOST)
        assert sessions.of(again.channel) == Placement(placed.session, first.id, "", 2)


def test_the_past_comes_first_and_its_failure_keeps_no_turn_from_being_placed(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> list[Past]:
        raise OSError("no such folder")

    made = turn("q")
    with attached(fails) as (sessions, store):
        running = store.open(made)
        running.close(LOST)
        assert sessions.of(running.channel).session
    assert "no such folder" in caplog.text


def test_a_turn_that_nobody_places_is_placed_when_it_is_asked_for() -> None:
    first, second = turn("q"), turn("q", "a", "r")
    sessions = Sessions()
    placed = sessions.of(builders.channel(first, TextDelta("a"), end=Finished("stop")))
    assert sessions.of(builders.channel(second)) == Placement(placed.session, first.id, "", 2)


def test_a_turn_that_was_never_opened_is_not_waited_for_longer_than_that() -> None:
    with attached() as (sessions, _):
        assert sessions.of(builders.channel(turn("q")), timeout=0) == NOWHERE


def test_a_row_of_a_recorded_turn_tells_where_it_was() -> None:
    made = turn("q")
    over = builders.channel(made, TextDelta("a"), end=Finished("stop"))
    info = {**summary.summary(over, Sessions().of(over), over.turn), "created": 12.5}
    after = Sessions()
    after.seed([Past.of(info)])
    assert after.known(made.id).lineage == info["lineage"]
    assert Past.of(summary.stored_row(info)) == Past.of(info)
    assert Past.of({}) == Past("", "", NOWHERE)

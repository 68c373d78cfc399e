from __future__ import annotations

import shutil

import pytest
from hypothesis import given

from tests.strategies import json_objects
from zerogravity.core.events import AttemptOpened, Failed, Finished, TextDelta
from zerogravity.core.turn import Target
from zerogravity.errors import Fault, FaultError, Origin, Termination
from zerogravity.observe import digest
from zerogravity.testing.builders import google_request as ask
from zerogravity.testing.cassette import DIFF_LINES, Library


def record(made, make_turn, question, reply, terminal=None, **fields):
    made.now[0] += 1
    running = made.store.open(make_turn(google_request=ask(question), created=int(made.now[0]), **fields))
    running.append(0, b"", (AttemptOpened(),))
    running.append(0, b'{"candidates":[{"content":{"parts":[{"text":"%s"}]}}]}' % reply.encode(), (TextDelta(reply),))
    if terminal is not False:
        running.close(terminal or Finished("stop"))
    made.flush()


def cancelled(code):
    return Failed(Fault(Origin.CLIENT, 499, code.value, "x", termination=code))


# -- the digest --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-e89b-12d3-a456-426614174000"),
        ("call_0123456789abcdef failed", "call_fedcba9876543210 failed"),
        ("today is 2026-11-24", "today is 2026-11-25"),
        ("at 2026-11-24T10:00:00Z", "at 2025-01-01T23:59:59.123Z"),
        ("at 10:00:00", "at 11:22:33.5"),
        ("cwd /tmp/pytest-of-me/1 ok", "cwd /tmp/pytest-of-me/27/x ok"),
        ("ts 1770000000", "ts 1770000999"),
        ("key sk-abcdefgh12", "key sk-hgfedcba21"),
    ],
)
def test_what_changes_from_run_to_run_does_not_count(make_turn, one, other):
    digests = {digest.digest(digest.normalised(make_turn(google_request=ask(text)))) for text in (one, other)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"google_request": ask("a")}, {"google_request": ask("b")}),
        ({"google_request": ask("a")}, {"google_request": ask("a", tools=[])}),
        ({"google_request": ask("a", generationConfig={"temperature": 0})}, {"google_request": ask("a")}),
        ({"target": Target("m1", "M")}, {"target": Target("m2", "M")}),
        ({"google_request": {"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"id": 1}}}]}]}},
         {"google_request": {"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"id": 2}}}]}]}}),
    ],
)  # fmt: skip
def test_what_means_something_counts(make_turn, one, other):
    assert digest.digest(digest.normalised(make_turn(**one))) != digest.digest(digest.normalised(make_turn(**other)))


def test_ids_and_signatures_of_calls_do_not_count(make_turn):
    def round_(call_id, signature):
        call = {"functionCall": {"id": call_id, "name": "f", "args": {}}, "thoughtSignature": signature}
        result = {"functionResponse": {"id": call_id, "name": "f", "response": {"a": 1}}}
        return {"contents": [{"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]}

    one, other = (digest.normalised(make_turn(google_request=round_(*pair))) for pair in (("a", "s"), ("b", "t")))
    assert digest.digest(one) == digest.digest(other)
    assert one["contents"][0]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]


@given(json_objects)
def test_a_digest_does_not_depend_on_the_order_of_members(value):
    swapped = dict(reversed(list(value.items())))
    assert digest.digest(digest.normalised_request("m", value)) == digest.digest(
        digest.normalised_request("m", swapped)
    )


def test_the_surface_does_not_count(make_turn):
    one, other = (
        digest.normalised(make_turn(surface=surface, stream=surface == "chat")) for surface in ("chat", "gemini")
    )
    assert one == other


# -- the library -------------------------------------------------------------------------------------------------------


def test_a_request_finds_its_recording(recording, make_turn):
    made = recording()
    record(made, make_turn, "What is 1+1?", "2")
    record(made, make_turn, "Capital of France?", "Paris")
    library = Library(made.root)
    assert len(library) == 2
    assert library.pick(make_turn(surface="gemini", google_request=ask("Capital of France?"))).state.text == "Paris"
    assert [trace.state.text for trace in library.unused()] == ["2"]


def test_copies_of_traces_are_a_cassette_too(recording, make_turn, tmp_path):
    made = recording()
    record(made, make_turn, "Capital of France?", "Paris")
    (folder,) = made.root.glob("*/*")
    shutil.copytree(folder, tmp_path / "copies" / folder.name)
    library = Library(tmp_path / "copies")
    assert library.pick(make_turn(google_request=ask("Capital of France?"))).state.text == "Paris"


def test_equal_requests_get_their_answers_in_order(recording, make_turn):
    made = recording()
    for reply in ("first", "second"):
        record(made, make_turn, "again", reply)
    library = Library(made.root)
    turn = make_turn(google_request=ask("again"))
    assert [library.pick(turn).state.text for _ in range(4)] == ["first", "second", "second", "second"]
    assert library.unused() == []


def test_what_is_recorded_meanwhile_is_found(recording, make_turn):
    made = recording()
    library = Library(made.root)
    record(made, make_turn, "new", "yes")
    assert library.pick(make_turn(google_request=ask("new"))).state.text == "yes"


def test_unfinished_turns_answer_nothing(recording, make_turn):
    made = recording()
    record(made, make_turn, "a", "x", cancelled(Termination.CLIENT_GONE))
    record(made, make_turn, "a", "y", cancelled(Termination.SHUTDOWN))
    record(made, make_turn, "a", "z", False)
    assert len(Library(made.root)) == 0
    record(made, make_turn, "a", "w", cancelled(Termination.UPSTREAM_DROP))
    assert len(Library(made.root)) == 1


def test_the_nearest_is_told_by_the_words_too(recording, make_turn):
    """Each of them differs in exactly one line."""
    made = recording()
    for question in ("Why is the sky blue at noon?", "Name three rivers.", "Tell a joke."):
        record(made, make_turn, question, "…")
    with pytest.raises(FaultError) as caught:
        Library(made.root).pick(make_turn(google_request=ask("Why is the sky red at night?")))
    assert '-     "text": "Why is the sky blue at noon?"' in caught.value.fault.message


def test_a_miss_shows_the_difference_to_the_nearest(recording, make_turn):
    made = recording()
    record(made, make_turn, "Write a poem about the sea.\nMake it short.", "…")
    record(made, make_turn, "Something else", "…")
    with pytest.raises(FaultError) as caught:
        Library(made.root).pick(make_turn(google_request=ask("Write a poem about the sky.\nMake it short.")))
    fault = caught.value.fault
    assert (fault.status, fault.code, fault.retryable) == (400, "cassette_miss", False)
    assert "-" + " " * 5 + '"text": "Write a poem about the sea.' in fault.message
    assert "+" + " " * 5 + '"text": "Write a poem about the sky.' in fault.message
    assert "Something else" not in fault.message
    assert str(made.root) not in fault.message, "no path of the machine goes to a client"


def test_a_long_difference_is_cut(recording, make_turn):
    made = recording()
    record(made, make_turn, "\n".join(f"line {n}" for n in range(100)), "…")
    with pytest.raises(FaultError, match="more lines") as caught:
        Library(made.root).pick(make_turn(google_request=ask("\n".join(f"other {n}" for n in range(100)))))
    assert len(caught.value.fault.message.splitlines()) == DIFF_LINES + 2


def test_a_miss_without_any_recording(tmp_path, make_turn):
    with pytest.raises(FaultError, match="no recordings at all"):
        Library(tmp_path).pick(make_turn())

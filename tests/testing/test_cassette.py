from __future__ import annotations

import shutil

import pytest

from zerogravity.core.events import AttemptOpened, Failed, Finished, TextDelta
from zerogravity.errors import Fault, FaultError, Origin, Termination
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


# -- the library -------------------------------------------------------------------------------------------------------


def test_a_request_finds_its_recording(recording, make_turn):
    made = recording()
    record(made, make_turn, "What is 1+1?", "2")
    record(made, make_turn, "Capital of France?", "Paris")
    library = Library(made.root)
    assert len(library) == 2
    assert library.pick(make_turn(surface="gemini", google_request=ask("Capital of France?"))).state.text == "Paris"
    assert [trace.state.text for trace in library.unused()] == ["2"]


@pytest.mark.parametrize("fields", [{"stops": ("END", "key sk-abcdefgh12")}, {"at_once": True}])
def test_a_recording_that_ended_for_its_own_reasons_answers_no_other_request(recording, make_turn, fields):
    made = recording()
    record(made, make_turn, "a", "cut", **fields)
    library = Library(made.root)
    assert library.pick(make_turn(google_request=ask("a"), **fields)).state.text == "cut"
    with pytest.raises(FaultError, match="no recording"):
        library.pick(make_turn(google_request=ask("a")))


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


def test_the_nearest_recording_is_found_by_its_words_too(recording, make_turn):
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

"""Which turns belong together."""

from __future__ import annotations

from zerogravity.observe.sessions import NOWHERE, Sessions


def test_turns_of_one_named_conversation_are_one_session(make_turn):
    sessions = Sessions()
    one, two = make_turn(conversation="c1"), make_turn(conversation="c1")
    other = make_turn(conversation="c2")
    assert sessions.place(one).session == sessions.place(two).session != sessions.place(other).session
    assert sessions.known(one.id) == sessions.place(one)
    assert sessions.known("turn_unknown") == NOWHERE

"""The table of what becomes of a call, and who is to blame for a break."""

from __future__ import annotations

import pytest

from zerogravity.capture.decision import Action, connection_loss, decide
from zerogravity.capture.match import Match
from zerogravity.core.events import Finished
from zerogravity.core.registry import MitmStore
from zerogravity.errors import Termination

KINDS = ("agent", "checkpoint", "other")


@pytest.mark.parametrize("titles", [True, False])
@pytest.mark.parametrize("passive", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["none", "open", "closed"])
def test_every_case(clock, make_turn, state: str, kind, passive: bool, titles: bool) -> None:
    channel = None if state == "none" else MitmStore(clock).open(make_turn())
    if state == "closed":
        channel.close(Finished("stop"))
    made = decide(Match(kind, "c", kind), channel, titles=titles, passive=passive)
    if state == "none":
        assert made is (Action.RECORD if passive else Action.COUNT)
    elif kind == "agent":
        assert made is (Action.CLAIM if state == "open" else Action.STOP)
    elif kind == "checkpoint":
        assert made is (Action.TITLE if titles else Action.LEAVE)
    else:
        assert made is Action.COUNT


@pytest.mark.parametrize(
    ("message", "facts", "code", "google"),
    [
        ("Connect call failed", {}, Termination.UPSTREAM_DROP, True),
        ("Connect call failed", {"ours": True}, Termination.UPSTREAM_DROP, False),
        ("server closed", {"answered": True}, Termination.UPSTREAM_DROP, False),
        ("Client disconnected.", {"connected": False}, Termination.LS_GONE, False),
        ("stream reset by client (CANCEL)", {"given_up": True}, Termination.LS_GONE, False),
        ("stream reset by client (INTERNAL)", {}, Termination.UPSTREAM_DROP, False),
    ],
)
def test_whose_fault_a_broken_connection_is(
    message: str, facts: dict[str, bool], code: Termination, google: bool
) -> None:
    known = {"connected": True, "given_up": False, "answered": False, "ours": False, **facts}
    loss = connection_loss(message, name="the runtime", **known)
    assert (loss.fault.termination, loss.google_away) == (code, google)
    assert (loss.gone is not None) is (code is Termination.LS_GONE)
    assert loss.gone is None or loss.gone.message == "the runtime ended or hung up"

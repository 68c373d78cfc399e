"""Google's side, played: ``GoogleSimulator`` answers as a ``Scenario`` says. The other names here write scenarios."""

from zerogravity.testing.simulator.google.scenarios import (
    SIGN,
    Ending,
    Event,
    Scenario,
    Stamp,
    Step,
    answer,
    call,
    calls,
    error,
    event,
    failure,
    say,
    stop,
    think,
)
from zerogravity.testing.simulator.google.server import GoogleOptions, GoogleSimulator, Received

__all__ = [
    "SIGN",
    "Ending",
    "Event",
    "GoogleOptions",
    "GoogleSimulator",
    "Received",
    "Scenario",
    "Stamp",
    "Step",
    "answer",
    "call",
    "calls",
    "error",
    "event",
    "failure",
    "say",
    "stop",
    "think",
]

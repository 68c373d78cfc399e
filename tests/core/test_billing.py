"""What Google bills: each attempt that brought something, at the model that was asked in it."""

from __future__ import annotations

import pytest

from zerogravity.core.billing import Billed, attempts, numbered
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Grounding,
    InlineData,
    RoundOpened,
    TextDelta,
    Usage,
)
from zerogravity.core.turn import Fallback, Target
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

FLASH, PRO = Target("flash", "1", "gemini-flash-wire"), Target("pro", "2")
STOP, CUT = AttemptClosed("STOP"), AttemptClosed(None)
FIGURES = Usage(100, 40, 10, 5, 1, 116)
NAMES = {"flash": ("gemini-flash-wire", "flash"), "pro": ("pro",), "other": ("other",)}


def billed(model: str = "flash", usage: Usage = FIGURES, **more: object) -> Billed:
    return Billed(model, NAMES[model], usage, **more)  # pyright: ignore[reportArgumentType]


def played(*attempts_: tuple[Event, ...]):
    """A turn for flash, with pro to fall back to; a RoundOpened stands before the attempts of its round."""
    writer = builders.ChannelWriter(builders.turn(target=FLASH, fallbacks=(Fallback(PRO, builders.turn),)), FakeClock())
    number = 0
    for events in attempts_:
        if isinstance(events[0], RoundOpened):
            writer.append(-1, b"", events)
            continue
        for event in events:
            writer.append(number, b"", (event,))
        number += 1
    return attempts(writer.channel)


OPEN = AttemptOpened()
TEXT = TextDelta("hi")
TABLE = [
    ("nothing was sent", (), []),
    ("one attempt", ((OPEN, TEXT, FIGURES, STOP),), [billed()]),
    ("its last figures count", ((OPEN, Usage(1), TEXT, FIGURES, STOP),), [billed()]),
    ("asked again: each is billed", ((OPEN, FIGURES, STOP), (OPEN, TEXT, FIGURES, STOP)), [billed(), billed()]),
    ("a refused attempt is not", ((AttemptOpened(status=503), CUT), (OPEN, TEXT, FIGURES, STOP)), [billed()]),
    ("nor is a lost one", ((OPEN,), (OPEN, TEXT, FIGURES, STOP)), [billed()]),
    ("an answer without figures is, for an unknown price", ((OPEN, TEXT, STOP),), [billed(usage=Usage())]),
    ("zeros are no figures", ((OPEN, Usage(), STOP),), []),
    ("of one that was cut, more may be billed", ((OPEN, TEXT, FIGURES, CUT),), [billed(whole=False)]),
    ("and of one that still runs", ((OPEN, TEXT, FIGURES),), [billed(whole=False)]),
    ("another model took over", ((AttemptOpened(status=429), CUT), (RoundOpened("pro"),), (OPEN, TEXT, FIGURES, STOP)),
     [billed("pro")]),
    ("after it had been asked", ((OPEN, FIGURES, STOP), (RoundOpened("pro"),), (OPEN, FIGURES, STOP)),
     [billed(), billed("pro")]),
    ("a turn that has become its own",
     ((OPEN, FIGURES, STOP), (RoundOpened("flash", former="pro"),), (OPEN, FIGURES, STOP)),
     [Billed("pro", ("pro",), FIGURES), billed()]),
    ("one that the turn does not name", ((RoundOpened("other"),), (OPEN, FIGURES, STOP)), [billed("other")]),
    ("the same one, after its calls", ((OPEN, FIGURES, STOP), (RoundOpened("flash"),), (OPEN, FIGURES, STOP)),
     [billed(), billed()]),
    ("searches are counted by attempt",
     ((OPEN, TEXT, Grounding({"webSearchQueries": ["a"]}), Grounding({"webSearchQueries": ["a", "b"]}), FIGURES, STOP),
      (OPEN, TEXT, Grounding({}), FIGURES, STOP)),
     [billed(searches=2), billed()]),
    ("pictures are told by attempt",
     ((OPEN, TEXT, FIGURES, STOP), (OPEN, TEXT, InlineData("image/png", "AA"), FIGURES, STOP)),
     [billed(), billed(drawn=True)]),
    ("Google's own name is the likeliest", ((AttemptOpened("gemini-x"), TEXT, FIGURES, STOP),),
     [Billed("flash", ("gemini-x", "gemini-flash-wire", "flash"), FIGURES)]),
]  # fmt: skip


@pytest.mark.parametrize(("played_", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_every_attempt_that_brought_something_is_billed(played_, expected):
    assert played(*played_) == expected


def test_figures_that_are_less_certain_do_not_replace_others():
    (made,) = played((OPEN, TEXT, FIGURES, Usage(7, source="estimate"), Usage(8, source="ls"), STOP))
    assert made.usage == FIGURES
    (made,) = played((OPEN, TEXT, Usage(7, source="estimate"), Usage(8, source="ls"), STOP))
    assert made.usage == Usage(8, source="ls")


def test_attempts_keep_their_numbers():
    writer = builders.ChannelWriter(builders.turn(target=FLASH), FakeClock())
    for number, events in enumerate(((OPEN, CUT), (OPEN, TEXT, FIGURES, STOP), (OPEN, TEXT, STOP))):
        writer.append(number, b"", events)
    assert numbered(writer.channel) == {1: billed(), 2: billed(usage=Usage())}

"""The line and the bell at a 429: how often, of which model, until when."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from zerogravity.core.events import AttemptClosed, AttemptOpened, Failed, Finished, TextDelta
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import Termination, cancelled, upstream
from zerogravity.observe import bell
from zerogravity.observe.bell import Bell
from zerogravity.surfaces.common.models import ModelInfo

NOW = 1_770_000_000.0
HOUR = 3600.0


@dataclass
class Rung:
    play: Callable[..., None]
    models: list[ModelInfo]
    written: list[str]
    made: Bell

    @property
    def lines(self) -> list[str]:
        """What has been said of which model, without the time of day."""
        assert self.made.worker.flush()
        return [re.sub(r"\d\d:\d\d:\d\d ", "", line, count=1) for line in self.written]


async def nowhere(running: RunningTurn) -> Turn:
    return running.turn


@pytest.fixture
def rung(clock: Any, make_turn: Any) -> Iterator[Rung]:
    now, models, written = [NOW], list[ModelInfo](), list[str]()
    made = Bell(lambda data: written.append(data.decode()), wall=lambda: now[0])
    store = MitmStore(clock)
    made.attach(store, lambda: models)

    def play(
        *statuses: int, model: str = "flash", wait: float | None = None, later: float = 0, fallback: str = ""
    ) -> None:
        """A turn whose attempts get these; it fails with the last one. ``fallback``: another model answers then."""
        now[0] += later
        moves = Following(nowhere, "it was busy") if fallback else None
        running = store.open(make_turn(target=Target(model, "1")), follow=lambda _, end: moves)
        for number, status in enumerate(statuses):
            running.append(number, b"", (AttemptOpened(status=status), AttemptClosed(None)))
        if fallback:
            running.close(Failed(upstream(statuses[-1], "x", "no", retry_after=wait)))
            moves, running = None, store.again(running, replace(running.turn, target=Target(fallback, "2")))
            running.append(len(statuses), b"", (AttemptOpened(), TextDelta("yes"), AttemptClosed("STOP")))
        last = statuses[-1] if statuses and not fallback else 200
        running.close(Finished("stop") if last < 400 else Failed(upstream(last, "x", "no", retry_after=wait)))

    yield Rung(play, models, written, made)
    made.close()


def quota(model: str, left: float | None, resets: float | None) -> ModelInfo:
    return replace(ModelInfo(model, model, Target(model, "1")), left=left, resets=resets)


def test_a_429_rings_and_says_when_the_model_answers_again(rung: Rung) -> None:
    rung.play(429, wait=5 * HOUR)
    (line,) = rung.lines
    assert line.startswith("\aGoogle takes no more of flash for now (429); again at ")
    assert line.endswith("(in 5 h)\n")


def test_nothing_else_rings(rung: Rung, clock: Any, make_turn: Any) -> None:
    for status in (200, 400, 503):
        rung.play(status)
    assert rung.lines == []


@pytest.mark.parametrize(
    ("wait", "later", "times"),
    [(None, 59.0, 1), (None, 60.0, 2), (1.0, 59.0, 1), (2 * HOUR, HOUR, 1), (2 * HOUR, 2 * HOUR, 2)],
)
def test_it_rings_once_for_as_long_as_it_lasts_and_at_most_once_a_minute(
    rung: Rung, wait: float | None, later: float, times: int
) -> None:
    rung.play(429, wait=wait)
    rung.play(429, wait=wait, later=later)
    assert len(rung.lines) == times


def test_each_model_rings_for_itself(rung: Rung) -> None:
    for model in ("flash", "pro", "flash"):
        rung.play(429, model=model)
    assert [line.split()[5] for line in rung.lines] == ["flash", "pro"]


def test_a_refusal_rings_also_where_another_model_has_answered(rung: Rung) -> None:
    rung.play(429, fallback="pro")
    assert rung.lines == ["\aGoogle takes no more of flash for now (429)\n"]


@pytest.mark.parametrize(
    ("left", "resets", "told"),
    [(None, NOW + HOUR, True), (0.0, NOW + HOUR, True), (0.5, NOW + HOUR, False), (None, NOW - HOUR, False)],
)
def test_where_google_does_not_say_when_the_quota_does_if_it_is_used_up(
    rung: Rung, left: float | None, resets: float, told: bool
) -> None:
    rung.models[:] = [quota("pro", None, NOW + 2 * HOUR), quota("flash", left, resets)]
    rung.play(429)
    assert ("(in 1 h)" in rung.lines[0]) is told


def test_a_name_of_several_lines_stays_on_one(rung: Rung) -> None:
    rung.play(429, model="a\x1b[31m\nb")
    (line,) = rung.lines
    assert (line.count("\n"), "\x1b" in line) == (1, False)


def test_a_turn_that_its_client_leaves_rings_only_if_google_has_refused(rung: Rung, clock: Any, make_turn: Any) -> None:
    store = MitmStore(clock)
    store.on_closed.append(rung.made._closed)  # pyright: ignore[reportPrivateUsage]
    store.open(make_turn()).close(Failed(cancelled(Termination.CLIENT_GONE)))
    assert rung.lines == []


def test_there_is_none_where_nobody_would_hear_it() -> None:
    with Path(os.devnull).open("wb") as nowhere:
        assert bell.bell_of(nowhere) is None
    first, second = os.openpty()
    with os.fdopen(first, "rb", buffering=0) as screen, os.fdopen(second, "wb", buffering=0) as terminal:
        made = bell.bell_of(terminal)
        assert made is not None
        made._write(b"\ahi\n")  # pyright: ignore[reportPrivateUsage]
        assert screen.read(5) == b"\ahi\r\n"

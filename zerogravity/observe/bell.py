"""A 429 of Google's → a line and the bell of the terminal that ``serve`` runs in, once for as long as it lasts. One
thread writes: a terminal that is slow or held holds up nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.observe import moments, quotas
from zerogravity.observe.log_output import Stream, styled, takes_colour
from zerogravity.observe.printable import on_one_line
from zerogravity.observe.quotas import Quota
from zerogravity.surfaces.common.models import ModelInfo
from zerogravity.worker import BackgroundWorker

QUIET_S = 60.0  # at least between two lines about one model
BELL = "\a"


class _Refused(NamedTuple):
    """``again``: wall-clock seconds from which on the model may answer; None: not known."""

    model: str
    at: float
    again: float | None


class Bell:
    """``write`` is called by the thread, with whole lines. Raises OSError: nobody reads."""

    def __init__(
        self, write: Callable[[bytes], object], *, colour: bool = False, wall: Callable[[], float] = time.time
    ) -> None:
        self._write = write
        self._colour = colour
        self._wall = wall
        self._models: Callable[[], Iterable[ModelInfo]] = tuple
        self._quiet_until: dict[str, float] = {}  # the loop's own; of models, which are few
        self.worker: BackgroundWorker[_Refused] = BackgroundWorker("bell", self._ring)

    def attach(self, store: MitmStore, models: Callable[[], Iterable[ModelInfo]] = tuple) -> None:
        """Ring for the turns of ``store`` from now on. ``models``: with their quotas."""
        self._models = models
        self.worker.start()
        store.on_closed.append(self._closed)

    def close(self) -> None:
        self.worker.close()

    def _closed(self, channel: CascadeChannel) -> None:
        state, terminal, now = channel.state, channel.terminal, self._wall()
        fault = terminal.fault if isinstance(terminal, Failed) and terminal.fault.status == 429 else None
        refused: dict[str, float | None] = {
            attempt.asked: None for attempt in state.tried.values() if attempt.status == 429
        }
        if fault is not None:
            refused[state.served_by] = fault.retry_after
        for asked, wait in refused.items():
            model = asked or channel.turn.target.name
            if now < self._quiet_until.get(model, 0.0):
                continue
            again = self._resets(model, now) if wait is None else now + wait
            self._quiet_until[model] = max(again or 0.0, now + QUIET_S)
            self.worker.put(_Refused(model, now, again))

    def _resets(self, model: str, now: float) -> float | None:
        """Of a quota that is used up."""
        known = next((quota for quota in quotas.of(self._models()) if quota.model == model), Quota(model))
        return known.resets if not known.left and known.resets is not None and known.resets > now else None

    def _ring(self, batch: list[_Refused]) -> None:
        for refused in batch:
            again = f"; again {quotas.when(refused.again, refused.at)}" if refused.again is not None else ""
            words = f"Google takes no more of {on_one_line(refused.model)} for now (429){again}"
            time_ = styled(moments.local(refused.at, "%H:%M:%S"), "dim", self._colour)
            self._write(f"{BELL}{time_} {styled(words, 'yellow', self._colour)}\n".encode())


def bell_of(stream: Stream) -> Bell | None:
    """None where nobody would hear it."""
    if not stream.isatty():
        return None
    return Bell(lambda data: os.write(stream.fileno(), data), colour=takes_colour(stream))

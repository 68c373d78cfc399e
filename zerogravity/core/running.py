"""A turn from the inside: the writing end of its channel, and what the engine and the interceptor know of it while it
runs: its cascade, its attempts, what it waits for. The registry makes and keeps it; readers never see it.
"""

from __future__ import annotations

from collections.abc import Callable

from zerogravity.core.budget import Ledger
from zerogravity.core.callbacks import run_guarded
from zerogravity.core.channel import MAX_BYTES, MAX_READERS, CascadeChannel, ChannelWriter, Clock, Phase
from zerogravity.core.events import RequestLine, Terminal
from zerogravity.core.policy import Await
from zerogravity.core.stops import StopWatcher
from zerogravity.core.turn import Turn
from zerogravity.core.waiters import Waiters


class RunningTurn(ChannelWriter):
    """``on_close``: called once with the channel, when the terminal record has been appended."""

    __slots__ = ("_aborts", "_awaiting", "_on_close", "_supervisors")

    def __init__(
        self,
        turn: Turn,
        clock: Clock,
        *,
        max_bytes: int = MAX_BYTES,
        max_readers: int = MAX_READERS,
        abandoned: Callable[[CascadeChannel], object] | None = None,
        on_close: Callable[[CascadeChannel], object] = lambda _: None,
        ledger: Ledger | None = None,
    ) -> None:
        super().__init__(
            turn, clock, max_bytes=max_bytes, max_readers=max_readers, abandoned=abandoned, ledger=ledger,
            watcher=StopWatcher(turn.stops) if turn.stops else None,
        )  # fmt: skip
        self._on_close = on_close
        self._awaiting: Await | None = None
        self._aborts: list[Callable[[], None]] = []
        self._supervisors = Waiters()

    def close(self, terminal: Terminal) -> bool:
        if not super().close(terminal):
            return False
        self._on_close(self.channel)
        return True

    def mark(self, phase: Phase) -> bool:
        if not super().mark(phase):
            return False
        self._supervisors.wake()
        return True

    async def changed(self) -> None:
        """Return at the next phase, policy decision or end: what a supervisor waits for, without waking per event."""
        await self._supervisors.wait()

    # -- the cascade -------------------------------------------------------------------------------------------

    @property
    def cascade_id(self) -> str | None:
        return self._log.cascade_id

    def bind(self, cascade_id: str) -> None:
        """The language server's name of this turn, given once."""
        assert self._log.cascade_id is None
        self._log.cascade_id = cascade_id

    # -- its attempts ------------------------------------------------------------------------------------------

    def attempt_sent(self, line: RequestLine, abort: Callable[[], None] | None = None) -> int:
        """An attempt goes out; ``abort`` cuts it. Returns the number it has unless another one is answered first."""
        if abort is not None:
            self._aborts.append(abort)
        self.resume()
        return self.attempt_answered(line)

    def attempt_answered(self, line: RequestLine) -> int:
        """Google answers an attempt, perhaps in another version of HTTP. Returns its number: answers are counted."""
        number = self.channel.state.attempts
        self._log.lines[number] = line
        return number

    def end_attempts(self, *, cut: bool) -> None:
        """The turn is over: those that still run are ``cut``, or left to their end."""
        aborts, self._aborts = self._aborts, []
        for abort in aborts if cut else ():
            run_guarded(abort)

    # -- what it waits for -------------------------------------------------------------------------------------

    @property
    def awaiting(self) -> Await | None:
        """Policy: the turn goes on in the LS's next call, which must come in time. None: nothing is awaited."""
        return self._awaiting

    def await_attempt(self, decision: Await) -> None:
        """The LS has to make one more call."""
        self._await(decision)

    def resume(self) -> None:
        """It has."""
        self._await(None)

    def _await(self, decision: Await | None) -> None:
        if decision is not self._awaiting:
            self._awaiting = decision
            self._supervisors.wake()

"""``MitmStore``: the open and the recently closed channels by cascade id, and the call-id memory.

Attaching is by exact cascade id only; there is no "latest" fallback, ever. Budgets evict finished turns, never
running ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from zerogravity.core.callbacks import Callbacks
from zerogravity.core.channel import MAX_BYTES, MAX_READERS, CascadeChannel, Clock
from zerogravity.core.fold import Call, Reasoning
from zerogravity.core.turn import Turn

NS = 1_000_000_000
MAX_TURNS = 10_000


@dataclass(frozen=True, slots=True)
class RememberedCall:
    """What must go back to Google with a call's result. ``family`` of the model that made it: signatures are bound
    to it. ``first``: it was the first call of its step, the one whose signature is enforced. ``before`` and ``after``:
    source texts of the parts of Google's own tools around it. ``thoughts``: (text, signature) of each signed thought
    of its own answer that led to the step; only its first call has them."""

    name: str
    args_json: str
    signature: str | None
    upstream_id: str | None
    family: str
    first: bool = True
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    thoughts: tuple[tuple[str, str], ...] = ()


class CallMemory:
    """call id → call, across cascades and surfaces; bounded in number and bytes, with expiry. Oldest out first."""

    def __init__(
        self, clock: Clock, *, limit: int = 20_000, max_bytes: int = 64 << 20, max_age_s: float = 24 * 3600
    ) -> None:
        self.bytes = 0
        self._clock = clock
        self._limit = limit
        self._max_bytes = max_bytes
        self._max_age = int(max_age_s * NS)
        self._calls: OrderedDict[str, tuple[int, RememberedCall]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, call_id: str, call: RememberedCall) -> None:
        self._forget(call_id)
        now = self._clock()
        self._calls[call_id] = (now, call)
        self.bytes += _size(call)
        while len(self._calls) > self._limit or self.bytes > self._max_bytes:
            self._forget(next(iter(self._calls)))
        while self._calls and now - self._calls[oldest := next(iter(self._calls))][0] > self._max_age:
            self._forget(oldest)

    def get(self, call_id: str) -> RememberedCall | None:
        entry = self._calls.get(call_id)
        if entry is None:
            return None
        if self._clock() - entry[0] > self._max_age:
            self._forget(call_id)
            return None
        return entry[1]

    def _forget(self, call_id: str) -> None:
        if (entry := self._calls.pop(call_id, None)) is not None:
            self.bytes -= _size(entry[1])

    def learn(self, channel: CascadeChannel) -> None:
        """Remember every call of a channel. Of a run of calls only the first holds (and needs) a signature.

        One with thoughts is found by Google's own id, too: that is the one which Gemini clients know.
        """
        after_call = False
        thoughts: list[tuple[str, str]] = []
        for item in channel.state.items:
            if isinstance(item, Reasoning) and item.signature and item.index >= channel.state.answer_at:
                thoughts.append((item.text, item.signature))
            if isinstance(item, Call):
                made = RememberedCall(
                    item.name,
                    item.args_json,
                    item.signature,
                    item.upstream_id,
                    channel.turn.target.family,
                    first=not after_call,
                    before=tuple(item.before),
                    after=tuple(item.after),
                    thoughts=tuple(thoughts),
                )
                self.put(item.call_id, made)
                if thoughts and item.upstream_id:
                    self.put(item.upstream_id, made)
                thoughts = []
            after_call = isinstance(item, Call)


def size_around(call: RememberedCall) -> int:
    """Characters of what goes back to Google with a call."""
    return sum(map(len, (*call.before, *call.after))) + sum(len(text) + len(sign) for text, sign in call.thoughts)


def _size(call: RememberedCall) -> int:
    return len(call.name) + len(call.args_json) + len(call.signature or "") + size_around(call)


class MitmStore:
    """All channels of this process: by turn id from the start, by cascade id once the LS has given one."""

    def __init__(
        self,
        clock: Clock,
        *,
        max_bytes: int = 512 << 20,
        call_bytes: int = 64 << 20,
        max_turns: int = MAX_TURNS,
        max_age_s: float = 3600,
        turn_bytes: int = MAX_BYTES,
        turn_readers: int = MAX_READERS,
    ) -> None:
        self.clock = clock
        self.calls = CallMemory(clock, max_bytes=call_bytes)
        self.on_open = Callbacks[CascadeChannel]()
        self.evicted = 0
        self._channels: dict[str, CascadeChannel] = {}
        self._cascades: dict[str, CascadeChannel] = {}
        self._open: dict[str, CascadeChannel] = {}
        self._finished: OrderedDict[str, CascadeChannel] = OrderedDict()  # in the order of their ends
        self._finished_bytes = 0
        self._max_bytes = max_bytes
        self._max_turns = max_turns
        self._max_age = int(max_age_s * NS)
        self._turn_bytes = turn_bytes
        self._turn_readers = turn_readers

    def open(self, turn: Turn) -> CascadeChannel:
        """The channel of a new turn; not claimable before it is bound to a cascade."""
        if turn.id in self._channels:
            raise ValueError(f"turn {turn.id} is open already")
        self.sweep()
        channel = CascadeChannel(turn, self.clock, max_bytes=self._turn_bytes, max_readers=self._turn_readers)
        self._channels[turn.id] = self._open[turn.id] = channel
        channel.on_close.append(self._finish)
        channel.on_close.append(self.calls.learn)
        self.on_open.tell(channel)
        return channel

    def bind(self, channel: CascadeChannel, cascade_id: str) -> None:
        """Make ``channel`` claimable. Must happen before the LS is told anything (invariant 9)."""
        if cascade_id in self._cascades:
            raise ValueError(f"cascade {cascade_id} is bound already")
        if channel.cascade_id is not None or self._channels.get(channel.id) is not channel:
            raise ValueError(f"turn {channel.id} is bound already, or evicted")
        channel.cascade_id = cascade_id
        self._cascades[cascade_id] = channel

    def find(self, cascade_id: str) -> CascadeChannel | None:
        """The channel of exactly that cascade, open or closed."""
        return self._cascades.get(cascade_id)

    def get(self, turn_id: str) -> CascadeChannel | None:
        """The channel of that turn, open or closed."""
        return self._channels.get(turn_id)

    def claim(self, cascade_id: str) -> CascadeChannel | None:
        """The channel of that cascade if its turn is still open. Repeatable: one turn may make several calls."""
        channel = self._cascades.get(cascade_id)
        return channel if channel is not None and not channel.closed else None

    def __iter__(self) -> Iterator[CascadeChannel]:
        return iter(list(self._channels.values()))

    def __len__(self) -> int:
        return len(self._channels)

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def bytes(self) -> int:
        """What all turns hold of memory, their requests included."""
        return self._finished_bytes + sum(channel.held for channel in self._open.values())

    def _finish(self, channel: CascadeChannel) -> None:
        del self._open[channel.id]
        self._finished[channel.id] = channel
        self._finished_bytes += channel.held

    def sweep(self) -> int:
        """Evict finished turns that are too old, then the oldest finished ones until the budgets hold.

        Returns how many were evicted. A finished turn with readers is not evicted by age.
        """
        now, held, doomed = self.clock(), self.bytes, list[CascadeChannel]()
        for channel in self._finished.values():
            too_many = held > self._max_bytes or len(self._finished) - len(doomed) > self._max_turns
            too_old = now - channel.marks["done"] > self._max_age
            if not too_many and not too_old:
                break  # all others ended later
            if too_many or not channel.readers:
                held -= channel.held
                doomed.append(channel)
        for channel in doomed:
            self._drop(channel)
        self.evicted += len(doomed)
        return len(doomed)

    def drop(self, turn_id: str) -> bool:
        """Forget a finished channel. False when it is unknown or still open."""
        channel = self._channels.get(turn_id)
        if channel is None or not channel.closed:
            return False
        self._drop(channel)
        return True

    def _drop(self, channel: CascadeChannel) -> None:
        del self._channels[channel.id]
        del self._finished[channel.id]
        self._finished_bytes -= channel.held
        if channel.cascade_id is not None:
            del self._cascades[channel.cascade_id]
        channel.release()

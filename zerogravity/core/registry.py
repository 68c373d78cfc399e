"""``MitmStore``: the turns that run and those that ended lately, by cascade id; and the call-id memory.

Attaching is by exact cascade id only; there is no "latest" fallback, ever. Budgets evict finished turns, never
running ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from zerogravity.core.budget import Ledger
from zerogravity.core.callbacks import Callbacks
from zerogravity.core.channel import MAX_BYTES, MAX_READERS, CascadeChannel, Clock
from zerogravity.core.events import CallReturned, Terminal, texts_size
from zerogravity.core.fold import Call, Reasoning, TurnState
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Turn

NS = 1_000_000_000
MAX_TURNS = 10_000
LARGE = 8  # a part of the memory that no turn's results may take
NOT_KEPT = "this result was too large to be kept; call the tool again if it is still needed"


@dataclass(frozen=True, slots=True)
class RanCalls:
    """Calls of MCP tools that the gateway has run in an answer that ends with calls of the client's own; a client that
    has not seen them cannot send them back. ``steps``: of the rounds before the last one, a group each. ``before``,
    ``behind``: of the last one, where the client's first call stands between them."""

    steps: tuple[tuple[Call, ...], ...] = ()
    before: tuple[Call, ...] = ()
    behind: tuple[Call, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        return (*(call for step in self.steps for call in step), *self.before, *self.behind)


@dataclass(frozen=True, slots=True)
class RememberedCall:
    """What must go back to Google with a call's result. ``family`` of the model that made it: signatures are bound
    to it. ``first``: it was the first call of its step, the one whose signature is enforced. ``before`` and ``after``:
    source texts of the parts of Google's own tools around it. ``thoughts``: (text, signature) of each signed thought
    of its own answer that led to the step; only its first call has them. ``ran``: what the gateway has run in the same
    answer, of the client's first call there; ``owner``: whose answer that is."""

    name: str
    args_json: str
    signature: str | None
    upstream_id: str | None
    family: str
    first: bool = True
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    thoughts: tuple[tuple[str, str], ...] = ()
    ran: RanCalls | None = None
    owner: str = ""


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

    def of(self, owner: str) -> Callable[[str], RememberedCall | None]:
        """``get``, without what others' calls have come to."""

        def get(call_id: str) -> RememberedCall | None:
            call = self.get(call_id)
            return call if call is None or call.ran is None or call.owner == owner else replace(call, ran=None)

        return get

    def _forget(self, call_id: str) -> None:
        if (entry := self._calls.pop(call_id, None)) is not None:
            self.bytes -= _size(entry[1])

    def learn(self, channel: CascadeChannel) -> None:
        """Remember every call of a channel. Of a run of calls only the first holds (and needs) a signature.

        One that brings more with it is found by Google's own id, too: that is the one which Gemini clients know.
        """
        state, turn = channel.state, channel.turn
        after_call = False
        thoughts: list[tuple[str, str]] = []
        answers = {*state.begins, *(attempt.begins_at for attempt in state.tried.values())}
        first, ran = self._ran(state)
        approved = turn.approved  # an earlier turn's: that one knows more
        for item in state.items:
            if item.index in answers:
                thoughts, after_call = [], False
            if isinstance(item, Call) and item.call_id in approved:
                continue
            if isinstance(item, Reasoning) and item.signature:
                thoughts.append((item.text, item.signature))
            if isinstance(item, Call):
                made = RememberedCall(
                    item.name,
                    item.args_json,
                    item.signature,
                    item.upstream_id,
                    turn.target.family,
                    first=not after_call,
                    before=tuple(item.before),
                    after=tuple(item.after),
                    thoughts=tuple(thoughts),
                    ran=ran if item is first else None,
                    owner=turn.owner,
                )
                self.put(item.call_id, made)
                if (made.thoughts or made.ran) and item.upstream_id:
                    self.put(item.upstream_id, made)
                thoughts = []
            after_call = isinstance(item, Call)

    def _ran(self, state: TurnState) -> tuple[Call | None, RanCalls | None]:
        """The client's first call in the last round, and what the gateway has run around it. Of results that would
        take too much of the memory it is only kept that they were there."""
        begins_at = state.round.begins_at
        first = next((call for call in state.client_calls if call.index >= begins_at), None)
        calls = [call for call in state.function_calls if call.returned is not None]
        if first is None or not calls:
            return first, None
        if sum(map(_size_of_ran, calls)) > self._max_bytes // LARGE:
            calls = [
                replace(call, returned=CallReturned(call.call_id, NOT_KEPT, {"type": "not_kept"})) for call in calls
            ]
        rounds = [
            tuple(call for call in calls if begin <= call.index < end)
            for begin, end in pairwise((*state.begins, len(state.items)))
        ]
        before = tuple(call for call in rounds[-1] if call.index < first.index)
        behind = tuple(call for call in rounds[-1] if call.index > first.index)
        return first, RanCalls(tuple(filter(None, rounds[:-1])), before, behind)


def size_around(call: RememberedCall) -> int:
    """Characters of what goes back to Google with a call."""
    ran = call.ran.calls if call.ran is not None else ()
    texts = (*call.before, *call.after, *(text for thought in call.thoughts for text in thought))
    return sum(map(len, texts)) + sum(map(_size_of_ran, ran))


def _size_of_ran(call: Call) -> int:
    texts = (call.name, call.args_json, call.signature or "", *call.before, *call.after)
    return sum(map(len, texts)) + texts_size((call.returned,) if call.returned is not None else ())


def _size(call: RememberedCall) -> int:
    return len(call.name) + len(call.args_json) + len(call.signature or "") + size_around(call)


class MitmStore:
    """All turns of this process: by turn id from the start, by cascade id once the LS has given one.

    ``on_open``, ``on_closed``: of every turn, in the order in which they subscribed; one that fails keeps no other from
    being called.
    """

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
        self.on_closed = Callbacks[CascadeChannel]()
        self.on_closed.append(self.calls.learn)
        self.evicted = 0
        self._turns: dict[str, RunningTurn] = {}
        self._cascades: dict[str, RunningTurn] = {}
        self._bound: dict[str, list[str]] = {}  # turn id → the cascades of its rounds
        self._running: dict[str, RunningTurn] = {}
        self._finished: OrderedDict[str, RunningTurn] = OrderedDict()  # in the order of their ends
        self._ledger = Ledger()
        self._max_bytes = max_bytes
        self._max_turns = max_turns
        self._max_age = int(max_age_s * NS)
        self._turn_bytes = turn_bytes
        self._turn_readers = turn_readers

    def open(
        self,
        turn: Turn,
        *,
        abandoned: Callable[[CascadeChannel], object] | None = None,
        follow: Callable[[RunningTurn, Terminal], Following | None] = lambda running, terminal: None,
    ) -> RunningTurn:
        """Begin a turn; it cannot be claimed before it is bound to a cascade. ``abandoned``: as ChannelWriter's;
        ``follow``: as RunningTurn's."""
        if turn.id in self._turns:
            raise ValueError(f"turn {turn.id} is open already")
        self.sweep()
        running = RunningTurn(
            turn, self.clock, max_bytes=self._turn_bytes, max_readers=self._turn_readers, abandoned=abandoned,
            follow=follow, on_close=self._closed, ledger=self._ledger,
        )  # fmt: skip
        self._turns[turn.id] = self._running[turn.id] = running
        self.on_open.call(running.channel)
        return running

    def again(self, running: RunningTurn, turn: Turn) -> RunningTurn:
        """Begin the next round of a turn that goes on."""
        following = running.again(turn)
        self._turns[running.id] = self._running[running.id] = following
        return following

    def bind(self, running: RunningTurn, cascade_id: str) -> None:
        """Make the turn claimable. Must happen before the LS hears of it (invariant 9)."""
        if cascade_id in self._cascades:
            raise ValueError(f"cascade {cascade_id} is bound already")
        if running.cascade_id is not None or self._turns.get(running.id) is not running:
            raise ValueError(f"turn {running.id} is bound already, or evicted")
        running.bind(cascade_id)
        self._cascades[cascade_id] = running
        self._bound.setdefault(running.id, []).append(cascade_id)

    def find(self, cascade_id: str) -> RunningTurn | None:
        """The turn of exactly that cascade, running or over. One turn may make several attempts."""
        return self._cascades.get(cascade_id)

    def get(self, turn_id: str) -> CascadeChannel | None:
        """The channel of that turn, running or over."""
        turn = self._turns.get(turn_id)
        return None if turn is None else turn.channel

    def running(self, turn_id: str) -> RunningTurn | None:
        """That turn, as long as it is not over."""
        return self._running.get(turn_id)

    def __iter__(self) -> Iterator[CascadeChannel]:
        return iter([turn.channel for turn in self._turns.values()])

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def open_count(self) -> int:
        return len(self._running)

    @property
    def bytes(self) -> int:
        """What all turns hold of memory, their requests included."""
        return self._ledger.bytes

    def close(self, terminal: Terminal) -> None:
        """End every turn that runs."""
        for running in tuple(self._running.values()):
            running.end(terminal)

    def _closed(self, channel: CascadeChannel) -> None:
        self._finished[channel.id] = running = self._running.pop(channel.id)
        running.forget_fallbacks()
        self.on_closed.call(channel)

    def sweep(self) -> int:
        """Evict finished turns that are too old, then the oldest finished ones until the budgets hold.

        Returns how many were evicted. A finished turn with readers is not evicted by age.
        """
        now, held, doomed = self.clock(), self.bytes, list[RunningTurn]()
        for turn in self._finished.values():
            channel = turn.channel
            too_many = held > self._max_bytes or len(self._finished) - len(doomed) > self._max_turns
            too_old = now - channel.marks["done"] > self._max_age
            if not too_many and not too_old:
                break  # all others ended later
            if too_many or not channel.readers:
                held -= channel.held
                doomed.append(turn)
        for turn in doomed:
            self._evict(turn)
        self.evicted += len(doomed)
        return len(doomed)

    def _evict(self, turn: RunningTurn) -> None:
        del self._turns[turn.id]
        del self._finished[turn.id]
        for cascade_id in self._bound.pop(turn.id, ()):
            del self._cascades[cascade_id]
        turn.release()

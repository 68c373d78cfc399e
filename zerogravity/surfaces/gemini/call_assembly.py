"""Google's chunks → the same chunks with calls that a client can run, by the rules of ``wire.calls``.

A chunk waits while a call that began in it may go on, and so does what comes behind it. A call put together stands
where it began; a chunk in which nothing had to be done keeps Google's own text. Behind a call that cannot be run no
part is shown.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from zerogravity.surfaces.gemini.json_edit import array, edited
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.calls import Calls, Whole, is_call, names_a_call, says_something
from zerogravity.wire.narrow import OBJECT, Json, is_a

Chunk = tuple[bytes, Json]  # its text and its value
SILENT = frozenset({"index", "content"})  # a candidate with nothing else says nothing once its parts are gone


@dataclass(slots=True, eq=False)
class _Place:
    """A part with a call, or a piece of one. ``shown``: what stands there now; None: nothing."""

    source: bytes
    shown: bytes | None = None


@dataclass(slots=True)
class _Waiting:
    text: bytes
    chunk: Json
    number: int  # of the candidate
    places: dict[int, _Place] = field(default_factory=dict[int, _Place])


class CallAssembly:
    """The chunks of one upstream call."""

    def __init__(self, declared: Collection[str]) -> None:
        self._calls = Calls(declared)
        self._queue: list[_Waiting] = []

    @property
    def waits(self) -> bool:
        """Whether a call that is not complete, or cannot be run, decides on what comes next."""
        return bool(self._queue) or self._calls.broken is not None

    def feed(self, text: bytes, chunk: Json) -> list[Chunk]:
        """The chunks that are complete now."""
        waits = self.waits
        if not waits and not names_a_call(text):
            return [(text, chunk)]
        number, parts = _first(chunk)
        called = any(map(is_call, parts))
        if not called and not waits:
            return [(text, chunk)]
        waiting = _Waiting(text, chunk, number)
        self._queue.append(waiting)
        sources = jsonio.elements(text, _path(number)) if called else []
        for index, part in enumerate(parts):
            if not is_call(part) and says_something(part):
                _settle(self._calls.flush())
            if self._calls.broken is not None:
                waiting.places[index] = _Place(b"")
            elif is_call(part):
                place = waiting.places[index] = _Place(sources[index])
                _settle(self._calls.take(part, place.source, place))
        return self._released()

    def end(self, finish: str | None) -> list[Chunk]:
        """The call is over."""
        _settle(self._calls.end(finish))
        return self._released()

    def _released(self) -> list[Chunk]:
        """All in front of the chunk that still waits."""
        out: list[Chunk] = []
        open_place = self._calls.waits_at
        while self._queue and not any(place is open_place for place in self._queue[0].places.values()):
            if (chunk := _whole(self._queue.pop(0))) is not None:
                out.append(chunk)
        return out


def _settle(calls: list[Whole]) -> None:
    for call in calls:
        assert isinstance(call.place, _Place)
        call.place.shown = call.part


def _whole(waiting: _Waiting) -> Chunk | None:
    """The chunk with what its calls have become; None when that is nothing, and all there was."""
    text, chunk, places = waiting.text, waiting.chunk, waiting.places
    if all(place.shown is place.source for place in places.values()):
        return text, chunk
    path = _path(waiting.number)
    parts = [
        source if index not in places else places[index].shown
        for index, source in enumerate(jsonio.elements(text, path))
    ]
    if any(part is not None for part in parts):
        text = edited(text, path, array(part for part in parts if part is not None))
        return text, narrow.members(jsonio.loads(text))
    candidates = narrow.objects(chunk["candidates"])
    if (
        len(candidates) == 1
        and candidates[0].keys() <= SILENT
        and chunk.keys().isdisjoint(("usageMetadata", "promptFeedback"))
    ):
        return None
    text = edited(text, path[:-1], None)
    return text, narrow.members(jsonio.loads(text))


def _first(chunk: Json) -> tuple[int, list[dict[str, object]]]:
    """The candidate that counts: where it is, and its parts."""
    for number, candidate in narrow.numbered(chunk.get("candidates")):
        if not candidate.get("index"):
            return number, parts_of(candidate)
    return 0, []


def _path(number: int) -> tuple[str | int, ...]:
    return ("candidates", number, "content", "parts")


def parts_of(candidate: Json) -> list[dict[str, object]]:
    """A candidate's parts by their indices; what is no object counts as an empty one."""
    content = candidate.get("content")
    parts = narrow.items(content.get("parts")) if is_a(content, OBJECT) else ()
    return [part if is_a(part, OBJECT) else {} for part in parts]

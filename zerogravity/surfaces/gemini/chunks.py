"""Records → the texts of the GenerateContentResponse chunks a client gets: Google's own bytes, un-enveloped. A record
without bytes (polled) is rendered from its events.

A chunk is changed where gemini-cli would drop it (an empty part next to others), where it holds thoughts nobody asked
for, calls that the gateway runs, calls in pieces (``wire.calls``) or values of no kind (``client_form``), and where it
tells an end too soon: what ends a turn is held until the turn is over, and taken off when the turn goes on or fails.
Usage is summed over the attempts; an estimate of it is told with the end.

Facts: wire-gemini-and-mapping 5, 5.1, 8 (34).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence

from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Record,
    Signature,
    Terminal,
    ToolsListed,
    Usage,
)
from zerogravity.core.turn import Turn
from zerogravity.surfaces.gemini import render
from zerogravity.surfaces.gemini.call_assembly import SILENT, CallAssembly, parts_of
from zerogravity.surfaces.gemini.client_form import readable
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.envelope import Envelopes
from zerogravity.surfaces.gemini.json_edit import array, composed, edited, source
from zerogravity.surfaces.gemini.plain import is_plain
from zerogravity.surfaces.gemini.usage import summed
from zerogravity.wire import calls, jsonio, narrow
from zerogravity.wire.narrow import OBJECT, Json, is_a

END = ("finishReason", "finishMessage")
CALLED = frozenset({*calls.KEYS, "toolCall", "toolResponse", "tool_call", "tool_response"})
KNOWN = frozenset({"candidates", "promptFeedback", "usageMetadata"})  # without any of them a chunk says nothing


class Chunks:
    """One reader's chunks. Feed it all records in order."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._thoughts = turn.details_as(GeminiDetails).thoughts
        self._held: list[bytes] = []
        self._ended = False  # what is held tells the end: a finishReason or a blocked prompt
        self._earlier: Json | None = None  # usage of the calls before this one
        self._usage: bytes | None = None  # the newest chunk of this call that tells its usage
        self._opened = False
        self._declared = set(calls.declared_names(turn.google_request))
        self._listed: dict[str, tuple[str, ...]] = {}  # of each MCP server
        self._hidden: set[str] = set()  # names of the functions that the gateway runs
        self._envelopes = Envelopes()
        self._new_call()

    def _new_call(self) -> None:
        self._assembly = CallAssembly(self._declared)
        self._captured = False  # whether this call has chunks of Google's
        self._usage = None
        self._estimate = Usage()  # where Google has told none
        self._closed = AttemptClosed(None)

    def feed(self, record: Record) -> list[bytes]:
        """The chunks that ``record`` causes."""
        out: list[bytes] = []
        for event in record.events:
            if type(event) is AttemptOpened:
                out += self._next_call()
            elif type(event) is ToolsListed:
                self._listed[event.server] = event.names
                self._hidden = {name for names in self._listed.values() for name in names}
                self._declared.update(event.names)
            elif type(event) is Usage and event.source == "estimate":
                self._estimate += event
        if record.data:
            self._captured = True
            for text in elements(record.data):
                out += self._chunk(text)
        else:
            out += self._polled(record)
        if (terminal := record.terminal) is not None:
            has_end = isinstance(terminal, Finished) or terminal.fault.finish
            out += self._finish(terminal) if has_end else self._unfinished()
        return out

    def _chunk(self, text: bytes) -> Iterable[bytes]:
        """One object of Google's stream."""
        if (found := self._envelopes.opened(text)) is None:
            return ()
        text, chunk, enveloped = found
        as_they_come = not self._held and self._earlier is None and not self._assembly.waits
        if as_they_come and is_plain(chunk, thoughts=self._thoughts):
            if "usageMetadata" in chunk:
                self._usage = text
            return (text,)
        if "error" in chunk:
            text = edited(text, ("error",), None)
        if KNOWN.isdisjoint(chunk):
            return ()
        wholes = self._assembly.feed(*readable(text, chunk, enveloped=enveloped))
        return [piece for whole in wholes for piece in self._shown(*whole)]

    def _shown(self, text: bytes, chunk: Json) -> Iterator[bytes]:
        usage = chunk.get("usageMetadata")
        if isinstance(usage, dict):
            self._usage = text
            if self._earlier is not None:
                text = edited(text, ("usageMetadata",), jsonio.dumps(summed(self._earlier, usage_of(text))))
        for piece, ends in self._cleaned(text, chunk):
            if ends or self._held:
                self._held.append(piece)
                self._ended |= ends
            else:
                yield piece

    def _cleaned(self, text: bytes, chunk: Json) -> Iterator[tuple[bytes, bool]]:
        """(text, whether it tells the end) of what is left of a chunk; parts that are taken away are cut out."""
        ends = tells_end(chunk)
        candidates = narrow.numbered(chunk.get("candidates"))
        for number, candidate in candidates:
            parts = parts_of(candidate)
            groups = grouped(parts, thoughts=self._thoughts, hidden=self._hidden)
            if groups == [list(range(len(parts)))]:
                continue
            place = ("candidates", number, "content", "parts")
            sources = jsonio.elements(text, place)
            for group in groups[:-1]:
                yield self._alone(text, candidate, [sources[index] for index in group]), False
            if groups:
                text = edited(text, place, array(sources[index] for index in groups[-1]))
            elif parts:
                text = edited(text, ("candidates", number, "content"), None)
                if len(candidates) == 1 and candidate.keys() <= SILENT and "promptFeedback" not in chunk:
                    return
        yield text, ends

    def _alone(self, text: bytes, candidate: Json, parts: list[bytes]) -> bytes:
        """A chunk of some parts only, in front of the chunk they come from."""
        content = composed({"parts": array(parts), "role": b'"model"'})
        index = jsonio.dumps(candidate.get("index", 0))
        members = {"candidates": array([composed({"content": content, "index": index})])}
        for name in ("modelVersion", "responseId"):
            if (source := jsonio.at(text, (name,))) is not None:
                members[name] = source
        return composed(members)

    def _polled(self, record: Record) -> Iterator[bytes]:
        events = record.events
        for event in events:
            if isinstance(event, AttemptClosed):
                self._closed = event
                for whole in self._assembly.end(event.finish):
                    yield from self._shown(*whole)
        if self._captured:  # its calls have been shown, and thinking with its picture to whoever wanted it
            known = (FunctionCall, InlineData, Signature) if self._thoughts else FunctionCall
            events = tuple(event for event in events if not isinstance(event, known))
        events = tuple(event for event in events if not self._is_kept_back(event))
        text = render.chunk(self._turn, events)
        if text is not None:
            yield from self._shown(text, narrow.members(jsonio.loads(text)))

    def _is_kept_back(self, event: Event) -> bool:
        if type(event) is Usage:
            return event.source == "estimate"
        return type(event) is FunctionCall and event.name in self._hidden

    def _next_call(self) -> list[bytes]:
        """The turn goes on in another upstream call: the finish of the previous one was not the end."""
        if not self._opened:
            self._opened = True
            return []
        out = self._unfinished()
        self._earlier = self._used()
        self._new_call()
        return out

    def _unfinished(self) -> list[bytes]:
        """What was held, without its end."""
        held = [text for whole in self._assembly.end(None) for text in self._shown(*whole)]
        held, self._held, self._ended = [*held, *self._held], [], False
        return [text for text in map(without_end, held) if text is not None]

    def _finish(self, terminal: Terminal) -> list[bytes]:
        held, self._held = settled(self._held), []
        finish, message = self._closed.finish, self._closed.message
        if isinstance(terminal, Failed) and terminal.fault.finish != finish:
            finish, message = terminal.fault.finish, terminal.fault.finish_message
            held = [ended_by(text, finish, message) for text in held]
        if not self._ended:
            held.append(render.last_chunk(self._turn, terminal, finish, message))
        untold = self._usage is None or self._estimate.told
        if untold and (used := self._used()) is not None:
            held[-1] = edited(held[-1], ("usageMetadata",), jsonio.dumps(used))
        return held

    def _used(self) -> Json | None:
        """The usage of all calls so far; None: nobody knows any."""
        own = summed(usage_of(self._usage or b"{}"), render.usage_metadata(self._estimate))
        return summed(self._earlier or {}, own) or None


def elements(data: bytes) -> list[bytes]:
    """One payload is one chunk, or a JSON array of them (a stream without ``alt=sse``)."""
    return jsonio.elements(data) if data.lstrip()[:1] == b"[" else [data]


def usage_of(text: bytes) -> dict[str, object]:
    """A chunk's usageMetadata, exactly."""
    return narrow.members(jsonio.loads(jsonio.at(text, ("usageMetadata",)) or b"{}"))


def grouped(parts: Sequence[Json], *, thoughts: bool, hidden: Container[str] = ()) -> list[list[int]]:
    """The indices of the parts that stay, in groups that must not share a chunk.

    Beside another part an empty one is left out, and a signed empty text goes into a chunk of its own. Left out as
    well: thoughts that were not asked for, and calls of the ``hidden`` functions.
    """
    kept = [
        index
        for index, part in enumerate(parts)
        if (thoughts or not is_thought(part)) and narrow.text(narrow.lookup(part, "functionCall", "name")) not in hidden
    ]
    if all(is_empty(parts[index]) for index in kept):
        signed = [[index] for index in kept if "thoughtSignature" in parts[index]]
        return signed or ([kept[:1]] if kept or not parts else [])
    groups: list[list[int]] = [[]]
    for index in kept:
        if not is_empty(parts[index]):
            groups[-1].append(index)
        elif "thoughtSignature" in parts[index]:
            groups += [[index], []]
    return [group for group in groups if group]


def is_thought(part: Json) -> bool:
    """Calls, and what Google's own tools did, never count as thoughts."""
    return part.get("thought") is True and CALLED.isdisjoint(part)


def is_empty(part: Json) -> bool:
    """Whether gemini-cli takes the part for a broken one."""
    return not part or (part.get("text") == "" and part.keys() <= {"text", "thoughtSignature"})


def refusals(held: list[bytes]) -> list[bytes]:
    """What is said of a refused prompt, where there is more to say than that."""
    chunks = [narrow.members(jsonio.loads(text)) for text in held]
    if len(chunks) == 1 and not chunks[0].get("candidates"):
        return []
    return [
        source(text, "promptFeedback")
        for text, chunk in zip(held, chunks, strict=True)
        if "blockReason" in narrow.members(chunk.get("promptFeedback"))
    ]


def without_end(text: bytes) -> bytes | None:
    """The chunk without finishReason or refusal; None when it says nothing else."""
    chunk = narrow.members(jsonio.loads(text))
    has_content = False
    if "blockReason" in narrow.members(chunk.get("promptFeedback")):
        text = edited(text, ("promptFeedback",), None)
    for number, candidate in narrow.numbered(chunk.get("candidates")):
        for name in END:
            if name in candidate:
                text = edited(text, ("candidates", number, name), None)
        has_content |= any(part != {"text": ""} for part in parts_of(candidate))
    return text if has_content else None


def ended_by(text: bytes, finish: str, message: str | None) -> bytes:
    """The chunk with another end, if it tells one."""
    for number, candidate in narrow.numbered(narrow.lookup(jsonio.loads(text), "candidates")):
        if "finishReason" in candidate and not candidate.get("index"):
            text = edited(text, ("candidates", number, "finishReason"), jsonio.dumps(finish))
            words = None if message is None else jsonio.dumps(message)
            text = edited(text, ("candidates", number, "finishMessage"), words)
    return text


def settled(held: list[bytes]) -> list[bytes]:
    """The last chunks of a turn with one end, and no content behind it: what came later gets it."""
    if any(b"blockReason" in text for text in held) and (refused := refusals(held)):
        usage = [found for text in held if (found := jsonio.at(text, ("usageMetadata",))) is not None]
        last = {"promptFeedback": refused[-1], **({"usageMetadata": usage[-1]} if usage else {})}
        return [*filter(None, map(without_end, held)), composed(last)]
    if len(held) < 2:
        return held
    ends: list[tuple[int, int]] = []  # (chunk, candidate) with a finishReason
    bearers: list[tuple[int, int]] = []  # the same with parts
    for index, text in enumerate(held):
        for number, candidate in narrow.numbered(narrow.lookup(jsonio.loads(text), "candidates")):
            if not candidate.get("index"):
                ends += [(index, number)] if "finishReason" in candidate else []
                bearers += [(index, number)] if parts_of(candidate) else []
    if not ends or (len(ends) == 1 and max(bearers, default=ends[0]) <= ends[0]):
        return held
    made = list(held)
    last, number = ends[-1]
    words = {name: jsonio.at(held[last], ("candidates", number, name)) for name in END}
    for index, number in ends:
        for name in END:
            made[index] = edited(made[index], ("candidates", number, name), None)
    index, number = max([ends[-1], *bearers])
    for name, word in words.items():
        if word is not None:
            made[index] = edited(made[index], ("candidates", number, name), word)
    return made


def tells_end(chunk: Json) -> bool:
    """Whether the first candidate ends here, or the prompt was blocked."""
    if is_a(feedback := chunk.get("promptFeedback"), OBJECT) and "blockReason" in feedback:
        return True
    for candidate in narrow.items(chunk.get("candidates")):
        if is_a(candidate, OBJECT) and isinstance(candidate.get("finishReason"), str) and not candidate.get("index"):
            return True
    return False

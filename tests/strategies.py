"""Hypothesis strategies shared by all rooms: legal, terminal-ended record sequences as a capture (or the step-polling
fallback) produces them.

``record_lists()``                 any legal list of records
``record_lists(captured=True)``    data are real Google chunks, events exactly what ``GoogleDecoder`` makes of them
``record_lists(captured=False)``   records without data (polled steps), events in any legal order
``served_lists()``                 turns of several rounds, in which the gateway runs calls of MCP servers
``replay(records, channel)``       append them to a fresh channel, closing it at the terminal record
"""

from __future__ import annotations

import itertools
import string
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from zerogravity import errors, ids
from zerogravity.core import policy
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    RoundOpened,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
    Usage,
)
from zerogravity.core.fold import fold
from zerogravity.errors import Fault, Origin, Termination
from zerogravity.wire import jsonio
from zerogravity.wire.google import GoogleDecoder

TURN_ID = "turn_" + "5" * 32

AWKWARD = (
    "", " ", "\n", "\r\n", "a\u2028b", "\u2029", "\x85", "\ufeff", "\x00", "\x1f\x7f", "\U0001f600", "e\u0301",
    "\U0001d54f\u200d", "data: [DONE]\n\n", "event: x\r\rdata: y", '"}\\', "</script><!--", ".<cid:x>", "\u05d0\u202e",
)  # fmt: skip


def texts(max_size: int = 30) -> st.SearchStrategy[str]:
    """Any text without lone surrogates, with a liking for what breaks framings."""
    anything = st.text(st.characters(exclude_categories=("Cs",)), max_size=max_size)
    return st.one_of(st.sampled_from(AWKWARD), anything, st.builds(str.__add__, anything, st.sampled_from(AWKWARD)))


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        texts(),
    ),
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(texts(8), children, max_size=3)),
    max_leaves=6,
)
json_objects = st.dictionaries(texts(8), json_values, max_size=4)
names = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=20).map(lambda name: "f" + name)
signatures = st.sampled_from(["EgQKAgEC", "c2ln", "skip_thought_signature_validator", "A" * 300])
blobs = st.sampled_from(["", "iVBORw0KGgo=", "AAAA"])
mimes = st.sampled_from(["image/png", "audio/wav", "application/octet-stream"])
counts = st.integers(0, 5000)
seldom = st.sampled_from((False, False, False, True))
usage_sources = st.sampled_from(("captured", "ls", "estimate"))

FINISHES: tuple[str | None, ...] = (
    "STOP", "STOP", "STOP", "STOP", None, "MAX_TOKENS", "CONTINUATION", "SAFETY", "RECITATION", "OTHER", "IMAGE_SAFETY",
    "MALFORMED_FUNCTION_CALL", "SOMETHING_NEW",
)  # fmt: skip


@st.composite
def groundings(draw: st.DrawFn) -> dict[str, Any]:
    """groundingMetadata; offsets may point anywhere, also into the middle of a character or outside the text."""
    count = draw(st.integers(0, 3))
    supports = draw(
        st.lists(
            st.fixed_dictionaries(
                {"segment": st.fixed_dictionaries(
                    {"endIndex": st.integers(0, 60)},
                    optional={"startIndex": st.integers(0, 60), "text": texts(8), "partIndex": st.integers(0, 2)})},
                optional={"groundingChunkIndices": st.lists(st.integers(0, 4), max_size=3)},
            ),
            max_size=3,
        )
    )  # fmt: skip
    return {
        "webSearchQueries": draw(st.lists(texts(10), max_size=2)),
        "groundingChunks": [
            {"web": {"uri": f"https://example.com/{n}", "title": draw(texts(10))}} for n in range(count)
        ],
        "groundingSupports": supports,
    }


@st.composite
def parts(draw: st.DrawFn) -> dict[str, Any]:
    """One part of a candidate, as Google writes it."""
    kind = draw(st.sampled_from(("text", "text", "text", "thought", "thought", "call", "call", "alone", "blob", "odd")))
    part: dict[str, Any]
    match kind:
        case "text":
            part = {"text": draw(texts())}
        case "thought":
            part = {"text": draw(texts()), "thought": True}
        case "call":
            call: dict[str, Any] = {"name": draw(names)}
            if draw(st.booleans()):
                call["args"] = draw(json_objects)
            if draw(st.booleans()):
                call["id"] = draw(names)
            part = {"functionCall": call}
        case "alone":
            return {"thoughtSignature": draw(signatures)}
        case "blob":
            part = {"inlineData": {"mimeType": draw(mimes), "data": draw(blobs)}}
        case _:
            part = draw(st.sampled_from((
                {}, {"executableCode": {"language": "PYTHON", "code": "1+1"}}, {"toolCall": {}},
                {"toolResponse": {"id": "1", "response": {"n": 1.0}}},
                {"futurePart": {"a": 1}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
            )))  # fmt: skip
    return {**part, "thoughtSignature": draw(signatures)} if draw(seldom) else part


@st.composite
def usage_metadata(draw: st.DrawFn) -> dict[str, Any]:
    prompt, candidates, thoughts = draw(counts), draw(counts), draw(counts)
    full = {
        "promptTokenCount": prompt, "candidatesTokenCount": candidates, "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": draw(counts), "toolUsePromptTokenCount": draw(counts),
        "totalTokenCount": prompt + candidates + thoughts,
    }  # fmt: skip
    return {key: full[key] for key in draw(st.sets(st.sampled_from(sorted(full))))}


def call_pieces() -> st.SearchStrategy[dict[str, Any]]:
    """A functionCall, or a piece of one, that may be of no use to anybody."""
    pieces = st.fixed_dictionaries(
        {"jsonPath": st.sampled_from(("$.a", "$.b[0]", "$", "a", "$['x y']", 1))},
        optional={
            "stringValue": texts(4),
            "numberValue": st.integers(),
            "boolValue": st.booleans(),
            "nullValue": st.just("NULL_VALUE"),
            "willContinue": st.booleans(),
        },
    )
    args = st.one_of(json_objects, st.sampled_from(("", '{"a": 1}', "[1]", "x", [1], 5, None, True)))
    calls = st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(("f", "g", "", " ", "default_api:f", 7)),
            "args": args,
            "id": st.sampled_from(("1", "2")),
            "willContinue": st.booleans(),
            "partialArgs": st.lists(pieces, max_size=2),
        },
    )
    return st.fixed_dictionaries(
        {"functionCall": calls}, optional={"thought": st.just(True), "thoughtSignature": signatures}
    )


# what a candidate may hold: built once, for building strategies costs more than drawing from them
anything_shown = st.lists(
    st.one_of(
        parts(), call_pieces(), st.just({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True})
    ),
    max_size=3,
)
ENDS = ("STOP", "STOP", "MAX_TOKENS", "SAFETY", "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "NO_IMAGE",
        "FINISH_REASON_UNSPECIFIED", "NEW", 0, 1, 2, 3, 9, 99, "", None, [], True)  # fmt: skip


@st.composite
def candidates(draw: st.DrawFn) -> dict[str, Any]:
    """One candidate in any shape: with parts or without, with an end or without, odd ones, drafts of pictures."""
    made: dict[str, Any] = {}
    match draw(st.sampled_from(("none", "parts", "parts", "parts", "empty", "odd"))):
        case "parts":
            made["content"] = {"role": "model", "parts": draw(anything_shown)}
        case "empty":
            made["content"] = draw(st.sampled_from(({}, {"role": "model"}, {"parts": []})))
        case "odd":
            made["content"] = draw(st.sampled_from((None, [], "x", {"parts": None}, {"parts": ["x", 1, None]})))
        case _:
            pass
    if draw(st.booleans()):
        made["finishReason"] = draw(st.sampled_from(ENDS))
    if draw(seldom):
        made["finishMessage"] = draw(texts(8))
    if draw(seldom):
        made["index"] = draw(st.sampled_from((0, 0, None)))
    return made


@st.composite
def shapes(draw: st.DrawFn, max_chunks: int = 6) -> list[dict[str, Any]]:
    """Any sequence of chunk shapes: ends twice, before, beside and behind parts, no candidates, figures alone, a prompt
    refused anywhere."""
    made: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, max_chunks))):
        chunk: dict[str, Any] = {}
        match draw(st.sampled_from(("one", "one", "one", "one", "more", "none", "odd"))):
            case "one":
                chunk["candidates"] = [draw(candidates())]
            case "more":
                chunk["candidates"] = draw(st.lists(candidates(), max_size=2))
            case "odd":
                chunk["candidates"] = draw(st.sampled_from((None, {}, "x", ["x", None])))
            case _:
                pass
        if draw(seldom):
            chunk["usageMetadata"] = draw(st.one_of(usage_metadata(), st.sampled_from((None, []))))
        if draw(seldom):
            reason = draw(st.sampled_from(("SAFETY", "OTHER", 1, 0, None, [])))
            chunk["promptFeedback"] = draw(st.sampled_from(({"blockReason": reason}, {"safetyRatings": []}, None, "x")))
        if draw(seldom):
            chunk["modelVersion"] = draw(st.sampled_from(("m", None)))
        made.append(chunk)
    return made


@st.composite
def answers(draw: st.DrawFn, max_chunks: int = 6) -> list[dict[str, Any]]:
    """All chunks of one upstream answer, in order; usage may follow STOP, and so may parts."""
    chunks: list[dict[str, Any]] = []
    for _ in range(draw(st.sampled_from((2, 3, 1, 0, *range(4, max_chunks + 1))))):
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": draw(st.lists(parts(), max_size=3))}}
        if draw(seldom):
            candidate["groundingMetadata"] = draw(groundings())
        chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": "gemini-3-flash-a", "responseId": "r-1"}
        if draw(seldom):
            chunk["usageMetadata"] = draw(usage_metadata())
        chunks.append(chunk)
    if (finish := draw(st.sampled_from(FINISHES))) is not None:
        last: dict[str, Any] = {"finishReason": finish}
        if draw(st.booleans()):
            last["content"] = {"role": "model", "parts": [{"text": "", "thoughtSignature": draw(signatures)}]}
        chunks.append({"candidates": [last], "modelVersion": "gemini-3-flash-a"})
        if draw(st.booleans()):
            chunks.append({"usageMetadata": draw(usage_metadata())})
    elif draw(st.booleans()):
        chunks.append({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": draw(texts())}})
    return chunks


def faults() -> st.SearchStrategy[Fault]:
    """Faults that may end a running turn: one per termination code, and some of Google's."""
    ends = [
        Fault(Origin.INTERNAL, 500, code.value, f"ended by {code.value}", termination=code)
        for code in Termination
        if code
        not in (Termination.OK, Termination.LENGTH, Termination.FILTERED, Termination.TOOL, Termination.REJECTED)
    ]
    reports = [
        errors.upstream(429, "rate_limit_exceeded", "slow down", retry_after=0.4794, rpc_status="RESOURCE_EXHAUSTED"),
        errors.upstream(400, "invalid_argument", "bad \u2028 request", retryable=False, rpc_status="INVALID_ARGUMENT",
                        details=({"@type": "type.googleapis.com/google.rpc.BadRequest"},)),
        errors.upstream(503, "upstream_error", "overloaded", retry_after=30.0),
    ]  # fmt: skip
    return st.sampled_from(ends + reports)


# Events in any order, as no decoder need ever produce them; call ids are given later.
polled_events: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.builds(TextDelta, texts()),
        st.builds(TextDelta, texts()),
        st.builds(ThinkingDelta, texts()),
        st.builds(FunctionCall, st.just(""), names, json_objects.map(lambda args: jsonio.dumps(args).decode()),
                  st.none() | signatures, st.none() | names),
        st.builds(Signature, signatures, st.sampled_from(("text", "thought", "call", "alone"))),
        st.builds(InlineData, mimes, blobs),
        st.builds(ServerTool, st.sampled_from(('{"toolCall": {"id": "1"}}', '{"toolResponse": {"id": "1"}}'))),
        st.builds(Grounding, groundings()),
        st.builds(Usage, counts, counts, counts, counts, counts, counts, usage_sources),
        st.builds(Notice, names, texts()),
    ),
    max_size=8,
)  # fmt: skip


def numbered(events: list[Event], first: int) -> list[Event]:
    """Its calls with ids, counted from ``first``."""
    numbers = itertools.count(first)
    return [
        replace(event, call_id=ids.derive("call", TURN_ID, next(numbers))) if isinstance(event, FunctionCall) else event
        for event in events
    ]


class _Log:
    """Records as a channel would number them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.records: list[Record] = []
        self._draw = draw
        self._now = 1_000_000_000

    def add(self, attempt_no: int, data: bytes, events: tuple[Event, ...], span: tuple[int, int] = (0, 0)) -> None:
        self._now += self._draw(st.integers(0, 3_000_000))
        self.records.append(Record(len(self.records), self._now, attempt_no, data, events, span))


def _captured_call(draw: st.DrawFn, log: _Log, attempt_no: int, first: int) -> tuple[Event, ...]:
    enveloped = draw(st.booleans())
    decoder = GoogleDecoder(lambda n: ids.derive("call", TURN_ID, first + n))
    offset = 0
    for chunk in draw(st.one_of(answers(), answers(), shapes())):
        data = jsonio.dumps({"response": chunk, "traceId": "t", "metadata": {}} if enveloped else chunk)
        end = offset + len(data) + 10
        log.add(attempt_no, data, decoder.decode(data), (offset, end))
        offset = end
    return decoder.close()


def _polled_call(draw: st.DrawFn, log: _Log, attempt_no: int, first: int) -> tuple[Event, ...]:
    events = numbered(draw(polled_events), first)
    while events:
        size = draw(st.integers(1, 3))
        log.add(attempt_no, b"", tuple(events[:size]))
        del events[:size]
    return (AttemptClosed(draw(st.sampled_from(FINISHES)), draw(st.none() | texts(10))),)


@st.composite
def record_lists(draw: st.DrawFn, *, captured: bool | None = None, max_calls: int = 3) -> list[Record]:
    """One turn's records, from the first byte to exactly one terminal record, the last.

    The end is what ``policy.decide`` says, or a failure at any point (drop, refusal, cancel, limit, shutdown).
    """
    log = _Log(draw)
    captured = draw(st.booleans()) if captured is None else captured
    terminal: Finished | Failed | None = None
    for attempt_no in range(draw(st.integers(1, max_calls))):
        first = len(fold(log.records).function_calls)
        log.add(attempt_no, b"", (AttemptOpened(draw(st.sampled_from((None, "gemini-3-flash-a")))),))
        closed = (_captured_call if captured else _polled_call)(draw, log, attempt_no, first)
        log.add(attempt_no, b"", closed)
        match policy.decide(fold(log.records)):
            case policy.Finish(terminal):
                break
            case policy.Await(late=late):
                terminal = Failed(late)
    assert terminal is not None
    if draw(seldom):
        del log.records[draw(st.integers(0, len(log.records))) :]
        terminal = Failed(draw(faults()))
    log.add(-1, b"", (terminal,))
    return log.records


# -- MCP servers ----------------------------------------------------------------------------------------------------

LISTINGS = (
    ToolsListed(
        "docs", ({"name": "find", "description": "Finds.", "inputSchema": {"type": "object"}}, {"name": "read"}),
        ("docs.find", "docs.read"), asks=("docs.read",),
    ),
    ToolsListed("mail", ({"name": "send", "annotations": {"readOnlyHint": False}},), ("mail.send",)),
    ToolsListed("gone", error="nobody answers there"),
)  # fmt: skip
OF_SERVERS = tuple(name for listing in LISTINGS for name in listing.names)
CALL_ERRORS: tuple[dict[str, Any], ...] = (
    {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "no such file"}]},
    {"type": "mcp_protocol_error", "code": -32602, "message": "unknown tool"},
    {"type": "http_error", "code": 503, "message": "busy"},
)


@st.composite
def served_lists(draw: st.DrawFn) -> list[Record]:
    """One turn's records: what the servers offer, then rounds, each of events in any order and results of the calls
    that the gateway has run, of all in a turn that ends well; and any end."""
    log = _Log(draw)
    if listings := tuple(draw(st.lists(st.sampled_from(LISTINGS), unique_by=lambda each: each.server))):
        log.add(-1, b"", listings)
    for attempt_no in range(draw(st.integers(1, 3))):
        if attempt_no:
            log.add(-1, b"", (RoundOpened("gemini-3-flash"),))
        log.add(attempt_no, b"", (AttemptOpened(),))
        events = numbered(draw(polled_events), len(fold(log.records).function_calls))
        for event in events:
            if isinstance(event, FunctionCall) and draw(st.booleans()):
                event = replace(event, name=draw(st.sampled_from(OF_SERVERS)))
            log.add(attempt_no, b"", (event,))
        log.add(attempt_no, b"", (AttemptClosed("STOP"),))
        running = [call for call in fold(log.records).function_calls if call.server and not call.asks]
        for call in draw(st.permutations(running)):
            if call.returned is None and not draw(seldom):
                error = draw(st.none() | st.sampled_from(CALL_ERRORS))
                log.add(-1, b"", (CallReturned(call.call_id, "" if error else draw(texts()), error),))
    over = Finished("tool" if fold(log.records).has_calls else "stop")
    ends = st.sampled_from((over, over, Finished("length"), Finished("filtered", "SAFETY")))
    end = draw(st.one_of(ends, st.builds(Failed, faults())))
    for call in fold(log.records).function_calls if end == over else ():
        if call.server and not call.asks and call.returned is None:
            log.add(-1, b"", (CallReturned(call.call_id, ""),))
    log.add(-1, b"", (end,))
    return log.records

"""Records and turns without secrets: many at once, and none the worse for that."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import record_lists, served_lists
from zerogravity import redact
from zerogravity.core.events import (
    AttemptClosed,
    CallReturned,
    FunctionCall,
    Grounding,
    InlineData,
    Record,
    RoundOpened,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
    Usage,
)
from zerogravity.core.turn import Fallback
from zerogravity.observe.redaction import (
    RecordRedactor,
    redacted_event,
    redacted_records,
    redacted_turn,
    spread_secrets_masked,
)
from zerogravity.testing.builders import turn

SECRET = "sk-abcdefgh1234567890"


def said(text, *, seq=0, number=7, more=None):
    """A record as Google's editor API writes it."""
    data = {"response": {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}],
                         "usageMetadata": {"promptTokenCount": number}, **(more or {})}}  # fmt: skip
    return Record(seq, seq, 0, json.dumps(data).encode(), (TextDelta(text), Usage(number)), (seq, seq + 1))


def one_by_one(records):
    return [
        replace(record, data=redact.json_bytes(record.data), events=tuple(map(redacted_event, record.events)))
        for record in records
    ]


def test_records_without_secrets_are_the_same_ones():
    records = [said(f'line {n}: "a" \u2028 \n', seq=n, number=n) for n in range(200)]
    assert all(new is old for new, old in zip(redacted_records(records), records, strict=True))


@pytest.mark.parametrize(
    "odd",
    [
        said(f"my key is {SECRET}"),
        said(f"\u0073k-{SECRET[3:]}"),
        said("fine", more={"responseId": SECRET}),
        said("fine", more={"accessToken": "hunter22"}),
        said("fine", more={"accessToken": {"text": "hunter22"}}),
        said("fine", more={"n": "ya29.abcdefgh"}),
        said("fine", more={"token": 1234}),
        replace(said("fine"), data=json.dumps({"text": SECRET}).encode()),  # more than its events say
        replace(said("fine"), data=b'{"text":"\\u0073k-abcdefgh1234567890"}'),
        replace(said("fine"), data=b'{"a":"\\u0073k-abcdefgh1234567890"}'),
        replace(said("fine"), data=f'{{"a\\"text":"{SECRET}"}}'.encode()),
        replace(said("fine"), data=f"no JSON, {SECRET}".encode()),
        replace(said("fine"), events=(ThinkingDelta(SECRET),)),
        replace(said("fine"), events=(FunctionCall("call_1", "f", '{"token": "hunter22"}'),)),
        replace(said("fine"), events=(Grounding({"apiKey": "hunter22"}),)),
    ],
)
def test_one_record_with_a_secret_is_found_among_many(odd):
    twin = replace(odd, data=odd.data.replace(SECRET.encode(), b"x").replace(b"hunter22", b""))
    records = [*(said(f"piece {n}") for n in range(20)), twin, odd, *(said("ok") for _ in range(20))]
    made = redacted_records(records)
    assert list(made) == one_by_one(records)
    assert not {SECRET, SECRET[3:], "hunter22", "ya29.abcdefgh"} & {
        word for record in made for word in (record.data.decode() + repr(record.events)).replace('"', " ").split()
    }


def test_digits_that_make_a_secret_are_no_others():
    harmless, secret = (said("x", more={"n": f"{begin}.abcdefgh"}) for begin in ("ya11", "ya29"))
    assert list(redacted_records([harmless])) == [harmless]
    assert list(redacted_records([secret])) == one_by_one([secret])


def test_texts_that_only_together_look_like_a_secret_are_left_to_the_end():
    records = [said("sk-", seq=0), said(SECRET[3:], seq=1)]
    assert list(redacted_records(records)) == records
    masked = spread_secrets_masked(records)
    assert masked is not None
    assert "".join(event.text for record in masked for event in record.events[:1]) == "[redacted]"
    assert spread_secrets_masked([said("sk-"), replace(said("x"), events=(ThinkingDelta(SECRET[3:]),))]) is None


@pytest.mark.parametrize("kind", [TextDelta, ThinkingDelta])
def test_what_another_kind_parts_is_shown_as_one_text(kind):
    other = ThinkingDelta if kind is TextDelta else TextDelta
    told = [kind("sk-"), other("hm"), kind(SECRET[3:9]), other("well"), kind(SECRET[9:] + " and sk-"), kind(SECRET[3:])]
    masked = spread_secrets_masked([Record(seq, 0, 0, b"", (event,)) for seq, event in enumerate(told)])
    assert masked is not None
    events = [event for record in masked for event in record.events]
    assert "".join(event.text for event in events if isinstance(event, kind)) == "[redacted] and [redacted]"
    assert "".join(event.text for event in events if isinstance(event, other)) == "hmwell"


@given(record_lists() | served_lists())
@example([Record(0, 0, 0, b"", (InlineData("image/png", "AAAA", draft=True),))])
def test_no_event_without_secrets_is_changed(records):
    assert [record.events for record in redacted_records(records)] == [record.events for record in records]


@given(record_lists())
def test_many_at_once_are_as_one_by_one(records):
    assert list(redacted_records(records)) == one_by_one(records)


WORDS = (
    "x",
    "fine",
    "a\\",
    'say "text": "b"',
    '"',
    "\\n",
    "\n",
    "1",
    "",
    "\u2028",
    SECRET,
    "ya29.abcdefgh",
    "hunter22",
)
PIECES = (
    b'{"text": "',
    b'{"text":"',
    b'"',
    b"\\",
    b'"}',
    b"x",
    b"[",
    b"]",
    b",",
    b'"token": ',
    b"\n",
    b"\x1e",
    b"\xff",
    SECRET.encode(),
)
NAMES = ("id", "apiKey", "text", 'a"text', "n")


@st.composite
def spelled(draw):
    """A record with one text or more, as any writer of JSON may spell it, and perhaps members beside it."""
    parts = [{"text": text, **more} for text, more in draw(
        st.lists(st.tuples(
            st.sampled_from(WORDS), st.dictionaries(st.sampled_from(NAMES[:2]), st.sampled_from(WORDS), max_size=1)
        ), min_size=1, max_size=2)
    )]  # fmt: skip
    beside = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from((*WORDS, 12, 345)), max_size=2))
    separators = draw(st.sampled_from(((",", ":"), (",", ": "), (", ", ": "))))
    data = json.dumps({"parts": parts, **beside}, ensure_ascii=draw(st.booleans()), separators=separators).encode()
    return Record(0, 0, 0, data, tuple(TextDelta(part["text"]) for part in parts))


def no_json():
    pieces = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)
    return pieces.map(lambda data: Record(0, 0, 0, data, (TextDelta("x"),)))


@given(st.lists(st.one_of(spelled(), spelled(), no_json()), max_size=8))
def test_however_a_record_is_spelled_no_secret_passes(records):
    assert list(redacted_records(records)) == one_by_one(records)
    for record in records:  # and so when its frame is known
        assert list(redacted_records([record])) == one_by_one([record])


SOURCES = (
    "x", "fine", "", "\\\\", "\\", "\\n", 'a","b', 'a", "token": "b', '\\"', "12", SECRET, "ya29.ab",
    "\\u0073k-abcdefgh1234567890",
)  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(SOURCES), st.integers(1, 3), st.sampled_from((None, -1, -2, -9))), max_size=6),
    st.sampled_from(('"id": "ya%d9."', '"n": %d', '"n": %d, "text": "b"', '"apiKey": %d')),
)
def test_no_secret_passes_among_texts_in_one_frame(said, more):
    """Whatever stands where a text is: Google's frames differ in it only."""
    frame = '{"a": [{"text": "%s"}], ' + more + "}"
    records = [  # some payloads are cut off
        Record(0, 0, 0, (frame % (source, number)).encode()[:end], (TextDelta(source),)) for source, number, end in said
    ]
    assert list(redacted_records(records)) == one_by_one(records)


CUTS = ("sk", "-abcd", "efgh1234567890", " ", "pass", "word", ": ", "hunter22", "x", "", "tok", "en", "=", "'12345678'")


@given(st.lists(st.tuples(st.sampled_from((TextDelta, ThinkingDelta)), st.sampled_from(CUTS)), max_size=12), st.data())
def test_as_they_come_they_are_as_all_at_once(told, data):
    """And secrets that are spread over them are found by what is remembered of each."""
    records = [
        Record(seq, 0, 0, json.dumps({"text": text}).encode(), (kind(text),)) for seq, (kind, text) in enumerate(told)
    ]
    redactor, made = RecordRedactor(), []
    while len(made) < len(records):
        made += redactor.feed(records[len(made) : len(made) + data.draw(st.integers(1, 4))])
    assert made == list(redacted_records(records))
    assert redactor.masked(records) == spread_secrets_masked(records)


def test_why_a_call_cannot_be_run_is_shown_without_secrets():
    event = AttemptClosed("STOP", "key sk-abcdefgh1234567890", "no JSON: sk-abcdefgh1234567890")
    assert redacted_event(event) == AttemptClosed("STOP", "key [redacted]", "no JSON: [redacted]")


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (ToolsListed("s", ({"name": "f", "description": "use ya29.abcdefgh"},), ("s.f",), error="no ya29.abcdefgh"),
         ToolsListed("s", ({"name": "f", "description": "use [redacted]"},), ("s.f",), error="no [redacted]")),
        (CallReturned("c", '{"token": "x"}', {"type": "t", "message": "ya29.abcdefgh"}),
         CallReturned("c", '{"token":"[redacted]"}', {"type": "t", "message": "[redacted]"})),
        (CallReturned("c", "it is ya29.abcdefgh"), CallReturned("c", "it is [redacted]")),
        (RoundOpened("m", "ya29.abcdefgh failed"), RoundOpened("m", "[redacted] failed")),
    ],
)  # fmt: skip
def test_what_rounds_bring_is_shown_without_secrets(event, shown):
    assert redacted_event(event) == shown


def test_a_redacted_turn_has_no_way_to_the_request_as_it_came():
    fallback = Fallback(turn().target, turn)
    shown = redacted_turn(turn(fallbacks=(fallback,), models=("a", SECRET), served_by=SECRET))
    assert shown.fallbacks == ()
    assert SECRET not in repr(shown)
    assert shown.models[0] == "a"

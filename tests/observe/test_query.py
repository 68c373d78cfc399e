"""The search language: what each text means, what is refused, which rows are found."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.errors import FaultError
from zerogravity.observe.query import FIELDS, MAX_LENGTH, Query, Term, parse

NOW = datetime(2026, 11, 29, 15, 30).timestamp()


def at(*when: int) -> float:
    return datetime(*when).timestamp()


@pytest.mark.parametrize(
    ("source", "terms"),
    [
        ("", []), ("  \n ", []), ("Word", [Term("text", "word")]),
        ("two words", [Term("text", "two"), Term("text", "words")]),
        ('"a Phrase"', [Term("text", "a phrase")]), ('"not closed', [Term("text", "not closed")]), ('""', []),
        ("-not", [Term("text", "not", True)]), ('-"not this"', [Term("text", "not this", True)]),
        ("-", [Term("text", "-")]), ("a-b", [Term("text", "a-b")]), ("--flag", [Term("text", "-flag", True)]),
        ("code:OK", [Term("code", "ok")]), ("-model:pro", [Term("model", "pro", True)]),
        ("Tool:sh", [Term("tool", "sh")]),
        ('client:"my agent"', [Term("client", "my agent")]), ("is:error", [Term("is", "error")]),
        ("https://example.com", [Term("text", "https://example.com")]), ("std::vector", [Term("text", "std::vector")]),
        (r"C:\temp", [Term("text", r"c:\temp")]), ("12:30", [Term("text", "12:30")]),
        ("a\0b", [Term("text", "a"), Term("text", "b")]),
        ('say"hi', [Term("text", 'say"hi')]), ('"code:ok"', [Term("text", "code:ok")]), ("\ud800", [Term("text", "?")]),
    ],
)  # fmt: skip
def test_a_query_has_terms(source, terms):
    assert list(parse(source, NOW).terms) == terms


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2h", NOW - 7200), ("30m", NOW - 1800), ("45s", NOW - 45), ("3d", NOW - 3 * 86400), ("2W", NOW - 14 * 86400),
        ("today", at(2026, 11, 29)), ("Yesterday", at(2026, 11, 28)), ("2026-11-28", at(2026, 11, 28)),
        ("2026-11-28T14:30", at(2026, 11, 28, 14, 30)), ('"2026-11-28 14:30:05"', at(2026, 11, 28, 14, 30, 5)),
        ("1970-01-02T00:00:00Z", 86400.0), ("1970-01-02T02:00+02:00", 86400.0),
    ],
)  # fmt: skip
def test_times_as_people_write_them(value, moment):
    for field in ("since", "before"):
        (term,) = parse(f"{field}:{value}", NOW).terms
        assert (term.field, term.at) == (field, moment)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("colour:red", "no field colour: (there are code:, model:, client:"), ("colour:red", 'write "colour:red"'),
        ("error: boom", "no field error:"), ("code:", "code: needs a value"), ('model:""', "model: needs a value"),
        ("is:odd", "is:odd means nothing; there are is:error and is:star"),
        ("since:soon", "since:soon is no time; write one such as 2h"),
        ("before:2026-13-01", "before:2026-13-01 is no time"), ("since:99999-01-01", "is no time"),
        ("x" * (MAX_LENGTH + 1), "at most 4000 characters"), ("a " * 51, "at most 50 terms"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(source, told):
    with pytest.raises(FaultError) as refused:
        parse(source, NOW)
    fault = refused.value.fault
    assert (fault.status, fault.param) == (400, "q")
    assert told in fault.message


def test_words_are_what_the_texts_hold():
    assert parse("a -b code:c", NOW).words == ["a"]


PIECES = st.one_of(
    st.text(max_size=20), st.sampled_from([f"{field}:" for field in FIELDS]), st.sampled_from('"-: \0%_*()^\\')
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_any_text_is_read_or_refused(source):
    try:
        found = parse(source, NOW)
    except FaultError as refused:
        assert refused.fault.status == 400
        return
    assert isinstance(found, Query)

"""What a query finds in the index of traces."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.observe import queries
from zerogravity.observe.query import Query, parse
from zerogravity.store.trace_conditions import where
from zerogravity.store.trace_index import COLUMNS, Entry, TraceIndex

BLANK = {
    **dict.fromkeys(COLUMNS, ""), "changed": 1, "created": 1.0, "failed": 0, "prompt_tokens": 0, "cached_tokens": 0,
    "output_tokens": 0, "thought_tokens": 0, "price": None, "total_ms": 0.0, "star": 0, "row": "{}",
}  # fmt: skip


@pytest.mark.parametrize(("query", "found"), queries.FOUND)
def test_what_a_query_finds(query, found) -> None:
    now = datetime(2026, 11, 29, 15, 30).timestamp()
    row = queries.row(now)
    held = {name: value for name, value in row.items() if name in COLUMNS}
    held |= {"tools": json.dumps(row["tools"]), "failed": 1, "star": 1, "folder": "a", "changed": 1}
    texts = {"request": row["question"], "call": "shell({})\napply_patch({})", "note": row["note"]}
    index = TraceIndex(None)
    index.put([Entry({**BLANK, **held}, {name: str(text) for name, text in texts.items()})])
    assert bool(index.turns(parse(query, now))) is found


@pytest.mark.parametrize(
    ("query", "before", "found"),
    [
        (Query(), None, ("1", ())),
        (Query(), 7.0, ("turns.created < ?", (7.0,))),
        (parse("-tool:Shell", 0), None, ("NOT coalesce((instr(lower(turns.tools), ?) > 0), 0)", ("shell",))),
    ],
)
def test_no_value_stands_in_the_condition(query, before, found) -> None:
    assert where(query, before) == found

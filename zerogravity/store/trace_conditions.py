"""A query → a condition of SQL on the tables of ``TraceIndex``. Pure."""

from __future__ import annotations

import re

from zerogravity.observe.query import BEGINS, CONTAINS, STATES, Query, Term

_TRIGRAM, _WILD = re.compile("[^%_]{3}"), re.compile(r"[\\%_]")


def where(query: Query, before: float | None = None) -> tuple[str, tuple[object, ...]]:
    """A condition on ``turns``, and its values."""
    conditions: list[str] = [] if before is None else ["turns.created < ?"]
    values: list[object] = [] if before is None else [before]
    for term in query.terms:
        condition, given = _condition(term)
        conditions.append(f"NOT coalesce({condition}, 0)" if term.negated else condition)
        values += given
    return " AND ".join(conditions) or "1", tuple(values)


def _condition(term: Term) -> tuple[str, tuple[object, ...]]:
    field, value = term.field, term.value
    match field:
        case "text":
            held, values = holds(value)
            return f"(turns.number IN (SELECT parts.turn FROM parts WHERE {held}))", values  # noqa: S608
        case "code":
            return (
                "(lower(turns.code) = ? OR instr(' ' || lower(turns.google) || ' ', ?) > 0)",
                (value, f" {value} "),
            )
        case "tool":
            return "(instr(lower(turns.tools), ?) > 0)", (value,)
        case "surface":
            return "(lower(turns.surface) = ?)", (value,)
        case "since":
            return "(turns.created >= ?)", (term.at,)
        case "before":
            return "(turns.created < ?)", (term.at,)
        case "is":
            return f"(turns.{STATES[value]} <> 0)", ()
        case "id":
            start = f"turn_{value.removeprefix('turn_')}"
            return "(turns.id >= ? AND turns.id < ?)", (start, start + "\U0010ffff")
        case _ if field in BEGINS:
            return f"(substr(lower(turns.{field}), 1, ?) = ?)", (len(value), value)
        case _:
            names = CONTAINS[field]
            return f"({' OR '.join(f'instr(lower(turns.{name}), ?) > 0' for name in names)})", (value,) * len(names)


def holds(words: str) -> tuple[str, tuple[object, ...]]:
    """A condition on ``parts``: its text holds ``words``. LIKE takes A for a in ASCII only, so that words in other
    letters are looked for in their usual cases. Without three characters in a row there is no trigram to look up, and
    the wildcards of LIKE are none to the last condition only."""
    forms = [words] if words.isascii() else list(dict.fromkeys((words, words.lower(), words.upper(), words.title())))
    conditions: list[str] = []
    values: list[object] = []
    for form in forms:
        condition = r"parts.text LIKE ? ESCAPE '\'"
        if _TRIGRAM.search(form):
            condition = f"parts.number IN (SELECT rowid FROM parts_fts WHERE text LIKE ?) AND {condition}"  # noqa: S608
            values.append(f"%{form}%")
        conditions.append(f"({condition})")
        values.append(f"%{_WILD.sub(r'\\\g<0>', form)}%")
    return f"({' OR '.join(conditions)})", tuple(values)

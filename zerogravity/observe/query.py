"""The search language of the inspector's box and of the ``trace`` commands: text → ``Query``. Knows no files; what a
query finds on disk is ``store.trace_index``'s, and ``inspector/static/query.js`` reads it for the rows in a page.

| term                                          | finds turns                                                         |
|-----------------------------------------------|---------------------------------------------------------------------|
| ``word``, ``"a phrase"``                      | whose texts hold it, anywhere and in any case, as grep finds it     |
| ``code:upstream_drop``, ``code:429``          | that ended so, or to which Google answered so                       |
| ``model:``, ``client:``, ``tool:``            | whose model, program or called tool has this in its name            |
| ``surface:``                                  | that came by this API                                               |
| ``session:``, ``conversation:``, ``run:``, ``id:`` | whose id begins so                                             |
| ``since:``, ``before:``                       | that began then or later, or earlier: ``2h``, ``2026-11-28``, …     |
| ``is:error``, ``is:star``                     | that failed, that are starred                                       |

All terms of a query must hold; ``-`` before one: it must not. Quotes also keep spaces in a field's value together.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from zerogravity.errors import FaultError, bad_request

WORD = "text"  # the field of a bare word
CONTAINS = {"model": ("model", "target"), "client": ("client",)}  # field → the members of a row
BEGINS = ("session", "conversation", "run", "id")
STATES = {"error": "failed", "star": "star"}
FIELDS = ("code", *CONTAINS, "tool", "surface", *BEGINS, "since", "before", "is")
MAX_LENGTH, MAX_TERMS = 4000, 50
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
TIMES = "such as 2h, 3d, today, yesterday, 2026-11-28 or 2026-11-28T14:30"

# a colon that a path or another colon follows is text: https://…, C:\…, std::vector
_TERM = re.compile(r'(-?)(?:([A-Za-z_]+):(?![/\\:]))?(?:"([^"]*)"?|(\S*))')
_AGO = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)


class Term(NamedTuple):
    """``value``: in lower case; ``at``: of ``since`` and ``before``, in wall-clock seconds."""

    field: str
    value: str
    negated: bool = False
    at: float = 0.0


class Query(NamedTuple):
    terms: tuple[Term, ...] = ()

    @property
    def words(self) -> list[str]:
        """What the found turns' texts hold."""
        return [term.value for term in self.terms if term.field == WORD and not term.negated]


def parse(source: str, now: float) -> Query:
    """``now``: wall-clock seconds; days are this machine's. Raises FaultError 400 that names what cannot be read."""
    if len(source) > MAX_LENGTH:
        raise _refused(f"a query has at most {MAX_LENGTH} characters")
    found = [match for match in _TERM.finditer(_clean(source)) if match[0]]
    terms = tuple(term for match in found if (term := _term(match, now)) is not None)
    if len(terms) > MAX_TERMS:
        raise _refused(f"a query has at most {MAX_TERMS} terms")
    return Query(terms)


def _clean(source: str) -> str:
    """Without what no file holds: NUL ends a text for SQLite, lone surrogates are none for it."""
    return source.encode("utf-8", "replace").decode().replace("\0", " ")


def _term(match: re.Match[str], now: float) -> Term | None:
    sign, name, phrase, word = match.groups()
    value = phrase if phrase is not None else word
    if not name:
        if not value:  # a lone "-" is a word; empty quotes say nothing
            return Term(WORD, sign) if sign and phrase is None else None
        return Term(WORD, value.lower(), bool(sign))
    field = name.lower()
    if field not in FIELDS:
        known = ", ".join(f"{field}:" for field in FIELDS)
        raise _refused(f'there is no field {name}: (there are {known}); to find it as text, write "{match[0]}"')
    if not value:
        raise _refused(f"{field}: needs a value")
    if field == "is" and value.lower() not in STATES:
        raise _refused(f"is:{value} means nothing; there are {' and '.join(f'is:{state}' for state in STATES)}")
    at = moment(value, now, field) if field in ("since", "before") else 0.0
    return Term(field, value.lower(), bool(sign), at)


def moment(value: str, now: float, field: str) -> float:
    """A point in time as people write it, in wall-clock seconds. Raises FaultError 400, in which ``field`` is named."""
    if ago := _AGO.fullmatch(value.lower()):
        return now - int(ago[1]) * UNITS[ago[2]]
    try:
        today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
        named = {"today": today, "yesterday": today - timedelta(days=1)}
        return (named.get(value.lower()) or datetime.fromisoformat(value.upper())).timestamp()
    except (ValueError, OverflowError, OSError):
        raise _refused(f"{field}:{value} is no time; write one {TIMES}") from None


def _refused(message: str) -> FaultError:
    return bad_request(message, param="q")

"""What ``trace ls --sessions`` and ``trace show SESSION`` print."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import console, print_json
from zerogravity.observe import session_summary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zerogravity.observe.history import History
    from zerogravity.observe.trace_reader import Trace

LONGEST = 10_000  # turns of one session that are shown
_SESSION = re.compile(r"s[0-9a-f]{0,12}")


def is_session(reference: str) -> bool:
    """Whether it is a session's id, or the beginning of one: no turn's begins so."""
    return _SESSION.fullmatch(reference) is not None


def list_sessions(history: History, query: str, limit: int, *, as_json: bool) -> bool:
    """The sessions with a turn that ``query`` finds, newest first. Returns whether there are any."""
    from zerogravity.observe import terminal_sessions

    found = history.sessions(query, limit=limit or -1)
    if as_json:
        print_json(found)
    elif found:
        console().print(terminal_sessions.table(found))
    return as_json or bool(found)


def show_session(history: History, reference: str, *, as_json: bool) -> None:
    """One session: its figures, then its turns as a tree."""
    from zerogravity.observe import terminal_sessions

    rows = _rows(history, reference)
    if as_json:
        turns = [{**row, "depth": depth} for depth, row in terminal_sessions.in_order(rows)]
        print_json({**session_summary.of(rows), "rows": turns})
    else:
        console().print(terminal_sessions.tree(rows))


def newest_of(root: Path, reference: str) -> str:
    """The id of a session's newest turn, of its main line if it has one."""
    from zerogravity.observe.history import History

    rows = _rows(History(root), reference)
    return str(next((row for row in rows if not row["branch"]), rows[0])["id"])


def turns_of(root: Path, reference: str) -> list[Trace]:
    """The turns of a session, the oldest first."""
    from zerogravity.observe.history import History

    history = History(root)
    (session,) = {str(row["session"]) for row in _rows(history, reference)}
    return list(history.traces(f"session:{session}"))[::-1]


def _rows(history: History, reference: str) -> Sequence[dict[str, object]]:
    """The rows of one session's turns. Raises ClickException where there is none, or more than one."""
    rows = history.search(f"session:{reference}", limit=LONGEST).rows
    sessions = sorted({str(row["session"]) for row in rows})
    if not sessions:
        raise click.ClickException(f"there is no session {reference!r} in {history.root}")
    if len(sessions) > 1:
        raise click.ClickException(f"{reference!r} is ambiguous; it is the beginning of {', '.join(sessions[:5])}")
    return rows

"""A history that finds by plain reading, for the page's tests: the index has tests of its own."""

from __future__ import annotations

from typing import Any

from zerogravity.errors import bad_request
from zerogravity.observe import session_summary, summary, trace_reader
from zerogravity.observe.history import History, Page


class Found(History):
    """Words are looked for in ``turn.json``; of the fields it knows ``session:`` and ``client:``."""

    def search(self, query: str = "", *, before: float | None = None, limit: int = 100) -> Page:
        if query.startswith("cod:"):
            raise bad_request("there is no field cod: (there are code:, model:, …)")
        rows: list[dict[str, Any]] = []
        for trace in trace_reader.scan(self.root):
            row = summary.stored_row(dict(trace.info))
            if all(_holds(term, row, trace.info) for term in query.split()) and (
                before is None or float(row["created"]) < before  # type: ignore[arg-type]
            ):
                words = [term for term in query.split() if ":" not in term]
                snippet = {"part": "answer", "text": trace.state.text[:80]} if words else None
                rows.append({**row, "snippet": snippet} if snippet else row)
        rows.sort(key=lambda row: row["created"], reverse=True)
        return Page(rows[:limit], len(rows) > limit)

    def sessions(self, query: str = "", *, before: float | None = None, limit: int = 50) -> list[dict[str, object]]:
        groups: dict[str, list[dict[str, object]]] = {}
        for row in self.search(query, limit=1 << 30).rows:
            groups.setdefault(str(row["session"]), []).append(row)
        made = [session_summary.of(rows[::-1]) for rows in groups.values()]
        return [each for each in made if before is None or each["ended"] < before][:limit]  # type: ignore[operator]


def _holds(term: str, row: dict[str, Any], info: object) -> bool:
    name, colon, value = term.partition(":")
    return str(row.get(name)).startswith(value) if colon else term in str(info)

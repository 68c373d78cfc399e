"""A session's turns in the order in which a tree is drawn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.observe import trees
from zerogravity.observe import session_summary
from zerogravity.observe.terminal_sessions import in_order, table, tree


def row(identity: str, previous: str = "", branch: str = "", **members: Any) -> dict[str, Any]:
    return {"id": identity, "previous": previous, "branch": branch, "session": "s1", **members}


def timed(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**one, "created": 1000.0 + number} for number, one in enumerate(rows)]


@pytest.mark.parametrize("case", trees.CASES, ids=lambda case: case.name)
def test_branches_stand_behind_the_turn_that_they_go_on_from(case: trees.Case) -> None:
    assert [" " * depth + str(one["id"]) for depth, one in in_order(case.turns[::-1])] == case.drawn


@given(st.lists(st.tuples(*[st.sampled_from("abcdef")] * 3), max_size=12, unique_by=lambda one: one[0]))
def test_every_turn_is_drawn_once_whatever_is_said_of_it(told: list[tuple[str, str, str]]) -> None:
    rows = timed(*(row(identity, previous, branch) for identity, previous, branch in told))
    assert sorted(str(one["id"]) for _, one in in_order(rows)) == sorted(one["id"] for one in rows)


def printed(shown: Any) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_what_is_drawn_is_never_markup_and_has_no_control_characters() -> None:
    rows = timed(row("turn_abcdefgh99", label="[red]x\x1b[31m", tools=["shell", "shell", "read"], code="ok", price=0.5,
                     usage={"prompt": 2_000_000, "candidates": 5}, total_ms=90_000.0, failed=True))  # fmt: skip
    assert "[red]x\\x1b[31m" in printed(tree(rows))
    assert "shell×2 read" in printed(tree(rows))
    assert "2.0M→5" in printed(tree(rows))
    assert "$0.50" in printed(tree(rows))
    partial = [*rows, *timed(row("turn_2"))]
    assert "≥ $0.50" in printed(table([session_summary.of(partial)]))
    assert "1 error" in printed(tree(partial))


def test_a_turn_whose_calls_got_no_result_says_so() -> None:
    states = ("no result came", "tool wait", "done")
    shown = printed(tree(timed(*(row(name[:2], code="tool", state=name) for name in states)))).splitlines()
    assert [" ".join(line.split()[2:-3]) for line in shown[-3:]] == ["no result came", "tool", "tool"]
